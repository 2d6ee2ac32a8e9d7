/// Where the elements of two tensors meet under broadcasting: in rows of the output along which each
/// of the two goes on from element to element, or stands still.
struct BroadcastPair {
  /// Elements of the output.
  let count: Int
  private let rowLength: Int
  /// For each row, where it begins in the two.
  private let a: UnsafeMutablePointer<Int64>
  private let b: UnsafeMutablePointer<Int64>
  private let movesA: Bool
  private let movesB: Bool

  init<S>(_ call: NodeCall<S>) {
    let y = call.output(0).shape
    count = call.output(0).count
    func aligned(_ shape: [Int]) -> [Int] {
      [Int](repeating: 1, count: y.count - shape.count) + shape
    }
    let (shapeA, shapeB) = (aligned(call.input(0).shape), aligned(call.input(1).shape))
    // The last axes, as long as neither begins or stops to be repeated.
    var axis = y.count
    var moves: (a: Bool, b: Bool)?
    var length = 1
    while axis > 0 {
      let i = axis - 1
      if y[i] != 1 {
        let here = (a: shapeA[i] == y[i], b: shapeB[i] == y[i])
        if let moves, moves != here { break }
        moves = here
        length *= y[i]
      }
      axis = i
    }
    rowLength = max(length, 1)
    movesA = moves?.a ?? true
    movesB = moves?.b ?? true
    let rows = count / rowLength
    a = call.integerBuffer(rows)
    b = call.integerBuffer(rows)
    if count == 0 { return }
    let ones = [Int](repeating: 1, count: y.count - axis)
    let outer = Array(y[..<axis]) + ones
    BroadcastPair.fill(a, Array(shapeA[..<axis]) + ones, outer, unit: movesA ? length : 1)
    BroadcastPair.fill(b, Array(shapeB[..<axis]) + ones, outer, unit: movesB ? length : 1)
  }

  /// For each element of the output the element of an input that it takes, counted in units.
  static func fill(
    _ indices: UnsafeMutablePointer<Int64>, _ shape: [Int], _ output: [Int], unit: Int = 1
  ) {
    let rank = output.count
    let full = [Int](repeating: 1, count: rank - shape.count) + shape
    var strides = [Int](repeating: 0, count: rank)
    var stride = unit
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
    var i = 0
    var row = 0
    while i < count {
      let (j, k) = (Int(a[row]), Int(b[row]))
      switch (movesA, movesB) {
      case (true, true): for n in 0..<rowLength { body(i &+ n, j &+ n, k &+ n) }
      case (true, false): for n in 0..<rowLength { body(i &+ n, j &+ n, k) }
      case (false, true): for n in 0..<rowLength { body(i &+ n, j, k &+ n) }
      case (false, false): for n in 0..<rowLength { body(i &+ n, j, k) }
      }
      i &+= rowLength
      row &+= 1
    }
  }
}

/// y = f(a, b). A type rather than closures, so that loops over elements call nothing.
private protocol BinaryFunction {
  static func value<S: TrainingScalar>(_ a: S, _ b: S) -> S
  /// ∂y/∂a and ∂y/∂b.
  static func slopeA<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S
  static func slopeB<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S
}

@inline(__always)
private func binaryRule<S: TrainingScalar, F: BinaryFunction>(
  _ call: NodeCall<S>, _: F.Type
) -> Passes {
  let pair = BroadcastPair(call)
  let a = call.input(0).data
  let b = call.input(1).data
  let y = call.output(0).data
  let ga = call.input(0).gradient
  let gb = call.input(1).gradient
  let gy = call.output(0).gradient
  return Passes(
    forward: { pair.forEach { i, j, k in y[i] = F.value(a[j], b[k]) } },
    backward: {
      guard let gy else { return }
      if let ga { pair.forEach { i, j, k in ga[j] += gy[i] * F.slopeA(a[j], b[k], y[i]) } }
      if let gb { pair.forEach { i, j, k in gb[k] += gy[i] * F.slopeB(a[j], b[k], y[i]) } }
    })
}

private enum Sum: BinaryFunction {
  @inline(__always) static func value<S: TrainingScalar>(_ a: S, _ b: S) -> S { a + b }
  @inline(__always) static func slopeA<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S { 1 }
  @inline(__always) static func slopeB<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S { 1 }
}

private enum Difference: BinaryFunction {
  @inline(__always) static func value<S: TrainingScalar>(_ a: S, _ b: S) -> S { a - b }
  @inline(__always) static func slopeA<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S { 1 }
  @inline(__always) static func slopeB<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S { -1 }
}

private enum Product: BinaryFunction {
  @inline(__always) static func value<S: TrainingScalar>(_ a: S, _ b: S) -> S { a * b }
  @inline(__always) static func slopeA<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S { b }
  @inline(__always) static func slopeB<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S { a }
}

private enum Quotient: BinaryFunction {
  @inline(__always) static func value<S: TrainingScalar>(_ a: S, _ b: S) -> S { a / b }
  @inline(__always) static func slopeA<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S { 1 / b }
  @inline(__always) static func slopeB<S: TrainingScalar>(_ a: S, _ b: S, _ y: S) -> S { -y / b }
}

/// y = a + b.
func addRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  binaryRule(call, Sum.self)
}

/// y = a − b.
func subRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  binaryRule(call, Difference.self)
}

/// y = a b; da = b dy, db = a dy.
func mulRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  binaryRule(call, Product.self)
}

/// y = a / b; da = dy / b, db = −y dy / b.
func divRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  binaryRule(call, Quotient.self)
}
