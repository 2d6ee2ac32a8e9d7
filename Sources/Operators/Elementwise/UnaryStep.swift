import CKernels
import ModelFormat

/// y[i] = f(x[i]) for a function of the kernel table (APUS_UNARY_…) with the parameters a and b.
/// x and y may be the same memory.
final class UnaryStep: Step {
  typealias Kernel = @convention(c) (
    Int, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int, Float, Float
  ) -> Void

  let kernel: Kernel
  let function: Int
  let x: Slot
  let y: Slot
  let elements: ElementSplit
  let a: Float
  let b: Float

  init(
    _ kernel: @escaping Kernel, _ function: Int, _ x: Slot, _ y: Slot, _ elements: ElementSplit,
    _ a: Float, _ b: Float
  ) {
    self.kernel = kernel
    self.function = function
    self.x = x
    self.y = y
    self.elements = elements
    self.a = a
    self.b = b
  }

  override func run(_ memory: Memory, _ share: Share) {
    elements.forEach(share) { (first, count) in
      kernel(function, memory.floats(x) + first, memory.mutableFloats(y) + first, count, a, b)
    }
  }
}

extension NodeContext {
  /// The shape rule of an element-wise operator of one float32 input.
  func inferUnary() throws(ApusError) {
    try requireFloat32()
    try setOutput(.float32, input(0).shape)
  }
}

extension PlanContext {
  /// Plans y = f(x) from input 0 to output 0. `cost`: multiply-accumulates that f is worth.
  func planUnary(_ function: Int, a: Float = 0, b: Float = 0, cost: Int = 1) {
    if let (x, y, elements) = blockedUnary() {
      emitUnary(function, from: x, to: y, elements, a: a, b: b, cost: cost)
      return
    }
    allowInPlace(input: 0, output: 0)
    emitUnary(
      function, from: input(0), to: output(0), ElementSplit(node.outputs[0].shape.count), a: a, b: b,
      cost: cost)
  }

  func emitUnary(
    _ function: Int, from x: Slot, to y: Slot, _ n: ElementSplit, a: Float = 0, b: Float = 0,
    cost: Int = 1
  ) {
    emit(
      UnaryStep(kernels.pointee.unary, function, x, y, n, a, b), work: n.count * cost)
  }
}

/// An element-wise operator of one input whose function has no parameters.
func unaryOperator(
  _ opcode: UInt16, _ name: StaticString, _ function: Int, cost: Int = 1, notes: StaticString = ""
) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 1...1, notes: notes,
    infer: { (context) throws(ApusError) in try context.inferUnary() },
    plan: { (context) throws(ApusError) in context.planUnary(function, cost: cost) })
}
