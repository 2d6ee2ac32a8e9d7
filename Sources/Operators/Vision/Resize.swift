import ModelFormat

/// X [D1 … Dr] stretched to Y [E1 … Er]: Ei = ⌊Di · scales[i]⌋, or what `sizes` says. Each output
/// position is mapped to a coordinate of the input (ResizeAxis) and takes the nearest element there,
/// or a weighted sum of the elements around it, one axis after the other.
///
/// Inputs: X, roi [2r] (starts, then ends, for tf_crop_and_resize alone), scales [r], sizes [r]; with
/// `axes`, r is their number. Exactly one of scales and sizes. ONNX Resize; mode nearest takes any
/// type, linear float32, int8 and uint8, cubic float32. Integers between elements are cut off towards
/// zero as in ONNX; with `round` they go to the nearest, halves to even.
let resizeOperator = Operator(
  opcode: 220, name: "Resize",
  attributes: [
    AttributeSpec("antialias", .int), AttributeSpec("axes", .ints),
    AttributeSpec("coordinate_transformation_mode", .string),
    AttributeSpec("cubic_coeff_a", .float), AttributeSpec("exclude_outside", .int),
    AttributeSpec("extrapolation_value", .float),
    AttributeSpec("keep_aspect_ratio_policy", .string), AttributeSpec("mode", .string),
    AttributeSpec("nearest_mode", .string), AttributeSpec("round", .int),
  ],
  inputs: 3...4, requiredInputs: 1,
  notes: "Mode nearest takes any type, linear float32, int8 and uint8, cubic float32.",
  infer: { (context) throws(ApusError) in
    let resize = try ResizeGeometry(context)
    try context.setOutput(context.input(0).dataType, resize.output)
  },
  plan: { (context) throws(ApusError) in
    var resize = try ResizeGeometry(context.node)
    if resize.output.count == 0 { return }
    if resize.mode == .nearest || resize.axes.isEmpty {
      resize.emitNearest(context)
    } else {
      resize.emitWeighted(context)
    }
  },
  multiplyAccumulates: { $0.outputs[0].shape.count })

/// A Resize node's attributes and inputs, checked.
struct ResizeGeometry {
  enum Mode: Int {
    case nearest, linear, cubic
  }

  let mode: Mode
  let rule: ResizeRule
  private(set) var input: Shape
  private(set) var output: Shape
  let dataType: DataType
  /// One for each axis that changes.
  private(set) var axes: [ResizeAxis] = []
  /// Whether shapes and axes are those of tensors with channels last.
  private(set) var hasChannelsLast = false
  /// Whether integers between elements go to the nearest.
  let rounds: Bool

  init(_ context: NodeContext) throws(ApusError) {
    let x = context.input(0)
    dataType = x.dataType
    mode = Mode(rawValue: try context.choice("mode", "nearest linear cubic")) ?? .nearest
    rule = try ResizeRule(context)
    rounds = context.int("round", default: 0) != 0
    if mode == .cubic || mode == .linear && dataType != .int8 && dataType != .uint8 {
      try context.requireType(0, .float32)
    }
    try context.require(
      rule.extrapolation == 0 || dataType != .float16, .unsupported,
      "extrapolation_value must be 0 for float16")

    var which: [Int] = []
    if let stated = context.ints("axes") {
      for a in stated {
        let axis = try context.normalizedAxis(a, rank: x.shape.rank)
        for other in which {
          try context.require(other != axis, .invalidModel, "axes holds \(a) twice")
        }
        which.append(axis)
      }
    } else {
      for axis in 0..<x.shape.rank { which.append(axis) }
    }
    var roi: [Float]? = nil
    if rule.coordinates == .cropAndResize {
      roi = try ResizeGeometry.list(context, 1)
      try context.require(
        roi?.count == 2 * which.count, .invalidShape,
        "tf_crop_and_resize wants \(2 * which.count) numbers of roi and has \(roi?.count ?? 0)")
    }

    var shape = x.shape
    var scales: [Double] = []
    if let given = try ResizeGeometry.list(context, 2) {
      try context.require(
        context.optionalInput(3).map { $0.shape.count == 0 } ?? true, .invalidModel,
        "scales and sizes are both given")
      try context.require(
        given.count == which.count, "scales has \(given.count) numbers; \(which.count) are wanted")
      for i in which.indices {
        scales.append(Double(given[i]))
        let size = Float(shape[which[i]]) * given[i]
        try context.require(
          given[i] > 0 && size < 0x1p40, .invalidModel, "a scale cannot resize an axis")
        shape[which[i]] = Int(size.rounded(.down))
      }
    } else {
      guard context.hasInput(3), let sizes = try context.constantInts(3) else {
        throw context.error(.invalidModel, "neither scales nor sizes are given")
      }
      try context.require(
        sizes.count == which.count, "sizes has \(sizes.count) numbers; \(which.count) are wanted")
      for i in which.indices {
        try context.require(
          sizes[i] >= 0 && sizes[i] < 1 << 40, .invalidModel, "sizes holds \(sizes[i])")
        scales.append(Double(sizes[i]) / Double(max(1, shape[which[i]])))
      }
      try ResizeGeometry.apply(context, sizes, which, &scales, &shape)
    }
    input = x.shape
    output = shape
    guard let count = shape.checkedCount else {
      throw context.error(.invalidShape, "output 0 would be \(shape), too much to hold")
    }
    try context.require(count == 0 || x.shape.count > 0, "\(x.shape) holds nothing to resize")

    for i in which.indices {
      let axis = ResizeAxis(
        axis: which[i], input: x.shape[which[i]], output: shape[which[i]], scale: scales[i],
        start: roi?[i] ?? 0, end: roi?[which.count + i] ?? 1)
      if axis.isIdentity || count == 0 { continue }
      // A plan tabulates each axis.
      let taps = mode == .nearest ? 1 : axis.taps(mode, rule)
      try context.require(
        axis.output <= 1 << 24 && axis.output * taps <= 1 << 24, .unsupported,
        "\(axis.output) elements of axis \(axis.axis) are too many")
      axes.append(axis)
    }
  }

