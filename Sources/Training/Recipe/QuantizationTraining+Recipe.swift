import Quantization

extension QuantizationTraining {
  /// The part `quantization` of a recipe.
  ///
  /// - Parameter all: The recipe's epochs.
  init(_ section: RecipeSection, epochs all: Int) throws {
    self.init()
    try section.allow([
      "epochs", "frozen_epochs", "weights", "activations", "observer", "momentum", "equalization",
      "learning_rate",
    ])
    epochs = try section.required("epochs", section.integer("epochs"))
    guard epochs <= all else {
      throw section.error(
        "epochs", "quantization.epochs: \(epochs) of the last epochs, and there are \(all)")
    }
    frozenEpochs = try section.integer("frozen_epochs", 0...Int(Int32.max)) ?? epochs / 3
    guard frozenEpochs < epochs else {
      throw section.error(
        "frozen_epochs",
        "quantization.frozen_epochs: \(frozenEpochs) of \(epochs) epochs leave none to find ranges "
          + "in")
    }
    perChannelWeights =
      try section.choice("weights", ["per-channel", "per-tensor"]) != "per-tensor"
    activations = try section.choice("activations", ActivationType.self) ?? activations
    observer = try section.choice("observer", ActivationRanges.Observer.self) ?? observer
    if observer == .minmax, section.has("momentum") {
      throw section.error("momentum", "quantization.momentum: it is for 'moving-average'")
    }
    momentum = Float(
      try section.number("momentum", "from 0 to less than 1") { $0 >= 0 && $0 < 1 } ?? 0.99)
    equalizes = try section.bool("equalization") ?? false
    learningRate = try section.number("learning_rate", "greater than 0") { $0 > 0 }
  }
}
