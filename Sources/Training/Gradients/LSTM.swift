/// Long short-term memory as ONNX LSTM lays it out (Hochreiter and Schmidhuber 1997; forget gate:
/// Gers et al. 2000; peepholes: Gers and Schmidhuber 2000). With h, c of the step before:
///
///     i = σ(W_i x + R_i h + b_i + P_i ⊙ c)      o = σ(W_o x + R_o h + b_o + P_o ⊙ c′)
///     f = σ(W_f x + R_f h + b_f + P_f ⊙ c)      g = tanh(W_c x + R_c h + b_c)
///     c′ = f ⊙ c + i ⊙ g                        h′ = o ⊙ tanh(c′)
///
/// The products with x are one matrix product for the whole sequence, as are the gradients of W and
/// R; the products with h are one a step.
func lstmRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  if call.optionalInput(4) != nil { throw call.unsupported("sequence_lens") }
  if call.node.attributes["clip"] != nil { throw call.unsupported("clip") }
  if call.node.int("input_forget", default: 0) != 0 { throw call.unsupported("input_forget") }
  if call.node.int("layout", default: 0) != 0 { throw call.unsupported("layout 1") }
  if call.node.attributes["activations"] != nil { throw call.unsupported("other activations") }
  let direction = call.node.string("direction", default: "forward")
  let directions = direction == "bidirectional" ? 2 : 1
  let runs = (0..<directions).map { d in
    LSTMDirection(call, index: d, count: directions, isReverse: d == 1 || direction == "reverse")
  }
  return Passes(
    forward: { for run in runs { run.forward() } },
    backward: { for run in runs { run.backward() } })
}

/// One direction of the layer.
private final class LSTMDirection<S: TrainingScalar> {
  private let steps, batch, inputSize, h: Int
  private let index, count: Int
  private let isReverse: Bool
  private let x: Tensor<S>
  /// This direction's part of each weight, and of its gradient.
  private let w, r, b, p: Part
  private let h0, c0: Part
  private let y, lastH, lastC: Part
  /// [T, N, 4h]: sums, then gates i, o, f, g; and their gradients.
  private let gates, gateGradients: UnsafeMutablePointer<S>
  /// [T + 1, N, h]: h and c of every step, with the initial ones before the first.
  private let hidden, cell: UnsafeMutablePointer<S>
  /// [T, N, h]: tanh(c).
  private let cellTanh: UnsafeMutablePointer<S>
  /// [N, h]: gradients on their way back.
  private let dh, dc: UnsafeMutablePointer<S>

  struct Part {
    var data: UnsafeMutablePointer<S>?
    var gradient: UnsafeMutablePointer<S>?

    init(_ tensor: Tensor<S>?, _ index: Int, of count: Int) {
      guard let tensor else { return }
      let offset = tensor.count / count * index
      data = tensor.data + offset
      gradient = tensor.gradient.map { $0 + offset }
    }
  }

  init(_ call: NodeCall<S>, index: Int, count: Int, isReverse: Bool) {
    self.index = index
    self.count = count
    self.isReverse = isReverse
    x = call.input(0)
    (steps, batch, inputSize) = (x.shape[0], x.shape[1], x.shape[2])
    h = call.input(2).shape[2]
    w = Part(call.input(1), index, of: count)
    r = Part(call.input(2), index, of: count)
    b = Part(call.optionalInput(3), index, of: count)
    h0 = Part(call.optionalInput(5), index, of: count)
    c0 = Part(call.optionalInput(6), index, of: count)
    p = Part(call.optionalInput(7), index, of: count)
    y = Part(call.optionalOutput(0), 0, of: 1)
    lastH = Part(call.optionalOutput(1), index, of: count)
    lastC = Part(call.optionalOutput(2), index, of: count)
    let n = steps * batch
    gates = call.buffer(n * 4 * h)
    gateGradients = call.buffer(n * 4 * h)
    hidden = call.buffer((n + batch) * h)
    cell = call.buffer((n + batch) * h)
    cellTanh = call.buffer(n * h)
    dh = call.buffer(batch * h)
    dc = call.buffer(batch * h)
  }

  /// Where step t's own h and c stand in `hidden` and `cell`, and those of the step before.
  private func place(_ t: Int) -> Int { (isReverse ? t : t + 1) * batch * h }
  private func previousPlace(_ t: Int) -> Int { (isReverse ? t + 1 : t) * batch * h }
  private var order: [Int] { isReverse ? (0..<steps).reversed() : Array(0..<steps) }
  private var initialPlace: Int { (isReverse ? steps : 0) * batch * h }
  /// Step t's part of Y: [T, directions, N, h].
  private func outputPlace(_ t: Int) -> Int { (t * count + index) * batch * h }

