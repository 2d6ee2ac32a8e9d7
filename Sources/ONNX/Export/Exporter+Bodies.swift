import Graph
import Operators

// Bodies of If, Loop and Scan. In the file they are functions that get what they read of the function
// around them as inputs; in ONNX they are graphs that see the names around them.

extension Exporter {
  func writeControl(_ node: Node, _ control: ControlFlow) throws {
    let captures =
      control == .branch ? node.inputs.count - 1 : node.int("captures", default: 0)
    let own = node.inputs.count - captures
    guard captures >= 0, own >= 0 else { throw ONNXError("it captures more than its inputs") }
    var result = NodeProto(op: node.op, name: node.name)
    result.inputs = node.inputs.prefix(own).map { $0.map { reference($0) } ?? "" }
    result.outputs = outputs(node)
    for (name, value) in node.attributes.sorted(by: { $0.key < $1.key }) where name != "captures" {
      guard case .function(let function) = value else {
        result.attributes.append(AttributeProto(name: name, value: try attribute(name, value)))
        continue
      }
      let captured = Array(node.inputs.dropFirst(own))
      guard function.inputs.count >= captures else {
        throw ONNXError("its \(name) has fewer inputs than it captures")
      }
      result.attributes.append(
        AttributeProto(name: name, value: .graph(try graph(function, name, captured))))
    }
    append(result)
  }

  /// The body as a graph; its last inputs are other names of the captured tensors.
  private func graph(
    _ function: Function, _ role: String, _ captured: [Value?]
  ) throws -> GraphProto {
    let own = function.inputs.count - captured.count
    for (inner, outer) in zip(function.inputs[own...], captured) {
      guard let outer else { throw ONNXError("a tensor that its \(role) captures is missing") }
      rename(inner, reference(outer))
    }
    return try nested {
      for input in function.inputs.prefix(own) { addInput(input) }
      for node in function.nodes { try write(any: node) }
      for (i, output) in function.outputs.enumerated() {
        // An output must be what a node of this graph writes, and no two the same.
        let isOwn = function.producer(of: output) != nil
        let isFirst = function.outputs.firstIndex { $0 === output } == i
        addOutput(
          output,
          isOwn && isFirst
            ? name(output) : emit("Identity", [reference(output)], name: output.name + ".out"))
      }
    }
  }
}
