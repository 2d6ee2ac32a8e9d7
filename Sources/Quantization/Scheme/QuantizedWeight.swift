import Graph
import ModelFormat

/// A weight as int8 from −127 to 127: w = scale · q, one scale for each index of an axis or one for
/// the tensor.
struct QuantizedWeight {
  /// nil: one scale for the tensor.
  let axis: Int?
  private(set) var scales: [Float]
  private(set) var integers: [Int8]
  private let numbers: [Float]
  private let shape: [Int]

  /// - Parameters:
  ///   - bias: What is added to each channel's sum, and the scale of the input: int32 must hold it.
  init(
    _ numbers: [Float], shape: [Int], axis: Int?, bias: (numbers: [Float], inputScale: Float)? = nil
  ) {
    self.axis = axis
    self.numbers = numbers
    self.shape = shape
    integers = []
    let channels = axis.map { shape[$0] } ?? 1
    scales = [Float](repeating: 0, count: channels)
    var largest = scales
    forEachRun { first, count, channel in
      for i in first..<(first + count) { largest[channel] = max(largest[channel], abs(numbers[i])) }
    }
    for c in 0..<channels {
      scales[c] = max(largest[c] / 127, QuantizedWeight.smallestScale)
      guard let bias else { continue }
      // One scale for all channels has to do for the largest bias.
      let all = bias.numbers
      let b = axis == nil ? all.reduce(0) { max($0, abs($1)) } : abs(all[c % all.count])
      scales[c] = max(scales[c], b / bias.inputScale / QuantizedWeight.largestBias)
    }
    integers = [Int8](repeating: 0, count: numbers.count)
    round { $0.rounded(.toNearestOrEven) }
  }

  /// The axis of the scales of an integer layer's weight; nil where one scale is for all of it.
  static func axis(
    _ node: Node, _ rule: OperatorRule, _ weight: Value, _ options: QuantizationOptions
  ) -> Int? {
    guard options.perChannelWeights, (weight.shape?.count ?? 0) <= (node.op == "MatMul" ? 2 : 5)
    else { return nil }
    return node.channelAxis(rule.weights[0].axis, of: weight)
  }

  /// Below it a channel is as good as zero.
  static let smallestScale: Float = 1e-12
  /// Well inside of int32, and of what the graph's passes take.
  private static let largestBias: Float = 0x1p29

  /// Calls the body with (first element, elements, channel) for all elements.
  func forEachRun(_ body: (Int, Int, Int) -> Void) {
    guard let axis else { return body(0, numbers.count, 0) }
    let inner = shape.dropFirst(axis + 1).reduce(1, *)
    let runs = numbers.count / max(inner, 1)
    for i in 0..<runs { body(i * inner, inner, i % shape[axis]) }
  }

  private mutating func round(_ rounded: (Float) -> Float) {
    var result = integers
    forEachRun { first, count, channel in
      for i in first..<(first + count) {
        result[i] = Int8(min(max(rounded(numbers[i] / scales[channel]), -127), 127))
      }
    }
    integers = result
  }

  // MARK: Single numbers

  var count: Int { numbers.count }

  /// The scale of an output channel.
  func scale(ofChannel channel: Int) -> Float { scales[axis == nil ? 0 : channel] }

  private func scale(of i: Int) -> Float {
    guard let axis else { return scales[0] }
    return scales[i / shape.dropFirst(axis + 1).reduce(1, *) % shape[axis]]
  }

  /// What rounding took from a number.
  func error(_ i: Int) -> Float { numbers[i] - scale(of: i) * Float(integers[i]) }

  func canStep(_ i: Int, _ step: Int) -> Bool { abs(Int(integers[i]) + step) <= 127 }

  mutating func step(_ i: Int, _ step: Int) { integers[i] += Int8(step) }

  /// What rounding took from each number: w − scale · q.
  var errors: [Float] {
    var result = numbers
    forEachRun { first, count, channel in
      for i in first..<(first + count) { result[i] -= scales[channel] * Float(integers[i]) }
    }
    return result
  }

  /// The channel that is so much larger than all others that one scale leaves those no steps.
  static func outlier(
    _ numbers: [Float], shape: [Int], axis: Int
  ) -> (channel: Int, largest: Float, rest: Float)? {
    let scales = QuantizedWeight(numbers, shape: shape, axis: axis).scales
    guard scales.count > 1, let c = scales.indices.max(by: { scales[$0] < scales[$1] }) else {
      return nil
    }
    let rest = scales.indices.filter { $0 != c }.map { scales[$0] }.max()!
    guard rest > smallestScale, scales[c] >= Calibrator.outlierRatio * rest else { return nil }
    return (c, scales[c] * 127, rest * 127)
  }

  // MARK: Values

  func value(_ name: String) -> Value {
    Value(
      name, .int8, shape.map { .fixed($0) }, kind: .weight,
      bytes: integers.map { UInt8(bitPattern: $0) })
  }

  func scaleValue(_ name: String) -> Value {
    Value(name, axis == nil ? [] : [scales.count], floats: scales)
  }
}
