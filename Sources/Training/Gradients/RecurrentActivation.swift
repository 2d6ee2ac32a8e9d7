/// An activation of a recurrent layer with its slope. The names, numbers and defaults are those of
/// the attributes activations, activation_alpha and activation_beta of ONNX RNN, LSTM and GRU.
enum RecurrentActivation {
  case tanh, sigmoid, relu, softsign, softplus
  case affine(alpha: Double, beta: Double)
  case leakyRelu(alpha: Double)
  case thresholdedRelu(alpha: Double)
  case scaledTanh(alpha: Double, beta: Double)
  case hardSigmoid(alpha: Double, beta: Double)
  case elu(alpha: Double)

  /// The activations of all directions: the node's own, or `standard` for each direction. Numbers
  /// are dealt out in order to the activations that take them.
  static func list<S>(
    _ call: NodeCall<S>, standard: [RecurrentActivation], directions: Int
  ) throws -> [RecurrentActivation] {
    let stated = call.node.string("activations", default: "")
    if stated.isEmpty { return (0..<directions).flatMap { _ in standard } }
    var alphas = (call.node.floats("activation_alpha") ?? [])[...]
    var betas = (call.node.floats("activation_beta") ?? [])[...]
    func alpha(_ other: Double) -> Double { alphas.popFirst().map { Double($0) } ?? other }
    func beta(_ other: Double) -> Double { betas.popFirst().map { Double($0) } ?? other }
    return try stated.split(separator: ",").map { name in
      switch name {
      case "Tanh": .tanh
      case "Sigmoid": .sigmoid
      case "Relu": .relu
      case "Softsign": .softsign
      case "Softplus": .softplus
      case "Affine": .affine(alpha: alpha(1), beta: beta(0))
      case "LeakyRelu": .leakyRelu(alpha: alpha(Double(Float(0.01))))
      case "ThresholdedRelu": .thresholdedRelu(alpha: alpha(1))
      case "ScaledTanh": .scaledTanh(alpha: alpha(1), beta: beta(1))
      case "HardSigmoid": .hardSigmoid(alpha: alpha(Double(Float(0.2))), beta: beta(0.5))
      case "Elu": .elu(alpha: alpha(1))
      default: throw call.unsupported("activation \(name)")
      }
    }
  }

  /// v becomes f(v), with v clipped to ±`limit` first; slope becomes df/dv, 0 where v was clipped.
  func apply<S: TrainingScalar>(
    _ n: Int, _ v: UnsafeMutablePointer<S>, slope: UnsafeMutablePointer<S>, limit: S
  ) {
    if limit < .infinity {
      for i in 0..<n {
        slope[i] = abs(v[i]) < limit ? 1 : 0
        v[i] = max(-limit, min(v[i], limit))
      }
    } else {
      slope.update(repeating: 1, count: n)
    }
    switch self {
    case .tanh:
      S.tanh(n, v, v)
      for i in 0..<n { slope[i] *= 1 - v[i] * v[i] }
    case .sigmoid:
      S.sigmoid(n, v, v)
      for i in 0..<n { slope[i] *= v[i] * (1 - v[i]) }
    case .scaledTanh(let alpha, let beta):
      let (a, b) = (S(alpha), S(beta))
      for i in 0..<n { v[i] *= b }
      S.tanh(n, v, v)
      for i in 0..<n {
        slope[i] *= a * b * (1 - v[i] * v[i])
        v[i] *= a
      }
    case .hardSigmoid(let alpha, let beta):
      let (a, b) = (S(alpha), S(beta))
      for i in 0..<n {
        let y = a * v[i] + b
        slope[i] *= y > 0 && y < 1 ? a : 0
        v[i] = max(0, min(y, 1))
      }
    case .relu: S.bend(n, v, slope) { x in x > 0 ? (x, 1) : (0, 0) }
    case .softsign:
      S.bend(n, v, slope) { x in
        let d = 1 / (1 + abs(x))
        return (x * d, d * d)
      }
    case .softplus:
      S.bend(n, v, slope) { x in
        let e = S.exp(-abs(x))
        return (max(x, 0) + S.log1p(e), (x >= 0 ? 1 : e) / (1 + e))
      }
    case .affine(let alpha, let beta):
      let (a, b) = (S(alpha), S(beta))
      S.bend(n, v, slope) { x in (a * x + b, a) }
    case .leakyRelu(let alpha):
      let a = S(alpha)
      S.bend(n, v, slope) { x in x < 0 ? (a * x, a) : (x, 1) }
    case .thresholdedRelu(let alpha):
      let a = S(alpha)
      S.bend(n, v, slope) { x in x > a ? (x, 1) : (0, 0) }
    case .elu(let alpha):
      let a = S(alpha)
      S.bend(n, v, slope) { x in
        let y = a * (S.exp(x) - 1)
        return x < 0 ? (y, y + a) : (x, 1)
      }
    }
  }
}

extension TrainingScalar {
  /// v becomes the first of what `f` makes of it; the second is multiplied into slope.
  @inline(__always) fileprivate static func bend(
    _ n: Int, _ v: UnsafeMutablePointer<Self>, _ slope: UnsafeMutablePointer<Self>,
    _ f: (Self) -> (Self, Self)
  ) {
    for i in 0..<n {
      let (y, d) = f(v[i])
      v[i] = y
      slope[i] *= d
    }
  }
}
