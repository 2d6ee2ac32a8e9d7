/// The adding problem (S. Hochreiter, J. Schmidhuber, "Long short-term memory", 1997, section 5.4, in
/// the form of M. Arjovsky et al., "Unitary evolution recurrent neural networks", 2016, section 4.2):
/// each step has a number of [0, 1) and a mark; the mark is 1 at two steps, one in each half of the
/// sequence, and 0 elsewhere. What is to be said at the end is the sum of the two marked numbers.
///
/// Who always says 1 has a mean squared error of 1/6.
public struct AddingProblem {
  /// Steps.
  public var length = 200
  /// Sequences.
  public var count = 10_000
  public var seed: UInt64 = 1

  public init() {}

  /// Samples of shape [length, 2]; each depends on the seed and its own number alone.
  public func samples() -> Samples {
    var inputs = [Float](repeating: 0, count: count * length * 2)
    var sums: [Float] = []
    sums.reserveCapacity(count)
    let half = length / 2
    for sample in 0..<count {
      var random = SeededRandom(seed: seed, 5, sample)
      let start = sample * length * 2
      for step in 0..<length { inputs[start + 2 * step] = random.float() }
      let first = random.integer(below: half)
      let second = half + random.integer(below: length - half)
      for step in [first, second] { inputs[start + 2 * step + 1] = 1 }
      sums.append(inputs[start + 2 * first] + inputs[start + 2 * second])
    }
    return Samples(
      storage: .floats(inputs), shape: [length, 2], targets: .values(sums, shape: [1]),
      count: count)
  }
}