  /// The tensors of a plan; with channels last, where the input lies so and keeps batch and channels.
  mutating func place(_ context: PlanContext) -> (x: Slot, y: Slot) {
    var first = Shape.maximumRank
    for a in axes { first = min(first, a.axis) }
    guard first > 1, let blocks = context.channelsLast(0) else {
      return (context.input(0), context.output(0))
    }
    hasChannelsLast = true
    input = input.movingChannelsLast(blocks.width)
    output = output.movingChannelsLast(blocks.width)
    for i in axes.indices { axes[i].axis -= 1 }
    return (context.blockedInput(0), context.blockedOutput(0))
  }

  /// A list that may be left out, or empty.
  private static func list(_ context: NodeContext, _ i: Int) throws(ApusError) -> [Float]? {
    guard let input = context.optionalInput(i), input.shape.count > 0 else { return nil }
    return try context.constantFloats(i)
  }

  /// The sizes as they are, or one scale for all axes, the least or greatest of theirs.
  private static func apply(
    _ context: NodeContext, _ sizes: [Int], _ which: [Int], _ scales: inout [Double],
    _ shape: inout Shape
  ) throws(ApusError) {
    let policy = try context.choice(
      "keep_aspect_ratio_policy", "stretch not_larger not_smaller")
    guard policy > 0, var scale = scales.first else {
      for i in which.indices { shape[which[i]] = sizes[i] }
      return
    }
    for s in scales { scale = policy == 1 ? min(scale, s) : max(scale, s) }
    for i in which.indices {
      scales[i] = scale
      let size = (scale * Double(shape[which[i]]) + 0.5).rounded(.down)
      try context.require(size < 0x1p40, "an axis would have \(sizes[i]) elements or more")
      shape[which[i]] = Int(size)
    }
  }
}

extension Shape {
  /// [N, C, D1 … Dr] as [N, D1 … Dr, width].
  @inline(never)
  fileprivate func movingChannelsLast(_ width: Int) -> Shape {
    var moved = self
    for i in 2..<rank { moved[i - 1] = self[i] }
    moved[rank - 1] = width
    return moved
  }
}

extension NodeContext {
  /// Which of `names`, with spaces between, a string attribute is; the first where it is not set.
  @inline(never)
  func choice(_ attribute: StaticString, _ names: StaticString) throws(ApusError) -> Int {
    guard let value = string(attribute) else { return 0 }
    let all = Name(names)
    var (index, start) = (0, 0)
    for end in 0...all.count where end == all.count || all.start[end] == 0x20 {
      if value == Name(start: all.start + start, count: end - start) { return index }
      index += 1
      start = end + 1
    }
    throw error(.invalidModel, "\(attribute) is \(value), which is not known")
  }
}
