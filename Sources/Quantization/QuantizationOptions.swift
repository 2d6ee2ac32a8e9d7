import ModelFormat

/// How a network is to be quantised.
public struct QuantizationOptions {
  /// Whether weights have a scale for each output channel, or one for the tensor.
  public var perChannelWeights = true
  public var activations = ActivationType.uint8
  public var observer = Observer.meanSquares
  /// Equalise the channels of layers that follow each other.
  public var equalizes = true
  /// Correct biases by the mean error that rounded weights make.
  public var correctsBias = true
  /// Round weights such that layers' outputs are near, not each weight.
  public var roundsAdaptively = false
  /// What float inputs and outputs become; nil: they stay.
  public var inputs: ActivationType?
  public var outputs: ActivationType?
  public var threads = 1

  public init() {}
}

/// The integers that activations become. Both have a zero point.
public enum ActivationType: String, CaseIterable, Sendable {
  case uint8, int8

  public var range: ClosedRange<Int32> { self == .uint8 ? 0...255 : -128...127 }

  var dataType: DataType { self == .uint8 ? .uint8 : .int8 }
}

/// How the range of a tensor is chosen from what it held.
public enum Observer: Equatable {
  /// From the smallest to the largest.
  case minMax
  /// So many of a hundred values; what is cut off is cut from both ends alike.
  case percentile(Double)
  /// The range whose quantised distribution tells the most of the real one.
  case entropy
  /// The range with the smallest squared error.
  case meanSquares
}

/// Why a network cannot be quantised: one sentence.
public struct QuantizationError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
