import ModelFormat

/// The mean (mode avg) or greatest (mode max) of samples of X in each of output_height ·
/// output_width bins of each region: sampling_ratio² samples spread evenly over a bin, or one for each
/// element that it covers where sampling_ratio is 0. A sample is interpolated bilinearly from the four
/// elements around it; mode max takes the greatest of the four weighted elements instead of their sum.
///
/// Inputs: X [N, C, H, W], rois [R, 4] (x1, y1, x2, y2, multiplied by spatial_scale), batch_indices
/// int64 [R]. Output [R, C, output_height, output_width]. ONNX RoiAlign, float32.
let roiAlignOperator = Operator(
  opcode: 222, name: "RoiAlign",
  attributes: [
    AttributeSpec("coordinate_transformation_mode", .string), AttributeSpec("mode", .string),
    AttributeSpec("output_height", .int), AttributeSpec("output_width", .int),
    AttributeSpec("sampling_ratio", .int), AttributeSpec("spatial_scale", .float),
  ],
  inputs: 3...3,
  notes: "A batch index outside the batch is clamped to the nearest image.",
  infer: { (context) throws(ApusError) in
    let regions = try RegionAlignment(context)
    try context.setOutput(.float32, regions.shape)
  },
  plan: { (context) throws(ApusError) in
    let regions = try RegionAlignment(context.node)
    if regions.shape.count == 0 { return }
    let samples = max(1, regions.sampling * regions.sampling)
    context.emit(
      RoiAlignStep(regions, context.input(0), context.input(1), context.input(2), context.output(0)),
      work: regions.shape.count * 4 * min(samples, 1 << 12))
  })

private struct RegionAlignment {
  let x: Shape
  let shape: Shape
  let takesMean: Bool
  let offset: Float
  let sampling: Int
  let scale: Float

  init(_ context: NodeContext) throws(ApusError) {
    try context.requireType(0, .float32)
    try context.requireType(1, .float32)
    try context.requireType(2, .int64)
    try context.requireRank(0, 4...4)
    try context.requireRank(2, 1...1)
    x = context.input(0).shape
    let count = context.input(2).shape[0]
    try context.requireShape(1, Shape(count, 4))
    let height = context.int("output_height", default: 1)
    let width = context.int("output_width", default: 1)
    sampling = context.int("sampling_ratio", default: 0)
    try context.require(
      height >= 1 && height <= 1 << 20 && width >= 1 && width <= 1 << 20, .invalidModel,
      "an output of \(height) x \(width) cannot be made")
    try context.require(
      sampling >= 0 && sampling <= 1 << 12, .invalidModel, "sampling_ratio is \(sampling)")
    shape = Shape(count, x[1], height, width)
    try context.require(x.count > 0 || shape.checkedCount == 0, "input 0 is empty: \(x)")
    takesMean = try context.choice("mode", "avg max") == 0
    let coordinates = try context.choice(
      "coordinate_transformation_mode", "half_pixel output_half_pixel")
    offset = coordinates == 0 ? 0.5 : 0
    scale = context.float("spatial_scale", default: 1)
  }
}

private final class RoiAlignStep: Step {
  private let regions: RegionAlignment
  private let x: Slot
  private let rois: Slot
  private let indices: Slot
  private let y: Slot

  init(_ regions: RegionAlignment, _ x: Slot, _ rois: Slot, _ indices: Slot, _ y: Slot) {
    self.regions = regions
    self.x = x
    self.rois = rois
    self.indices = indices
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let channels = regions.shape[1]
    let bins = regions.shape[2] * regions.shape[3]
    let planeCount = regions.x[2] * regions.x[3]
    let indices = memory[indices].assumingMemoryBound(to: Int64.self)
    let part = share.part(of: regions.shape[0] * channels)
    var i = part.lowerBound
    // A region's channels share its samples.
    while i < part.upperBound {
      let (region, first) = (i / channels, i % channels)
      let count = min(part.upperBound - i, channels - first)
      let image = max(0, min(Int(indices[region]), regions.x[0] - 1))
      align(
        memory.floats(x) + (image * channels + first) * planeCount,
        memory.floats(rois) + region * 4, memory.mutableFloats(y) + i * bins, count)
      i += count
    }
  }

