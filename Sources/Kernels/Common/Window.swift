import CKernels

// Operations that slide a window over one plane: depthwise convolution, maximum and average
// pooling. A band of rows is copied to the stack with its padding and, where the stride is not 1,
// sorted by position modulo the stride: then each tap of the window is one contiguous stretch, and
// all columns of all rows of the band go through the vector registers without a test. What lies
// between two rows is computed in vain.

/// What a window does with the elements under it, in the order of its taps.
enum WindowOperation {
  /// sum + weight · element
  case multiplyAdd
  case maximum
  case sum
}

private var bandSize: Int { 2048 }
private var sumsSize: Int { 1024 }
/// Taps whose offsets are kept; larger windows go tap by tap.
private var maximumTaps: Int { 256 }

/// Floats on the stack: the band and slack for reading whole vectors, sums with the same slack, and
/// the taps' offsets.
private var sumsOffset: Int { 2128 }
private var offsetsOffset: Int { 2128 &+ 1104 }
private typealias WindowBuffers = InlineArray<3488, Float>

/// Part of a window (all of a slice's taps, or a single one), and how its band is laid out.
private struct Band {
  // Taps y0 ..< y0 + tapsY, x0 ..< x0 + tapsX.
  var y0 = 0
  var x0 = 0
  var tapsY = 1
  var tapsX = 1
  // Planes of the band by position modulo the stride, and what a tap may add to a position.
  var phasesY = 1
  var phasesX = 1
  var extraY = 0
  var extraX = 0
  // Outputs in a band.
  var rows = 1
  var columns = 1

  var pitch: Int { columns &+ extraX }
  var planeSize: Int { (rows &+ extraY) &* pitch }

  @inline(__always)
  init(_ w: apus_window, singleTap: Bool) {
    if !singleTap {
      tapsY = w.kernel_height
      tapsX = w.kernel_width
      let reachY = (tapsY &- 1) &* w.dilation_y
      let reachX = (tapsX &- 1) &* w.dilation_x
      phasesY = min(w.stride_y, reachY &+ 1)
      phasesX = min(w.stride_x, reachX &+ 1)
      extraY = reachY / w.stride_y
      extraX = reachX / w.stride_x
    }
  }

  /// Chooses rows and columns that fit the buffers; false where the window is too large for them.
  @inline(__always)
  mutating func choose(_ w: apus_window) -> Bool {
    if tapsY &* tapsX > maximumTaps { return false }
    let phases = phasesY &* phasesX
    if phases > 256 || extraY > bandSize || extraX > bandSize { return false }
    let widest = min(bandSize / (phases &* (1 &+ extraY)) &- extraX, sumsSize)
    let least = min(w.output_width, Vector.scalarCount)
    if widest < least { return false }
    columns = min(widest, w.output_width)
    if columns < w.output_width { columns &-= columns % least }
    rows = min(bandSize / (phases &* pitch) &- extraY, (sumsSize &- columns) / pitch &+ 1)
    return rows >= 1
  }
}

