import ModelFormat
import Operators
import Runtime

extension ShapeInference {
  /// Multiply-accumulates beyond which a node is left to the session.
  private static let maximumWork = 1 << 30

  /// The outputs of a node that reads weights only, as weights.
  ///
  /// - Parameter limit: Bytes that the outputs may have together.
  /// - Returns: nil where the node cannot be computed, or its outputs would be larger.
  public static func compute(_ node: Node, within limit: Int) -> [Value?]? {
    guard let definition = node.definition, definition.control == nil,
      let file = try? NodeFile(node, definition)
    else { return nil }
    var inputs: [TensorInfo?] = []
    var kept: [Bytes?] = []
    for input in node.inputs {
      guard let input else {
        inputs.append(nil)
        kept.append(nil)
        continue
      }
      guard input.kind == .weight, input.quantization == nil, let shape = input.fixedShape,
        input.count != nil
      else { return nil }
      kept.append(Bytes(input.expandedBytes))
      inputs.append(
        TensorInfo(input.logicalType, Shape(shape), constant: kept.last!.map { .init($0.memory) }))
    }
    let context = NodeContext(
      file: file.file, record: file.file.node(0), definition: definition, nodeIndex: 0,
      nodeName: file.file.nodeName(0), inputs: inputs)
    do { try context.inferOutputs { _ in nil } } catch { return nil }
    guard !context.hasBoundOutput, context.outputs.count >= node.outputs.count,
      context.outputs.prefix(node.outputs.count).reduce(0, { $0 + $1.byteCount }) <= limit,
      definition.multiplyAccumulates?(context) ?? 0 <= maximumWork
    else { return nil }
    let results = zip(node.outputs, context.outputs).map { output, info in
      output.map { _ in Bytes([UInt8](repeating: 0, count: info.byteCount)) }
    }
    do {
      try ImmediateRun.perform(
        context, kernels, inputs: kept.map { $0?.memory }, outputs: results.map { $0?.memory })
    } catch { return nil }
    return node.outputs.indices.map { i in
      guard let output = node.outputs[i], let result = results[i] else { return nil }
      let info = context.outputs[i]
      return Value(
        output.name, info.dataType, (0..<info.shape.rank).map { .fixed(info.shape[$0]) },
        kind: .weight,
        bytes: [UInt8](UnsafeRawBufferPointer(start: result.memory, count: info.byteCount)))
    }
  }
}

extension Value {
  /// The elements as the logical type has them.
  fileprivate var expandedBytes: [UInt8] {
    guard dataType == .float16 || dataType == .bfloat16 else { return bytes }
    return realFloats.withUnsafeBytes { [UInt8]($0) }
  }
}
