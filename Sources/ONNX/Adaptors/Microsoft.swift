import Graph
import ModelFormat

/// ONNX Runtime's own operators that the runtime has too, or something that is the same.
let microsoftOperators: Set<String> = [
  "QLinearAdd", "QLinearMul", "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearConcat",
  "QLinearSigmoid", "QLinearLeakyRelu", "QuantizeLinear", "DequantizeLinear",
  "DynamicQuantizeLSTM",
]

/// Channels are axis 1.
func channelsFirst(_ node: ImportNode) throws {
  guard node.int("channels_last") ?? 0 == 0 else {
    throw NodeProblem("its channels come last", instead: "write the model in the QDQ form")
  }
  node.drop("channels_last")
}

/// QLinearSigmoid and QLinearLeakyRelu: a table.
func quantizedFunction(_ node: ImportNode) throws {
  guard let x = node.input(0), node.owner.isKnown(x), let y = node.output(0) else {
    throw NodeProblem("the type of its input is not known")
  }
  let name = String(node.op.dropFirst("QLinear".count))
  let alpha = name == "LeakyRelu" ? node.float("alpha") ?? 0.01 : 0
  guard let function = ByteFunction(name, alpha: alpha),
    let from = LinearQuantization(x.dataType, node.input(1), node.input(2)),
    let to = LinearQuantization(
      node.input(4)?.dataType ?? x.dataType, node.input(3), node.input(4))
  else { throw NodeProblem("a scale or a zero point is not a constant number") }
  let lookup = function.lookup(name: node.name, x, from, to, into: y)
  node.replace(with: node.owner.emit(lookup)[0] ?? y)
}
