// Functions of one argument, element by element: y = f(x), dx = f′(x) dy. The constants and
// defaults are those of the ONNX operators. At kinks the derivative from the right is taken, at
// jumps 0.

/// `derivative` is given (x, y).
@inline(__always)
private func pointwiseRule<S: TrainingScalar>(
  _ call: NodeCall<S>, _ f: @escaping (S) -> S, _ derivative: @escaping (S, S) -> S
) -> Passes {
  let n = call.input(0).count
  let x = call.input(0).data
  let y = call.output(0).data
  let dx = call.input(0).gradient
  let dy = call.output(0).gradient
  return Passes(
    forward: { for i in 0..<n { y[i] = f(x[i]) } },
    backward: {
      guard let dx, let dy else { return }
      for i in 0..<n { dx[i] += dy[i] * derivative(x[i], y[i]) }
    })
}

/// e^x − 1 without cancellation: tanh(x/2) (e^x + 1).
@inline(__always) private func expm1<S: TrainingScalar>(_ x: S) -> S {
  S.tanh(x / 2) * (S.exp(x) + 1)
}

@inline(__always) private func sigmoid<S: TrainingScalar>(_ x: S) -> S { 1 / (1 + S.exp(-x)) }

/// log(1 + e^x).
@inline(__always) private func softplus<S: TrainingScalar>(_ x: S) -> S {
  max(x, 0) + S.log1p(S.exp(-abs(x)))
}

/// y = x, α x below 0.
func leakyReluRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let alpha = S(call.node.float("alpha", default: 0.01))
  return pointwiseRule(call, { $0 < 0 ? alpha * $0 : $0 }, { x, _ in x < 0 ? alpha : 1 })
}

/// y = x, α (e^x − 1) below 0, where y′ = α e^x.
func eluRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let alpha = S(call.node.float("alpha", default: 1))
  return pointwiseRule(
    call, { $0 < 0 ? alpha * expm1($0) : $0 }, { x, _ in x < 0 ? alpha * S.exp(x) : 1 })
}

/// y = γ x, γ α (e^x − 1) below 0.
func seluRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let alpha = S(call.node.float("alpha", default: 1.673_263_2))
  let gamma = S(call.node.float("gamma", default: 1.050_701))
  return pointwiseRule(
    call, { gamma * ($0 < 0 ? alpha * expm1($0) : $0) },
    { x, _ in gamma * (x < 0 ? alpha * S.exp(x) : 1) })
}

/// y = x, α (e^(x/α) − 1) below 0, where y′ = e^(x/α).
func celuRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let alpha = S(call.node.float("alpha", default: 1))
  return pointwiseRule(
    call, { $0 < 0 ? alpha * expm1($0 / alpha) : $0 },
    { x, _ in x < 0 ? S.exp(x / alpha) : 1 })
}

/// y = x above α, else 0.
func thresholdedReluRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let alpha = S(call.node.float("alpha", default: 1))
  return pointwiseRule(call, { $0 > alpha ? $0 : 0 }, { x, _ in x > alpha ? 1 : 0 })
}

/// y = min(max(α x + β, 0), 1).
func hardSigmoidRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let alpha = S(call.node.float("alpha", default: 0.2))
  let beta = S(call.node.float("beta", default: 0.5))
  return pointwiseRule(
    call, { min(max(alpha * $0 + beta, 0), 1) }, { _, y in y > 0 && y < 1 ? alpha : 0 })
}

/// y = x g, g = min(max(x/6 + ½, 0), 1); y′ = g + x/6 between −3 and 3.
func hardSwishRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(
    call, { $0 * min(max($0 / 6 + 0.5, 0), 1) },
    { x, _ in x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5 })
}

/// y = log(1 + e^x); y′ = sigmoid(x).
func softplusRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { softplus($0) }, { x, _ in sigmoid(x) })
}

/// y = x / (1 + |x|); y′ = 1 / (1 + |x|)².
func softsignRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(
    call, { $0 / (1 + abs($0)) },
    { x, _ in
      let d = 1 + abs(x)
      return 1 / (d * d)
    })
}

