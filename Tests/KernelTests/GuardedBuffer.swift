/// Floats between guards of NaN that a kernel must neither use nor overwrite.
final class GuardedBuffer {
  private static let guardCount = 64
  private static let mark: UInt32 = 0x7FC0_BEEF
  let count: Int
  private let memory: UnsafeMutablePointer<Float>

  /// Filled with the mark: what is read before it is written shows.
  init(_ count: Int) {
    self.count = count
    memory = .allocate(capacity: count + 2 * Self.guardCount)
    memory.initialize(
      repeating: Float(bitPattern: Self.mark), count: count + 2 * Self.guardCount)
  }

  convenience init(_ values: [Float]) {
    self.init(values.count)
    for (i, v) in values.enumerated() { pointer[i] = v }
  }

  deinit { memory.deallocate() }

  var pointer: UnsafeMutablePointer<Float> { memory + Self.guardCount }
  var constPointer: UnsafePointer<Float> { UnsafePointer(pointer) }

  subscript(i: Int) -> Float {
    get { pointer[i] }
    set { pointer[i] = newValue }
  }

  func isUntouched(_ i: Int) -> Bool { pointer[i].bitPattern == Self.mark }

  var guardsHold: Bool {
    (0..<Self.guardCount).allSatisfy {
      memory[$0].bitPattern == Self.mark
        && memory[Self.guardCount + count + $0].bitPattern == Self.mark
    }
  }
}

/// A small linear congruential generator: the same numbers on every run.
struct Numbers {
  private var state: UInt64
  init(_ seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  private mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }

  /// Between −1 and 1.
  mutating func float() -> Float { Float(Int64(next() & 0xFFFFFF) - 0x800000) / 0x800000 }
  mutating func floats(_ n: Int) -> [Float] { (0..<n).map { _ in float() } }
  mutating func below(_ n: Int) -> Int { Int(next() % UInt64(n)) }
  mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }
}
