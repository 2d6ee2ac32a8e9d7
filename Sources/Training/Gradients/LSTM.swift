/// Long short-term memory as ONNX LSTM lays it out (Hochreiter and Schmidhuber 1997; forget gate:
/// Gers et al. 2000; peepholes: Gers and Schmidhuber 2000). With h, c of the step before:
///
///     i = f(W_i x + R_i h + b_i + P_i ⊙ c)      o = f(W_o x + R_o h + b_o + P_o ⊙ c′)
///     f = f(W_f x + R_f h + b_f + P_f ⊙ c)      g = g(W_c x + R_c h + b_c)
///     c′ = f ⊙ c + i ⊙ g                        h′ = o ⊙ h(c′)
///
/// f = 1 − i with `input_forget`. The products with x are one matrix product for the whole sequence,
/// as are the gradients of W and R; the products with h are one a step.
func lstmRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  try recurrentPasses(
    call, standard: [.sigmoid, .tanh, .tanh],
    { LSTMDirection(call, activations: $0, index: $1, count: $2) },
    forward: { $0.forward() }, backward: { $0.backward() })
}

private final class LSTMDirection<S: TrainingScalar>: RecurrentDirection<S> {
  private let p: Part
  private let isCoupled: Bool
  /// [T, N, 4h]: sums, then gates i, o, f, g; the slopes of the activations there; the gradients of
  /// the sums.
  private let values, slopes, dz: UnsafeMutablePointer<S>
  /// [T, N, h]: h(c) and its slope.
  private let bent, bentSlopes: UnsafeMutablePointer<S>

  init(_ call: NodeCall<S>, activations: [RecurrentActivation], index: Int, count: Int) {
    p = Part(call.optionalInput(7), index, of: count)
    isCoupled = call.node.int("input_forget", default: 0) != 0
    let n = call.input(0).shape[0] * call.input(0).shape[1] * call.input(2).shape[2]
    values = call.buffer(4 * n)
    slopes = call.buffer(4 * n)
    dz = call.buffer(4 * n)
    bent = call.buffer(n)
    bentSlopes = call.buffer(n)
    super.init(call, gates: 4, activations: activations, index: index, count: count)
    carried.append(carry(call, initial: 6, last: 2))
  }

  private var cell: UnsafeMutablePointer<S> { carried[1].values }
  private var dc: UnsafeMutablePointer<S> { carried[1].gradient }

  func forward() {
    guard let r = r.data else { return }
    projectInput(values, apart: 4)
    forward { t in
      S.gemm(
        false, true, batch, 4 * h, h, 1, factor(t), h, r, h, 1,
        values + t * 4 * state, 4 * h)
      for n in 0..<batch { cellStep(t, n) }
    }
  }

  private func cellStep(_ t: Int, _ n: Int) {
    let h = h
    let row = t * batch + n
    let (v, s) = (values + row * 4 * h, slopes + row * 4 * h)
    let old = cell + previousPlace(t) + n * h
    let new = cell + place(t) + n * h
    let out = hidden + place(t) + n * h
    let bent = bent + row * h
    let (i, o, f, g) = (v, v + h, v + 2 * h, v + 3 * h)
    if let p = p.data {
      for j in 0..<h {
        i[j] += p[j] * old[j]
        f[j] += p[2 * h + j] * old[j]
      }
      activations[0].apply(h, i, slope: s, limit: limit)
      activations[0].apply(h, f, slope: s + 2 * h, limit: limit)
    } else {
      activations[0].apply(3 * h, v, slope: s, limit: limit)
    }
    activations[1].apply(h, g, slope: s + 3 * h, limit: limit)
    if isCoupled { for j in 0..<h { f[j] = 1 - i[j] } }
    for j in 0..<h { new[j] = f[j] * old[j] + i[j] * g[j] }
    if let p = p.data {
      for j in 0..<h { o[j] += p[h + j] * new[j] }
      activations[0].apply(h, o, slope: s + h, limit: limit)
    }
    bent.update(from: new, count: h)
    // The cell itself is not clipped.
    activations[2].apply(h, bent, slope: bentSlopes + row * h, limit: .infinity)
    for j in 0..<h { out[j] = o[j] * bent[j] }
  }

  func backward() {
    guard let r = r.data else { return }
    backward { t in
      for n in 0..<batch { cellStepBack(t, n) }
      S.gemm(
        false, false, batch, h, 4 * h, 1, dz + t * 4 * state, 4 * h, r, h, 0, dh, h)
    }
    addInputGradients(dz)
    addRecurrentGradient(0, 4, dz, factors)
    addBiasGradients(dz, dz)
  }

  private func cellStepBack(_ t: Int, _ n: Int) {
    let h = h
    let row = t * batch + n
    let (v, s, dz) = (values + row * 4 * h, slopes + row * 4 * h, dz + row * 4 * h)
    let old = cell + previousPlace(t) + n * h
    let new = cell + place(t) + n * h
    let (bent, bentSlope) = (bent + row * h, bentSlopes + row * h)
    let (dh, dc) = (dh + n * h, dc + n * h)
    let p = p.data
    let fromForget: S = isCoupled ? 0 : 1
    let fromInput: S = isCoupled ? 1 : 0
    for j in 0..<h {
      let (i, o, f, g) = (v[j], v[h &+ j], v[2 &* h &+ j], v[3 &* h &+ j])
      let dzo = dh[j] * bent[j] * s[h &+ j]
      var d = dc[j] + dh[j] * o * bentSlope[j]
      if let p { d += dzo * p[h &+ j] }
      dz[j] = d * (g - fromInput * old[j]) * s[j]
      dz[h &+ j] = dzo
      dz[2 &* h &+ j] = fromForget * d * old[j] * s[2 &* h &+ j]
      dz[3 &* h &+ j] = d * i * s[3 &* h &+ j]
      dc[j] = d * f
    }
    if let p {
      for j in 0..<h { dc[j] += dz[j] * p[j] + dz[2 &* h &+ j] * p[2 &* h &+ j] }
    }
    if let dp = self.p.gradient {
      for j in 0..<h {
        dp[j] += dz[j] * old[j]
        dp[h &+ j] += dz[h &+ j] * new[j]
        dp[2 &* h &+ j] += dz[2 &* h &+ j] * old[j]
      }
    }
  }
}