/// y = clip(start ∘ the elements under the window) for output rows `firstRow ..< endRow` (rows of
/// all slices counted through) of one plane; sums are divided by the elements of their windows.
/// One function for all operations, since only the taps' loop differs.
@inline(never)
func slideWindow(
  _ w: apus_window, _ operation: WindowOperation, _ includesPadding: Bool,
  _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>?, start: Float, fill: Float,
  _ lower: Float, _ upper: Float, _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  var shape = Band(w, singleTap: false)
  if !shape.choose(w) {
    shape = Band(w, singleTap: true)
    _ = shape.choose(w)
  }
  var buffers = WindowBuffers(repeating: 0)
  withUnsafeMutableBytes(of: &buffers) { bytes in
    let base = bytes.baseAddress.unsafelyUnwrapped
    let band = base.assumingMemoryBound(to: Float.self)
    let sums = band + sumsOffset
    let offsets = (base + 4 &* offsetsOffset).assumingMemoryBound(to: Int32.self)
    var index = firstRow
    while index < endRow {
      let z = index / w.output_height
      let row = index &- z &* w.output_height
      let rows = min(shape.rows, min(w.output_height &- row, endRow &- index))
      var column = 0
      while column < w.output_width {
        let columns = min(shape.columns, w.output_width &- column)
        let count = (rows &- 1) &* shape.pitch &+ columns
        fillSums(sums, count, start)
        var kz = 0
        while kz < w.kernel_depth {
          let inputZ = z &* w.stride_z &- w.pad_z &+ kz &* w.dilation_z
          if inputZ >= 0 && inputZ < w.input_depth {
            let slice = x + inputZ &* w.input_height &* w.input_width
            let sliceWeights = weights.map { $0 + kz &* w.kernel_height &* w.kernel_width }
            // All of the slice's taps at once, or one by one.
            shape.y0 = 0
            while shape.y0 < w.kernel_height {
              shape.x0 = 0
              while shape.x0 < w.kernel_width {
                applyBand(
                  w, operation, shape, slice, sliceWeights, fill, row, rows, column, columns,
                  count, band, sums, offsets)
                shape.x0 &+= shape.tapsX
              }
              shape.y0 &+= shape.tapsY
            }
          }
          kz &+= 1
        }
        if operation == .multiplyAdd { clipSums(sums, count, lower, upper) }
        var r = 0
        while r < rows {
          let source = sums + r &* shape.pitch
          if operation == .sum {
            divideSums(w, includesPadding, source, column, columns, row &+ r, z)
          }
          copyFloats(source, y + ((index &+ r) &* w.output_width &+ column), columns)
          r &+= 1
        }
        column &+= columns
      }
      index &+= rows
    }
  }
}

@inline(__always)
private func clipSums(
  _ sums: UnsafeMutablePointer<Float>, _ n: Int, _ lower: Float, _ upper: Float
) {
  let low = Vector(repeating: lower)
  let high = Vector(repeating: upper)
  var i = 0
  while i < n {
    storeVector(clip(loadVector(sums + i), low, high), sums + i)
    i &+= Vector.scalarCount
  }
}

/// Sums of a row's windows to their means. Windows that stay in the row have one count.
@inline(never)
private func divideSums(
  _ w: apus_window, _ includesPadding: Bool, _ sums: UnsafeMutablePointer<Float>, _ column: Int,
  _ columns: Int, _ row: Int, _ slice: Int
) {
  let size = windowSize(w, row, slice, includesPadding)
  let inner = InnerColumns(w)
  let innerCount = Vector(repeating: Float(size &* w.kernel_width))
  var i = 0
  while i < columns {
    let next = i &+ Vector.scalarCount
    if next <= columns && column &+ i >= inner.begin && column &+ next <= inner.end {
      storeVector(loadVector(sums + i) / innerCount, sums + i)
      i = next
    } else {
      let isInner = column &+ i >= inner.begin && column &+ i < inner.end
      let width = isInner ? w.kernel_width : windowWidth(w, column &+ i, includesPadding)
      sums[i] /= Float(size &* width)
      i &+= 1
    }
  }
}

@inline(__always)
private func fillSums(_ sums: UnsafeMutablePointer<Float>, _ n: Int, _ value: Float) {
  let v = Vector(repeating: value)
  var i = 0
  while i < n {
    storeVector(v, sums + i)
    i &+= Vector.scalarCount
  }
}

/// Copies the band and adds its taps to the sums.
@inline(__always)
private func applyBand(
  _ w: apus_window, _ operation: WindowOperation, _ shape: Band, _ slice: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>?, _ fill: Float, _ y: Int, _ rows: Int, _ column: Int,
  _ columns: Int, _ count: Int, _ band: UnsafeMutablePointer<Float>,
  _ sums: UnsafeMutablePointer<Float>, _ offsets: UnsafeMutablePointer<Int32>
) {
  copyBand(w, shape, slice, fill, y, rows, column, columns, band)
  var tap = 0
  var ky = 0
  while ky < shape.tapsY {
    var kx = 0
    while kx < shape.tapsX {
      let reachY = ky &* w.dilation_y
      let reachX = kx &* w.dilation_x
      let moveY = reachY / w.stride_y
      let moveX = reachX / w.stride_x
      let phase =
        (reachY &- moveY &* w.stride_y) &* shape.phasesX &+ (reachX &- moveX &* w.stride_x)
      offsets[tap] = Int32(
        truncatingIfNeeded: phase &* shape.planeSize &+ moveY &* shape.pitch &+ moveX)
      tap &+= 1
      kx &+= 1
    }
    ky &+= 1
  }
  let tapWeights = weights.map { $0 + (shape.y0 &* w.kernel_width &+ shape.x0) }
  let elements = UnsafePointer(band)
  let places = UnsafePointer(offsets)
  switch operation {
  case .multiplyAdd: applyTaps(.multiplyAdd, elements, places, tap, tapWeights, sums, count)
  case .maximum: applyTaps(.maximum, elements, places, tap, nil, sums, count)
  case .sum: applyTaps(.sum, elements, places, tap, nil, sums, count)
  }
}

