import Foundation

/// What is measured of a quantised tensor x beside the float tensor r that it stands for.
struct QuantizedMeasures {
  let error: TensorError
  /// The SQNR of the channel in the middle: that of the whole tensor is the largest channels'.
  let channelSqnr: Double
  /// The same of r rounded to the scale of x.
  let channelRoundingSqnr: Double
  /// What r itself loses where it is rounded to the scale of x, in dB: no layer can do better.
  let roundingSqnr: Double
  /// The part of the error's energy that clipped elements lose beyond the range, from 0 to 1.
  let clippingNoise: Double
  /// The part that rounding r inside the range makes; may be above 1.
  let stepNoise: Double
  /// Elements at either end of the range whose r lies more than half a step beyond it, from 0 to 1.
  let clippedShare: Double
  /// The values between the smallest and the largest of x, from 0 to 1 of all 256.
  let rangeUsed: Double
  /// The same for the middle 99 % of elements.
  let bulkUsed: Double
  let channels: Int
  /// Channels that are constant in x and not in r.
  let deadChannels: Int
  /// Those among them whose r spans more than a step: they could have been told apart.
  let lostChannels: Int
  /// The largest |r| of the largest channel beside that of the channel in the middle.
  let channelRatio: Double

  /// - Parameter axis: of the channels.
  init(
    _ q: [Double], _ quantization: TensorQuantization, reference: [Double], shape: [Int], axis: Int
  ) {
    let scales = Channels(shape, axis: quantization.axis)
    let channels = Channels(shape, axis: axis)
    let real = quantization.real(q, scales)
    error = TensorError(real, reference)
    var rounded = reference
    var clipped = 0
    var beyond = 0.0
    var inside = 0.0
    var whole = 0.0
    for (i, r) in reference.enumerated() where r.isFinite {
      let scale = quantization.scale(scales.of(i))
      let zero = quantization.zero(scales.of(i))
      let lower = scale * (quantization.lower - zero)
      let upper = scale * (quantization.upper - zero)
      let steps = min(max((r / scale).rounded(.toNearestOrEven), lower / scale), upper / scale)
      rounded[i] = scale * steps
      let noise = (rounded[i] - r) * (rounded[i] - r)
      whole += (real[i] - r) * (real[i] - r)
      if r >= lower - scale / 2, r <= upper + scale / 2 {
        inside += noise
      } else if q[i] == quantization.lower || q[i] == quantization.upper {
        clipped += 1
        beyond += noise
      }
    }
    channelSqnr = QuantizedMeasures.middle(real, reference, channels)
    channelRoundingSqnr = QuantizedMeasures.middle(rounded, reference, channels)
    roundingSqnr = TensorError(rounded, reference).sqnr
    clippingNoise = whole > 0 ? beyond / whole : 0
    stepNoise = whole > 0 ? inside / whole : 0
    clippedShare = Double(clipped) / Double(max(1, q.count))

    let sorted = q.sorted()
    let steps = quantization.upper - quantization.lower + 1
    func used(_ tail: Double) -> Double {
      guard !sorted.isEmpty else { return 0 }
      let cut = Int(Double(sorted.count) * tail)
      return (sorted[sorted.count - 1 - cut] - sorted[cut] + 1) / steps
    }
    rangeUsed = used(0)
    bulkUsed = used(0.005)

    let tested = QuantizedMeasures.ranges(q, channels)
    let wanted = QuantizedMeasures.ranges(reference, channels)
    self.channels = channels.count
    var dead = 0
    var lost = 0
    for (c, (x, r)) in zip(tested, wanted).enumerated() where x.lower == x.upper {
      let step = quantization.scale(quantization.isPerTensor ? 0 : min(c, scales.count - 1))
      if r.upper > r.lower { dead += 1 }
      if r.upper - r.lower > step { lost += 1 }
    }
    deadChannels = dead
    lostChannels = lost
    let largest = wanted.map { max(abs($0.lower), abs($0.upper)) }.filter { $0 > 0 }.sorted()
    channelRatio = largest.isEmpty ? 1 : largest.last! / largest[largest.count / 2]
  }

  /// The SQNR of the channel in the middle, of those with a signal.
  private static func middle(_ x: [Double], _ r: [Double], _ channels: Channels) -> Double {
    var signal = [Double](repeating: 0, count: channels.count)
    var noise = signal
    for (i, value) in r.enumerated() where value.isFinite {
      let c = channels.of(i)
      signal[c] += value * value
      noise[c] += (x[i] - value) * (x[i] - value)
    }
    let found = signal.indices.filter { signal[$0] > 0 }.map {
      noise[$0] > 0 ? 10 * log10(signal[$0] / noise[$0]) : .infinity
    }.sorted()
    return found.isEmpty ? .infinity : found[found.count / 2]
  }

  /// What counts of the two.
  var quality: Double { min(error.sqnr, channelSqnr) }

  private static func ranges(
    _ values: [Double], _ channels: Channels
  ) -> [(lower: Double, upper: Double)] {
    var ranges = [(lower: Double, upper: Double)](
      repeating: (.infinity, -.infinity), count: channels.count)
    for (i, value) in values.enumerated() where value.isFinite {
      let c = channels.of(i)
      ranges[c] = (min(ranges[c].lower, value), max(ranges[c].upper, value))
    }
    return ranges
  }
}
