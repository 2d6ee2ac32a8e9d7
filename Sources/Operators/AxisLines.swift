import ModelFormat

/// The lines of a tensor along one axis, all distances in elements.
struct AxisLines {
  let length: Int
  /// From one element of a line to the next.
  let stride: Int
  /// How many there are.
  let count: Int

  init(_ shape: Shape, axis: Int) {
    length = shape[axis]
    stride = shape.product(axis + 1, shape.rank)
    count = shape.product(0, axis) * stride
  }

  /// Where line `i` starts.
  @inline(__always) func start(_ i: Int) -> Int {
    let outer = i / stride
    return outer &* length &* stride &+ (i &- outer &* stride)
  }
}
