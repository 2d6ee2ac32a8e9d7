import Graph

/// A character model: predicts the next token of a text from those before it (A. Graves, "Generating
/// sequences with recurrent neural networks", 2013, section 3; A. Karpathy's char-rnn).
///
/// An embedding, layers of LSTM, a dense layer. What the layers remember is state of the model: one
/// step or many can be run at a time, and the next run goes on from there.
public struct CharRNN {
  /// Tokens.
  public var vocabulary: Int
  public var embedding = 64
  public var hiddenSize = 128
  public var layers = 2
  public var cell = RecurrentCell.lstm
  /// Between the layers, in training (W. Zaremba et al., "Recurrent neural network regularization",
  /// 2014).
  public var dropout: Float = 0
  public var seed: UInt64 = 1

  public init(vocabulary: Int) { self.vocabulary = vocabulary }

  /// The network with its initial weights: "tokens" int32 [T, batch] to "logits"
  /// [T, batch, vocabulary].
  ///
  /// - Parameter batch: texts side by side, each with its own state. Weights drawn do not depend on
  ///   it, so that a network trained on many is run on one.
  public func graph(batch: Int = 1) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let tokens = b.input("tokens", .int32, [.free("T"), .fixed(batch)])
    var x = b.embedding(tokens, count: vocabulary, width: embedding, name: "embedding")
    for layer in 1...max(layers, 1) {
      x = b.dropout(x, ratio: dropout, name: "dropout\(layer)")
      x = b.recurrent(
        cell, x, hiddenSize: hiddenSize, keepsState: true, name: "\(cell.rawValue.lowercased())\(layer)")
    }
    x = b.dropout(x, ratio: dropout, name: "dropout")
    b.output(b.dense(x, vocabulary, name: "output"), "logits")
    b.setMetadata("name", "char-rnn")
    return try b.build()
  }
}
