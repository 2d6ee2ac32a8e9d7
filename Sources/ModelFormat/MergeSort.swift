/// Sorts stably: the standard library's sort costs more code than it is worth in libapus.
///
/// - Complexity: O(n log n).
public func mergeSort(_ values: inout [Int], by precedes: (Int, Int) -> Bool) {
  var from = values
  var to = values
  var width = 1
  while width < from.count {
    var start = 0
    while start < from.count {
      let middle = min(start + width, from.count)
      let end = min(start + 2 * width, from.count)
      var i = start
      var j = middle
      for k in start..<end {
        if i < middle && (j >= end || !precedes(from[j], from[i])) {
          to[k] = from[i]
          i += 1
        } else {
          to[k] = from[j]
          j += 1
        }
      }
      start = end
    }
    (from, to) = (to, from)
    width *= 2
  }
  values = from
}
