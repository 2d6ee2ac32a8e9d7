import ModelFormat

/// A network that tools read, build and change: the mutable counterpart of an .apus file.
///
/// Values belong to no list of their own: a graph has those that its functions refer to, so a weight
/// that nothing uses any more is gone from the file.
public final class Graph {
  public var functions: [Function]
  /// In the order of the file; "name", "labels", "producer" …
  public var metadata: [(key: String, value: String)]

  public init(functions: [Function] = [], metadata: [(key: String, value: String)] = []) {
    self.functions = functions
    self.metadata = metadata
  }

  public func function(named name: String) -> Function? { functions.first { $0.name == name } }

  /// The function that runs where none is named: "main", or else the first.
  public var mainFunction: Function? { function(named: "main") ?? functions.first }

  public func metadata(_ key: String) -> String? { metadata.first { $0.key == key }?.value }

  /// Sets a metadata entry, or takes it out with nil.
  public func setMetadata(_ key: String, _ value: String?) {
    if let i = metadata.firstIndex(where: { $0.key == key }) {
      if let value { metadata[i].value = value } else { metadata.remove(at: i) }
    } else if let value {
      metadata.append((key, value))
    }
  }

  /// Every value, once, in the order of first use: each function's inputs, then what its nodes read
  /// and write, its outputs and states.
  public var values: [Value] {
    var seen: Set<ObjectIdentifier> = []
    var result: [Value] = []
    func add(_ value: Value?) {
      guard let value, seen.insert(ObjectIdentifier(value)).inserted else { return }
      result.append(value)
    }
    for function in functions {
      function.inputs.forEach(add)
      for node in function.nodes {
        node.inputs.forEach(add)
        node.outputs.forEach(add)
      }
      function.outputs.forEach(add)
      for update in function.stateUpdates {
        add(update.state)
        add(update.next)
      }
    }
    return result
  }

  public var weights: [Value] { values.filter { $0.kind == .weight } }
  public var states: [Value] { values.filter { $0.kind == .state } }
}

/// One of the things that a model can do: inputs, nodes in an order in which they can run, outputs.
public final class Function {
  public var name: String
  public var inputs: [Value]
  public var outputs: [Value]
  public var nodes: [Node]
  /// After a run, `state` takes the value of the activation `next`.
  public var stateUpdates: [(state: Value, next: Value)]

  public init(
    _ name: String, inputs: [Value] = [], outputs: [Value] = [], nodes: [Node] = [],
    stateUpdates: [(state: Value, next: Value)] = []
  ) {
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.nodes = nodes
    self.stateUpdates = stateUpdates
  }

  /// The node that writes the value; nil where none does.
  public func producer(of value: Value) -> Node? {
    nodes.first { $0.outputs.contains { $0 === value } }
  }

  /// The nodes that read the value.
  public func consumers(of value: Value) -> [Node] {
    nodes.filter { $0.inputs.contains { $0 === value } }
  }

  /// Whether the value is needed after the last node has run.
  public func isResult(_ value: Value) -> Bool {
    outputs.contains { $0 === value } || stateUpdates.contains { $0.next === value }
  }

  /// Makes everything that reads `old` read `new`.
  public func replace(_ old: Value, with new: Value) {
    for node in nodes {
      for i in node.inputs.indices where node.inputs[i] === old { node.inputs[i] = new }
    }
    for i in outputs.indices where outputs[i] === old { outputs[i] = new }
    for i in stateUpdates.indices where stateUpdates[i].next === old {
      stateUpdates[i].next = new
    }
  }

  /// Takes out the nodes whose results nobody uses.
  public func removeUnusedNodes() {
    var used: Set<ObjectIdentifier> = []
    for value in outputs { used.insert(ObjectIdentifier(value)) }
    for update in stateUpdates { used.insert(ObjectIdentifier(update.next)) }
    var kept: [Node] = []
    for node in nodes.reversed() {
      guard node.outputs.contains(where: { $0.map { used.contains(ObjectIdentifier($0)) } ?? false })
      else { continue }
      for case let input? in node.inputs { used.insert(ObjectIdentifier(input)) }
      kept.append(node)
    }
    nodes = kept.reversed()
  }

  /// Takes out the inputs that nothing reads and that are no outputs.
  public func removeUnusedInputs() {
    var used = outputs + stateUpdates.map(\.next)
    for node in nodes { used += node.inputs.compactMap { $0 } }
    let identities = Set(used.map(ObjectIdentifier.init))
    inputs.removeAll { !identities.contains(ObjectIdentifier($0)) }
  }

  /// Puts the nodes into an order in which each comes after those whose outputs it reads, keeping the
  /// present order where it can.
  ///
  /// - Throws: GraphError where nodes depend on each other in a circle.
  public func sortNodes() throws {
    var producers: [ObjectIdentifier: Int] = [:]
    for (i, node) in nodes.enumerated() {
      for case let output? in node.outputs { producers[ObjectIdentifier(output)] = i }
    }
    var marks = [UInt8](repeating: 0, count: nodes.count)
    var sorted: [Node] = []
    // Depth first with a stack of our own: long chains of nodes are common.
    for start in nodes.indices where marks[start] == 0 {
      var stack = [(node: start, input: 0)]
      marks[start] = 1
      while let (i, k) = stack.last {
        if k == nodes[i].inputs.count {
          marks[i] = 2
          sorted.append(nodes[i])
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].input += 1
        guard let input = nodes[i].inputs[k], let p = producers[ObjectIdentifier(input)]
        else { continue }
        if marks[p] == 1 {
          throw GraphError("node \(nodes[p].displayName): it depends on its own output")
        }
        if marks[p] == 0 {
          marks[p] = 1
          stack.append((p, 0))
        }
      }
    }
    nodes = sorted
  }
}

/// Why a graph cannot be built, inferred or written: one sentence.
public struct GraphError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }

  public init(_ error: ApusError) { description = String(error.message) }
}

extension String {
  /// The text of an error of the runtime.
  public init(_ message: Message) {
    let storage = message.storage
    self.init(decoding: (0..<storage.count).map { storage.bytes[$0] }, as: UTF8.self)
  }

  public init(_ name: Name) {
    self.init(decoding: UnsafeBufferPointer(start: name.start, count: name.count), as: UTF8.self)
  }

  public init(_ text: StaticString) {
    self = text.description
  }
}

extension Array where Element == Dimension {
  /// "[N, 1, 32, 32]", for messages.
  public var text: String { "[" + map(\.description).joined(separator: ", ") + "]" }
}
