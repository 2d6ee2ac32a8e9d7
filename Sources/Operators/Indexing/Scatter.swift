import CSystem
import ModelFormat

// Copies of x in which the elements that the indices name are replaced by updates, or combined with
// them: `reduction` is none, add, mul, min or max. Updates of the same element are made in their
// order, by one thread. An index outside the tensor is undefined in ONNX; here its update is left
// out.

/// y = x, then y[i_0, …, indices[i…], …, i_n] ← updates[i_0, …, i_n], the index standing at `axis`.
/// ONNX ScatterElements (before opset 11, Scatter); any type without a reduction.
let scatterElementsOperator = Operator(
  opcode: 189, name: "ScatterElements",
  attributes: [AttributeSpec("axis", .int), AttributeSpec("reduction", .string)], inputs: 3...3,
  notes: "An update whose index is outside the axis is left out.",
  infer: { (context) throws(ApusError) in
    _ = try elementAxis(context)
    try context.requireShape(2, context.input(1).shape)
    try checkScatter(context)
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let x = node.input(0)
    if x.shape.count == 0 { return }
    let places = ElementPlaces(x.shape, node.input(1).shape, axis: try elementAxis(node))
    context.emit(
      ScatterElementsStep(
        context, places, try Scattering(node), isWide: node.input(1).dataType == .int64),
      work: 0)
  })

/// y = x, then for each tuple of indices t, indices [k…, m], of which there are as many as updates
/// [k…, rest…]: y[t…, rest…] ← updates[k…, rest…]. ONNX ScatterND; any type without a reduction.
let scatterNDOperator = Operator(
  opcode: 190, name: "ScatterND", attributes: [AttributeSpec("reduction", .string)], inputs: 3...3,
  notes: "An update whose indices are outside the tensor is left out.",
  infer: { (context) throws(ApusError) in
    let depth = try tupleLength(context, batch: 0)
    let x = context.input(0).shape
    let indices = context.input(1).shape
    var shape = Shape()
    try context.require(
      indices.rank - 1 + x.rank - depth <= Shape.maximumRank,
      "updates for an input of \(x) and indices of \(indices) would have more than 8 dimensions")
    for d in 0..<(indices.rank - 1) { shape.append(indices[d]) }
    for d in depth..<max(depth, x.rank) { shape.append(x[d]) }
    try context.requireShape(2, shape)
    try checkScatter(context)
  },
  plan: { (context) throws(ApusError) in
    if context.node.input(0).shape.count == 0 { return }
    context.emit(
      ScatterNDStep(
        context, IndexTuples(context.node, batch: 0), try Scattering(context.node)),
      work: 0)
  })

private func checkScatter(_ context: NodeContext) throws(ApusError) {
  let x = context.input(0)
  try context.requireType(2, x.dataType)
  if try Scattering(context).reduction != .none { try context.requireNumbers(0) }
  try context.setOutput(x.dataType, x.shape)
}

/// What becomes of an element and its update.
struct Scattering {
  enum Reduction {
    case none, add, mul, min, max
  }

  let reduction: Reduction
  let type: DataType

  init(_ reduction: Reduction, _ type: DataType) {
    self.reduction = reduction
    self.type = type
  }

  init(_ context: NodeContext) throws(ApusError) {
    type = context.input(0).dataType
    let name = context.string("reduction") ?? Name("none")
    if name == Name("none") {
      reduction = .none
    } else if name == Name("add") {
      reduction = .add
    } else if name == Name("mul") {
      reduction = .mul
    } else if name == Name("min") {
      reduction = .min
    } else if name == Name("max") {
      reduction = .max
    } else {
      throw context.error(
        .unsupported, "reduction \(name); none, add, mul, min and max are known")
    }
  }

  /// Elements of x are replaced by, or combined with, those of updates.
  func apply(_ t: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, bytes: Int) {
    if reduction == .none {
      copyElement(t, s, bytes)
      return
    }
    var i = 0
    if type == .float32 {
      let t = t.assumingMemoryBound(to: Float.self)
      let s = s.assumingMemoryBound(to: Float.self)
      if reduction == .add {
        while i < bytes / 4 {
          t[i] += s[i]
          i &+= 1
        }
        return
      }
      while i < bytes / 4 {
        t[i] = combine(t[i], s[i])
        i &+= 1
      }
      return
    }
    while i < bytes / type.size {
      storeInteger(combine(loadInteger(t, i, type), loadInteger(s, i, type)), t, i, type)
      i &+= 1
    }
  }

  private func combine(_ a: Float, _ b: Float) -> Float {
    switch reduction {
    case .add: a + b
    case .mul: a * b
    // NaN stays.
    case .min: b < a || b != b ? b : a
    case .max: b > a || b != b ? b : a
    case .none: b
    }
  }

  /// Of booleans, a sum is an or, a product an and.
  private func combine(_ a: Int, _ b: Int) -> Int {
    switch reduction {
    case .add: type == .bool ? a | b : a &+ b
    case .mul: a &* b
    case .min: b < a ? b : a
    case .max: b > a ? b : a
    case .none: b
    }
  }
}

private final class ScatterElementsStep: Step {
  let x: Slot
  let indices: Slot
  let updates: Slot
  let y: Slot
  let places: ElementPlaces
  let scattering: Scattering
  let isWide: Bool
  let byteCount: Int

  init(_ context: PlanContext, _ places: ElementPlaces, _ scattering: Scattering, isWide: Bool) {
    x = context.input(0)
    indices = context.input(1)
    updates = context.input(2)
    y = context.output(0)
    self.places = places
    self.scattering = scattering
    self.isWide = isWide
    byteCount = context.node.input(0).byteCount
  }

  override func run(_ memory: Memory, _ share: Share) {
    let y = memory[y]
    memcpy(y, memory[x], byteCount)
    let size = scattering.type.size
    var row = 0
    var at = 0
    while row < places.rows && places.columns > 0 {
      let start = places.start(row)
      var column = 0
      while column < places.columns {
        let k = position(memory[indices], at, isWide: isWide, length: places.length)
        if k >= 0 && k < places.length {
          let to = start &+ k &* places.axisStride &+ column &* places.columnStride
          scattering.apply(y + to &* size, memory[updates] + at &* size, bytes: size)
        }
        at &+= 1
        column &+= 1
      }
      row &+= 1
    }
  }
}

private final class ScatterNDStep: Step {
  let x: Slot
  let indices: Slot
  let updates: Slot
  let y: Slot
  let tuples: IndexTuples
  let scattering: Scattering
  let byteCount: Int

  init(_ context: PlanContext, _ tuples: IndexTuples, _ scattering: Scattering) {
    x = context.input(0)
    indices = context.input(1)
    updates = context.input(2)
    y = context.output(0)
    self.tuples = tuples
    self.scattering = scattering
    byteCount = context.node.input(0).byteCount
  }

  override func run(_ memory: Memory, _ share: Share) {
    memcpy(memory[y], memory[x], byteCount)
    var i = 0
    while i < tuples.count {
      if let at = tuples.offset(memory[indices], i, clamps: false) {
        scattering.apply(
          memory[y] + at, memory[updates] + i &* tuples.block, bytes: tuples.block)
      }
      i &+= 1
    }
  }
}
