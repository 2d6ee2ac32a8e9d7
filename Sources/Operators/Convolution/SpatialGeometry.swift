import CKernels
import ModelFormat

/// How a window lies on the spatial axes of a convolution or a pooling: the attributes that both
/// share (auto_pad, dilations, kernel_shape, pads, strides), checked, and the output's size.
///
/// Arrays hold the axes in order z, y, x; axes that the node does not have are of size, kernel,
/// stride and dilation 1, without pads.
struct SpatialGeometry {
  /// Spatial axes of the node: 1 to 3.
  let rank: Int
  var input = InlineArray<3, Int>(repeating: 1)
  var kernel = InlineArray<3, Int>(repeating: 1)
  var stride = InlineArray<3, Int>(repeating: 1)
  var dilation = InlineArray<3, Int>(repeating: 1)
  var padBegin = InlineArray<3, Int>(repeating: 0)
  var padEnd = InlineArray<3, Int>(repeating: 0)
  var output = InlineArray<3, Int>(repeating: 1)

  /// Sizes, strides, dilations and pads above this are refused, so that their products and sums
  /// stay far inside Int, and positions inside Int32.
  static var limit: Int { 1 << 28 }

  /// Windows with more taps are refused: a plan holds a few numbers for each.
  static var tapLimit: Int { 1 << 22 }

  /// How `auto_pad` says that pads are found.
  enum AutoPad {
    /// As the attribute pads says.
    case explicit
    /// None.
    case valid
    /// So that the output has ⌈input / stride⌉ elements; what is odd goes to the end or the start.
    case sameUpper, sameLower
  }

  /// A window of one element over one.
  init() { rank = 1 }

  /// Reads and checks all but the output's size.
  ///
  /// - Parameter kernel: the spatial dimensions of the weights; nil: the attribute kernel_shape
  ///   has to be there.
  init(_ context: NodeContext, kernel weights: Shape?) throws(ApusError) {
    let shape = context.input(0).shape
    try context.requireRank(0, 3...5)
    rank = shape.rank - 2
    let first = 3 - rank
    let kernel = try SpatialGeometry.readKernel(context, weights, rank)
    let strides = try SpatialGeometry.read(context, "strides", rank, 1, default: 1)
    let dilations = try SpatialGeometry.read(context, "dilations", rank, 1, default: 1)
    let pads = try SpatialGeometry.read(context, "pads", 2 * rank, 0, default: 0)
    var taps = 1
    for i in 0..<rank {
      taps *= kernel[i]
      try context.require(
        taps <= SpatialGeometry.tapLimit,
        "a window of more than \(SpatialGeometry.tapLimit) taps is too large")
      input[first + i] = shape[2 + i]
      self.kernel[first + i] = kernel[i]
      stride[first + i] = strides[i]
      dilation[first + i] = dilations[i]
      padBegin[first + i] = pads[i]
      padEnd[first + i] = pads[rank + i]
      try context.require(
        shape[2 + i] <= SpatialGeometry.limit
          && (kernel[i] - 1) * dilations[i] < SpatialGeometry.limit,
        "\(kernel[i]) taps \(dilations[i]) apart on an axis of \(shape[2 + i]) are too many")
    }
  }

  private static func readKernel(
    _ context: NodeContext, _ weights: Shape?, _ rank: Int
  ) throws(ApusError) -> [Int] {
    guard let weights else {
      guard context.hasAttribute("kernel_shape") else {
        throw context.error(.invalidModel, "the attribute kernel_shape is missing")
      }
      return try read(context, "kernel_shape", rank, 1, default: 1)
    }
    var kernel: [Int] = []
    for i in 0..<rank { kernel.append(weights[2 + i]) }
    let stated = try context.hasAttribute("kernel_shape")
      ? read(context, "kernel_shape", rank, 1, default: 1) : kernel
    for i in 0..<rank {
      try context.require(
        kernel[i] >= 1 && kernel[i] == stated[i],
        "the weights are \(weights), but kernel_shape[\(i)] is \(stated[i])")
    }
    return kernel
  }

