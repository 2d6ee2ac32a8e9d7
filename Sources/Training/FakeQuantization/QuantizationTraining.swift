import Quantization

/// How the last epochs of a run train for int8 (quantisation-aware training): weights and
/// activations are rounded in the forward pass as the int8 network will round them.
public struct QuantizationTraining: Equatable, Sendable {
  /// The last so many epochs.
  public var epochs = 1
  /// In the last so many of these the activations' ranges stand still.
  public var frozenEpochs = 0
  public var perChannelWeights = true
  public var activations = ActivationType.uint8
  public var observer = ActivationRanges.Observer.movingAverage
  /// Of the moving average.
  public var momentum: Float = 0.99
  /// Make the channels of neighbouring layers alike in range before it begins.
  public var equalizes = false
  /// Takes the place of η₀; nil: it stays.
  public var learningRate: Double?

  public init() {}

  var options: QuantizationOptions {
    var options = QuantizationOptions()
    options.perChannelWeights = perChannelWeights
    options.activations = activations
    options.equalizes = equalizes
    return options
  }
}
