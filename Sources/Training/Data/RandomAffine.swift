import Foundation

/// Turns, scales and moves the picture about its middle by random amounts, bilinear, 0 outside.
///
/// y(p) = x(A⁻¹(p − c − t) + c), A = s · [cos φ, −sin φ; sin φ, cos φ].
public struct RandomAffine: Transform {
  /// φ is uniform in ±rotation degrees.
  public var rotation: Float
  /// s is uniform in 1 ± scale.
  public var scale: Float
  /// t is uniform in ±shift, as a share of the picture's height and width.
  public var shift: Float

  public init(rotation: Float = 0, scale: Float = 0, shift: Float = 0) {
    self.rotation = rotation
    self.scale = scale
    self.shift = shift
  }

  public var isRandom: Bool { true }

  public func outputShape(_ shape: [Int]) throws -> [Int] {
    guard shape.count >= 2 else {
      throw DataError("random_affine: samples must have rows and columns, and their shape is \(shape)")
    }
    return shape
  }

  public func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom
  ) {
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    let angle = random.float(-rotation, rotation) * .pi / 180
    let s = random.float(1 - scale, 1 + scale)
    let down = random.float(-shift, shift) * Float(rows)
    let right = random.float(-shift, shift) * Float(columns)
    let (a, b) = (cosf(angle) / s, sinf(angle) / s)
    let (middleRow, middleColumn) = (Float(rows - 1) / 2, Float(columns - 1) / 2)
    for plane in 0..<shape.dropLast(2).reduce(1, *) {
      let x = source + plane * rows * columns
      func pixel(_ row: Int, _ column: Int) -> Float {
        row >= 0 && row < rows && column >= 0 && column < columns ? x[row * columns + column] : 0
      }
      for row in 0..<rows {
        for column in 0..<columns {
          let dy = Float(row) - middleRow - down
          let dx = Float(column) - middleColumn - right
          let fromRow = -b * dx + a * dy + middleRow
          let fromColumn = a * dx + b * dy + middleColumn
          let (r, c) = (fromRow.rounded(.down), fromColumn.rounded(.down))
          let (v, h) = (fromRow - r, fromColumn - c)
          let (i, j) = (Int(r), Int(c))
          destination[(plane * rows + row) * columns + column] =
            (1 - v) * ((1 - h) * pixel(i, j) + h * pixel(i, j + 1))
            + v * ((1 - h) * pixel(i + 1, j) + h * pixel(i + 1, j + 1))
        }
      }
    }
  }
}