  /// A list attribute of `count` integers from `minimum` to `limit`.
  static func read(
    _ context: NodeContext, _ name: StaticString, _ count: Int, _ minimum: Int,
    default value: Int
  ) throws(ApusError) -> [Int] {
    guard let values = context.ints(name) else { return [Int](repeating: value, count: count) }
    try context.require(
      values.count == count, .invalidModel,
      "\(name) has \(values.count) numbers; the input's rank wants \(count)")
    for v in values {
      try context.require(
        v >= minimum && v <= limit, .invalidModel,
        "\(name) holds \(v); it may hold \(minimum) to \(limit)")
    }
    return values
  }

  static func readAutoPad(_ context: NodeContext) throws(ApusError) -> AutoPad {
    guard let name = context.string("auto_pad"), !(name == Name("NOTSET")) else { return .explicit }
    if name == Name("VALID") { return .valid }
    if name == Name("SAME_UPPER") { return .sameUpper }
    if name == Name("SAME_LOWER") { return .sameLower }
    throw context.error(
      .invalidModel, "auto_pad is \(name); NOTSET, VALID, SAME_UPPER or SAME_LOWER is wanted")
  }

  /// How many rows of the output are computed at once: as many as read what fits in `cache`, a row of a
  /// slice of the input being `rowBytes`.
  ///
  /// - Parameter most: so that all threads get some.
  func rowsAtOnce(cache: Int, rowBytes: Int, most: Int) -> Int {
    let fit = (cache / max(1, rowBytes * kernel[0]) - extent(1)) / stride[1] + 1
    return max(1, min(output[1], fit, most))
  }

  /// Elements from a window's first to its last, both counted.
  func extent(_ axis: Int) -> Int { (kernel[axis] - 1) * dilation[axis] + 1 }

  /// Sets pads and output size for a window that slides over the input:
  ///
  ///     output = ⌊(input + pads − extent) / stride⌋ + 1
  ///
  /// or ⌈…⌉ + 1 with `roundsUp`, where a last window that would start in the padding behind the
  /// input is left out.
  mutating func slide(_ context: NodeContext, roundsUp: Bool = false) throws(ApusError) {
    let autoPad = try SpatialGeometry.readAutoPad(context)
    for axis in (3 - rank)..<3 {
      let extent = extent(axis)
      switch autoPad {
      case .explicit: break
      case .valid:
        padBegin[axis] = 0
        padEnd[axis] = 0
      case .sameUpper, .sameLower:
        let outputs = (input[axis] + stride[axis] - 1) / stride[axis]
        setPads(axis, max(0, (outputs - 1) * stride[axis] + extent - input[axis]), autoPad)
      }
      let padded = input[axis] + padBegin[axis] + padEnd[axis]
      try context.require(
        padded >= extent,
        "a window of \(extent) elements does not fit into \(padded) of axis \(axis + rank - 1)"
      )
      let free = padded - extent
      var count = free / stride[axis] + 1
      if roundsUp && free % stride[axis] != 0
        && count * stride[axis] < input[axis] + padBegin[axis]
      {
        count += 1
      }
      output[axis] = count
    }
  }

  private mutating func setPads(_ axis: Int, _ total: Int, _ autoPad: AutoPad) {
    let half = total / 2
    padBegin[axis] = autoPad == .sameLower ? total - half : half
    padEnd[axis] = total - padBegin[axis]
  }

