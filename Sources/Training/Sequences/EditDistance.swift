/// The least number of insertions, deletions and substitutions that make `b` of `a` (V. I.
/// Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966).
public func editDistance<T: Equatable>(_ a: [T], _ b: [T]) -> Int {
  var row = Array(0...b.count)
  for (i, x) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, y) in b.enumerated() {
      let change = diagonal + (x == y ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(change, row[j] + 1, row[j + 1] + 1)
    }
  }
  return row[b.count]
}

/// The label error rate: edits over all pairs, by the labels there should be.
public func labelErrorRate<T: Equatable>(_ pairs: [(found: [T], wanted: [T])]) -> Double {
  let edits = pairs.reduce(0) { $0 + editDistance($1.found, $1.wanted) }
  return Double(edits) / Double(max(1, pairs.reduce(0) { $0 + $1.wanted.count }))
}
