import Graph
import ModelFormat

/// Dropout before opset 12: `ratio` and, before 7, `is_test` are attributes; it never trains.
func oldDropout(_ node: ImportNode) throws { node.drop("ratio", "is_test", "seed") }

/// In inference y = x, and every element of the mask is true. In training mode y = x · mask / (1 −
/// ratio): a seed makes the mask the same in every run, and so a constant.
func dropout(_ node: ImportNode) throws {
  guard let x = node.input(0) else { throw NodeProblem("its input is missing") }
  if let training = node.input(2) {
    guard training.kind == .weight else {
      throw NodeProblem(
        "input 2, whether it trains, must be a constant", instead: "export the model for inference")
    }
    if training.bytes.contains(where: { $0 != 0 }) { return try trainingDropout(node, x) }
  }
  if let mask = node.output(1) {
    if x.fixedShape != nil {
      node.outputs[1] = maskValue(mask, [Bool](repeating: true, count: try maskCount(node, x)), x)
    } else {
      let kept = Value(node.name + ".kept", .bool, [.fixed(1)], kind: .weight, bytes: [1])
      node.outputs[1] = node.emit("ConstantOfShape", [node.emit("Shape", [x]), kept])
    }
  }
  node.replace(with: x)
}

private func trainingDropout(_ node: ImportNode, _ x: Value) throws {
  guard node.input(1) == nil || node.constantFloats(1)?.count == 1 else {
    throw NodeProblem(
      "input 1, the ratio, must be a float32 constant", instead: "export the model for inference")
  }
  let ratio = node.constantFloats(1)?[0] ?? 0.5
  guard ratio >= 0, ratio < 1 else { throw NodeProblem("its ratio is \(ratio)") }
  guard ratio == 0 || node.int("seed") != nil else {
    throw NodeProblem(
      "it is in training mode, and without a seed its mask changes from run to run",
      instead: "export the model for inference")
  }
  var random = MersenneTwister(seed: UInt32(truncatingIfNeeded: node.int("seed") ?? 0))
  var kept = [Bool](repeating: true, count: try maskCount(node, x))
  if ratio > 0 { for i in kept.indices { kept[i] = random.uniform() >= Double(ratio) } }
  let scale = 1 / (1 - ratio)
  let factors = Value(node.name + ".factors", x.fixedShape!, floats: kept.map { $0 ? scale : 0 })
  let y = node.emit("Mul", [x, factors])
  if let mask = node.output(1) { node.outputs[1] = maskValue(mask, kept, x) }
  node.replace(with: y)
}

/// The number of elements of a mask that is stored as a constant.
private func maskCount(_ node: ImportNode, _ x: Value) throws -> Int {
  guard let count = x.count else {
    throw NodeProblem("its mask is a constant, and its shape is free", instead: "bind --input-shape")
  }
  try node.owner.importer.expansion.take(count)
  return count
}

private func maskValue(_ mask: Value, _ kept: [Bool], _ x: Value) -> Value {
  Value(mask.name, .bool, x.shape, kind: .weight, bytes: kept.map { $0 ? 1 : 0 })
}
