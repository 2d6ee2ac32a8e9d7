import ModelFormat
import Runtime

/// Computes nodes of which every input is a constant, by the runtime itself.
public enum ConstantEvaluator {
  /// Results larger than this stay nodes, unless their inputs are as large.
  private static let sizeLimit = 1 << 20

  /// The outputs as weights; nil where the node must stay.
  public static func evaluate(_ node: Node) -> [Value?]? {
    let inputs = node.inputs.compactMap { $0 }
    guard !inputs.isEmpty, inputs.allSatisfy({ $0.kind == .weight }) else { return nil }
    // Integers are what such weights are stored as for.
    if node.op == "DequantizeLinear" { return nil }
    for case .function in node.attributes.values { return nil }
    let outputs = node.outputs.compactMap { $0 }
    let limit = max(sizeLimit, 2 * inputs.reduce(0) { $0 + $1.bytes.count })
    var total = 0
    for output in outputs {
      guard let count = output.count else { return nil }
      total += count * output.dataType.size
    }
    guard total <= limit else { return nil }
    return try? run(node, outputs)
  }

  private static func run(_ node: Node, _ outputs: [Value]) throws -> [Value?] {
    // Outputs need names in a file, and not the same one twice.
    let copies = outputs.enumerated().map { Value("\($0.offset)", $0.element.dataType) }
    var next = copies.makeIterator()
    let copy = Node(
      node.op, name: node.name, inputs: node.inputs, outputs: node.outputs.map { $0.flatMap { _ in next.next() } },
      attributes: node.attributes)
    let file = try Graph(functions: [Function("main", outputs: copies, nodes: [copy])]).encode()
    return try file.withUnsafeBytes { bytes in
      let model = try Model(bytes: bytes.baseAddress!, size: bytes.count, verifyWeights: false)
      defer { model.close() }
      let session = try Session(Plan(model, function: 0))
      defer { session.close() }
      try session.run()
      var i = 0
      return node.outputs.map { output in
        guard let output else { return nil }
        defer { i += 1 }
        let info = session.info(output: i)
        return Value(
          output.name, info.dataType, (0..<info.shape.rank).map { .fixed(info.shape[$0]) },
          kind: .weight,
          bytes: [UInt8](UnsafeRawBufferPointer(start: session.data(output: i), count: info.byteCount)))
      }
    }
  }
}
