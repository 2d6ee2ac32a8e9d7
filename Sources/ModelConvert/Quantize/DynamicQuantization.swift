import Graph
import NumPyFile

/// What `quantize --dynamic` says.
private struct DynamicResult: Encodable {
  var model: String
  var output: String
  var layers: [String]
  var floatBytes: Int
  var int8Bytes: Int
}

extension Quantize {
  /// Recurrent layers whose products are of integers that are rounded in the run.
  func quantizeDynamically(_ opened: OpenedModel) throws {
    let file: [UInt8]
    let layers: [Node]
    let isDynamic: Bool
    do {
      let graph = try Graph(decoding: opened.file)
      isDynamic = graph.functions.contains { function in
        function.nodes.contains { $0.op.hasPrefix("DynamicQuantize") }
      }
      try graph.apply()
      layers = graph.quantizeRecurrent()
      graph.setMetadata("apus.quantization", "dynamic")
      file = try graph.encode()
    } catch {
      throw Failure("\(model): \(printableLines("\(error)"))")
    }
    guard !layers.isEmpty else {
      throw Failure(
        "\(model): it has no RNN, LSTM or GRU with constant float32 weights"
          + (isDynamic ? "; it is quantised already" : ""))
    }
    try writeBytes(file, toFile: output)
    let result = DynamicResult(
      model: model, output: output, layers: layers.map(\.displayName),
      floatBytes: opened.file.size, int8Bytes: file.count)
    if json { return try printJSON(result) }
    for layer in result.layers { print(printable(layer)) }
    let share = Double(result.int8Bytes) / Double(max(result.floatBytes, 1))
    print(
      "\n\(output): \(layers.count) recurrent layers in integers, "
        + "\(bytesText(result.int8Bytes)) of \(bytesText(result.floatBytes)) "
        + "(\(decimals(100 * share, 1)) %)")
  }
}
