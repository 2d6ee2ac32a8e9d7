import ModelFormat

/// The constants of a layer of quantised tensors, for bytes without a sign.
struct ByteLayerNumbers {
  let inputZero: Int32
  let outputZero: Int32
  private let inputScale: Float
  private let outputScale: Float
  /// One number, or one a row; nil: the weights have none.
  private var weightScales: (first: UnsafePointer<Float>, count: Int)?
  private var weightZeros: (first: UnsafePointer<UInt8>, count: Int)?
  private var bias: UnsafeRawPointer?
  /// What gives a weight its sign.
  private var flip: UInt8 = 0
  /// Of how many weights of 8 bits one less its zero point is the sum.
  private(set) var copies = 1

  /// - Returns: nil where a number is no constant, or a scale is such that what the kernels round could
  ///   leave 32 bits.
  init?(
    _ node: NodeContext, x: IntegerOperand, weights: IntegerOperand, bias: Int?,
    result: (scale: Int, zero: Int)
  ) {
    guard let xScale = x.scale, let from = node.byteScale(xScale),
      let to = node.byteScale(result.scale), let wScale = weights.scale,
      let scales = node.input(wScale).constant
    else { return nil }
    self.init(
      x: (from.scale, Int32(from.zero) + Int32(node.input(x.tensor).dataType.flip)),
      y: (to.scale, Int32(to.zero) + Int32(node.outputs[0].dataType.flip)))
    flip = weights.type(node) == .uint8 ? 0x80 : 0
    let scaleCount = node.input(wScale).shape.count
    weightScales = (scales.assumingMemoryBound(to: Float.self), scaleCount)
    if let zero = node.optionalInput(weights.zero) {
      guard let zeros = zero.constant else { return nil }
      weightZeros = (zeros.assumingMemoryBound(to: UInt8.self), zero.shape.count)
    }
    if let bias, let info = node.optionalInput(bias) {
      guard let values = info.constant else { return nil }
      self.bias = values
    }
    for i in 0..<(weightZeros?.count ?? 1) {
      let zero = self.zero(i)
      copies = max(copies, zero == 0 ? 1 : zero == -128 ? 3 : 2)
    }
    for i in 0..<scaleCount {
      // Sums are below 2^31.
      if !(scale(i) >= 0 && scale(i) <= 0.5) { return nil }
    }
  }

  /// Those of a sum: weights of 1.
  init(x: (scale: Float, zero: Int32), y: (scale: Float, zero: Int32)) {
    (inputScale, inputZero) = x
    (outputScale, outputZero) = y
  }

  private func zero(_ row: Int) -> Int32 {
    let byte = weightZeros.map { $0.first[row % $0.count] } ?? 0
    return Int32(Int8(bitPattern: byte ^ flip))
  }

  /// What a weight of a row counts, less its zero point.
  func weight(_ byte: UInt8, _ row: Int) -> Int32 {
    Int32(Int8(bitPattern: byte ^ flip)) - zero(row)
  }

  /// Number `i` of a word of the kernels, in its place: part `copy` of a weight.
  func part(_ copy: Int, of weight: Int32, at i: Int, depth: Int) -> Int32 {
    var rest = weight
    var part: Int32 = 0
    for _ in 0...copy {
      part = max(-128, min(127, rest))
      rest -= part
    }
    return (part & (depth == 4 ? 0xFF : 0xFFFF)) << Int32(i * (32 / depth))
  }

  /// What a row's sums start from; `sum` is that of its weights.
  func start(_ row: Int, _ sum: Int32) -> Int32 {
    (bias?.integer(row, .int32) ?? 0) &- inputZero &* sum
  }

  /// What a row's sums are multiplied with.
  func scale(_ row: Int) -> Float {
    let weightScale = weightScales.map { $0.first[row % $0.count] } ?? 1
    return weightScale * inputScale / outputScale
  }
}

extension NodeContext {
  /// The scale and the zero point that inputs `i` and `i + 1` state, a number each; nil where they are no
  /// constants, or the scale is not positive.
  func byteScale(_ i: Int) -> (scale: Float, zero: Float)? {
    guard let scale = input(i).constant?.assumingMemoryBound(to: Float.self)[0],
      input(i).shape.count == 1, scale > 0, scale < Float.infinity
    else { return nil }
    guard let zero = optionalInput(i + 1) else { return (scale, 0) }
    guard zero.shape.count == 1 else { return nil }
    return zero.constant.map { (scale, Float($0.integer(0, zero.dataType))) }
  }
}
