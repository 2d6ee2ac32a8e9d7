/// Sizes that grow while it is trained: from the least alone to the whole range in some epochs
/// (Y. Bengio et al., "Curriculum learning", 2009).
struct Curriculum {
  let range: ClosedRange<Int>
  /// After which all sizes come; 0 and 1: from the first on.
  var epochs = 0

  /// A size for a batch of an epoch (from 0 on).
  func draw(epoch: Int, _ random: inout SeededRandom) -> Int {
    let share = epochs > 0 ? min(1, Double(epoch + 1) / Double(epochs)) : 1
    let count = max(1, Int((Double(range.count) * share).rounded()))
    return range.lowerBound + random.integer(below: count)
  }
}
