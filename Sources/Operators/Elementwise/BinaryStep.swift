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

/// The same in int32 or int64. Sums wrap around; a division by 0 gives 0.
final class IntegerBinaryStep: Step {
  let function: Int
  let isWide: Bool
  let a: Slot
  let b: Slot
  let y: Slot
  let layout: Broadcast

  init(_ function: Int, _ type: DataType, _ a: Slot, _ b: Slot, _ y: Slot, _ layout: Broadcast) {
    self.function = function
    isWide = type == .int64
    self.a = a
    self.b = b
    self.y = y
    self.layout = layout
  }

  override func run(_ memory: Memory, _ share: Share) {
    if isWide { run(memory, share, Int64.self) } else { run(memory, share, Int32.self) }
  }

  @inline(__always)
  private func run<T: FixedWidthInteger & SignedInteger>(
    _ memory: Memory, _ share: Share, _ type: T.Type
  ) {
    let a = memory[a].assumingMemoryBound(to: T.self)
    let b = memory[b].assumingMemoryBound(to: T.self)
    let y = memory[y].assumingMemoryBound(to: T.self)
    layout.forEachRun(in: share.part(of: layout.total, grain: 64)) { i, j, k, n in
      var c = 0
      while c < n {
        y[k &+ c] = apply(a[i &+ c &* layout.aStep], b[j &+ c &* layout.bStep])
        c &+= 1
      }
    }
  }

  @inline(__always)
  private func apply<T: FixedWidthInteger & SignedInteger>(_ a: T, _ b: T) -> T {
    switch function {
    case APUS_BINARY_ADD: return a &+ b
    case APUS_BINARY_SUB: return a &- b
    case APUS_BINARY_MUL: return a &* b
    // The smallest integer divided by −1 does not fit; like a sum, it wraps around.
    case APUS_BINARY_DIV: return b == 0 ? 0 : b == -1 ? 0 &- a : a / b
    case APUS_BINARY_MIN: return b < a ? b : a
    default: return a < b ? b : a
    }
  }
}

extension PlanContext {
  /// Emits y = f(a, b) for output 0, a and b of the given shapes. `function` is one of
  /// APUS_BINARY_…; those that integers lack are for float32 alone.
  func emitBinary(
    _ function: Int, _ a: Slot, _ aShape: Shape, _ b: Slot, _ bShape: Shape, cost: Int = 1
  ) {
    let y = node.outputs[0]
    let layout = Broadcast(aShape, bShape, to: y.shape)
    if layout.total == 0 { return }
    if y.dataType == .float32 {
      emit(
        BinaryStep(kernels.pointee.binary, function, a, b, output(0), layout),
        work: layout.total * cost)
    } else {
      emit(
        IntegerBinaryStep(function, y.dataType, a, b, output(0), layout), work: layout.total * cost)
    }
  }

  /// Lets output 0 take the memory of the inputs among the first `count` that have its shape.
  func allowInPlaceWhereShapesEqual(_ count: Int) {
    for i in 0..<count where node.input(i).shape == node.outputs[0].shape {
      allowInPlace(input: i, output: 0)
    }
  }
}
