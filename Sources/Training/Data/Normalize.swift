/// y = (x − mean) / deviation, for all numbers alike, for each channel (the first axis), or for
/// each feature (all axes).
public struct Normalize: Transform {
  /// As many means and deviations as there are groups: 1, channels, or features.
  public var mean: [Float]
  public var deviation: [Float]

  /// - Precondition: As many means as deviations; no deviation is 0.
  public init(mean: [Float], deviation: [Float]) {
    precondition(mean.count == deviation.count && !deviation.contains(0))
    self.mean = mean
    self.deviation = deviation
  }

  /// y = factor · x + offset.
  public static func scale(factor: Float, offset: Float = 0) -> Normalize {
    Normalize(mean: [-offset / factor], deviation: [1 / factor])
  }

  /// Measures what training samples have after `transforms` (random ones left out): the mean and
  /// standard deviation (the population's) of each channel, or of each feature where a sample is a
  /// row of numbers. What does not vary keeps a deviation of 1.
  public static func measured(
    on samples: Samples, indices: [Int], after transforms: [any Transform]
  ) throws -> Normalize {
    let chain = try TransformChain(transforms.compactMap(\.whenTested), inputShape: samples.shape)
    let shape = chain.outputShape
    let size = shape.reduce(1, *)
    let groups = shape.first ?? 1
    let stride = groups == 0 ? 0 : size / groups
    var sum = [Double](repeating: 0, count: groups)
    var squares = sum
    let buffers = UnsafeMutablePointer<Float>.allocate(capacity: max(1, 2 * chain.largestSize))
    defer { buffers.deallocate() }
    var random = SeededRandom(seed: 0)
    // Two passes: the squares are taken from the mean, which loses no digits.
    var mean = sum
    for pass in 0..<2 {
      for index in indices {
        samples.copyInput(index, to: buffers)
        let x = chain.apply(buffers, buffers + chain.largestSize, random: &random)
        for i in 0..<size {
          let group = i / stride
          if pass == 0 {
            sum[group] += Double(x[i])
          } else {
            let d = Double(x[i]) - mean[group]
            squares[group] += d * d
          }
        }
      }
      if pass == 0 { mean = sum.map { $0 / Double(indices.count * stride) } }
    }
    return Normalize(
      mean: mean.map { Float($0) },
      deviation: squares.map {
        let deviation = Float(($0 / Double(indices.count * stride)).squareRoot())
        return deviation > 0 ? deviation : 1
      })
  }

  public func outputShape(_ shape: [Int]) throws -> [Int] {
    let size = shape.reduce(1, *)
    guard mean.count == 1 || mean.count == shape.first ?? 1 || mean.count == size else {
      throw DataError(
        "normalize: \(mean.count) means for samples of shape \(shape); give 1, \(shape.first ?? 1) "
          + "or \(size)")
    }
    return shape
  }

  public func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom
  ) {
    let size = shape.reduce(1, *)
    let stride = max(1, size / mean.count)
    for i in 0..<size {
      destination[i] = (source[i] - mean[i / stride]) / deviation[i / stride]
    }
  }
}
