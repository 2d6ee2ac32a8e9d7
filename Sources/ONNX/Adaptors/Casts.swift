import Graph
import ModelFormat

/// Floats of all sizes are float32 in the runtime.
func cast(_ node: ImportNode) throws {
  guard let number = node.int("to") else { throw NodeProblem("its attribute to is missing") }
  let type = ElementType(Int32(truncatingIfNeeded: number))
  guard let computed = type.computed else {
    throw NodeProblem("it casts to \(type.name), which is not supported")
  }
  if computed == .float32 { node.attributes["to"] = .int(1) }
  node.drop("saturate", "round_mode")
}

/// A cast to the type that input 1 has.
func castLike(_ node: ImportNode) throws {
  guard let like = node.input(1), node.owner.isKnown(like) else {
    throw NodeProblem("the type of input 1 is not known")
  }
  node.op = "Cast"
  node.inputs = [node.input(0)]
  node.attributes = ["to": .int(Int(ElementType(like.logicalType).number))]
}
