/// What a tensor held over all runs.
struct TensorStatistics {
  private(set) var minimum = Float.infinity
  private(set) var maximum = -Float.infinity
  private(set) var count = 0
  /// The largest magnitude of each channel; empty where the tensor has none.
  private(set) var channelMaxima: [Float] = []
  /// The first element that is infinite or no number.
  private(set) var firstNonFinite: Float?

  var isEmpty: Bool { count == 0 }
  var isZero: Bool { count > 0 && minimum == 0 && maximum == 0 }

  /// - Parameter axis: of the channels; nil where there are none.
  mutating func add(_ x: UnsafePointer<Float>, shape: [Int], axis: Int?) {
    let n = shape.reduce(1, *)
    var low = Float.infinity
    var high = -Float.infinity
    // 0 for what is finite, else no number: the sum says whether all are.
    var check: Float = 0
    for i in 0..<n {
      let v = x[i]
      low = v < low ? v : low
      high = v > high ? v : high
      check += v - v
    }
    count += n
    minimum = min(minimum, low)
    maximum = max(maximum, high)
    if check != 0 || check.isNaN, firstNonFinite == nil {
      firstNonFinite = (0..<n).lazy.map { x[$0] }.first { !$0.isFinite }
    }
    guard let axis, axis < shape.count, shape[axis] > 1 else { return }
    let channels = shape[axis]
    let inner = shape.dropFirst(axis + 1).reduce(1, *)
    if channelMaxima.count != channels {
      channelMaxima = [Float](repeating: 0, count: channels)
    }
    channelMaxima.withUnsafeMutableBufferPointer { maxima in
      var i = 0
      var channel = 0
      while i < n {
        var largest: Float = 0
        for k in i..<(i + inner) { largest = max(largest, abs(x[k])) }
        maxima[channel] = max(maxima[channel], largest)
        i += inner
        channel = channel + 1 == channels ? 0 : channel + 1
      }
    }
  }

  /// Takes in what another tensor with the same scale held.
  mutating func merge(_ other: TensorStatistics) {
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
    count += other.count
  }
}
