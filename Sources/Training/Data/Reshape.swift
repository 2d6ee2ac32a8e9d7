/// The same numbers under another shape: a CSV line of 64 pixels as [1, 8, 8].
public struct Reshape: Transform {
  public var shape: [Int]

  public init(_ shape: [Int]) {
    self.shape = shape
  }

  public func outputShape(_ input: [Int]) throws -> [Int] {
    guard shape.reduce(1, *) == input.reduce(1, *) else {
      throw DataError("reshape: \(input) has other numbers than \(shape)")
    }
    return shape
  }

  public func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom
  ) {
    destination.update(from: source, count: shape.reduce(1, *))
  }
}
