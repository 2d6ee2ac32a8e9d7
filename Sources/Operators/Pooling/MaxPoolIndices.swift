import CKernels
import ModelFormat

/// The largest element under each window and where it lies, element by element: float32 for the
/// positions alone, which few networks ask for, and the integer types, whose numbers float32 has as
/// they are: the code for each type would be 3 KB.
final class MaxPoolIndicesStep: Step {
  private let type: DataType
  private let pool: PoolPlan
  private let x: Slot
  private let y: Slot?
  private let indices: Slot?
  /// What a window that holds nothing gives.
  private let least: Float
  /// Positions of a plane are counted with its first axis fastest.
  private let isColumnMajor: Bool

  init(
    _ type: DataType, _ pool: PoolPlan, x: Slot, y: Slot?, indices: Slot?, _ isColumnMajor: Bool
  ) {
    self.type = type
    self.pool = pool
    self.x = x
    self.y = y
    self.indices = indices
    switch type {
    case .int8: least = -128
    case .uint8: least = 0
    default: least = -.infinity
    }
    self.isColumnMajor = isColumnMajor
  }

  override func run(_ memory: Memory, _ share: Share) {
    let w = pool.window
    let input = UnsafeRawPointer(memory[x])
    pool.split.forEach(share) { (plane, firstRow, endRow) in
      let base = plane * pool.inputCount
      var row = firstRow
      while row < endRow {
        var column = 0
        while column < w.output_width {
          var best = -1
          var value = least
          w.forEach(z: row / w.output_height, y: row % w.output_height, x: column) { position in
            let element = load(input, base + position)
            if element > value || (best < 0 && element == value) {
              best = position
              value = element
            }
          }
          let at = plane * pool.outputCount + row * w.output_width + column
          if let y { store(value, memory[y], at) }
          if let indices {
            memory[indices].assumingMemoryBound(to: Int64.self)[at] =
              Int64(base + order(max(best, 0)))
          }
          column += 1
        }
        row += 1
      }
    }
  }

  @inline(__always) private func load(_ data: UnsafeRawPointer, _ i: Int) -> Float {
    switch type {
    case .int8: Float(data.load(fromByteOffset: i, as: Int8.self))
    case .uint8: Float(data.load(fromByteOffset: i, as: UInt8.self))
    default: data.load(fromByteOffset: i * 4, as: Float.self)
    }
  }

  private func store(_ value: Float, _ data: UnsafeMutableRawPointer, _ i: Int) {
    switch type {
    case .int8: data.storeBytes(of: Int8(value), toByteOffset: i, as: Int8.self)
    case .uint8: data.storeBytes(of: UInt8(value), toByteOffset: i, as: UInt8.self)
    default: data.storeBytes(of: value, toByteOffset: i * 4, as: Float.self)
    }
  }

  private func order(_ position: Int) -> Int {
    if !isColumnMajor { return position }
    let w = pool.window
    let x = position % w.input_width
    let row = position / w.input_width
    // One and two axes are the last of three.
    let (z, y) = (row / w.input_height, row % w.input_height)
    return z + (y + x * w.input_height) * w.input_depth
  }
}

extension apus_window {
  /// Calls `body` with the positions in a plane of the input that one window covers, in order.
  @inline(__always)
  func forEach(z: Int, y: Int, x: Int, _ body: (Int) -> Void) {
    var kz = 0
    while kz < kernel_depth {
      let iz = z * stride_z - pad_z + kz * dilation_z
      kz += 1
      if iz < 0 || iz >= input_depth { continue }
      var ky = 0
      while ky < kernel_height {
        let iy = y * stride_y - pad_y + ky * dilation_y
        ky += 1
        if iy < 0 || iy >= input_height { continue }
        var kx = 0
        while kx < kernel_width {
          let ix = x * stride_x - pad_x + kx * dilation_x
          kx += 1
          if ix < 0 || ix >= input_width { continue }
          body((iz * input_height + iy) * input_width + ix)
        }
      }
    }
  }
}