  private func align(
    _ x: UnsafePointer<Float>, _ roi: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ channels: Int
  ) {
    let r = regions
    let (rows, columns) = (r.shape[2], r.shape[3])
    let left = roi[0] * r.scale - r.offset
    let top = roi[1] * r.scale - r.offset
    var width = roi[2] * r.scale - r.offset - left
    var height = roi[3] * r.scale - r.offset - top
    if r.offset == 0 {
      width = max(width, 1)
      height = max(height, 1)
    }
    let binHeight = height / Float(rows)
    let binWidth = width / Float(columns)
    let gridRows = samples(binHeight, r.x[2])
    let gridColumns = samples(binWidth, r.x[3])
    let share = 1 / Float(max(1, gridRows * gridColumns))
    for row in 0..<rows {
      for column in 0..<columns {
        let bin = y + row * columns + column
        for c in 0..<channels { bin[c * rows * columns] = 0 }
        for i in 0..<gridRows {
          let sy = top + Float(row) * binHeight + (Float(i) + 0.5) * binHeight / Float(gridRows)
          for j in 0..<gridColumns {
            let sx =
              left + Float(column) * binWidth + (Float(j) + 0.5) * binWidth / Float(gridColumns)
            add(x, Corners(sy, sx, r.x[2], r.x[3]), bin, channels, i == 0 && j == 0)
          }
        }
        if r.takesMean {
          for c in 0..<channels { bin[c * rows * columns] *= share }
        }
      }
    }
  }

  /// Adds one sample to a bin of each channel.
  private func add(
    _ x: UnsafePointer<Float>, _ corners: Corners, _ bin: UnsafeMutablePointer<Float>,
    _ channels: Int, _ isFirst: Bool
  ) {
    let planeCount = regions.x[2] * regions.x[3]
    let step = regions.shape[2] * regions.shape[3]
    var plane = x
    var target = bin
    for _ in 0..<channels {
      let a = plane[corners.positions[0]] * corners.weights[0]
      let b = plane[corners.positions[1]] * corners.weights[1]
      let c = plane[corners.positions[2]] * corners.weights[2]
      let d = plane[corners.positions[3]] * corners.weights[3]
      if regions.takesMean {
        target[0] += a + b + c + d
      } else {
        let greatest = max(max(a, b), max(c, d))
        target[0] = isFirst ? greatest : max(target[0], greatest)
      }
      plane += planeCount
      target += step
    }
  }

  /// Samples of a bin along one axis. A bin far larger than the input gets no more than a few for
  /// each of its elements.
  private func samples(_ bin: Float, _ length: Int) -> Int {
    if regions.sampling > 0 { return regions.sampling }
    return bin > 0 ? Int(min(bin.rounded(.up), Float(4 * length + 16))) : 0
  }

  /// The four elements around a point and their weights, which are 0 outside.
  private struct Corners {
    var positions = SIMD4<Int>()
    var weights = SIMD4<Float>()

    init(_ y: Float, _ x: Float, _ height: Int, _ width: Int) {
      guard y >= -1, y <= Float(height), x >= -1, x <= Float(width) else { return }
      let cy = min(max(y, 0), Float(height - 1))
      let cx = min(max(x, 0), Float(width - 1))
      let (top, left) = (min(Int(cy), height - 1), min(Int(cx), width - 1))
      let (bottom, right) = (min(top + 1, height - 1), min(left + 1, width - 1))
      let (wy, wx) = (cy - Float(top), cx - Float(left))
      positions = SIMD4(
        top * width + left, top * width + right, bottom * width + left, bottom * width + right)
      weights = SIMD4((1 - wy) * (1 - wx), (1 - wy) * wx, wy * (1 - wx), wy * wx)
    }
  }
}
