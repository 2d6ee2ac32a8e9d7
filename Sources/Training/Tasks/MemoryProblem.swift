/// A problem for machines with memory: sequences of vectors of bits are shown, others are wanted.
/// A. Graves, G. Wayne, I. Danihelka, "Neural Turing Machines", 2014, section 4.
public enum MemoryProblem: String, CaseIterable, Sendable {
  /// Say what was shown (4.1).
  case copy
  /// Say it several times, and then that it is over (4.2).
  case repeatCopy = "repeat-copy"
  /// Items of three vectors are shown, then one of them again: say the one that came after it (4.3).
  case associativeRecall = "associative-recall"

  /// How long a problem is.
  public struct Size: Equatable, Sendable {
    /// Vectors (copy, repeat copy), or items (associative recall).
    public var length: Int
    /// Of repeat copy.
    public var repeats = 1
  }

  /// Numbers of an input vector and of an output vector, for vectors of so many bits.
  public func widths(bits: Int) -> (input: Int, output: Int) {
    switch self {
    case .copy: (bits + 1, bits)
    case .repeatCopy: (bits + 2, bits + 1)
    case .associativeRecall: (bits + 2, bits)
    }
  }

  /// Vectors of an item.
  static let itemLength = 3

  /// One sequence: what is shown in each step, and what is wanted in the last ones.
  func episode(
    _ size: Size, bits: Int, _ random: inout SeededRandom
  ) -> (inputs: [[Float]], targets: [[Float]]) {
    let (inputWidth, outputWidth) = widths(bits: bits)
    func vector() -> [Float] { (0..<bits).map { _ in Float(random.next() >> 63) } }
    func shown(_ vector: [Float]) -> [Float] {
      vector + [Float](repeating: 0, count: inputWidth - bits)
    }
    func mark(_ channel: Int, _ value: Float = 1) -> [Float] {
      var mark = [Float](repeating: 0, count: inputWidth)
      mark[bits + channel] = value
      return mark
    }
    let nothing = [Float](repeating: 0, count: inputWidth)
    switch self {
    case .copy:
      let vectors = (0..<size.length).map { _ in vector() }
      let silence = [[Float]](repeating: nothing, count: size.length)
      return (vectors.map(shown) + [mark(0)] + silence, vectors)
    case .repeatCopy:
      let vectors = (0..<size.length).map { _ in vector() }
      let once = vectors.map { (vector: [Float]) -> [Float] in vector + [0] }
      let wanted = (0..<size.repeats).flatMap { _ in once }
      let end = [Float](repeating: 0, count: outputWidth - 1) + [1]
      var start = mark(0)
      // The paper's: numbers from 1 to 10 with mean 0 and deviation 1.
      start[bits + 1] = (Float(size.repeats) - 5.5) / 2.872
      let silence = [[Float]](repeating: nothing, count: wanted.count + 1)
      return (vectors.map(shown) + [start] + silence, wanted + [end])
    case .associativeRecall:
      func item() -> [[Float]] { (0..<MemoryProblem.itemLength).map { _ in vector() } }
      let items = (0..<size.length).map { _ in item() }
      let asked = random.integer(below: size.length - 1)
      var inputs: [[Float]] = []
      for item in items {
        inputs.append(mark(0))
        inputs += item.map(shown)
      }
      inputs.append(mark(1))
      inputs += items[asked].map(shown)
      inputs.append(mark(1))
      inputs += [[Float]](repeating: nothing, count: MemoryProblem.itemLength)
      return (inputs, items[asked + 1])
    }
  }
}
