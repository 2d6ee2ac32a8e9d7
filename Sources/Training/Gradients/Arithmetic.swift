/// Where the elements of two tensors meet under broadcasting.
struct BroadcastPair {
  enum Kind {
    /// Both have the output's shape.
    case same
    /// One is repeated: its element for output element i is i mod count.
    case repeatedB
    /// Anything else: an index for each element.
    case general
  }

  let kind: Kind
  let count: Int
  let a: UnsafeMutablePointer<Int64>
  let b: UnsafeMutablePointer<Int64>
  let countB: Int

  init<S>(_ call: NodeCall<S>) {
    let y = call.output(0)
    let shapeA = call.input(0).shape
    let shapeB = call.input(1).shape
    count = y.count
    countB = call.input(1).count
    // Leading dimensions of 1 do not count.
    let tail = Array(shapeB.drop { $0 == 1 })
    if shapeA == y.shape && shapeB == y.shape {
      kind = .same
    } else if shapeA == y.shape && tail.elementsEqual(y.shape.suffix(tail.count)) {
      kind = .repeatedB
    } else {
      kind = .general
    }
    guard kind == .general else {
      a = call.integerBuffer(1)
      b = a
      return
    }
    a = call.integerBuffer(count)
    b = call.integerBuffer(count)
    BroadcastPair.fill(a, shapeA, y.shape)
    BroadcastPair.fill(b, shapeB, y.shape)
  }

  /// For each element of the output the element of an input that it takes.
  static func fill(
    _ indices: UnsafeMutablePointer<Int64>, _ shape: [Int], _ output: [Int]
  ) {
    let rank = output.count
    let full = [Int](repeating: 1, count: rank - shape.count) + shape
    var strides = [Int](repeating: 0, count: rank)
    var stride = 1
    for d in (0..<rank).reversed() {
      strides[d] = full[d] == 1 ? 0 : stride
      stride *= full[d]
    }
    var counter = [Int](repeating: 0, count: rank)
    var at = 0
    for i in 0..<output.reduce(1, *) {
      indices[i] = Int64(at)
      var d = rank - 1
      while d >= 0 {
        counter[d] += 1
        at += strides[d]
        if counter[d] < output[d] { break }
        at -= strides[d] * output[d]
        counter[d] = 0
        d -= 1
      }
    }
  }

  /// Calls `body` with (element of y, of a, of b).
  @inline(__always) func forEach(_ body: (Int, Int, Int) -> Void) {
    switch kind {
    case .same: for i in 0..<count { body(i, i, i) }
    case .repeatedB:
      var i = 0
      while i < count {
        for k in 0..<countB { body(i &+ k, i &+ k, k) }
        i &+= countB
      }
    case .general:
      for i in 0..<count { body(i, Int(a[i]), Int(b[i])) }
    }
  }
}

/// y = f(a, b) with ∂y/∂a and ∂y/∂b as functions of (a, b, y).
@inline(__always)
private func binaryRule<S: TrainingScalar>(
  _ call: NodeCall<S>, _ f: @escaping (S, S) -> S, _ da: @escaping (S, S, S) -> S,
  _ db: @escaping (S, S, S) -> S
) -> Passes {
  let pair = BroadcastPair(call)
  let a = call.input(0).data
  let b = call.input(1).data
  let y = call.output(0).data
  let ga = call.input(0).gradient
  let gb = call.input(1).gradient
  let gy = call.output(0).gradient
  return Passes(
    forward: { pair.forEach { i, j, k in y[i] = f(a[j], b[k]) } },
    backward: {
      guard let gy else { return }
      if let ga { pair.forEach { i, j, k in ga[j] += gy[i] * da(a[j], b[k], y[i]) } }
      if let gb { pair.forEach { i, j, k in gb[k] += gy[i] * db(a[j], b[k], y[i]) } }
    })
}

/// y = a + b.
func addRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  binaryRule(call, { $0 + $1 }, { _, _, _ in 1 }, { _, _, _ in 1 })
}

/// y = a − b.
func subRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  binaryRule(call, { $0 - $1 }, { _, _, _ in 1 }, { _, _, _ in -1 })
}

/// y = a b; da = b dy, db = a dy.
func mulRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  binaryRule(call, { $0 * $1 }, { _, b, _ in b }, { a, _, _ in a })
}

/// y = a / b; da = dy / b, db = −y dy / b.
func divRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  binaryRule(call, { $0 / $1 }, { _, b, _ in 1 / b }, { _, b, y in -y / b })
}
