/// What one direction of a recurrent layer works on.
///
/// Inside, time runs forward and the time comes first, whatever the node's direction and layout: step
/// s of a sequence of L elements is element s, or L − 1 − s in reverse. Where that is not how the
/// tensors lie, they are copied in and out. A batch entry whose sequence has ended keeps its state.
class RecurrentDirection<S: TrainingScalar> {
  let steps, batch, inputSize, h, gates: Int
  /// [T, N, I], in the order of the steps; its gradient.
  let x: UnsafeMutablePointer<S>
  private let dx: UnsafeMutablePointer<S>?
  /// This direction's part of each weight, and of its gradient.
  let w, r, b: Part
  let activations: [RecurrentActivation]
  /// What an activation's argument is clipped to.
  let limit: S
  /// h; an LSTM appends c.
  var carried: [Carried] = []
  private let source: Tensor<S>
  private let lengths: Tensor<S>?
  private let y: Part
  private let index, count: Int
  private let isReverse, isBatchFirst: Bool
  private let isCopied: Bool
  /// [T, N, h]: the h that each step multiplies, where rows are rounded; nil where h itself is.
  private let roundedHidden: UnsafeMutablePointer<S>?
  /// A row of each carried gradient that passes a step by.
  private let passing: UnsafeMutablePointer<S>

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

  /// A state that goes from step to step.
  struct Carried {
    /// [T + 1, N, h]: the initial one, then that of every step.
    let values: UnsafeMutablePointer<S>
    /// [N, h]: its gradient on its way back.
    let gradient: UnsafeMutablePointer<S>
    let initial, last: Part
  }

  init(
    _ call: NodeCall<S>, gates: Int, activations: [RecurrentActivation], index: Int, count: Int
  ) {
    self.gates = gates
    self.index = index
    self.count = count
    let each = activations.count / count
    self.activations = Array(activations[index * each..<(index + 1) * each])
    limit = S(call.node.float("clip", default: .infinity))
    isReverse = index == 1 || call.node.string("direction", default: "forward") == "reverse"
    isBatchFirst = call.node.int("layout", default: 0) == 1
    source = call.input(0)
    lengths = call.optionalInput(4)
    batch = source.shape[isBatchFirst ? 0 : 1]
    steps = source.shape[isBatchFirst ? 1 : 0]
    inputSize = source.shape[2]
    h = call.input(2).shape[2]
    w = Part(call.input(1), index, of: count)
    r = Part(call.input(2), index, of: count)
    b = Part(call.optionalInput(3), index, of: count)
    y = Part(call.optionalOutput(0), 0, of: 1)
    isCopied = isReverse || isBatchFirst || lengths != nil || call.roundsRows
    roundedHidden = call.roundsRows ? call.buffer(steps * batch * h) : nil
    x = isCopied ? call.buffer(source.count) : source.data
    dx = isCopied && source.gradient != nil ? call.buffer(source.count) : source.gradient
    passing = call.buffer(2 * batch * h)
    carried = [carry(call, initial: 5, last: 1)]
  }

  /// A state whose initial and last values are that input and output.
  func carry(_ call: NodeCall<S>, initial: Int, last: Int) -> Carried {
    // Layout 1 has the directions inside the batch.
    let parts = isBatchFirst ? 1 : count
    let place = isBatchFirst ? 0 : index
    return Carried(
      values: call.buffer((steps + 1) * state), gradient: call.buffer(state),
      initial: Part(call.optionalInput(initial), place, of: parts),
      last: Part(call.optionalOutput(last), place, of: parts))
  }

  /// Elements of one step's h.
  var state: Int { batch * h }
  /// Where the h (and c) that step t makes stand, and those that it finds.
  func place(_ t: Int) -> Int { (t + 1) * state }
  func previousPlace(_ t: Int) -> Int { t * state }
  var hidden: UnsafeMutablePointer<S> { carried[0].values }
  var dh: UnsafeMutablePointer<S> { carried[0].gradient }

  // MARK: Places in the node's tensors

  private func length(_ row: Int) -> Int {
    lengths.map { max(0, min(Int($0.integers[row]), steps)) } ?? steps
  }
  /// The element of row's sequence that step t takes.
  private func time(_ row: Int, _ t: Int) -> Int { isReverse ? length(row) - 1 - t : t }
  private func inputPlace(_ row: Int, _ t: Int) -> Int {
    let time = time(row, t)
    return (isBatchFirst ? row * steps + time : time * batch + row) * inputSize
  }
  /// Y is [T, directions, N, h] or [N, T, directions, h].
  private func outputPlace(_ row: Int, _ t: Int) -> Int {
    let time = time(row, t)
    return (isBatchFirst
      ? (row * steps + time) * count + index : (time * count + index) * batch + row) * h
  }
  /// In the direction's part of Y_h, Y_c and the initial states.
  private func statePlace(_ row: Int) -> Int { (isBatchFirst ? row * count + index : row) * h }

  // MARK: Rounding

  /// Rounds rows of numbers as an int8 layer does that rounds what it multiplies; where it does
  /// not, nothing happens.
  func round(_ x: UnsafeMutablePointer<S>, rows: Int, of length: Int) {
    guard roundedHidden != nil else { return }
    for row in 0..<rows { FakeQuantize.row(length, x + row * length) }
  }

  /// What step t multiplies with R: the h before it.
  func factor(_ t: Int) -> UnsafeMutablePointer<S> {
    let h = hidden + previousPlace(t)
    guard let roundedHidden else { return h }
    let rounded = roundedHidden + t * state
    rounded.update(from: h, count: state)
    round(rounded, rows: batch, of: self.h)
    return rounded
  }

