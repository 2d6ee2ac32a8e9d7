import Graph

/// A Differentiable Neural Computer: A. Graves et al., "Hybrid computing using a neural network with
/// dynamic external memory", Nature 538, 2016, section Methods.
///
/// An LSTM writes rows of a memory matrix where nothing is in use (by usage and free gates) or where
/// something like the key lies, and reads by content or in the order of writing, forwards or backwards
/// (by temporal links). A run is a step; all that the machine remembers is state of the model.
public struct DifferentiableNeuralComputer: MemoryMachine {
  public var inputs = 9
  public var outputs = 8
  public var tokens: Int?
  public var answers = 1
  public var hiddenSize = 64
  /// N, W and R of the paper.
  public var locations = 16
  public var width = 16
  public var readHeads = 1
  public var seed: UInt64 = 1

  public init() {}

  private struct Memory {
    let rows, usage, precedence, links, writeWeights, readWeights, read: Value
  }

  /// What the controller says: the paper's interface vector, heads first.
  private struct Interface {
    let readKeys, readStrengths, writeKey, writeStrength, erase, write, freeGates, allocationGate,
      writeGate, readModes: Value
  }

  public var heads: [MemoryHead] {
    (0..<readHeads).map { MemoryHead(output: 1, index: $0, title: "Read head \($0 + 1)") }
      + [MemoryHead(output: 2, index: 0, title: "Write head")]
  }

  /// The step, with where the heads look behind "logits": "read_weights" [batch, readHeads, locations]
  /// and "write_weights" [batch, 1, locations].
  ///
  /// - Parameter batch: machines side by side; weights drawn do not depend on it.
  public func graph(batch: Int = 1) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let (n, w, r) = (locations, width, readHeads)
    let x = shown(b, batch)
    let before = Memory(
      // Not 0, where a row has no direction.
      rows: b.state(
        "memory", [batch, n, w], initial: [Float](repeating: 1e-6, count: batch * n * w)),
      usage: b.state("usage", [batch, 1, n]), precedence: b.state("precedence", [batch, 1, n]),
      links: b.state("links", [batch, n, n]), writeWeights: b.state("write_weights_before", [batch, 1, n]),
      readWeights: b.state("read_weights_before", [batch, r, n]),
      read: b.state("read", [batch, r * w]))
    let h = b.lstmStep(
      b.concat([x, before.read], axis: 1), hiddenSize: hiddenSize, name: "controller")
    let said = interface(b, h, batch)

    let usage = used(b, before, said)
    let writeWeights = placesToWrite(b, before, usage, said)
    let rows = b.writeMemory(
      before.rows, weights: writeWeights, erase: said.erase, add: said.write, heads: 1)
    let links = linked(b, before, writeWeights)
    let readWeights = placesToRead(b, before, rows, links, said)
    let read = b.reshape(b.node("MatMul", [readWeights, rows]), [batch, r * w])