/// Brings input rows into the band: plane (row mod stride, column mod stride), row, column.
@inline(never)
private func copyBand(
  _ w: apus_window, _ shape: Band, _ slice: UnsafePointer<Float>, _ fill: Float, _ y: Int,
  _ rows: Int, _ column: Int, _ columns: Int, _ band: UnsafeMutablePointer<Float>
) {
  let end = slice + w.input_height &* w.input_width
  let firstY = y &* w.stride_y &- w.pad_y &+ shape.y0 &* w.dilation_y
  let firstX = column &* w.stride_x &- w.pad_x &+ shape.x0 &* w.dilation_x
  var phaseY = 0
  while phaseY < shape.phasesY {
    var phaseX = 0
    while phaseX < shape.phasesX {
      let plane = band + (phaseY &* shape.phasesX &+ phaseX) &* shape.planeSize
      var r = 0
      while r < rows &+ shape.extraY {
        let inputY = firstY &+ r &* w.stride_y &+ phaseY
        let isInside = inputY >= 0 && inputY < w.input_height
        copyRow(
          isInside ? slice + inputY &* w.input_width : slice, first: firstX &+ phaseX,
          step: w.stride_x, width: isInside ? w.input_width : 0, fill: fill,
          plane + r &* shape.pitch, columns &+ shape.extraX, end: end)
        r &+= 1
      }
      phaseX &+= 1
    }
    phaseY &+= 1
  }
}

/// sums[i] = sums[i] ∘ band[i + offsets[0]] ∘ band[i + offsets[1]] ∘ …
@inline(__always)
private func applyTaps(
  _ operation: WindowOperation, _ band: UnsafePointer<Float>, _ offsets: UnsafePointer<Int32>,
  _ taps: Int, _ weights: UnsafePointer<Float>?, _ sums: UnsafeMutablePointer<Float>, _ n: Int
) {
  let width = Vector.scalarCount
  var i = 0
  // Four vectors at once hide the latency of the additions.
  while i < n {
    if i &+ 3 &* width < n {
      var v = InlineArray<4, Vector> { j in loadVector(sums + (i &+ j &* width)) }
      var t = 0
      while t < taps {
        let source = band + (i &+ Int(offsets[t]))
        let weight = weights.map { Vector(repeating: $0[t]) } ?? Vector()
        for j in 0..<4 {
          v[j] = combine(operation, v[j], loadVector(source + j &* width), weight)
        }
        t &+= 1
      }
      for j in 0..<4 { storeVector(v[j], sums + (i &+ j &* width)) }
      i &+= 4 &* width
    } else {
      var v = loadVector(sums + i)
      var t = 0
      while t < taps {
        let weight = weights.map { Vector(repeating: $0[t]) } ?? Vector()
        v = combine(operation, v, loadVector(band + (i &+ Int(offsets[t]))), weight)
        t &+= 1
      }
      storeVector(v, sums + i)
      i &+= width
    }
  }
}

@inline(__always)
func combine(
  _ operation: WindowOperation, _ sum: Vector, _ element: Vector, _ weight: Vector
) -> Vector {
  switch operation {
  case .multiplyAdd: multiplyAdd(weight, element, sum)
  case .maximum: select(less(sum, element), element, sum)
  case .sum: sum + element
  }
}
