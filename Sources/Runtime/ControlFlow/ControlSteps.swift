import CSystem
import ModelFormat
import Operators

// The steps between the steps of If, Loop and Scan: jumps, and the copies that carry values into,
// through and out of bodies.

/// Goes on at `target`.
final class JumpStep: JumpingStep {
  var target = 0

  override func jump(from i: Int, _ memory: Memory) -> Int { target }
}

/// Goes on with the step behind it where the condition holds, else at `elseTarget`.
final class BranchStep: JumpingStep {
  private let condition: Slot
  var elseTarget = 0

  init(_ condition: Slot) { self.condition = condition }

  override func jump(from i: Int, _ memory: Memory) -> Int {
    memory[condition].load(as: UInt8.self) != 0 ? i + 1 : elseTarget
  }
}

/// How often a loop runs, and where that is kept.
struct LoopControl {
  /// int64, iterations done.
  let iteration: Slot
  /// int64: at most so many.
  var maximum: Slot?
  var fixedMaximum: Int?
  /// bool, before the first iteration.
  var initialCondition: Slot?
  /// bool, as the body reads it.
  var condition: Slot?
  /// bool, as the body wrote it.
  var nextCondition: Slot?

  func mayGoOn(_ memory: Memory, _ done: Int) -> Bool {
    if let fixedMaximum { return done < fixedMaximum }
    guard let maximum else { return true }
    return Int64(done) < memory[maximum].load(as: Int64.self)
  }
}

/// Before a loop's body: no iteration is done. Goes to `exit` where none shall be.
final class LoopBeginStep: JumpingStep {
  private let control: LoopControl
  var exit = 0

  init(_ control: LoopControl) { self.control = control }

  override func run(_ memory: Memory, _ share: Share) {
    memory[control.iteration].storeBytes(of: 0, as: Int64.self)
    if let condition = control.condition {
      memory[condition].storeBytes(of: startsTrue(memory) ? 1 : 0, as: UInt8.self)
    }
  }

  private func startsTrue(_ memory: Memory) -> Bool {
    guard let initial = control.initialCondition else { return true }
    return memory[initial].load(as: UInt8.self) != 0
  }

  override func jump(from i: Int, _ memory: Memory) -> Int {
    startsTrue(memory) && control.mayGoOn(memory, 0) ? i + 1 : exit
  }
}

/// Behind a loop's body: back to `start`, or on.
final class LoopEndStep: JumpingStep {
  private let control: LoopControl
  private let start: Int

  init(_ control: LoopControl, start: Int) {
    self.control = control
    self.start = start
  }

  override func run(_ memory: Memory, _ share: Share) {
    let done = memory[control.iteration].load(as: Int64.self)
    memory[control.iteration].storeBytes(of: done &+ 1, as: Int64.self)
    if let next = control.nextCondition, let condition = control.condition {
      let holds = memory[next].load(as: UInt8.self)
      memory[condition].storeBytes(of: holds, as: UInt8.self)
    }
  }

  override func jump(from i: Int, _ memory: Memory) -> Int {
    let done = Int(memory[control.iteration].load(as: Int64.self))
    if let condition = control.condition, memory[condition].load(as: UInt8.self) == 0 {
      return i + 1
    }
    return control.mayGoOn(memory, done) ? start : i + 1
  }
}

/// Copies a tensor's value, and its shape where the target's planned shape is a bound.
final class TransferStep: Step {
  private let plan: Unmanaged<Plan>
  private let from: Int
  private let to: Int
  /// The value is there already: only the shape is carried.
  private let onlyShape: Bool

  init(_ plan: Plan, from: Int, to: Int, onlyShape: Bool = false) {
    self.plan = Unmanaged.passUnretained(plan)
    self.from = from
    self.to = to
    self.onlyShape = onlyShape
  }