    b.update(before.rows, to: rows)
    b.update(before.usage, to: usage)
    b.update(before.precedence, to: preceding(b, before, writeWeights))
    b.update(before.links, to: links)
    b.update(before.writeWeights, to: writeWeights)
    b.update(before.readWeights, to: readWeights)
    b.update(before.read, to: read)
    say(b, [h, read], batch)
    b.output(readWeights, "read_weights")
    b.output(writeWeights, "write_weights")
    b.setMetadata("name", "Differentiable Neural Computer")
    return try b.build()
  }

  private func interface(_ b: GraphBuilder, _ h: Value, _ batch: Int) -> Interface {
    let (w, r) = (width, readHeads)
    let sizes = [r * w, r, w, 1, w, w, r, 1, 1, 3 * r]
    let parts = b.split(b.dense(h, sizes.reduce(0, +), name: "interface"), sizes)
    func shaped(_ i: Int, _ heads: Int) -> Value {
      b.reshape(parts[i], [batch, heads, sizes[i] / heads])
    }
    return Interface(
      readKeys: shaped(0, r), readStrengths: b.onePlus(shaped(1, r)), writeKey: shaped(2, 1),
      writeStrength: b.onePlus(shaped(3, 1)), erase: b.sigmoid(shaped(4, 1)), write: shaped(5, 1),
      freeGates: b.sigmoid(shaped(6, r)), allocationGate: b.sigmoid(shaped(7, 1)),
      writeGate: b.sigmoid(shaped(8, 1)), readModes: b.softmax(shaped(9, r)))
  }

  private func not(_ b: GraphBuilder, _ x: Value) -> Value {
    b.node("Sub", [b.constant(1), x])
  }

  private func content(_ b: GraphBuilder, _ keys: Value, _ strengths: Value, _ rows: Value) -> Value {
    b.softmax(b.multiply(b.cosineSimilarity(keys, rows), strengths))
  }

  /// What is in use after the last step's writing and freeing: [batch, 1, locations].
  private func used(_ b: GraphBuilder, _ m: Memory, _ said: Interface) -> Value {
    let kept = not(b, b.multiply(said.freeGates, m.readWeights))
    var retention = kept
    if readHeads > 1 {
      retention = b.node("ReduceProd", [kept, b.constant(integers: [1])])
    }
    let written = b.node(
      "Sub", [b.add(m.usage, m.writeWeights), b.multiply(m.usage, m.writeWeights)])
    return b.multiply(written, retention)
  }

  /// The paper sorts locations by usage and multiplies the usages of all before each. The product of
  /// those that are used less is the same, and needs no order: exp Σ log over a mask.
  ///
  /// Usages are told apart to 1/1024: those of locations with the same history differ by roundings, which
  /// no two machines make alike, and the first in the order is all but the only one that is written.
  private func allocation(_ b: GraphBuilder, _ usage: Value) -> Value {
    let n = locations
    // above[i, j]: 1 where j is used less than i; of those used alike, where j comes first.
    let level = b.node("Round", [b.multiply(usage, b.constant(1024))])
    let order = b.node("Sign", [b.node("Sub", [b.transpose(level, [0, 2, 1]), level])])
    let earlier = b.constant(
      "earlier", [n, n], (0..<n * n).map { $0 % n < $0 / n ? 1 : 0 })
    let less = b.add(
      b.relu(order), b.multiply(not(b, b.node("Abs", [order])), earlier), name: "less_used")
    let logs = b.node("Log", [b.add(usage, b.constant(1e-6))])
    let product = b.node("Exp", [b.node("MatMul", [logs, b.transpose(less, [0, 2, 1])])])
    return b.multiply(not(b, usage), product)
  }

  private func placesToWrite(
    _ b: GraphBuilder, _ m: Memory, _ usage: Value, _ said: Interface
  ) -> Value {
    let free = b.multiply(said.allocationGate, allocation(b, usage))
    let alike = b.multiply(
      not(b, said.allocationGate), content(b, said.writeKey, said.writeStrength, m.rows))
    return b.multiply(said.writeGate, b.add(free, alike))
  }

  /// How much each location was the last that was written.
  private func preceding(_ b: GraphBuilder, _ m: Memory, _ weights: Value) -> Value {
    let sum = b.node("ReduceSum", [weights, b.constant(integers: [2])])
    return b.add(b.multiply(not(b, sum), m.precedence), weights)
  }

  /// links[i, j]: how much i was written right after j.
  private func linked(_ b: GraphBuilder, _ m: Memory, _ weights: Value) -> Value {
    let n = locations
    let column = b.transpose(weights, [0, 2, 1])
    let kept = b.multiply(not(b, b.add(column, weights)), m.links)
    let new = b.add(kept, b.node("MatMul", [column, m.precedence]))
    let offDiagonal = b.constant(
      "off_diagonal", [n, n], (0..<n * n).map { $0 % n == $0 / n ? 0 : 1 })
    return b.multiply(new, offDiagonal)
  }

  private func placesToRead(
    _ b: GraphBuilder, _ m: Memory, _ rows: Value, _ links: Value, _ said: Interface
  ) -> Value {
    let backward = b.node("MatMul", [m.readWeights, links])
    let forward = b.node("MatMul", [m.readWeights, b.transpose(links, [0, 2, 1])])
    let alike = content(b, said.readKeys, said.readStrengths, rows)
    let modes = b.split(said.readModes, [1, 1, 1])
    return b.add(
      b.add(b.multiply(modes[0], backward), b.multiply(modes[1], alike)),
      b.multiply(modes[2], forward))
  }
}
