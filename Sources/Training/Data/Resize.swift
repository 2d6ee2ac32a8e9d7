/// Bilinear resizing of the last two axes (rows, columns).
///
/// Pixel centres are at half numbers. Enlarging interpolates between the two nearest pixels;
/// shrinking widens the triangle by the factor, so that every pixel of the source counts (as Pillow
/// does, and PyTorch with `antialias=True`). Weights are divided by their sum, which also handles
/// the border.
public struct Resize: Transform {
  public var height: Int
  public var width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  public func outputShape(_ shape: [Int]) throws -> [Int] {
    guard shape.count >= 2, !shape.contains(0) else {
      throw DataError("resize: samples must have rows and columns, and their shape is \(shape)")
    }
    return shape.dropLast(2) + [height, width]
  }

  public func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom
  ) {
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    let planes = shape.dropLast(2).reduce(1, *)
    let horizontal = Resize.weights(from: columns, to: width)
    let vertical = Resize.weights(from: rows, to: height)
    var narrow = [Float](repeating: 0, count: rows * width)
    for plane in 0..<planes {
      let x = source + plane * rows * columns
      let y = destination + plane * height * width
      for row in 0..<rows {
        for (column, (first, weights)) in horizontal.enumerated() {
          var sum: Float = 0
          for (i, weight) in weights.enumerated() { sum += weight * x[row * columns + first + i] }
          narrow[row * width + column] = sum
        }
      }
      for (row, (first, weights)) in vertical.enumerated() {
        for column in 0..<width {
          var sum: Float = 0
          for (i, weight) in weights.enumerated() {
            sum += weight * narrow[(first + i) * width + column]
          }
          y[row * width + column] = sum
        }
      }
    }
  }

  /// For each new pixel, the first old pixel that counts and the weights from there on.
  private static func weights(from old: Int, to new: Int) -> [(first: Int, weights: [Float])] {
    let scale = Double(old) / Double(new)
    let support = max(scale, 1)
    return (0..<new).map { i in
      let center = (Double(i) + 0.5) * scale
      let first = max(0, Int((center - support).rounded()))
      let last = min(old, max(first + 1, Int((center + support).rounded())))
      let weights = (first..<last).map { max(0, 1 - abs((Double($0) + 0.5 - center) / support)) }
      let sum = weights.reduce(0, +)
      return (first, weights.map { Float($0 / sum) })
    }
  }
}