  override func run(_ memory: Memory, _ share: Share) {
    plan._withUnsafeGuaranteedRef { plan in
      let target = plan.tensors[to].unsafelyUnwrapped
      let shape = plan.shape(tensor: from)
      let bytes = shape.count &* target.dataType.size
      if target.isBound {
        guard bytes <= target.byteCount else {
          plan.failure.set(
            ApusError(
              .invalidShape,
              "a body's value is \(shape), more than the \(target.shape) planned for"))
          return
        }
        plan.currentShapes[to] = shape
      }
      if !onlyShape, memory[Slot(to)] != memory[Slot(from)] {
        memory[Slot(to)].copyMemory(from: memory[Slot(from)], byteCount: bytes)
      }
    }
  }
}

/// Makes sure of a shape that the plan could only bound, where the memory of the next step is laid
/// out for it.
final class ShapeCheckStep: Step {
  private let plan: Unmanaged<Plan>
  private let tensor: Int

  init(_ plan: Plan, tensor: Int) {
    self.plan = Unmanaged.passUnretained(plan)
    self.tensor = tensor
  }

  override func run(_ memory: Memory, _ share: Share) {
    plan._withUnsafeGuaranteedRef { plan in
      let wanted = plan.tensors[tensor].unsafelyUnwrapped.shape
      let found = plan.shape(tensor: tensor)
      if found == wanted { return }
      plan.failure.set(
        ApusError(
          .invalidShape, "a body's value is \(found), not the \(wanted) that was planned for"))
    }
  }
}

/// A tensor seen as [outer, length, inner bytes]: the slices that loops take and stack.
struct Stack {
  let outer: Int
  let length: Int
  let innerBytes: Int
  let isReversed: Bool

  init(_ shape: Shape, axis: Int, _ type: DataType, isReversed: Bool = false) {
    outer = shape.product(0, axis)
    length = shape[axis]
    innerBytes = shape.product(axis + 1, shape.rank) * type.size
    self.isReversed = isReversed
  }

  func offset(_ iteration: Int) -> Int {
    (isReversed ? length &- 1 &- iteration : iteration) &* innerBytes
  }
}

/// Copies one iteration's slice out of a tensor, or into it.
final class SliceStep: Step {
  private let plan: Unmanaged<Plan>
  private let stacked: Slot
  private let slice: Slot
  private let stack: Stack
  private let iteration: Slot
  private let stores: Bool

  init(_ plan: Plan, _ stacked: Slot, _ slice: Slot, _ stack: Stack, _ iteration: Slot, stores: Bool) {
    self.plan = Unmanaged.passUnretained(plan)
    self.stacked = stacked
    self.slice = slice
    self.stack = stack
    self.iteration = iteration
    self.stores = stores
  }

  override func run(_ memory: Memory, _ share: Share) {
    let i = Int(memory[iteration].load(as: Int64.self))
    guard i >= 0, i < stack.length else {
      plan._withUnsafeGuaranteedRef {
        $0.failure.set(
          ApusError(
            .invalidShape, "a loop runs more often than the \(stack.length) times planned for"))
      }
      return
    }
    var whole = memory[stacked] + stack.offset(i)
    var part = memory[slice]
    for _ in 0..<stack.outer {
      if stores {
        whole.copyMemory(from: part, byteCount: stack.innerBytes)
      } else {
        part.copyMemory(from: whole, byteCount: stack.innerBytes)
      }
      whole += stack.length &* stack.innerBytes
      part += stack.innerBytes
    }
  }
}

/// Behind a loop: a stack's length is the number of iterations.
final class StackShapeStep: Step {
  private let plan: Unmanaged<Plan>
  private let tensor: Int
  private let iteration: Slot

  init(_ plan: Plan, tensor: Int, iteration: Slot) {
    self.plan = Unmanaged.passUnretained(plan)
    self.tensor = tensor
    self.iteration = iteration
  }

  override func run(_ memory: Memory, _ share: Share) {
    plan._withUnsafeGuaranteedRef { plan in
      plan.currentShapes[tensor] = plan.tensors[tensor].unsafelyUnwrapped.shape
      plan.currentShapes[tensor][0] = Int(memory[iteration].load(as: Int64.self))
    }
  }
}
