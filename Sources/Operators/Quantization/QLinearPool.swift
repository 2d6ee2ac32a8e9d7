import CKernels
import ModelFormat

/// The mean under a window: y = saturate(round(sum / n / y scale + y zero point)), where sum adds up
/// x scale · (x − x zero point) over the n elements of the window that count, as in AveragePool.
///
/// Inputs X [N, C, D1 … Dr], its scale and zero point, Y's scale and zero point (a number each); int8
/// or uint8, 1 ≤ r ≤ 3. In float32, each step rounded by itself, the window in row-major order;
/// halves to even. A window that covers the whole of an input without pads is computed as
/// QLinearGlobalAveragePool. ONNX Runtime's com.microsoft QLinearAveragePool, to the bit; only with
/// ceil_mode and count_include_pad it also counts what lies behind the padding.
let qLinearAveragePoolOperator = Operator(
  opcode: 269, name: "QLinearAveragePool",
  attributes: averagePoolAttributes(),
  inputs: 4...5, requiredInputs: 2, notes: "1 to 3 spatial axes.",
  scales: ScalePlaces(tensors: 0..<1, result: 3),
  infer: { (context) throws(ApusError) in
    let type = try requirePool(context)
    let x = context.input(0).shape
    try context.setOutput(type, try poolGeometry(context).outputShape(batch: x[0], channels: x[1]))
  },
  plan: { (context) throws(ApusError) in
    if context.node.outputs[0].shape.count == 0 { return }
    let node = context.node
    let geometry = try poolGeometry(node)
    if geometry.hasOneWindow {
      if context.planByteGlobalPool() { return }
      context.emit(QLinearGlobalPoolStep(context), work: node.input(0).shape.count)
      return
    }
    context.emit(
      QLinearAveragePoolStep(
        context, geometry, includesPadding: node.int("count_include_pad", default: 0) != 0),
      work: poolMultiplyAccumulates(node))
  },
  multiplyAccumulates: poolMultiplyAccumulates)

/// The mean of each channel: y = saturate(round(Σ (x − x zero point) · r) + y zero point) with r = x
/// scale / (y scale · elements), in float32 from the sum on, halves to even.
///
/// Inputs as QLinearAveragePool's. ONNX Runtime's com.microsoft QLinearGlobalAveragePool of
/// channels_last 0, to the bit.
let qLinearGlobalAveragePoolOperator = Operator(
  opcode: 270, name: "QLinearGlobalAveragePool", inputs: 4...5, requiredInputs: 2,
  scales: ScalePlaces(tensors: 0..<1, result: 3),
  infer: { (context) throws(ApusError) in
    _ = try requirePool(context)
    try context.inferGlobalPool()
    // Their sum has to be an int32.
    try context.require(
      context.input(0).shape.count / max(1, context.outputs[0].shape.count) < 1 << 23, .unsupported,
      "the spatial axes are too large")
  },
  plan: { (context) throws(ApusError) in
    let shape = context.node.input(0).shape
    if context.node.outputs[0].shape.count == 0 || context.planByteGlobalPool() { return }
    context.emit(QLinearGlobalPoolStep(context), work: shape.count)
  },
  multiplyAccumulates: { $0.input(0).shape.count })

extension SpatialGeometry {
  /// Whether the window is the input itself, without pads.
  fileprivate var hasOneWindow: Bool {
    for i in 0..<3 where kernel[i] != input[i] || padBegin[i] != 0 || padEnd[i] != 0 { return false }
    return true
  }
}

private func requirePool(_ context: NodeContext) throws(ApusError) -> DataType {
  try context.requireQuantized(0, scale: 1)
  return try context.requireQuantized(0, scale: 3)
}

