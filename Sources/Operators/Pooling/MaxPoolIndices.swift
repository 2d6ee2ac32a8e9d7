import CKernels
import ModelFormat

/// Where the largest element under each window lies. Element by element: few networks ask for it.
final class MaxPoolIndicesStep: Step {
  private let pool: PoolPlan
  private let x: Slot
  private let indices: Slot

  init(_ pool: PoolPlan, x: Slot, indices: Slot) {
    self.pool = pool
    self.x = x
    self.indices = indices
  }

  override func run(_ memory: Memory, _ share: Share) {
    let w = pool.window
    let input = memory.floats(x)
    let output = memory[indices].assumingMemoryBound(to: Int64.self)
    pool.split.forEach(share) { (plane, firstRow, endRow) in
      let base = plane * pool.inputCount
      var row = firstRow
      while row < endRow {
        var column = 0
        while column < w.output_width {
          let found = largest(
            w, input + base, z: row / w.output_height, y: row % w.output_height, x: column)
          output[plane * pool.outputCount + row * w.output_width + column] = Int64(base + found)
          column += 1
        }
        row += 1
      }
    }
  }

  /// The position in its plane of the largest element under one window; 0 where the window holds
  /// no number.
  private func largest(
    _ w: apus_window, _ plane: UnsafePointer<Float>, z: Int, y: Int, x: Int
  ) -> Int {
    var best = -1
    var value = -Float.infinity
    var kz = 0
    while kz < w.kernel_depth {
      let iz = z * w.stride_z - w.pad_z + kz * w.dilation_z
      kz += 1
      if iz < 0 || iz >= w.input_depth { continue }
      var ky = 0
      while ky < w.kernel_height {
        let iy = y * w.stride_y - w.pad_y + ky * w.dilation_y
        ky += 1
        if iy < 0 || iy >= w.input_height { continue }
        var kx = 0
        while kx < w.kernel_width {
          let ix = x * w.stride_x - w.pad_x + kx * w.dilation_x
          kx += 1
          if ix < 0 || ix >= w.input_width { continue }
          let position = (iz * w.input_height + iy) * w.input_width + ix
          if plane[position] > value || (best < 0 && plane[position] == value) {
            best = position
            value = plane[position]
          }
        }
      }
    }
    return max(best, 0)
  }
}