  func forward() {
    guard let w = w.data, let r = r.data else { return }
    let state = batch * h
    for (part, target) in [(h0, hidden), (c0, cell)] {
      if let start = part.data {
        (target + initialPlace).update(from: start, count: state)
      } else {
        (target + initialPlace).update(repeating: 0, count: state)
      }
    }
    if let b = b.data {
      for row in 0..<(steps * batch) {
        let to = gates + row * 4 * h
        for j in 0..<(4 * h) { to[j] = b[j] + b[4 * h + j] }
      }
    }
    S.gemm(
      false, true, steps * batch, 4 * h, inputSize, 1, x.data, inputSize, w, inputSize,
      b.data == nil ? 0 : 1, gates, 4 * h)
    for t in order {
      let z = gates + t * batch * 4 * h
      S.gemm(
        false, true, batch, 4 * h, h, 1, hidden + previousPlace(t), h, r, h, 1, z, 4 * h)
      for n in 0..<batch { cellStep(t, n, z + n * 4 * h) }
      if let y = y.data { (y + outputPlace(t)).update(from: hidden + place(t), count: state) }
    }
    guard let last = order.last else { return }
    lastH.data?.update(from: hidden + place(last), count: state)
    lastC.data?.update(from: cell + place(last), count: state)
  }

  private func cellStep(_ t: Int, _ n: Int, _ z: UnsafeMutablePointer<S>) {
    let h = h
    let old = cell + previousPlace(t) + n * h
    let new = cell + place(t) + n * h
    let out = hidden + place(t) + n * h
    let bent = cellTanh + (t * batch + n) * h
    let (i, o, f, g) = (z, z + h, z + 2 * h, z + 3 * h)
    if let p = p.data {
      for j in 0..<h {
        i[j] += p[j] * old[j]
        f[j] += p[2 * h + j] * old[j]
      }
      S.sigmoid(h, i, i)
      S.sigmoid(h, f, f)
    } else {
      S.sigmoid(3 * h, z, z)
    }
    S.tanh(h, g, g)
    for j in 0..<h { new[j] = f[j] * old[j] + i[j] * g[j] }
    if let p = p.data {
      for j in 0..<h { o[j] += p[h + j] * new[j] }
      S.sigmoid(h, o, o)
    }
    S.tanh(h, new, bent)
    for j in 0..<h { out[j] = o[j] * bent[j] }
  }

  func backward() {
    guard let w = self.w.data, let r = self.r.data else { return }
    let state = batch * h
    dh.update(repeating: 0, count: state)
    dc.update(repeating: 0, count: state)
    if let g = lastH.gradient { S.axpy(state, 1, g, dh) }
    if let g = lastC.gradient { S.axpy(state, 1, g, dc) }
    for t in order.reversed() {
      if let dy = y.gradient { S.axpy(state, 1, dy + outputPlace(t), dh) }
      let dz = gateGradients + t * batch * 4 * h
      for n in 0..<batch { cellStepBack(t, n, dz + n * 4 * h) }
      S.gemm(false, false, batch, h, 4 * h, 1, dz, 4 * h, r, h, 0, dh, h)
    }
    if let g = h0.gradient { S.axpy(state, 1, dh, g) }
    if let g = c0.gradient { S.axpy(state, 1, dc, g) }
    let rows = steps * batch
    if let dx = x.gradient {
      S.gemm(
        false, false, rows, inputSize, 4 * h, 1, gateGradients, 4 * h, w, inputSize, 1, dx,
        inputSize)
    }
    if let dw = self.w.gradient {
      S.gemm(
        true, false, 4 * h, inputSize, rows, 1, gateGradients, 4 * h, x.data, inputSize, 1, dw,
        inputSize)
    }
    if let dr = self.r.gradient {
      // The step before each step, in the order of the gates.
      S.gemm(
        true, false, 4 * h, h, rows, 1, gateGradients, 4 * h, hidden + previousPlace(0), h, 1, dr,
        h)
    }
    if let db = b.gradient {
      // Both biases are added to the same sums.
      for row in 0..<rows {
        S.axpy(4 * h, 1, gateGradients + row * 4 * h, db)
        S.axpy(4 * h, 1, gateGradients + row * 4 * h, db + 4 * h)
      }
    }
  }

  private func cellStepBack(_ t: Int, _ n: Int, _ dz: UnsafeMutablePointer<S>) {
    let h = h
    let z = gates + (t * batch + n) * 4 * h
    let old = cell + previousPlace(t) + n * h
    let new = cell + place(t) + n * h
    let bent = cellTanh + (t * batch + n) * h
    let (dhn, dcn) = (dh + n * h, dc + n * h)
    let p = p.data
    let dp = self.p.gradient
    for j in 0..<h {
      let (i, o, f, g) = (z[j], z[h &+ j], z[2 &* h &+ j], z[3 &* h &+ j])
      let dzo = dhn[j] * bent[j] * o * (1 - o)
      var d = dcn[j] + dhn[j] * o * (1 - bent[j] * bent[j])
      if let p { d += dzo * p[h &+ j] }
      let dzi = d * g * i * (1 - i)
      let dzf = d * old[j] * f * (1 - f)
      dz[j] = dzi
      dz[h &+ j] = dzo
      dz[2 &* h &+ j] = dzf
      dz[3 &* h &+ j] = d * i * (1 - g * g)
      dcn[j] = d * f
      if let p { dcn[j] += dzi * p[j] + dzf * p[2 &* h &+ j] }
      if let dp {
        dp[j] += dzi * old[j]
        dp[h &+ j] += dzo * new[j]
        dp[2 &* h &+ j] += dzf * old[j]
      }
    }
  }
}
