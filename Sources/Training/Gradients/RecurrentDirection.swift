/// What one direction of an RNN or GRU layer works on (ONNX's layout 0, whole sequences).
class RecurrentDirection<S: TrainingScalar> {
  let steps, batch, inputSize, h, gates: Int
  let x: Tensor<S>
  /// This direction's part of each weight, and of its gradient.
  let w, r, b: Part
  /// [T + 1, N, h]: h of every step, with the initial one before the first.
  let hidden: UnsafeMutablePointer<S>
  /// [N, h]: the gradient of h on its way back.
  let dh: UnsafeMutablePointer<S>
  private let h0, y, lastH: Part
  private let index, count: Int
  private let isReverse: Bool

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

  init(_ call: NodeCall<S>, gates: Int, index: Int, count: Int, isReverse: Bool) {
    self.gates = gates
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
    y = Part(call.optionalOutput(0), 0, of: 1)
    lastH = Part(call.optionalOutput(1), index, of: count)
    hidden = call.buffer((steps + 1) * batch * h)
    dh = call.buffer(batch * h)
  }

  /// Elements of one step's h.
  var state: Int { batch * h }
  /// Where step t's own h stands in `hidden`, and that of the step before.
  func place(_ t: Int) -> Int { (isReverse ? t : t + 1) * state }
  func previousPlace(_ t: Int) -> Int { (isReverse ? t + 1 : t) * state }
  private var order: [Int] { isReverse ? (0..<steps).reversed() : Array(0..<steps) }
  /// Step t's part of Y: [T, directions, N, h].
  private func outputPlace(_ t: Int) -> Int { (t * count + index) * state }

  /// sums [T·N, gates·h] = X·Wᵀ + Wb + Rb; the gates from `apart` on go without Rb.
  func projectInput(_ sums: UnsafeMutablePointer<S>, apart: Int) {
    guard let w = w.data else { return }
    let n = gates * h
    if let b = b.data {
      for row in 0..<(steps * batch) {
        let to = sums + row * n
        for j in 0..<n { to[j] = b[j] + (j < apart * h ? b[n + j] : 0) }
      }
    }
    S.gemm(
      false, true, steps * batch, n, inputSize, 1, x.data, inputSize, w, inputSize,
      b.data == nil ? 0 : 1, sums, n)
  }

  /// Calls `step` for every time step, which computes `hidden` at its place.
  func forward(_ step: (Int) -> Void) {
    let start = isReverse ? steps * state : 0
    if let h0 = h0.data {
      (hidden + start).update(from: h0, count: state)
    } else {
      (hidden + start).update(repeating: 0, count: state)
    }
    for t in order {
      step(t)
      if let y = y.data { (y + outputPlace(t)).update(from: hidden + place(t), count: state) }
    }
    if let last = order.last { lastH.data?.update(from: hidden + place(last), count: state) }
  }

  /// Calls `step` for every time step from the last; it finds dL/dh of the step in `dh` and leaves
  /// that of the step before.
  func backward(_ step: (Int) -> Void) {
    dh.update(repeating: 0, count: state)
    if let g = lastH.gradient { S.axpy(state, 1, g, dh) }
    for t in order.reversed() {
      if let dy = y.gradient { S.axpy(state, 1, dy + outputPlace(t), dh) }
      step(t)
    }
    if let g = h0.gradient { S.axpy(state, 1, dh, g) }
  }

  /// Adds to the gradients of X and W what the gradients of X·Wᵀ, [T·N, gates·h], mean for them.
  func addInputGradients(_ dz: UnsafePointer<S>) {
    guard let w = w.data else { return }
    let (rows, n) = (steps * batch, gates * h)
    if let dx = x.gradient {
      S.gemm(false, false, rows, inputSize, n, 1, dz, n, w, inputSize, 1, dx, inputSize)
    }
    if let dw = self.w.gradient {
      S.gemm(true, false, n, inputSize, rows, 1, dz, n, x.data, inputSize, 1, dw, inputSize)
    }
  }

  /// Adds to gates first... of R's gradient the product of `dz`, whose rows are `gates`·h long, with
  /// what those gates were multiplied with, [T·N, h].
  func addRecurrentGradient(
    _ first: Int, _ number: Int, _ dz: UnsafePointer<S>, _ with: UnsafePointer<S>
  ) {
    guard let dr = r.gradient else { return }
    S.gemm(
      true, false, number * h, h, steps * batch, 1, dz + first * h, gates * h, with, h, 1,
      dr + first * h * h, h)
  }

  /// Adds the sums over the rows to the input's bias and to the recurrent one.
  func addBiasGradients(_ input: UnsafePointer<S>, _ recurrent: UnsafePointer<S>) {
    guard let db = b.gradient else { return }
    let n = gates * h
    for row in 0..<(steps * batch) {
      S.axpy(n, 1, input + row * n, db)
      S.axpy(n, 1, recurrent + row * n, db + n)
    }
  }
}

/// The attributes that RNN and GRU rules take; `make` prepares one direction.
func recurrentPasses<S: TrainingScalar, D: RecurrentDirection<S>>(
  _ call: NodeCall<S>, _ make: (_ index: Int, _ count: Int, _ isReverse: Bool) -> D,
  forward: @escaping (D) -> Void, backward: @escaping (D) -> Void
) throws -> Passes {
  if call.optionalInput(4) != nil { throw call.unsupported("sequence_lens") }
  if call.node.attributes["clip"] != nil { throw call.unsupported("clip") }
  if call.node.int("layout", default: 0) != 0 { throw call.unsupported("layout 1") }
  let direction = call.node.string("direction", default: "forward")
  let count = direction == "bidirectional" ? 2 : 1
  let runs = (0..<count).map { make($0, count, $0 == 1 || direction == "reverse") }
  return Passes(
    forward: { for run in runs { forward(run) } }, backward: { for run in runs { backward(run) } })
}
