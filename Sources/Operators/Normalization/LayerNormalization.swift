import CKernels
import ModelFormat

/// Each block of axes `axis` … is brought to mean 0 and variance 1, then scaled and moved:
///
///     y = (x − mean) / √(variance + epsilon) · scale + bias
///
/// Outputs: y; optionally the means and 1/√(variance + epsilon), with 1 in place of the normalised
/// dimensions. ONNX LayerNormalization, float32; Ba, Kiros, Hinton 2016.
let layerNormalizationOperator = Operator(
  opcode: 90, name: "LayerNormalization",
  attributes: [
    AttributeSpec("axis", .int), AttributeSpec("epsilon", .float), AttributeSpec("stash_type", .int),
  ],
  inputs: 2...3, outputs: 1...3, requiredInputs: 2,
  notes: "Scale and bias have the normalised dimensions, or one element.",
  infer: { (context) throws(ApusError) in
    let x = try context.checkRowNormalization()
    try context.setOutput(.float32, x)
    let axis = try context.normalizedAxis(context.int("axis", default: -1), rank: x.rank)
    var statistics = x
    for d in axis..<x.rank { statistics[d] = 1 }
    try context.setOutput(.float32, statistics)
    try context.setOutput(.float32, statistics)
  },
  plan: { (context) throws(ApusError) in
    try context.planRowNormalization(isCentered: true)
  })

/// y = x / √(mean of x² + epsilon) · scale over the axes `axis` …. ONNX RMSNormalization, float32;
/// Zhang and Sennrich 2019.
let rmsNormalizationOperator = Operator(
  opcode: 95, name: "RMSNormalization",
  attributes: [
    AttributeSpec("axis", .int), AttributeSpec("epsilon", .float), AttributeSpec("stash_type", .int),
  ],
  inputs: 2...2, notes: "The scale has the normalised dimensions, or one element.",
  infer: { (context) throws(ApusError) in
    try context.setOutput(.float32, try context.checkRowNormalization())
  },
  plan: { (context) throws(ApusError) in
    try context.planRowNormalization(isCentered: false)
  })

extension NodeContext {
  /// Checks the inputs of either operator; returns the shape of x.
  fileprivate func checkRowNormalization() throws(ApusError) -> Shape {
    try requireFloat32()
    let x = input(0).shape
    let axis = try normalizedAxis(int("axis", default: -1), rank: x.rank)
    for i in 1...2 {
      guard let parameter = optionalInput(i)?.shape else { continue }
      var fits = parameter.count == 1
      if !fits, parameter.count == x.product(axis, x.rank), parameter.rank <= x.rank {
        fits = true
        // Leading ones aside, the dimensions must be the same.
        for d in 1...parameter.rank {
          let wanted = d <= x.rank - axis ? x[last: d] : 1
          if parameter[last: d] != wanted { fits = false }
        }
        for d in 1...max(1, x.rank - axis) where d > parameter.rank && x[last: d] != 1 {
          fits = false
        }
      }
      try require(
        fits, .unsupported,
        "input \(i) is \(parameter); it must be one element or have the dimensions of \(x) from axis \(axis) on"
      )
    }
    return x
  }
}

extension PlanContext {
  fileprivate func planRowNormalization(isCentered: Bool) throws(ApusError) {
    allowInPlace(input: 0, output: 0)
    let x = node.input(0).shape
    if x.count == 0 { return }
    let axis = try node.normalizedAxis(node.int("axis", default: -1), rank: x.rank)
    emit(
      RowNormalizationStep(self, rows: x.product(0, axis), length: x.product(axis, x.rank), isCentered),
      work: x.count * 4)
  }
}

private final class RowNormalizationStep: Step {
  let kernels: UnsafePointer<apus_kernels>
  let rows: Int
  let length: Int
  let isCentered: Bool
  let epsilon: Float
  let x: Slot
  let scale: Slot
  let bias: Slot?
  let scaleIsOne: Bool
  let biasIsOne: Bool
  let y: Slot
  let mean: Slot?
  let inverse: Slot?

  init(_ context: PlanContext, rows: Int, length: Int, _ isCentered: Bool) {
    kernels = context.kernels
    self.rows = rows
    self.length = length
    self.isCentered = isCentered
    epsilon = context.node.float("epsilon", default: 1e-5)
    x = context.input(0)
    scale = context.input(1)
    bias = context.optionalInput(2)
    scaleIsOne = context.node.input(1).shape.count == 1
    biasIsOne = context.node.optionalInput(2)?.shape.count == 1
    y = context.output(0)
    mean = context.optionalOutput(1)
    inverse = context.optionalOutput(2)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let scale = memory.floats(scale)
    let bias = bias.map { memory.floats($0) }
    for row in share.part(of: rows) {
      let x = memory.floats(x) + row &* length
      let y = memory.mutableFloats(y) + row &* length
      var m: Float = 0
      var variance: Float = 0
      if isCentered {
        kernels.pointee.moments(x, length, &m, &variance)
      } else {
        variance = kernels.pointee.reduce_row(APUS_REDUCE_SQUARE_SUM, x, length, 0) / Float(length)
      }
      let factor = 1 / (variance + epsilon).squareRoot()
      if scaleIsOne == biasIsOne || bias == nil {
        kernels.pointee.normalize(x, y, length, m, factor, scale, bias, scaleIsOne ? 0 : 1)
      } else {
        // One is a vector, the other a single element: in two passes.
        kernels.pointee.normalize(x, y, length, m, factor, scale, nil, scaleIsOne ? 0 : 1)
        if let bias {
          kernels.pointee.binary(APUS_BINARY_ADD, y, 1, bias, biasIsOne ? 0 : 1, y, length)
        }
      }
      if let mean { memory.mutableFloats(mean)[row] = m }
      if let inverse { memory.mutableFloats(inverse)[row] = factor }
    }
  }
}
