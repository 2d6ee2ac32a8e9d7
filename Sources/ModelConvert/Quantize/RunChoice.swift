/// Which of many runs are taken: at most so many, evenly spread, or the first where each goes on
/// from the one before it.
struct RunChoice {
  let count: Int
  private let total: Int
  private let isSpread: Bool

  init(total: Int, atMost limit: Int, isSpread: Bool) {
    self.total = total
    self.isSpread = isSpread
    count = min(total, limit)
  }

  subscript(_ i: Int) -> Int { isSpread ? i * total / max(count, 1) : i }
}
