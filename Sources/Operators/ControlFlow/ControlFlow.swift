import ModelFormat

// If, Loop and Scan run functions of the same file. A body reads what the surrounding function has
// computed through inputs of its own, which the node passes in after those that ONNX defines:
// `captures` of them. (ONNX lets bodies refer to outer tensors by name; a file names nothing.)
//
// The planner writes a body's steps between steps that jump (Sources/Runtime/ControlFlow): one
// arena, one flat list, nothing to allocate.

/// How the planner arranges a node's bodies.
public enum ControlFlow: UInt8 {
  case branch = 1
  case loop, scan
}

/// Outputs of then_branch where the condition (input 0, a bool) holds, else of else_branch. ONNX If.
/// Inputs: the condition, then the captured tensors, which are the inputs of both branches.
let ifOperator = Operator(
  opcode: 280, name: "If",
  attributes: [AttributeSpec("then_branch", .function), AttributeSpec("else_branch", .function)],
  inputs: 1...65_535, outputs: 1...65_535, requiredInputs: 1,
  notes: "The branches' inputs are the captured tensors, which follow the condition.",
  control: .branch, infer: needsPlanner, plan: cannotPlan)

/// Repeats the body while its condition holds, at most M times. ONNX Loop.
/// Inputs: M (int64, may be left out), the condition (bool, may be left out), N carried values,
/// `captures` captured tensors. Body: iteration (int64), condition, carried, captured to condition,
/// carried, K values to stack. Outputs: N last carried values, K stacks [iterations, …].
let loopOperator = Operator(
  opcode: 281, name: "Loop",
  attributes: [AttributeSpec("body", .function), AttributeSpec("captures", .int)],
  inputs: 2...65_535, outputs: 1...65_535, requiredInputs: 0,
  notes: "Captured tensors, `captures` of them, follow the carried values.",
  control: .loop, infer: needsPlanner, plan: cannotPlan)

/// Runs the body over slices of its inputs. ONNX Scan since opset 9.
/// Inputs: N states, `num_scan_inputs` tensors to slice, `captures` captured tensors. Body: states,
/// slices, captured to states, K values to stack. Outputs: N last states, K stacks.
let scanOperator = Operator(
  opcode: 282, name: "Scan",
  attributes: [
    AttributeSpec("body", .function), AttributeSpec("num_scan_inputs", .int),
    AttributeSpec("scan_input_axes", .ints), AttributeSpec("scan_input_directions", .ints),
    AttributeSpec("scan_output_axes", .ints), AttributeSpec("scan_output_directions", .ints),
    AttributeSpec("captures", .int),
  ],
  inputs: 1...65_535, outputs: 1...65_535, requiredInputs: 1,
  notes: "Captured tensors, `captures` of them, follow the inputs to slice.",
  control: .scan, infer: needsPlanner, plan: cannotPlan)

private func needsPlanner(_ context: NodeContext) throws(ApusError) {
  throw context.error(.unsupported, "its shapes follow from planning its body")
}

private func cannotPlan(_ context: PlanContext) throws(ApusError) {
  throw context.node.error(.unsupported, "its body cannot be planned on its own")
}
