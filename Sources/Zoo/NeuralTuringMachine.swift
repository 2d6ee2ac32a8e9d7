import Graph

/// A Neural Turing Machine: A. Graves, G. Wayne, I. Danihelka, "Neural Turing Machines", 2014.
///
/// A controller reads and writes a memory matrix through heads, each of which says where by what lies
/// there (section 3.3.1) and by how far from where it was (3.3.2). A run is a step; all that the
/// machine remembers is state of the model.
///
/// The memory is written before it is read, which the paper leaves open. It begins as a small constant
/// and the heads at location 0 (M. Collier, J. Beel, "Implementing Neural Turing Machines", 2018,
/// found constants to converge fastest).
///
/// With an LSTM of 100 units and a memory of 128 × 20, for vectors of 8 bits, 62,660 parameters. The
/// paper's Table 2 has 67,561 for that and does not say of what; here the state begins with constants,
/// and the LSTM has no peepholes.
public struct NeuralTuringMachine: MemoryMachine {
  public var inputs = 9
  public var outputs = 8
  public var tokens: Int?
  public var answers = 1
  public var controller = Controller.lstm
  public var hiddenSize = 100
  /// N and M of the paper.
  public var locations = 128
  public var width = 20
  public var readHeads = 1
  public var writeHeads = 1
  /// Shifts a head may make: −1, 0 and 1 are 3.
  public var shifts = 3
  public var seed: UInt64 = 1

  public enum Controller: String, CaseIterable {
    case lstm
    case feedForward = "feed-forward"
  }

  public init() {}

  public var heads: [MemoryHead] {
    (0..<readHeads).map { MemoryHead(output: 1, index: $0, title: "Read head \($0 + 1)") }
      + (0..<writeHeads).map {
        MemoryHead(output: 1, index: readHeads + $0, title: "Write head \($0 + 1)")
      }
  }

  /// The step, with "weights" [batch, readHeads + writeHeads, locations] behind "logits": where the
  /// heads look, those that read first.
  ///
  /// - Parameter batch: machines side by side; weights drawn do not depend on it.
  public func graph(batch: Int = 1) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let heads = readHeads + writeHeads
    let x = shown(b, batch)
    let memory = b.state(
      "memory", [batch, locations, width],
      initial: [Float](repeating: 1e-6, count: batch * locations * width))
    let read = b.state("read", [batch, readHeads * width])
    let start = [Float](unsafeUninitializedCapacity: batch * heads * locations) { numbers, count in
      for i in 0..<batch * heads * locations { numbers[i] = i % locations == 0 ? 1 : 0 }
      count = batch * heads * locations
    }
    let before = b.state("weights_before", [batch, heads, locations], initial: start)

    let h = control(b, b.concat([x, read], axis: 1))
    let weights = address(b, h, memory, before, heads: heads, batch: batch)
    let writing = b.dense(h, writeHeads * 2 * width, name: "write")
    let parts = b.split(b.reshape(writing, [batch, writeHeads, 2 * width]), [width, width])
    let (readers, writers) =
      (b.slice(weights, axis: 1, 0..<readHeads), b.slice(weights, axis: 1, readHeads..<heads))
    let written = b.writeMemory(
      memory, weights: writers, erase: b.sigmoid(parts[0]), add: b.tanh(parts[1]),
      heads: writeHeads)
    let vectors = b.reshape(b.node("MatMul", [readers, written]), [batch, readHeads * width])
    b.update(memory, to: written)
    b.update(read, to: vectors)
    b.update(before, to: weights)
    say(b, [h, vectors], batch)
    b.output(weights, "weights")
    b.setMetadata("name", "Neural Turing Machine")
    return try b.build()
  }

  private func control(_ b: GraphBuilder, _ x: Value) -> Value {
    switch controller {
    case .feedForward: return b.dense(x, hiddenSize, activation: .tanh, name: "controller")
    case .lstm:
      return b.lstmStep(x, hiddenSize: hiddenSize, name: "controller")
    }
  }

  /// Figure 2 of the paper: where all heads look, [batch, heads, locations].
  private func address(
    _ b: GraphBuilder, _ h: Value, _ memory: Value, _ before: Value, heads: Int, batch: Int
  ) -> Value {
    let sizes = [width, 1, 1, shifts, 1]
    let all = b.dense(h, heads * sizes.reduce(0, +), name: "address")
    let parts = b.split(b.reshape(all, [batch, heads, sizes.reduce(0, +)]), sizes)
    // Equations 5 and 6, by content.
    let strength = b.node("Softplus", [parts[1]])
    let content = b.softmax(
      b.multiply(b.cosineSimilarity(b.tanh(parts[0]), memory), strength), name: "content")
    // Equation 7, between that and where the head was.
    let gate = b.sigmoid(parts[2])
    let gated = b.add(before, b.multiply(gate, b.node("Sub", [content, before])))
    // Equation 8, shifted.
    let shift = b.softmax(parts[3], name: "shift")
    var moved: Value?
    for i in 0..<shifts {
      let share = b.multiply(
        rolled(b, gated, by: i - shifts / 2), b.slice(shift, axis: 2, i..<i + 1))
      moved = moved.map { b.add($0, share) } ?? share
    }
    // Equation 9, sharpened.
    let sharp = b.node("Pow", [moved!, b.onePlus(parts[4])])
    let sum = b.node("ReduceSum", [sharp, b.constant(integers: [2])])
    return b.node("Div", [sharp, b.add(sum, b.constant(1e-12))])
  }

  /// The last axis, a circle, turned.
  private func rolled(_ b: GraphBuilder, _ x: Value, by steps: Int) -> Value {
    if steps == 0 { return x }
    let cut = (locations - steps) % locations
    return b.concat([b.slice(x, axis: 2, cut..<locations), b.slice(x, axis: 2, 0..<cut)], axis: 2)
  }
}
