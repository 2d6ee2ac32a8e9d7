import ModelFormat

// Equations of three inputs and more are computed two at a time: what takes n^(all labels) products
// at once takes far fewer in steps.

extension EinsumEquation {
  /// The labels of two operands: those that the output or another operand has, and the others.
  private func keptLabels(_ i: Int, _ j: Int) -> (kept: [Int], summed: [Int]) {
    var kept: [Int] = []
    var summed: [Int] = []
    for l in 0..<labelCount where strides[i][l] != 0 || strides[j][l] != 0 {
      var isNeeded = l < outputRank
      for o in 0..<operandCount where o != i && o != j && strides[o][l] != 0 { isNeeded = true }
      if isNeeded { kept.append(l) } else { summed.append(l) }
    }
    return (kept, summed)
  }

  private func product(_ labels: [Int]) -> Int {
    var n = 1
    for l in labels { n *= counts[l] }
    return n
  }

  /// The two operands whose product is smallest; nil where there are no more than two, or where
  /// every product would be much larger than the equation's own tensors.
  func smallestPair() -> (first: Int, second: Int)? {
    if operandCount < 3 || sumCount == 0 { return nil }
    var limit = shape.count
    for o in 0..<operandCount {
      var n = 1
      for l in 0..<labelCount where strides[o][l] != 0 { n *= counts[l] }
      limit = max(limit, n)
    }
    limit = min(limit, Shape.maximumCount / 4) * 4
    var best: (first: Int, second: Int)?
    for i in 0..<operandCount {
      for j in (i + 1)..<max(i + 1, operandCount) {
        let kept = keptLabels(i, j).kept
        if kept.count > Shape.maximumRank { continue }
        let n = product(kept)
        if n < limit || (n == limit && best == nil) {
          limit = n
          best = (i, j)
        }
      }
    }
    return best
  }

  /// The equation of two operands alone, and the one that is left with their product as its last
  /// operand.
  func split(_ i: Int, _ j: Int) -> (pair: EinsumEquation, rest: EinsumEquation) {
    let (kept, summed) = keptLabels(i, j)
    let labels = kept + summed
    let pair = EinsumEquation(
      counts: labels.map { counts[$0] }, outputRank: kept.count,
      strides: [reordered(strides[i], labels), reordered(strides[j], labels)])

    var dense = InlineArray<16, Int>(repeating: 0)
    for (k, l) in kept.enumerated() where counts[l] != 1 {
      dense[l] = product(Array(kept[(k + 1)...]))
    }
    var operands: [InlineArray<16, Int>] = []
    for o in 0..<operandCount where o != i && o != j { operands.append(strides[o]) }
    operands.append(dense)
    // Labels that were summed over are gone.
    var left: [Int] = []
    for l in 0..<labelCount where !summed.contains(l) { left.append(l) }
    let rest = EinsumEquation(
      counts: left.map { counts[$0] }, outputRank: outputRank,
      strides: operands.map { reordered($0, left) })
    return (pair, rest)
  }

  private func reordered(
    _ strides: InlineArray<16, Int>, _ labels: [Int]
  ) -> InlineArray<16, Int> {
    var result = InlineArray<16, Int>(repeating: 0)
    for (k, l) in labels.enumerated() { result[k] = strides[l] }
    return result
  }
}
