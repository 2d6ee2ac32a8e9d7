/// Gated recurrent unit in both published forms (ONNX GRU):
///
///     z = f(W_z x + R_z h + b_z)              r = f(W_r x + R_r h + b_r)
///     n = g(W_h x + R_h (r ⊙ h) + b_h)        reset before the matrix (Cho et al. 2014)
///     n = g(W_h x + Wb_h + r ⊙ q)             q = R_h h + Rb_h: reset behind it
///     h′ = (1 − z) ⊙ n + z ⊙ h
func gruRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  try recurrentPasses(
    call, standard: [.sigmoid, .tanh],
    { GRUDirection(call, activations: $0, index: $1, count: $2) },
    forward: { $0.forward() }, backward: { $0.backward() })
}

private final class GRUDirection<S: TrainingScalar>: RecurrentDirection<S> {
  /// The reset gate stands behind the matrix.
  private let isLinear: Bool
  /// [T, N, 3h]: the gates z, r, n, and the slopes of their activations.
  private let values, slopes: UnsafeMutablePointer<S>
  /// [T, N, 3h]: gradients of the gates' sums, as seen by W and as seen by R.
  private let dInput, dRecurrent: UnsafeMutablePointer<S>
  /// [T, N, 3h] where linear: R h (+ Rb for n). Else [T, N, h]: r ⊙ h.
  private let inner: UnsafeMutablePointer<S>
  /// [N, h]: the gradient of r ⊙ h.
  private let dReset: UnsafeMutablePointer<S>

  init(_ call: NodeCall<S>, activations: [RecurrentActivation], index: Int, count: Int) {
    isLinear = call.node.int("linear_before_reset", default: 0) != 0
    let x = call.input(0).shape
    let h = call.input(2).shape[2]
    let n = x[0] * x[1] * h
    values = call.buffer(3 * n)
    slopes = call.buffer(3 * n)
    dInput = call.buffer(3 * n)
    dRecurrent = isLinear ? call.buffer(3 * n) : dInput
    inner = call.buffer(isLinear ? 3 * n : n)
    dReset = call.buffer(x[call.node.int("layout", default: 0) == 1 ? 0 : 1] * h)
    super.init(call, gates: 3, activations: activations, index: index, count: count)
  }

  func forward() {
    guard let r = r.data else { return }
    let h = h
    projectInput(values, apart: isLinear ? 2 : 3)
    forward { t in
      let old = hidden + previousPlace(t)
      let v = values + t * 3 * state
      if isLinear {
        let q = inner + t * 3 * state
        S.gemm(false, true, batch, 3 * h, h, 1, factor(t), h, r, h, 0, q, 3 * h)
        for n in 0..<batch {
          let (v, s, q) = (v + n * 3 * h, slopes + (t * batch + n) * 3 * h, q + n * 3 * h)
          if let b = b.data { for j in 0..<h { q[2 * h + j] += b[5 * h + j] } }
          for j in 0..<(2 * h) { v[j] += q[j] }
          activations[0].apply(2 * h, v, slope: s, limit: limit)
          for j in 0..<h { v[2 * h + j] += v[h + j] * q[2 * h + j] }
        }
      } else {
        let reset = inner + t * state
        S.gemm(false, true, batch, 2 * h, h, 1, factor(t), h, r, h, 1, v, 3 * h)
        for n in 0..<batch {
          let (v, s) = (v + n * 3 * h, slopes + (t * batch + n) * 3 * h)
          activations[0].apply(2 * h, v, slope: s, limit: limit)
          for j in 0..<h { reset[n * h + j] = v[h + j] * old[n * h + j] }
        }
        round(reset, rows: batch, of: h)
        S.gemm(
          false, true, batch, h, h, 1, reset, h, r + 2 * h * h, h, 1, v + 2 * h, 3 * h)
      }
      let new = hidden + place(t)
      for n in 0..<batch {
        let (v, s) = (v + n * 3 * h, slopes + (t * batch + n) * 3 * h)
        activations[1].apply(h, v + 2 * h, slope: s + 2 * h, limit: limit)
        for j in 0..<h {
          new[n * h + j] = (1 - v[j]) * v[2 * h + j] + v[j] * old[n * h + j]
        }
      }
    }
  }

  func backward() {
    guard let r = r.data else { return }
    let h = h
    backward { t in
      let old = hidden + previousPlace(t)
      let da = dInput + t * 3 * state
      let db = dRecurrent + t * 3 * state
      for n in 0..<batch {
        let at = (t * batch + n) * 3 * h
        let (v, s) = (values + at, slopes + at)
        let (da, dh, old) = (da + n * 3 * h, dh + n * h, old + n * h)
        for j in 0..<h {
          let (z, new) = (v[j], v[2 * h + j])
          da[j] = dh[j] * (old[j] - new) * s[j]
          da[2 * h + j] = dh[j] * (1 - z) * s[2 * h + j]
          dh[j] *= z
        }
        if isLinear {
          let q = inner + (t * batch + n) * 3 * h
          let db = db + n * 3 * h
          for j in 0..<h {
            let reset = v[h + j]
            da[h + j] = da[2 * h + j] * q[2 * h + j] * s[h + j]
            db[j] = da[j]
            db[h + j] = da[h + j]
            db[2 * h + j] = da[2 * h + j] * reset
          }
        }
      }
      if isLinear {
        S.gemm(false, false, batch, h, 3 * h, 1, db, 3 * h, r, h, 1, dh, h)
        return
      }
      S.gemm(
        false, false, batch, h, h, 1, da + 2 * h, 3 * h, r + 2 * h * h, h, 0, dReset, h)
      for n in 0..<batch {
        let at = (t * batch + n) * 3 * h
        let (v, s) = (values + at, slopes + at)
        for j in 0..<h {
          let (reset, d) = (v[h + j], dReset[n * h + j])
          da[n * 3 * h + h + j] = d * old[n * h + j] * s[h + j]
          dh[n * h + j] += d * reset
        }
      }
      S.gemm(false, false, batch, h, 2 * h, 1, da, 3 * h, r, h, 1, dh, h)
    }
    addInputGradients(dInput)
    addRecurrentGradient(0, 2, dRecurrent, factors)
    addRecurrentGradient(2, 1, dRecurrent, isLinear ? factors : inner)
    addBiasGradients(dInput, dRecurrent)
  }
}
