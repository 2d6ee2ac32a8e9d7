import Graph
import ModelFormat

/// The network that is quantised, as its file: tensors and nodes have numbers there, which every
/// copy of the graph has again.
public struct FloatModel {
  let bytes: [UInt8]
  /// The function that is quantised.
  let function: Int

  init(_ graph: Graph, function: Int) throws {
    bytes = try graph.encode()
    self.function = function
  }

  /// A graph of its own, with its tensors by their numbers.
  func open() throws -> (graph: Graph, tensors: [Value]) {
    let graph = try Graph(decoding: bytes)
    // What is trained no more may be shared.
    for weight in graph.weights { weight.isTrainable = false }
    try graph.inferShapes()
    return (graph, graph.values)
  }
}

extension Array where Element == Value {
  /// The number of each tensor.
  var numbers: [ObjectIdentifier: Int] {
    var result: [ObjectIdentifier: Int] = [:]
    for (i, value) in enumerated() { result[ObjectIdentifier(value)] = i }
    return result
  }
}
