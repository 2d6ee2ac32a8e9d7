import Graph

/// Layers of RNN, LSTM or GRU over a sequence, and a dense layer that answers for the whole of it
/// (many to one) or at every step (many to many).
///
/// With one layer of `rnn` it is the network of J. L. Elman, "Finding structure in time", 1990; with
/// `bidirectional` that of M. Schuster, K. K. Paliwal, "Bidirectional recurrent neural networks",
/// 1997, section III; with `lstm` and `peepholes` a layer is that of A. Graves, "Generating sequences
/// with recurrent neural networks", 2013, equations 7 to 11; with `gru` that of K. Cho et al.,
/// "Learning phrase representations using RNN encoder-decoder", 2014, section 2.3.
public struct SequenceNetwork {
  /// What the dense layer reads.
  public enum Reading: String, CaseIterable {
    /// What the last layer knows at a sequence's end (on its way back: at its beginning).
    case last
    /// The mean over a sequence's steps.
    case mean
    /// Each step: an answer for every one.
    case each
  }

  public enum Input: Equatable {
    /// "x" float32 [N, T, features].
    case numbers(features: Int)
    /// "x" int32 [N, T], tokens: an embedding comes first.
    case tokens(count: Int)
  }

  public var input = Input.numbers(features: 1)
  public var outputs = 1
  public var cell = RecurrentCell.lstm
  public var layers = 1
  public var hiddenSize = 64
  public var isBidirectional = false
  public var hasPeepholes = false
  public var reading = Reading.last
  /// Sequences of different lengths: a second input "lengths", int32 [N]. What x holds behind a
  /// sequence's end does not matter.
  public var hasLengths = false
  /// Width of the embedding of tokens.
  public var embedding = 32
  /// Before each layer but the first and before the dense one, in training.
  public var dropout: Float = 0
  /// Starting value of an LSTM's forget gates.
  public var forgetBias: Float = 1
  public var seed: UInt64 = 1

  public init() {}

  /// The network with its initial weights: "x" (and "lengths") to "y" [N, outputs], or
  /// [N, T, outputs] where it reads each step.
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    var x: Value
    switch input {
    case .numbers(let features):
      x = b.input("x", .float32, [.free("N"), .free("T"), .fixed(features)])
    case .tokens(let count):
      let tokens = b.input("x", .int32, [.free("N"), .free("T")])
      x = b.embedding(tokens, count: count, width: embedding, name: "embedding")
    }
    let lengths = hasLengths ? b.input("lengths", .int32, [.free("N")]) : nil
    // The layers want time first.
    x = b.transpose(x, [1, 0, 2])
    for layer in 1...max(layers, 1) {
      if layer > 1 { x = b.dropout(x, ratio: dropout, name: "dropout\(layer)") }
      let name = "\(cell.rawValue.lowercased())\(layer)"
      if layer == max(layers, 1) && reading == .last {
        x = b.recurrentSummary(
          cell, x, hiddenSize: hiddenSize, bidirectional: isBidirectional, lengths: lengths,
          peepholes: hasPeepholes, forgetBias: forgetBias, name: name)
      } else {
        x = b.recurrent(
          cell, x, hiddenSize: hiddenSize, bidirectional: isBidirectional, lengths: lengths,
          peepholes: hasPeepholes, forgetBias: forgetBias, name: name)
      }
    }
    switch reading {
    case .last: break
    case .mean: x = mean(x, lengths, b)
    case .each: x = b.transpose(x, [1, 0, 2])
    }
    x = b.dropout(x, ratio: dropout, name: "dropout")
    b.output(b.dense(x, outputs, name: "output"), "y")
    b.setMetadata("name", "sequence network")
    return try b.build()
  }

  /// Over the steps of x, [T, N, width]; those behind a sequence's end are 0.
  private func mean(_ x: Value, _ lengths: Value?, _ b: GraphBuilder) -> Value {
    guard let lengths else {
      return b.node("ReduceMean", name: "mean", [x, b.constant(integers: [0])], ["keepdims": 0])
    }
    let sum = b.node("ReduceSum", name: "sum", [x, b.constant(integers: [0])], ["keepdims": 0])
    let counts = b.node("Cast", [lengths], ["to": 1])
    return b.node("Div", name: "mean", [sum, b.reshape(counts, [-1, 1])])
  }
}
