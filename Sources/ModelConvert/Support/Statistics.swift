import ModelFormat
import Operators

/// The range of a tensor's finite elements.
struct ValueRange {
  var min = Double.infinity
  var max = -Double.infinity
  var mean = 0.0
  /// Elements that are infinite or no number.
  var nonFinite = 0

  init(_ values: [Double]) {
    var sum = 0.0
    for v in values {
      guard v.isFinite else {
        nonFinite += 1
        continue
      }
      min = Swift.min(min, v)
      max = Swift.max(max, v)
      sum += v
    }
    mean = sum / Double(values.count - nonFinite)
  }
}