/// A few channels of a position at a time, which lie side by side with channels last; otherwise one.
private final class QLinearAveragePoolStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let window: apus_window
  private let includesPadding: Bool
  /// Rows of all planes, each of a single channel or of all.
  private let rows: Int
  private let width: Int
  private let isLast: Bool
  private let x: Slot
  private let y: Slot
  private let xScale: QLinearScale
  private let yScale: QLinearScale

  init(_ context: PlanContext, _ geometry: SpatialGeometry, includesPadding: Bool) {
    let type = context.node.input(0).dataType
    let last = context.channelsLast(0)
    kernels = context.kernels
    window = geometry.window
    self.includesPadding = includesPadding
    isLast = last != nil
    width = last?.width ?? 1
    rows =
      (last?.items ?? context.node.input(0).shape.product(0, 2)) * geometry.output[0]
      * geometry.output[1]
    x = isLast ? context.blockedInput(0) : context.input(0)
    y = isLast ? context.blockedOutput(0) : context.output(0)
    xScale = QLinearScale(context, 1, type)
    yScale = QLinearScale(context, 3, type)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let w = window
    let from = xScale.read(memory)
    let to = yScale.read(memory)
    let type = xScale.type
    // Of int8 as bytes without a sign, which it is with channels last.
    let shift = Int32(type.flip)
    let flip = isLast ? 0 : Int(type.flip)
    let zero = Int32(from.zero) + shift
    let x = memory[x].assumingMemoryBound(to: UInt8.self)
    let y = memory[y].assumingMemoryBound(to: UInt8.self)
    var room = InlineArray<128, Float>(repeating: 0)
    withUnsafeMutableBytes(of: &room) { bytes in
      let sums = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
      let terms = sums + 64
      for row in share.part(of: rows) {
        let slice = row / w.output_height
        let plane = slice / w.output_depth
        let zTaps = taps(
          slice &- plane &* w.output_depth, w.stride_z, w.dilation_z, w.kernel_depth,
          w.input_depth, w.pad_z, w.pad_end_z)
        let yTaps = taps(
          row &- slice &* w.output_height, w.stride_y, w.dilation_y, w.kernel_height,
          w.input_height, w.pad_y, w.pad_end_y)
        for position in 0..<(w.output_width &* ((width &+ 63) / 64)) {
          let column = position % w.output_width
          let channel = position / w.output_width &* 64
          let n = min(64, width &- channel)
          let xTaps = taps(
            column, w.stride_x, w.dilation_x, w.kernel_width, w.input_width, w.pad_x, w.pad_end_x)
          for i in 0..<64 { sums[i] = 0 }
          for kz in zTaps.begin..<zTaps.end {
            for ky in yTaps.begin..<yTaps.end {
              let line = (plane &* w.input_depth &+ zTaps.first &+ kz &* w.dilation_z)
                &* w.input_height &+ yTaps.first &+ ky &* w.dilation_y
              for kx in xTaps.begin..<xTaps.end {
                let place = line &* w.input_width &+ xTaps.first &+ kx &* w.dilation_x
                kernels.pointee.dequantize(
                  x + (place &* width &+ channel), n, flip, zero, from.scale, terms)
                add(terms, to: sums, n)
              }
            }
          }
          let count = Float(zTaps.count &* yTaps.count &* xTaps.count)
          for i in 0..<n { sums[i] = sums[i] / count / to.scale + to.zero }
          kernels.pointee.quantize(
            sums, n, 1, isLast ? shift : 0, Float(type.byteRange.lower),
            Float(type.byteRange.upper),
            y + ((row &* w.output_width &+ column) &* width &+ channel))
        }
      }
    }
  }

  @inline(__always)
  private func add(_ terms: UnsafePointer<Float>, to sums: UnsafeMutablePointer<Float>, _ n: Int) {
    var i = 0
    while i < n {
      let p = UnsafeMutableRawPointer(sums + i)
      p.storeBytes(
        of: p.loadUnaligned(as: SIMD8<Float>.self)
          + UnsafeRawPointer(terms + i).loadUnaligned(as: SIMD8<Float>.self),
        as: SIMD8<Float>.self)
      i &+= 8
    }
  }

  /// Along one axis: where the window begins, which of its elements lie inside the input (the first,
  /// and the one behind the last), and how many count.
  @inline(never)
  private func taps(
    _ position: Int, _ stride: Int, _ dilation: Int, _ kernel: Int, _ size: Int, _ pad: Int,
    _ padEnd: Int
  ) -> (first: Int, begin: Int, end: Int, count: Int) {
    let first = position &* stride &- pad
    let begin = first < 0 ? (dilation &- 1 &- first) / dilation : 0
    let end = max(begin, min(kernel, (size &- first &+ dilation &- 1) / dilation))
    let padded = min(kernel, (size &+ padEnd &- first &+ dilation &- 1) / dilation)
    return (first, begin, end, includesPadding ? padded : end &- begin)
  }
}

private final class QLinearGlobalPoolStep: Step {
  private let planes: Int
  private let count: Int
  private let x: Slot
  private let y: Slot
  private let xScale: QLinearScale
  private let yScale: QLinearScale

  init(_ context: PlanContext) {
    let input = context.node.input(0)
    planes = input.shape[0] * input.shape[1]
    count = input.shape.product(2, input.shape.rank)
    x = context.input(0)
    y = context.output(0)
    xScale = QLinearScale(context, 1, input.dataType)
    yScale = QLinearScale(context, 3, input.dataType)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let input = memory[x].assumingMemoryBound(to: UInt8.self)
    let output = memory[y].assumingMemoryBound(to: UInt8.self)
    let (x, y) = (xScale.read(memory), yScale.read(memory))
    let ratio = x.scale / (y.scale * Float(count))
    let flip = xScale.type.flip
    // That of the integers without their sign.
    let offset = Int32(truncatingIfNeeded: count) &* (Int32(x.zero) &+ Int32(flip))
    let rounding = ByteRounding(yScale.type, zero: y.zero)
    for plane in share.part(of: planes) {
      var sum: Int32 = 0
      var i = plane &* count
      let end = i &+ count
      while i < end {
        sum &+= Int32(input[i] ^ flip)
        i &+= 1
      }
      output[plane] = rounding.byte(Float(sum &- offset) * ratio)
    }
  }
}
