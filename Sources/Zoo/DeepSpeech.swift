import Graph

/// A recogniser of speech: samples to letters, each 20 ms a letter or a blank, for `CTCLoss`.
///
/// Log-mel features, a convolution over time that halves the steps, recurrent layers in both
/// directions, a dense layer (A. Hannun et al., "Deep Speech", 2014, section 2; D. Amodei et al., "Deep
/// Speech 2", 2016, sections 3.3 to 3.5, with its layers at reduced width). The streaming form has
/// layers that run forward alone, as section 3.6 needs them, and takes sound as it comes.
public struct DeepSpeech {
  /// Labels, the blank included, which is 0.
  public var classes: Int
  public var features = LogMel()
  /// Of the convolution.
  public var filters = 64
  public var kernel = 5
  public var cell = RecurrentCell.gru
  public var hiddenSize = 64
  public var layers = 1
  public var dropout: Float = 0
  /// Whether the layers run forward alone and remember the sound before.
  public var isStreaming = false
  public var seed: UInt64 = 1

  public init(classes: Int) { self.classes = classes }

  /// Samples from step to step; sound comes in multiples of this.
  public var stepSamples: Int { 2 * features.hop }
  /// Samples before a step's own that it is computed from.
  public var contextSamples: Int { (kernel - 1) * features.hop + features.frame - stepSamples }

  /// "sound" [batch, samples] to "logits" [samples / stepSamples, batch, classes].
  ///
  /// - Parameter batch: sounds side by side. Weights drawn do not depend on it.
  public func graph(batch: Int = 1) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    b.output(logits(b, batch: batch, remembers: isStreaming), "logits")
    b.setMetadata("name", "Deep Speech")
    return try b.build()
  }

  /// As it is run: the function "main" for one sound, and beside it "transcribe", which takes a whole
  /// one, "sound" [1, samples], to "labels" int32 [length] and their "score" by prefix beam search: see
  /// `PrefixBeamSearch`.
  public func recogniser(beams: Int, length: Int) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    b.output(logits(b, batch: 1, remembers: isStreaming), "logits")
    b.setMetadata("name", "Deep Speech")
    let whole = GraphBuilder(repeating: b, function: "transcribe")
    let body = PrefixBeamSearch(beams: beams, length: length).add(
      to: whole, logits: whole.squeeze(logits(whole, batch: 1, remembers: false), axes: [1]),
      classes: classes)
    return try GraphBuilder.build([b, whole, body])
  }

  /// - Parameter remembers: whether the sound before is state.
  private func logits(_ b: GraphBuilder, batch: Int, remembers: Bool) -> Value {
    let sound = b.input("sound", .float32, [.fixed(batch), .free("samples")])
    // Silence comes before the beginning.
    var x: Value
    if remembers {
      let before = b.state("before", [batch, contextSamples])
      x = b.concat([before, sound], axis: 1)
      b.update(before, to: b.slice(x, axis: 1, -contextSamples..<Int(Int32.max)))
    } else {
      x = b.node("Pad", [sound, b.constant(integers: [0, contextSamples, 0, 0])])
    }
    x = b.logMel(x, features)
    x = b.batchNormalization(x, name: "normalization")
    x = b.conv(
      x, outChannels: filters, kernel: [kernel], stride: [2], activation: .relu, name: "conv")
    x = b.transpose(x, [2, 0, 1])
    for layer in 1...max(layers, 1) {
      x = b.dropout(x, ratio: dropout, name: "dropout\(layer)")
      x = b.recurrent(
        cell, x, hiddenSize: hiddenSize, bidirectional: !isStreaming, keepsState: remembers,
        name: "\(cell.rawValue.lowercased())\(layer)")
    }
    x = b.dropout(x, ratio: dropout, name: "dropout")
    return b.dense(x, classes, name: "output")
  }
}
