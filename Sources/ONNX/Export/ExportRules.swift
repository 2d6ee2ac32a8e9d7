import Foundation
import Graph
import ModelFormat

/// Operators that have come since the opset that is otherwise written.
let firstOpsets: [String: Int] = [
  "RMSNormalization": 23, "Attention": 24, "CausalConvWithState": 27,
]

/// Attributes that have come since, or whose meaning has been put right.
let firstOpsetsOfAttributes: [String: [String: Int]] = [
  "Attention": ["left_window_size": 25, "right_window_size": 25],
  "AveragePool": ["ceil_mode": 22],
  "DequantizeLinear": ["output_dtype": 23],
  "MaxPool": ["ceil_mode": 22],
  "QuantizeLinear": ["precision": 23],
  "Range": ["stash_type": 27],
  "SpaceToDepth": ["mode": 28],
]

/// Operators that write more outputs in ONNX than they need to here.
let requiredOutputs: [String: Int] = ["CausalConvWithState": 2, "TopK": 2]

/// Operators that may leave outputs out, and the first that they may.
let optionalOutputs: [String: Int] = [
  "Attention": 1, "BatchNormalization": 1, "Dropout": 1, "GRU": 0, "LSTM": 0,
  "LayerNormalization": 1, "MaxPool": 1, "RNN": 0, "Unique": 1, "DynamicQuantizeLSTM": 0,
]

/// What ONNX says otherwise, by operator.
let exportRules: [String: (Node, Exporter) throws -> Void] = [
  "Conv": fusedClip, "ConvTranspose": fusedClip, "Gemm": fusedClip, "MatMul": fusedClip,
  "LocalContrastNormalization": localContrast,
  "ConstantOfShape": fillValue, "MeanVarianceNormalization": statedAxes,
  "QLinearLookup": quantizedFunction, "Resize": quantizedResize,
  "QLinearConv": quantizedLayer, "QLinearMatMul": quantizedLayer,
  "DynamicQuantizeRNN": dynamicRecurrent, "DynamicQuantizeLSTM": dynamicLSTM,
  "DynamicQuantizeGRU": dynamicRecurrent,
  "SpaceToDepth": blockOrder, "Mod": floatRemainder, "Swish": sigmoidProduct,
]

/// The clip that the runtime does together with a layer stands behind it.
private func fusedClip(_ node: Node, _ exporter: Exporter) throws {
  let fused: Set<String> = ["activation_minimum", "activation_maximum"]
  let low = node.attributes["activation_minimum"] == nil
    ? nil : node.float("activation_minimum", default: 0)
  let high = node.attributes["activation_maximum"] == nil
    ? nil : node.float("activation_maximum", default: 0)
  guard low != nil || high != nil, let y = node.outputs.first ?? nil else {
    return try exporter.write(node, dropping: fused)
  }
  let sums = Value(y.name + ".sum", y.dataType, y.shape)
  let layer = Node(
    node.op, name: node.name, inputs: node.inputs, outputs: [sums], attributes: node.attributes)
  try exporter.write(layer, dropping: fused)
  var inputs = [exporter.reference(sums)]
  if low == 0, high == nil || high == .infinity {
    _ = exporter.emit("Relu", inputs, name: "", output: exporter.name(y))
    return
  }
  func limit(_ value: Float?, _ name: String) -> String {
    value.map { exporter.constant(y.name + name, Value("", [], floats: [$0])) } ?? ""
  }
  inputs += [limit(low, ".minimum"), limit(high, ".maximum")]
  _ = exporter.emit("Clip", inputs, name: "", output: exporter.name(y))
}

/// ONNX defines the operator by others, which cannot be written down without the axes.
private func statedAxes(_ node: Node, _ exporter: Exporter) throws {
  let stated = Node(
    node.op, name: node.name, inputs: node.inputs, outputs: node.outputs,
    attributes: node.attributes.merging(["axes": [0, 2, 3]]) { own, _ in own })
  try exporter.write(stated)
}

/// The order that is usual needs no mention, and no newer operator set.
private func blockOrder(_ node: Node, _ exporter: Exporter) throws {
  try exporter.write(
    node, dropping: node.string("mode", default: "DCR") == "DCR" ? ["mode"] : [])
}

/// Before opset 28, floats had the remainder of C only.
private func floatRemainder(_ node: Node, _ exporter: Exporter) throws {
  if node.int("fmod", default: 0) == 0, node.input(0)?.logicalType == .float32 {
    exporter.require(opset: 28)
  }
  try exporter.write(node)
}

