import Graph

/// A machine with a memory of its own, of which a run is a step: what it is shown and what it is to say
/// are for the problem that it learns.
public protocol MemoryMachine {
  /// Numbers of an input vector; of a token's embedding, where it is shown tokens.
  var inputs: Int { get set }
  /// Logits of a step.
  var outputs: Int { get set }
  /// How many different tokens it is shown, one in a step; nil: vectors.
  var tokens: Int? { get set }
  /// Classes that a step says side by side, of `outputs` / `answers` logits each.
  var answers: Int { get set }
  var seed: UInt64 { get set }

  /// What tells where it looks.
  var heads: [MemoryHead] { get }

  /// The step with its initial weights: "x" [batch, inputs], or "token" int32 [batch], to "logits"
  /// [batch, outputs], or [batch, answers, outputs / answers] where there are several answers; behind
  /// them the outputs of `heads`.
  func graph(batch: Int) throws -> Graph
}

/// An output that tells where a head looks: [batch, heads, locations].
public struct MemoryHead: Sendable {
  public var output: Int
  public var index: Int
  public var title: String
}

extension MemoryMachine {
  /// What the machine is shown, as vectors [batch, inputs].
  func shown(_ b: GraphBuilder, _ batch: Int) -> Value {
    guard let tokens else { return b.input("x", .float32, [.fixed(batch), .fixed(inputs)]) }
    return b.embedding(
      b.input("token", .int32, [.fixed(batch)]), count: tokens, width: inputs, name: "embedding")
  }

  /// What it says of the controller's output and what was read.
  func say(_ b: GraphBuilder, _ values: [Value], _ batch: Int) {
    let logits = b.dense(b.concat(values, axis: 1), outputs, name: "output")
    b.output(
      answers == 1 ? logits : b.reshape(logits, [batch, answers, outputs / answers]), "logits")
  }
}
