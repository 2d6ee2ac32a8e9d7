// Transforms that draw random numbers: a network that is to be tested does not see them.

/// Moves the picture by up to `pixels` rows and columns either way; what comes in is `fill`.
public struct RandomShift: Transform {
  public var pixels: Int
  public var fill: Float

  public init(pixels: Int, fill: Float = 0) {
    self.pixels = pixels
    self.fill = fill
  }

  public var isRandom: Bool { true }

  public func outputShape(_ shape: [Int]) throws -> [Int] {
    guard shape.count >= 2 else {
      throw DataError("random_shift: samples must have rows and columns, and their shape is \(shape)")
    }
    return shape
  }

  public func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom
  ) {
    let down = random.integer(below: 2 * pixels + 1) - pixels
    let right = random.integer(below: 2 * pixels + 1) - pixels
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    for plane in 0..<shape.dropLast(2).reduce(1, *) {
      let offset = plane * rows * columns
      for row in 0..<rows {
        for column in 0..<columns {
          let (r, c) = (row - down, column - right)
          let isInside = r >= 0 && r < rows && c >= 0 && c < columns
          destination[offset + row * columns + column] =
            isInside ? source[offset + r * columns + c] : fill
        }
      }
    }
  }
}

/// A window of `height` × `width` at a random place of the picture with a border of `padding`
/// zeros around it.
public struct RandomCrop: Transform {
  public var height: Int
  public var width: Int
  public var padding: Int

  public init(height: Int, width: Int, padding: Int = 0) {
    self.height = height
    self.width = width
    self.padding = padding
  }

  public var isRandom: Bool { true }

  /// Cropping changes the shape, so a tested network gets the middle.
  public var whenTested: (any Transform)? { CenterCrop(height: height, width: width, padding: padding) }

  public func outputShape(_ shape: [Int]) throws -> [Int] {
    guard shape.count >= 2, shape[shape.count - 2] + 2 * padding >= height,
      shape[shape.count - 1] + 2 * padding >= width
    else {
      throw DataError(
        "random_crop: \(height) × \(width) do not fit in samples of shape \(shape) with a border of "
          + "\(padding)")
    }
    return shape.dropLast(2) + [height, width]
  }

  public func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom
  ) {
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    let top = random.integer(below: rows + 2 * padding - height + 1) - padding
    let left = random.integer(below: columns + 2 * padding - width + 1) - padding
    crop(source, shape: shape, to: destination, top: top, left: left, height: height, width: width)
  }
}

/// A window of `height` × `width` in the middle of the picture with a border of `padding` zeros
/// around it.
public struct CenterCrop: Transform {
  public var height: Int
  public var width: Int
  public var padding: Int

  public init(height: Int, width: Int, padding: Int = 0) {
    self.height = height
    self.width = width
    self.padding = padding
  }

  public func outputShape(_ shape: [Int]) throws -> [Int] {
    guard shape.count >= 2, shape[shape.count - 2] + 2 * padding >= height,
      shape[shape.count - 1] + 2 * padding >= width
    else {
      throw DataError(
        "center_crop: \(height) × \(width) do not fit in samples of shape \(shape) with a border of "
          + "\(padding)")
    }
    return shape.dropLast(2) + [height, width]
  }

  public func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom
  ) {
    crop(
      source, shape: shape, to: destination, top: (shape[shape.count - 2] + 2 * padding - height) / 2 - padding,
      left: (shape[shape.count - 1] + 2 * padding - width) / 2 - padding, height: height, width: width)
  }
}

/// Copies a window that may reach over the picture's edge, where it is 0.
private func crop(
  _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
  top: Int, left: Int, height: Int, width: Int
) {
  let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
  for plane in 0..<shape.dropLast(2).reduce(1, *) {
    for row in 0..<height {
      for column in 0..<width {
        let (r, c) = (top + row, left + column)
        let isInside = r >= 0 && r < rows && c >= 0 && c < columns
        destination[(plane * height + row) * width + column] =
          isInside ? source[(plane * rows + r) * columns + c] : 0
      }
    }
  }
}

/// Swaps left and right in one sample of two.
public struct RandomFlip: Transform {
  public init() {}

  public var isRandom: Bool { true }

  public func outputShape(_ shape: [Int]) throws -> [Int] {
    guard !shape.isEmpty else { throw DataError("random_flip: samples are single numbers") }
    return shape
  }

  public func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom
  ) {
    let flips = random.next() >> 63 == 1
    let columns = shape[shape.count - 1]
    for row in 0..<shape.dropLast().reduce(1, *) {
      for column in 0..<columns {
        destination[row * columns + column] =
          source[row * columns + (flips ? columns - 1 - column : column)]
      }
    }
  }
}

/// Adds numbers drawn from the normal distribution with mean 0 and this deviation (G. E. P. Box and
/// M. E. Muller, "A note on the generation of random normal deviates", 1958).
public struct RandomNoise: Transform {
  public var deviation: Float

  public init(deviation: Float) {
    self.deviation = deviation
  }

  public var isRandom: Bool { true }

  public func outputShape(_ shape: [Int]) throws -> [Int] { shape }

  public func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom
  ) {
    for i in 0..<shape.reduce(1, *) { destination[i] = source[i] + deviation * random.normal() }
  }
}
