import Foundation

/// Why a quantised layer is bad, in words.
///
/// Of a tensor counts the lower of its SQNR and that of its channel in the middle: what small
/// channels lose does not show beside a large one. It is bad where that is below the least SQNR
/// (20 dB), where it is more than 6 dB below the worst of its inputs and less than 10 dB above the
/// least, or where a channel is constant whose values a step tells apart. Then:
///
/// 1. Clipped elements make a quarter of its noise: outliers are clipped. Else rounding the float
///    tensor to the layer's scale makes half, and less than a quarter of the 256 values is used, or
///    less than a tenth by the middle 99 % of the elements: the range is wasted.
/// 2. The largest channel is 16 times that in the middle, which is below the least SQNR, half of
///    its noise from rounding: the channels' scales differ.
/// 3. Channels are constant in int8 and not in float: they are dead.
/// 4. Weights with one scale for all channels, the largest of which is 16 times the smallest.
/// 5. An input has a quarter of the noise at least (it is less than 6 dB better): the error comes
///    from there.
/// 6. None of these: the layer's rounded weights or its bias.
struct LayerDiagnosis {
  let isBad: Bool
  /// Whether the layer itself is to blame.
  private(set) var isGuilty = false
  private(set) var causes: [String] = []

  /// - Parameters:
  ///   - worstInput: its name and SQNR; nil where no input could be compared.
  init(
    _ m: QuantizedMeasures, worstInput: (name: String, sqnr: Double)?, weights: WeightSpread?,
    leastSqnr: Double
  ) {
    let sqnr = m.quality
    let drop = worstInput.map { $0.sqnr - sqnr } ?? 0
    isBad = sqnr < leastSqnr || drop > 6 && sqnr < leastSqnr + 10 || m.lostChannels > 0
    guard isBad else { return }
    let noise = pow(10, -sqnr / 10)

    if m.clippingNoise >= 0.25 {
      causes.append("outliers clipped: \(percent(m.clippedShare)) of elements lie beyond the range")
    } else if m.stepNoise >= 0.5 {
      if m.rangeUsed < 0.25 {
        causes.append("range wasted: \(percent(m.rangeUsed)) of the values are used")
      } else if m.bulkUsed < 0.1 {
        causes.append(
          "range wasted: 99 % of the elements use \(percent(m.bulkUsed)) of the values; a few "
            + "outliers stretch it")
      }
    }
    if m.channelRatio >= 16, m.channelSqnr < leastSqnr,
      m.channelRoundingSqnr <= m.channelSqnr + 3
    {
      causes.append("channels' scales differ by \(times(m.channelRatio)) within one tensor")
    }
    if m.deadChannels > 0 {
      causes.append(
        "dead channels: \(m.deadChannels) of \(m.channels) are constant in int8 and not in float")
    }
    if let weights, weights.ratio >= 16 || weights.zeroChannels > 0 {
      let zeros = weights.zeroChannels > 0 ? ", \(weights.zeroChannels) are all zero" : ""
      causes.append(
        "weights: per-tensor scale, channels differ by \(times(weights.ratio))\(zeros)")
    }
    isGuilty = !causes.isEmpty
    if let worstInput, pow(10, -worstInput.sqnr / 10) >= noise / 4 {
      causes.append(
        "error comes from its inputs: \(printable(worstInput.name)) has "
          + "\(decimals(worstInput.sqnr, 1)) dB")
    }
    if causes.isEmpty {
      isGuilty = true
      causes.append("its own: the layer's rounded weights or its bias")
    }
  }

  private func times(_ ratio: Double) -> String { "\(decimals(min(ratio, 1e9), 0))x" }
}

/// A share as `12 %`: two digits.
func percent(_ share: Double) -> String {
  let value = share * 100
  if value > 0, value < 0.01 { return "< 0.01 %" }
  if value >= 9.95 || value == 0 { return "\(decimals(value, 0)) %" }
  return String(format: "%.2g", value) + " %"
}
