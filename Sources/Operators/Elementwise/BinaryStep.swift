import CKernels
import ModelFormat

/// y = f(a, b) in float32 with broadcasting, f one of APUS_BINARY_…. y may be the memory of an input
/// of its own shape.
final class BinaryStep: Step {
  typealias Kernel = @convention(c) (
    Int, UnsafePointer<Float>?, Int, UnsafePointer<Float>?, Int, UnsafeMutablePointer<Float>?, Int
  ) -> Void

  let kernel: Kernel
  let function: Int
  let a: Slot
  let b: Slot
  let y: Slot
  let layout: Broadcast

  init(
    _ kernel: @escaping Kernel, _ function: Int, _ a: Slot, _ b: Slot, _ y: Slot,
    _ layout: Broadcast
  ) {
    self.kernel = kernel
    self.function = function
    self.a = a
    self.b = b
    self.y = y
    self.layout = layout
  }

  override func run(_ memory: Memory, _ share: Share) {
    let a = memory.floats(a)
    let b = memory.floats(b)
    let y = memory.mutableFloats(y)
    layout.forEachRun(in: share.part(of: layout.total, grain: 64)) { i, j, k, n in
      kernel(function, a + i, layout.aStep, b + j, layout.bStep, y + k, n)
    }
  }
}

extension PlanContext {
  /// Emits y = f(a, b) for output 0, a and b of input 0's type and of the given shapes.
  func emitBinary(
    _ function: BinaryFunction, _ a: Slot, _ aShape: Shape, _ b: Slot, _ bShape: Shape, cost: Int = 1
  ) {
    let y = node.outputs[0]
    let layout = Broadcast(aShape, bShape, to: y.shape)
    if layout.total == 0 { return }
    let type = node.input(0).dataType
    if type == .float32 {
      emit(
        BinaryStep(kernels.pointee.binary, function.rawValue, a, b, output(0), layout),
        work: layout.total * cost)
    } else {
      emit(
        IntegerBinaryStep(function, type, a, b, output(0), layout), work: layout.total * cost * 4)
    }
  }

  /// Lets output 0 take the memory of the inputs among the first `count` that have its shape.
  func allowInPlaceWhereShapesEqual(_ count: Int) {
    for i in 0..<count where node.input(i).shape == node.outputs[0].shape {
      allowInPlace(input: i, output: 0)
    }
  }
}
