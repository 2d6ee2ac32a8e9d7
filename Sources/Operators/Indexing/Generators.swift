import CSystem
import ModelFormat

// Tensors that are made from a few numbers.

/// A tensor of the shape that input 0 holds, every element the one of input 1, or float32 0 where it
/// is left out. ONNX ConstantOfShape, whose attribute `value` is input 1 here; any type.
let constantOfShapeOperator = Operator(
  opcode: 182, name: "ConstantOfShape", inputs: 1...2, requiredInputs: 1,
  notes: "The attribute value is input 1.",
  infer: { (context) throws(ApusError) in
    let wanted = try context.constantInts(0) ?? []
    try context.require(
      wanted.count <= Shape.maximumRank, .unsupported,
      "a shape of \(wanted.count) dimensions; at most 8 are allowed")
    for (i, d) in wanted.enumerated() {
      try context.require(d >= 0, .invalidModel, "dimension \(i) of the shape is \(d)")
    }
    let value = context.optionalInput(1)
    try context.require(
      value == nil || value!.shape.count == 1, "input 1 must hold one number")
    try context.setOutput(value?.dataType ?? .float32, Shape(wanted))
  },
  plan: { (context) throws(ApusError) in
    let y = context.node.outputs[0]
    if y.shape.count == 0 { return }
    context.emit(
      FillStep(
        context.optionalInput(1), context.output(0), size: y.dataType.size, count: y.shape.count),
      work: y.byteCount / 4)
  })

/// y = the element at `value`, or zero, all over.
final class FillStep: Step {
  let value: Slot?
  let y: Slot
  let size: Int
  let count: Int

  init(_ value: Slot?, _ y: Slot, size: Int, count: Int) {
    self.value = value
    self.y = y
    self.size = size
    self.count = count
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: count, grain: 64)
    let target = memory[y] + part.lowerBound &* size
    if let value {
      fillElements(target, memory[value], size: size, count: part.count)
    } else {
      memset(target, 0, part.count &* size)
    }
  }
}

/// y[i] = start + i · delta for all i ≥ 0 for which that is before `limit`: inputs 0 to 2 are start,
/// limit and delta. ONNX Range; float32, int32 or int64.
let rangeOperator = Operator(
  opcode: 183, name: "Range", attributes: [AttributeSpec("stash_type", .int)], inputs: 3...3, notes: "float32, int32 and int64.",
  infer: { (context) throws(ApusError) in
    let type = context.input(0).dataType
    try context.require(
      type == .float32 || type == .int32 || type == .int64, .invalidType,
      "input 0 must be float32, int32 or int64 and is \(type)")
    for i in 0..<3 {
      try context.requireType(i, type)
      try context.require(
        context.input(i).shape.count == 1,
        "input \(i) must be a scalar and is \(context.input(i).shape)")
    }
    try context.setOutput(type, Shape(try rangeLength(context, type)))
  },
  plan: { (context) throws(ApusError) in
    let y = context.node.outputs[0]
    if y.shape.count == 0 { return }
    context.emit(
      RangeStep(
        context.input(0), context.input(2), context.output(0), y.dataType, y.shape.count),
      work: y.shape.count)
  })

private func rangeLength(_ context: NodeContext, _ type: DataType) throws(ApusError) -> Int {
  let start = try context.knownValue(0)
  let limit = try context.knownValue(1)
  let delta = try context.knownValue(2)
  if type == .float32 {
    let from = Double(start.loadUnaligned(as: Float.self))
    let step = Double(delta.loadUnaligned(as: Float.self))
    let n = ((Double(limit.loadUnaligned(as: Float.self)) - from) / step).rounded(.up)
    try context.require(
      step != 0 && n == n && n <= Double(Shape.maximumCount), .invalidModel,
      "a range of this start, limit and delta has no end")
    return max(0, Int(max(n, 0)))
  }
  let step = loadInteger(delta, 0, type)
  try context.require(step != 0, .invalidModel, "delta is 0")
  let from = loadInteger(start, 0, type)
  let to = loadInteger(limit, 0, type)
  if step > 0 ? to <= from : to >= from { return 0 }
  // As unsigned numbers, distances of up to the whole range of int64 fit.
  let distance = step > 0 ? UInt(bitPattern: to &- from) : UInt(bitPattern: from &- to)
  let n = (distance - 1) / step.magnitude + 1
  try context.require(
    n <= UInt(Shape.maximumCount), "a range of \(Int(clamping: n)) elements is too much to hold")
  return Int(n)
}

private final class RangeStep: Step {
  let start: Slot
  let delta: Slot
  let y: Slot
  let type: DataType
  let count: Int

  init(_ start: Slot, _ delta: Slot, _ y: Slot, _ type: DataType, _ count: Int) {
    self.start = start
    self.delta = delta
    self.y = y
    self.type = type
    self.count = count
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: count, grain: 64)
    if type == .float32 {
      let first = memory.floats(start)[0]
      let step = memory.floats(delta)[0]
      let y = memory.mutableFloats(y)
      for i in part { y[i] = first + Float(i) * step }
    } else {
      let first = loadInteger(memory[start], 0, type)
      let step = loadInteger(memory[delta], 0, type)
      for i in part { storeInteger(first &+ i &* step, memory[y], i, type) }
    }
  }
}

/// A matrix of the shape of x with 1 where column − row = `k`, else 0. `dtype` is ONNX's number of
/// the type, as in Cast; x's own without it. ONNX EyeLike.
let eyeLikeOperator = Operator(
  opcode: 184, name: "EyeLike",
  attributes: [AttributeSpec("dtype", .int), AttributeSpec("k", .int)], inputs: 1...1,
  dependsOnShapesOnly: true,
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    try context.requireRank(0, 2...2)
    let type = try context.hasAttribute("dtype")
      ? elementType(context, context.int("dtype", default: 0)) : x.dataType
    try context.require(
      type != .float16 && type != .bfloat16, .unsupported, "there is no identity of \(type)")
    try context.setOutput(type, x.shape)
  },
  plan: { (context) throws(ApusError) in
    let y = context.node.outputs[0]
    if y.shape.count == 0 { return }
    context.emit(
      EyeStep(
        context.output(0), y.dataType, rows: y.shape[0], columns: y.shape[1],
        k: context.node.int("k", default: 0)),
      work: y.shape.count)
  })

private final class EyeStep: Step {
  let y: Slot
  let type: DataType
  let rows: Int
  let columns: Int
  let k: Int

  init(_ y: Slot, _ type: DataType, rows: Int, columns: Int, k: Int) {
    self.y = y
    self.type = type
    self.rows = rows
    self.columns = columns
    self.k = k
  }

  override func run(_ memory: Memory, _ share: Share) {
    for r in share.part(of: rows) {
      memset(memory[y] + r &* columns &* type.size, 0, columns &* type.size)
      // No overflow: a k that reaches any column is small.
      let (c, overflow) = r.addingReportingOverflow(k)
      if !overflow, c >= 0, c < columns { storeInteger(1, memory[y], r &* columns &+ c, type) }
    }
  }
}