/// x · Sigmoid(αx), which every operator set has, and passes find again.
private func sigmoidProduct(_ node: Node, _ exporter: Exporter) throws {
  guard let x = node.input(0), let y = node.outputs.first ?? nil else { return }
  let alpha = node.float("alpha", default: 1)
  var argument = exporter.reference(x)
  if alpha != 1 {
    let factor = exporter.constant(y.name + ".alpha", Value("", [], floats: [alpha]))
    argument = exporter.emit("Mul", [argument, factor], name: y.name + ".scaled")
  }
  let gate = exporter.emit("Sigmoid", [argument], name: y.name + ".sigmoid")
  _ = exporter.emit("Mul", [exporter.reference(x), gate], name: "", output: exporter.name(y))
}

/// Input 1, the number that fills, is an attribute in ONNX.
private func fillValue(_ node: Node, _ exporter: Exporter) throws {
  guard let fill = node.input(1) else { return try exporter.write(node) }
  guard fill.kind == .weight, let y = node.outputs.first ?? nil, let shape = node.input(0) else {
    throw ONNXError("the number that it fills with is not a constant")
  }
  let tensor = TensorProto(
    name: "value", type: ElementType(fill.dataType), dimensions: [1], elements: .bytes(fill.bytes))
  _ = exporter.emit(
    "ConstantOfShape", [exporter.reference(shape)], ["value": .tensor(tensor)], name: "",
    output: exporter.name(y))
}

/// y = v / max(mean of σ, σ, ε) with v = x − local mean and σ = √(local mean of v²), where a local
/// mean is a convolution whose sums are divided by the part of the window that lies inside.
private func localContrast(_ node: Node, _ exporter: Exporter) throws {
  guard let x = node.input(0), let y = node.outputs.first ?? nil, let shape = x.shape,
    (3...4).contains(shape.count)
  else { throw ONNXError("the shape of its input is not known") }
  let sizes = shape.dropFirst().compactMap(\.fixed)
  guard sizes.count == shape.count - 1 else {
    throw ONNXError("ONNX can express it only where channels, height and width are fixed")
  }
  let channels = sizes[0]
  let size = node.int("size", default: 9)
  let isUniform = node.string("weighting", default: "gaussian") == "uniform"
  let row = windowRow(size, isUniform)
  let spatial = sizes.count - 1
  var window = row
  if spatial == 2 { window = row.flatMap { a in row.map { a * $0 } } }
  let total = window.reduce(0, +) * Double(channels)
  let weight = (0..<channels).flatMap { _ in window.map { Float($0 / total) } }
  let kernel = [Int](repeating: size, count: spatial)
  // What of the window's weight lies inside, for each position.
  let parts = sizes.dropFirst().map { coverage(row, $0) }
  let inside = spatial == 2
    ? parts[0].flatMap { a in parts[1].map { Float(a * $0) } } : parts[0].map { Float($0) }
  let name = y.name
  let w = exporter.constant(name + ".window", Value("", [1, channels] + kernel, floats: weight))
  let part = exporter.constant(
    name + ".inside", Value("", [1, 1] + Array(sizes.dropFirst()), floats: inside))
  let pads = [Int](repeating: size / 2, count: 2 * spatial)
  func localMean(_ input: String, _ suffix: String) -> String {
    let sum = exporter.emit(
      "Conv", [input, w], ["kernel_shape": .ints(kernel), "pads": .ints(pads)],
      name: name + suffix + ".sum")
    return exporter.emit("Div", [sum, part], name: name + suffix)
  }
  let source = exporter.reference(x)
  let v = exporter.emit("Sub", [source, localMean(source, ".mean")], name: name + ".centred")
  let square = exporter.emit("Mul", [v, v], name: name + ".square")
  let sigma = exporter.emit("Sqrt", [localMean(square, ".variance")], name: name + ".deviation")
  let axes = exporter.constant(
    name + ".axes", Value("", [shape.count - 1], integers: Array(1..<shape.count)))
  let mean = exporter.emit(
    "ReduceMean", [sigma, axes], ["keepdims": .int(1)], name: name + ".mean_deviation")
  let epsilon = exporter.constant(
    name + ".epsilon", Value("", [], floats: [node.float("epsilon", default: 1e-5)]))
  let divisor = exporter.emit("Max", [mean, sigma, epsilon], name: name + ".divisor")
  _ = exporter.emit("Div", [v, divisor], name: "", output: exporter.name(y))
}

/// One side of the window, summing to 1.
private func windowRow(_ size: Int, _ isUniform: Bool) -> [Double] {
  let s = Double(size) / 4
  let row = (0..<size).map { i -> Double in
    let d = Double(i - size / 2)
    return isUniform ? 1 : exp(-d * d / (2 * s * s))
  }
  let sum = row.reduce(0, +)
  return row.map { $0 / sum }
}

/// The sum of the row's weights that lie inside a line of `length`, for each position.
private func coverage(_ row: [Double], _ length: Int) -> [Double] {
  (0..<length).map { i in
    row.indices.reduce(0) {
      (0..<length).contains(i + $1 - row.count / 2) ? $0 + row[$1] : $0
    }
  }
}
