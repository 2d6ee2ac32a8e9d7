/// Gated recurrent unit in both published forms (ONNX GRU):
///
///     z = σ(W_z x + R_z h + b_z)              r = σ(W_r x + R_r h + b_r)
///     n = tanh(W_h x + R_h (r ⊙ h) + b_h)     reset before the matrix (Cho et al. 2014)
///     n = tanh(W_h x + Wb_h + r ⊙ q)          q = R_h h + Rb_h: reset behind it
///     h′ = (1 − z) ⊙ n + z ⊙ h
func gruRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  if call.node.attributes["activations"] != nil { throw call.unsupported("other activations") }
  return try recurrentPasses(
    call,
    { index, count, isReverse in
      GRUDirection(call, index: index, count: count, isReverse: isReverse)
    },
    forward: { $0.forward() }, backward: { $0.backward() })
}

private final class GRUDirection<S: TrainingScalar>: RecurrentDirection<S> {
  /// The reset gate stands behind the matrix.
  private let isLinear: Bool
  /// [T, N, 3h]: the gates z, r, n.
  private let values: UnsafeMutablePointer<S>
  /// [T, N, 3h]: gradients of the gates' sums, as seen by W and as seen by R.
  private let dInput, dRecurrent: UnsafeMutablePointer<S>
  /// [T, N, 3h] where linear: R h (+ Rb for n). Else [T, N, h]: r ⊙ h.
  private let inner: UnsafeMutablePointer<S>
  /// [N, h]: the gradient of r ⊙ h.
  private let dReset: UnsafeMutablePointer<S>

  init(_ call: NodeCall<S>, index: Int, count: Int, isReverse: Bool) {
    isLinear = call.node.int("linear_before_reset", default: 0) != 0
    let batch = call.input(0).shape[1]
    let h = call.input(2).shape[2]
    let n = call.input(0).shape[0] * batch * h
    values = call.buffer(3 * n)
    dInput = call.buffer(3 * n)
    dRecurrent = isLinear ? call.buffer(3 * n) : dInput
    inner = call.buffer(isLinear ? 3 * n : n)
    dReset = call.buffer(batch * h)
    super.init(call, gates: 3, index: index, count: count, isReverse: isReverse)
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
        S.gemm(false, true, batch, 3 * h, h, 1, old, h, r, h, 0, q, 3 * h)
        for n in 0..<batch {
          let (v, q) = (v + n * 3 * h, q + n * 3 * h)
          if let b = b.data { for j in 0..<h { q[2 * h + j] += b[5 * h + j] } }
          for j in 0..<(2 * h) { v[j] += q[j] }
          S.sigmoid(2 * h, v, v)
          for j in 0..<h { v[2 * h + j] += v[h + j] * q[2 * h + j] }
        }
      } else {
        let reset = inner + t * state
        S.gemm(false, true, batch, 2 * h, h, 1, old, h, r, h, 1, v, 3 * h)
        for n in 0..<batch {
          let v = v + n * 3 * h
          S.sigmoid(2 * h, v, v)
          for j in 0..<h { reset[n * h + j] = v[h + j] * old[n * h + j] }
        }
        S.gemm(
          false, true, batch, h, h, 1, reset, h, r + 2 * h * h, h, 1, v + 2 * h, 3 * h)
      }
      let new = hidden + place(t)
      for n in 0..<batch {
        let v = v + n * 3 * h
        S.tanh(h, v + 2 * h, v + 2 * h)
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
        let v = values + (t * batch + n) * 3 * h
        let (da, dh, old) = (da + n * 3 * h, dh + n * h, old + n * h)
        for j in 0..<h {
          let (z, new) = (v[j], v[2 * h + j])
          da[j] = dh[j] * (old[j] - new) * z * (1 - z)
          da[2 * h + j] = dh[j] * (1 - z) * (1 - new * new)
          dh[j] *= z
        }
        if isLinear {
          let q = inner + (t * batch + n) * 3 * h
          let db = db + n * 3 * h
          for j in 0..<h {
            let reset = v[h + j]
            da[h + j] = da[2 * h + j] * q[2 * h + j] * reset * (1 - reset)
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
        let v = values + (t * batch + n) * 3 * h
        for j in 0..<h {
          let (reset, d) = (v[h + j], dReset[n * h + j])
          da[n * 3 * h + h + j] = d * old[n * h + j] * reset * (1 - reset)
          dh[n * h + j] += d * reset
        }
      }
      S.gemm(false, false, batch, h, 2 * h, 1, da, 3 * h, r, h, 1, dh, h)
    }
    addInputGradients(dInput)
    let old = hidden + previousPlace(0)
    addRecurrentGradient(0, 2, dRecurrent, old)
    addRecurrentGradient(2, 1, dRecurrent, isLinear ? old : inner)
    addBiasGradients(dInput, dRecurrent)
  }
}