/// y = x Φ(x), y′ = Φ(x) + x φ(x) with the normal distribution's Φ and φ; or with tanh,
/// y = ½ x (1 + t), t = tanh(c (x + 0.044715 x³)), c = √(2/π).
func geluRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  if call.node.string("approximate", default: "none") == "tanh" {
    let c = S(0.797_884_560_802_865_4)
    let k = S(0.044715)
    return pointwiseRule(
      call, { x in 0.5 * x * (1 + S.tanh(c * (x + k * x * x * x))) },
      { x, _ in
        let t = S.tanh(c * (x + k * x * x * x))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * k * x * x)
      })
  }
  let root = S(0.707_106_781_186_547_5)
  let density = S(0.398_942_280_401_432_7)
  return pointwiseRule(
    call, { x in 0.5 * x * (1 + S.erf(x * root)) },
    { x, _ in 0.5 * (1 + S.erf(x * root)) + x * density * S.exp(-0.5 * x * x) })
}

/// y = x s, s = sigmoid(α x); y′ = s + α x s (1 − s).
func swishRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let alpha = S(call.node.float("alpha", default: 1))
  return pointwiseRule(
    call, { $0 * sigmoid(alpha * $0) },
    { x, _ in
      let s = sigmoid(alpha * x)
      return s + alpha * x * s * (1 - s)
    })
}

/// y = x t, t = tanh(log(1 + e^x)); y′ = t + x (1 − t²) sigmoid(x).
func mishRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(
    call, { $0 * S.tanh(softplus($0)) },
    { x, _ in
      let t = S.tanh(softplus(x))
      return t + x * (1 - t * t) * sigmoid(x)
    })
}

/// y = e^x = y′.
func expRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { S.exp($0) }, { _, y in y })
}

/// y = log x; y′ = 1/x.
func logRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { S.log($0) }, { x, _ in 1 / x })
}

/// y = √x; y′ = 1/(2y).
func sqrtRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { $0.squareRoot() }, { _, y in 0.5 / y })
}

/// y = 1/x; y′ = −y².
func reciprocalRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { 1 / $0 }, { _, y in -y * y })
}

/// y = |x|; y′ = sign x.
func absRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { abs($0) }, { x, _ in x > 0 ? 1 : x < 0 ? -1 : 0 })
}

/// y = −x.
func negRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { -$0 }, { _, _ in -1 })
}

/// y′ = 2/√π e^(−x²).
func erfRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let c = S(1.128_379_167_095_512_6)
  return pointwiseRule(call, { S.erf($0) }, { x, _ in c * S.exp(-x * x) })
}

/// y = sin x; y′ = cos x.
func sinRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { S.sin($0) }, { x, _ in S.cos(x) })
}

/// y = cos x; y′ = −sin x.
func cosRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { S.cos($0) }, { x, _ in -S.sin(x) })
}

// Steps: constant between their jumps.

func signRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }, { _, _ in 0 })
}

func floorRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { $0.rounded(.down) }, { _, _ in 0 })
}

func ceilRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { $0.rounded(.up) }, { _, _ in 0 })
}

func roundRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  pointwiseRule(call, { $0.rounded(.toNearestOrEven) }, { _, _ in 0 })
}

/// y = min(max(x, low), high): the gradient goes to what was chosen.
func clipRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let x = call.input(0)
  let (low, high) = (call.optionalInput(1), call.optionalInput(2))
  let y = call.output(0)
  return Passes(
    forward: {
      for i in 0..<x.count {
        var v = x.data[i]
        if let low { v = max(v, low.data[0]) }
        if let high { v = min(v, high.data[0]) }
        y.data[i] = v
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      for i in 0..<x.count {
        let v = x.data[i]
        let raised = low.map { max(v, $0.data[0]) } ?? v
        if let high, raised > high.data[0] {
          high.gradient?[0] += dy[i]
        } else if let low, v < low.data[0] {
          low.gradient?[0] += dy[i]
        } else {
          x.gradient?[i] += dy[i]
        }
      }
    })
}