  /// Sets pads and output size for the transposed window:
  ///
  ///     output = (input − 1) · stride + output_padding + extent − pads
  ///
  /// or what output_shape says, which then determines the pads.
  mutating func slideTransposed(_ context: NodeContext) throws(ApusError) {
    let autoPad = try SpatialGeometry.readAutoPad(context)
    let padding = try SpatialGeometry.read(context, "output_padding", rank, 0, default: 0)
    var wanted: [Int]? = nil
    if let shape = context.ints("output_shape") {
      // Some exporters state the batch and the channels too.
      if shape.count == rank + 2 {
        wanted = [Int](shape[2...])
      } else {
        wanted = try SpatialGeometry.read(context, "output_shape", rank, 1, default: 1)
      }
    }
    for i in 0..<rank {
      let axis = 3 - rank + i
      try context.require(
        input[axis] >= 1, "axis \(2 + i) of a transposed convolution's input is empty")
      let whole = (input[axis] - 1) * stride[axis] + padding[i] + extent(axis)
      let isSame = autoPad == .sameUpper || autoPad == .sameLower
      if let size = wanted?[i] ?? (isSame ? input[axis] * stride[axis] : nil) {
        try context.require(
          size >= 1 && size <= SpatialGeometry.limit, .invalidModel,
          "output_shape holds \(size); it may hold 1 to \(SpatialGeometry.limit)")
        setPads(axis, max(0, whole - size), autoPad == .sameUpper ? .sameUpper : .sameLower)
        output[axis] = size
      } else {
        if autoPad == .valid {
          padBegin[axis] = 0
          padEnd[axis] = 0
        }
        output[axis] = whole - padBegin[axis] - padEnd[axis]
        try context.require(
          output[axis] >= 1 && output[axis] <= SpatialGeometry.limit,
          "axis \(2 + i) of the output would have \(output[axis]) elements")
      }
    }
  }

  /// [batch, channels, output …]
  func outputShape(batch: Int, channels: Int) -> Shape {
    var shape = Shape(batch, channels)
    for axis in (3 - rank)..<3 { shape.append(output[axis]) }
    return shape
  }

  /// Whether the third axis from the end has a single element, in and out.
  var isPlanar: Bool { input[0] == 1 && kernel[0] == 1 && output[0] == 1 }

  var inputCount: Int { input[0] * input[1] * input[2] }
  var kernelCount: Int { kernel[0] * kernel[1] * kernel[2] }
  var outputCount: Int { output[0] * output[1] * output[2] }

  /// As the kernels take it.
  var window: apus_window {
    apus_window(
      input_depth: input[0], input_height: input[1], input_width: input[2],
      output_depth: output[0], output_height: output[1], output_width: output[2],
      kernel_depth: kernel[0], kernel_height: kernel[1], kernel_width: kernel[2],
      stride_z: stride[0], stride_y: stride[1], stride_x: stride[2],
      dilation_z: dilation[0], dilation_y: dilation[1], dilation_x: dilation[2],
      pad_z: padBegin[0], pad_y: padBegin[1], pad_x: padBegin[2],
      pad_end_z: padEnd[0], pad_end_y: padEnd[1], pad_end_x: padEnd[2])
  }
}

/// Splits the planes of a step over its threads: by whole planes where there are enough of them,
/// else by their rows. Channel blocks, as convolutions do, by the same rows of all blocks.
struct PlaneSplit {
  let planes: Int
  let rows: Int
  /// Planes of an item that lies in channel blocks; 0: it does not.
  private let blocks: Int

  init(planes: Int, rows: Int) {
    self.planes = planes
    self.rows = rows
    blocks = 0
  }

  init(_ blocks: ChannelBlocks, rows: Int) {
    planes = blocks.items * blocks.blocks
    self.rows = rows
    self.blocks = blocks.blocks
  }

  /// Calls `body` with (plane, first row, end row) for all that `share` covers.
  @inline(__always)
  func forEach(_ share: Share, _ body: (Int, Int, Int) -> Void) {
    if blocks > 0 && share.count > 1 && share.isFair(planes / blocks * rows) {
      forEachRow(share, body)
      return
    }
    let grain = planes >= 4 * share.count ? rows : 1
    let part = share.part(of: planes * rows, grain: grain)
    var i = part.lowerBound
    while i < part.upperBound {
      let plane = i / rows
      let first = i - plane * rows
      let end = min(rows, first + part.upperBound - i)
      body(plane, first, end)
      i += end - first
    }
  }

  private func forEachRow(_ share: Share, _ body: (Int, Int, Int) -> Void) {
    let part = share.part(of: planes / blocks * rows)
    var i = part.lowerBound
    while i < part.upperBound {
      let item = i / rows
      let first = i - item * rows
      let end = min(rows, first + part.upperBound - i)
      for plane in item * blocks..<(item + 1) * blocks { body(plane, first, end) }
      i += end - first
    }
  }
}