  /// What R was multiplied with in all steps, [T·N, h].
  var factors: UnsafeMutablePointer<S> { roundedHidden ?? hidden }

  // MARK: Passes

  /// sums [T·N, gates·h] = X·Wᵀ + Wb + Rb; the gates from `apart` on go without Rb.
  func projectInput(_ sums: UnsafeMutablePointer<S>, apart: Int) {
    guard let w = w.data else { return }
    if isCopied {
      for row in 0..<batch {
        for t in 0..<length(row) {
          (x + (t * batch + row) * inputSize).update(
            from: source.data + inputPlace(row, t), count: inputSize)
        }
        for t in length(row)..<steps {
          (x + (t * batch + row) * inputSize).update(repeating: 0, count: inputSize)
        }
      }
      round(x, rows: steps * batch, of: inputSize)
    }
    let n = gates * h
    if let b = b.data {
      for j in 0..<n { sums[j] = b[j] + (j < apart * h ? b[n + j] : 0) }
      for row in 1..<max(1, steps * batch) { (sums + row * n).update(from: sums, count: n) }
    }
    S.gemm(
      false, true, steps * batch, n, inputSize, 1, x, inputSize, w, inputSize,
      b.data == nil ? 0 : 1, sums, n)
  }

  /// Calls `step` for every time step, which computes what is carried at its place.
  func forward(_ step: (Int) -> Void) {
    for flow in carried {
      for row in 0..<batch {
        let to = flow.values + row * h
        if let start = flow.initial.data {
          to.update(from: start + statePlace(row), count: h)
        } else {
          to.update(repeating: 0, count: h)
        }
      }
    }
    for t in 0..<steps {
      step(t)
      for row in 0..<batch {
        if t < length(row) {
          y.data.map { ($0 + outputPlace(row, t)).update(from: hidden + place(t) + row * h, count: h) }
        } else {
          for flow in carried {
            (flow.values + place(t) + row * h).update(
              from: flow.values + previousPlace(t) + row * h, count: h)
          }
        }
      }
    }
    for row in 0..<batch {
      for flow in carried {
        flow.last.data.map {
          ($0 + statePlace(row)).update(from: flow.values + steps * state + row * h, count: h)
        }
      }
      // Behind a sequence's end Y is 0; nothing else writes there.
      for t in length(row)..<steps {
        let at = (isBatchFirst ? (row * steps + t) * count + index : (t * count + index) * batch + row)
        y.data.map { ($0 + at * h).update(repeating: 0, count: h) }
      }
    }
  }

  /// Calls `step` for every time step from the last; it finds the gradients of what the step made in
  /// `carried` and leaves those of what the step found.
  func backward(_ step: (Int) -> Void) {
    for flow in carried {
      flow.gradient.update(repeating: 0, count: state)
      if let g = flow.last.gradient {
        for row in 0..<batch { S.axpy(h, 1, g + statePlace(row), flow.gradient + row * h) }
      }
    }
    for t in (0..<steps).reversed() {
      for row in 0..<batch {
        if t < length(row) {
          if let dy = y.gradient { S.axpy(h, 1, dy + outputPlace(row, t), dh + row * h) }
        } else {
          // A step makes zeros of zeros; what was there goes by.
          exchange(row, isBefore: true)
        }
      }
      step(t)
      for row in 0..<batch where t >= length(row) { exchange(row, isBefore: false) }
    }
    for flow in carried {
      guard let g = flow.initial.gradient else { continue }
      for row in 0..<batch { S.axpy(h, 1, flow.gradient + row * h, g + statePlace(row)) }
    }
  }

  private func exchange(_ row: Int, isBefore: Bool) {
    for (i, flow) in carried.enumerated() {
      let kept = passing + (i * batch + row) * h
      if isBefore {
        kept.update(from: flow.gradient + row * h, count: h)
        (flow.gradient + row * h).update(repeating: 0, count: h)
      } else {
        (flow.gradient + row * h).update(from: kept, count: h)
      }
    }
  }

  // MARK: Weights

  /// Adds to the gradients of X and W what the gradients of X·Wᵀ, [T·N, gates·h], mean for them.
  func addInputGradients(_ dz: UnsafePointer<S>) {
    guard let w = w.data else { return }
    let (rows, n) = (steps * batch, gates * h)
    if let dx {
      S.gemm(
        false, false, rows, inputSize, n, 1, dz, n, w, inputSize, isCopied ? 0 : 1, dx, inputSize)
      if isCopied, let target = source.gradient {
        for row in 0..<batch {
          for t in 0..<length(row) {
            S.axpy(
              inputSize, 1, dx + (t * batch + row) * inputSize, target + inputPlace(row, t))
          }
        }
      }
    }
    if let dw = self.w.gradient {
      S.gemm(true, false, n, inputSize, rows, 1, dz, n, x, inputSize, 1, dw, inputSize)
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

/// The passes of a layer whose directions `make` prepares.
func recurrentPasses<S: TrainingScalar, D: RecurrentDirection<S>>(
  _ call: NodeCall<S>, standard: [RecurrentActivation],
  _ make: (_ activations: [RecurrentActivation], _ index: Int, _ count: Int) -> D,
  forward: @escaping (D) -> Void, backward: @escaping (D) -> Void
) throws -> Passes {
  let count = call.node.string("direction", default: "forward") == "bidirectional" ? 2 : 1
  let activations = try RecurrentActivation.list(call, standard: standard, directions: count)
  let runs = (0..<count).map { make(activations, $0, count) }
  return Passes(
    forward: { for run in runs { forward(run) } }, backward: { for run in runs { backward(run) } })
}
