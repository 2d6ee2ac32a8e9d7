import Graph

/// How far functions that call functions, and graphs within graphs, may grow: a few hundred bytes can
/// ask for 2⁴⁰ nodes, or for more levels than the stack holds.
struct Expansion {
  /// Levels of calls and of graphs in attributes, together.
  static let depthLimit = 64

  private(set) var depth = 0
  private var nodes: Int
  private var bytes: Int
  /// Elements that may be added to what the file has.
  private var elements: Int
  /// Bytes of constants that may still be computed. What is more stays nodes.
  private(set) var constants: Int
  private(set) var isExhausted = false

  /// - Parameters:
  ///   - size: of the file.
  ///   - nodeCount: Nodes that stand in the file.
  init(size: Int, nodeCount: Int) {
    nodes = 4096 + 16 * nodeCount
    bytes = 8 << 20 + 4 * size
    elements = 1 << 20 + size
    constants = 16 << 20 + size
  }

  mutating func enter() { depth += 1 }

  mutating func leave() { depth -= 1 }

  /// Counts a node that a call put in its place.
  ///
  /// - Throws: NodeProblem where there are too many of them.
  mutating func count(_ node: NodeProto, _ attributes: [String: AttributeValue]) throws {
    nodes -= 1
    bytes -= Expansion.size(node, attributes.values)
    if nodes < 0 || bytes < 0 {
      isExhausted = true
      throw NodeProblem("its function, with all that it calls, is too large")
    }
  }

  mutating func add(constants values: [Value?]) {
    for case let value? in values { constants -= value.bytes.count }
  }

  /// Counts elements that are written out because the runtime has no shorter form for them.
  mutating func take(_ count: Int) throws {
    guard count <= elements else { throw NodeProblem("it takes \(count) elements, too many") }
    elements -= count
  }

  /// Bytes that go from a node into the graph.
  private static func size(
    _ node: NodeProto, _ attributes: some Collection<AttributeValue>
  ) -> Int {
    var bytes = node.name.utf8.count + 16 * (node.inputs.count + node.outputs.count)
    for output in node.outputs { bytes += output.utf8.count }
    for value in attributes {
      switch value {
      case .string(let v): bytes += v.utf8.count
      case .ints(let v): bytes += 8 * v.count
      case .floats(let v): bytes += 4 * v.count
      case .strings(let v): for text in v { bytes += text.utf8.count }
      case .tensor(let v): if case .bytes(let stored) = v.elements { bytes += stored.count }
      case .graph(let v):
        for initializer in v.initializers {
          if case .bytes(let stored) = initializer.elements { bytes += stored.count }
        }
      default: break
      }
    }
    return bytes
  }
}

extension GraphProto {
  /// Nodes, those of graphs in attributes included.
  var totalNodeCount: Int { nodes.reduce(0) { $0 + $1.totalNodeCount } }
}

extension NodeProto {
  var totalNodeCount: Int {
    attributes.reduce(1) { count, attribute in
      if case .graph(let graph) = attribute.value { count + graph.totalNodeCount } else { count }
    }
  }
}
