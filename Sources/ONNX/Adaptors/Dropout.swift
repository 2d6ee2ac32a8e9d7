import Graph
import ModelFormat

/// Dropout before opset 12: `ratio` and, before 7, `is_test` are attributes; it never trains.
func oldDropout(_ node: ImportNode) throws { node.drop("ratio", "is_test") }

/// In inference y = x, and every element of the mask is true.
func dropout(_ node: ImportNode) throws {
  guard let x = node.input(0) else { throw NodeProblem("its input is missing") }
  node.drop("seed")
  if let training = node.input(2) {
    guard training.kind == .weight else {
      throw NodeProblem(
        "whether it trains (input 2) must be a constant", instead: "export the model for inference")
    }
    if training.bytes.contains(where: { $0 != 0 }) {
      guard let ratio = node.constantFloats(1), ratio == [0] else {
        throw NodeProblem("it is in training mode", instead: "export the model for inference")
      }
    }
  }
  if let mask = node.output(1) {
    guard let shape = x.fixedShape else {
      throw NodeProblem("its mask is used, and its shape is free", instead: "bind --input-shape")
    }
    node.outputs[1] = Value(
      mask.name, .bool, x.shape, kind: .weight,
      bytes: [UInt8](repeating: 1, count: shape.reduce(1, *)))
  }
  node.replace(with: x)
}
