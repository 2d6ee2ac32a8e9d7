import CKernels

// The transforms of a Winograd convolution in two dimensions: a line transform
// (WinogradLines.swift) down the columns of a tile, then along its rows. Lanes are channels.

/// The half-transformed tile, a · a vectors, a line of zeros, and what aligning them may take.
private typealias TileBuffer = InlineArray<76, Vector>
private var zerosOffset: Int { 64 &* Vector.scalarCount }

/// The first whole cache line: Swift aligns vectors to 16 bytes only, and those of 64 bytes would
/// lie across two lines.
@inline(__always)
private func aligned(_ bytes: UnsafeMutableRawBufferPointer) -> UnsafeMutablePointer<Float> {
  let base = bytes.baseAddress.unsafelyUnwrapped
  return (base + (0 &- Int(bitPattern: base)) & 63).assumingMemoryBound(to: Float.self)
}

/// Where a tile stands among the others.
private struct TilePlace {
  private(set) var y: Int
  private(set) var x: Int

  @inline(__always)
  init(_ w: apus_winograd) {
    y = w.first_tile / w.tiles_x
    x = w.first_tile &- y &* w.tiles_x
  }

  @inline(__always)
  mutating func advance(_ w: apus_winograd) {
    x &+= 1
    if x == w.tiles_x {
      x = 0
      y &+= 1
    }
  }
}

func winogradInput(
  _ w: UnsafePointer<apus_winograd>, _ x: UnsafePointer<Float>, _ v: UnsafeMutablePointer<Float>
) {
  switch w.pointee.m {
  case 2: transformInput(2, w.pointee, x, v)
  case 4: transformInput(4, w.pointee, x, v)
  default: transformInput(6, w.pointee, x, v)
  }
}

@inline(__always)
private func transformInput(
  _ m: Int, _ w: apus_winograd, _ x: UnsafePointer<Float>, _ v: UnsafeMutablePointer<Float>
) {
  let a = m &+ 2
  let width = Vector.scalarCount
  let stride = w.point_stride
  var place = TilePlace(w)
  var buffer = TileBuffer(repeating: Vector(repeating: 0))
  withUnsafeMutableBytes(of: &buffer) { bytes in
    let half = aligned(bytes)
    let zeros = UnsafePointer(half) + zerosOffset
    var out = v
    var tile = 0
    while tile < w.tiles {
      // Columns begin ..< end of the tile lie in the input. Rows outside it are read from zeros.
      let top = place.y &* m &- w.pad_y
      let left = place.x &* m &- w.pad_x
      let begin = min(max(0 &- left, 0), a)
      let end = max(min(w.input_width &- left, a), begin)
      let rows = InlineArray<8, UnsafePointer<Float>> { i in
        let row = top &+ i
        if row < 0 || row >= w.input_height || i >= a || begin == end { return zeros }
        return x + (row &* w.input_width &+ (left &+ begin)) &* width
      }
      var column = 0
      var offset = 0
      while column < a {
        let target = half + column &* width
        if column >= begin, column < end {
          winogradInputLine(m) { i in
            loadVector(rows[i] + offset)
          } _: { i, value in
            storeVector(value, target + i &* a &* width)
          }
          offset &+= width
        } else {
          for i in 0..<a { storeVector(Vector(repeating: 0), target + i &* a &* width) }
        }
        column &+= 1
      }
      var row = 0
      while row < a {
        let source = UnsafePointer(half) + row &* a &* width
        let target = out + row &* a &* stride
        winogradInputLine(m) { i in
          loadVector(source + i &* width)
        } _: { i, value in
          storeVector(value, target + i &* stride)
        }
        row &+= 1
      }
      out += width
      tile &+= 1
      place.advance(w)
    }
  }
}

func winogradOutput(
  _ w: UnsafePointer<apus_winograd>, _ v: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?,
  _ addend: UnsafePointer<Float>?, _ lower: Float, _ upper: Float,
  _ y: UnsafeMutablePointer<Float>
) {
  let bias = bias.map { loadVector($0) } ?? Vector(repeating: 0)
  switch w.pointee.m {
  case 2: transformOutput(2, w.pointee, v, bias, addend, lower, upper, y)
  case 4: transformOutput(4, w.pointee, v, bias, addend, lower, upper, y)
  default: transformOutput(6, w.pointee, v, bias, addend, lower, upper, y)
  }
}

@inline(__always)
private func transformOutput(
  _ m: Int, _ w: apus_winograd, _ v: UnsafePointer<Float>, _ bias: Vector,
  _ addend: UnsafePointer<Float>?, _ lower: Float, _ upper: Float,
  _ y: UnsafeMutablePointer<Float>
) {
  let a = m &+ 2
  let width = Vector.scalarCount
  let stride = w.point_stride
  let lower = Vector(repeating: lower)
  let upper = Vector(repeating: upper)
  var place = TilePlace(w)
  var buffer = TileBuffer(repeating: Vector(repeating: 0))
  withUnsafeMutableBytes(of: &buffer) { bytes in
    let half = aligned(bytes)
    var points = v
    var tile = 0
    while tile < w.tiles {
      var column = 0
      while column < a {
        let source = points + column &* stride
        winogradOutputLine(m, nil) { i in
          loadVector(source + i &* a &* stride)
        } _: { i, value in
          storeVector(value, half + (i &* a &+ column) &* width)
        }
        column &+= 1
      }
      // Only positions inside the output are read and written.
      let rows = min(m, w.output_height &- place.y &* m)
      let columns = min(m, w.output_width &- place.x &* m)
      var offset = (place.y &* m &* w.output_width &+ place.x &* m) &* width
      var row = 0
      while row < rows {
        let source = UnsafePointer(half) + row &* a &* width
        let target = y + offset
        if columns == m, addend == nil {
          winogradOutputLine(m, bias) { i in
            loadVector(source + i &* width)
          } _: { i, value in
            storeVector(clip(value, lower, upper), target + i &* width)
          }
        } else {
          winogradOutputLine(m, bias) { i in
            loadVector(source + i &* width)
          } _: { i, value in
            if i >= columns { return }
            var value = value
            if let addend { value = sum(value, loadVector(addend + (offset &+ i &* width))) }
            storeVector(clip(value, lower, upper), target + i &* width)
          }
        }
        offset &+= w.output_width &* width
        row &+= 1
      }
      points += width
      tile &+= 1
      place.advance(w)
    }
  }
}

/// G · g · Gᵀ for eight channels at once, in double precision and rounded once: alike in all
/// instruction sets.
func winogradWeights(
  _ m: Int, _ w: UnsafePointer<Float>, _ rows: Int, _ rowStride: Int, _ channels: Int,
  _ channelStride: Int, _ pointStride: Int, _ u: UnsafeMutablePointer<Float>
) {
  let a = m &+ 2
  let lanes = 8
  // Taps or results of eight channels as floats; G · g, [a][3]; G, [a][3].
  var buffer = InlineArray<34, SIMD8<Double>>(repeating: SIMD8(repeating: 0))
  withUnsafeMutableBytes(of: &buffer) { bytes in
    let floats = aligned(bytes)
    let half = UnsafeMutableRawPointer(floats + 96).assumingMemoryBound(to: SIMD8<Double>.self)
    let matrix = UnsafeMutableRawPointer(half + 24).assumingMemoryBound(to: Double.self)
    writeWeightMatrix(m, matrix)
    var row = 0
    while row < rows {
      var channel = 0
      while channel < channels {
        let count = min(channels &- channel, lanes)
        let source = w + (row &* rowStride &+ channel &* channelStride)
        var lane = 0
        while lane < count {
          for tap in 0..<9 {
            floats[tap &* lanes &+ lane] = source[lane &* channelStride &+ tap]
          }
          lane &+= 1
        }
        for x in 0..<3 {
          let top = apus_widen_f32x8(floats + x &* lanes)
          let middle = apus_widen_f32x8(floats + (3 &+ x) &* lanes)
          let bottom = apus_widen_f32x8(floats + (6 &+ x) &* lanes)
          var i = 0
          while i < a {
            half[3 &* i &+ x] =
              apus_combine_f64x8(
                top, matrix[3 &* i], middle, matrix[3 &* i &+ 1], bottom, matrix[3 &* i &+ 2])
            i &+= 1
          }
        }
        var target = u + (row &* channels &+ channel)
        var i = 0
        while i < a {
          let top = half[3 &* i]
          let middle = half[3 &* i &+ 1]
          let bottom = half[3 &* i &+ 2]
          var j = 0
          while j < a {
            let value = apus_combine_f64x8(
              top, matrix[3 &* j], middle, matrix[3 &* j &+ 1], bottom, matrix[3 &* j &+ 2])
            if count == lanes {
              apus_narrow_f64x8(value, target)
            } else {
              apus_narrow_f64x8(value, floats)
              for lane in 0..<count { target[lane] = floats[lane] }
            }
            target += pointStride
            j &+= 1
          }
          i &+= 1
        }
        channel &+= count
      }
      row &+= 1
    }
  }
}

/// G, [a][3].
@inline(never)
private func writeWeightMatrix(_ m: Int, _ matrix: UnsafeMutablePointer<Double>) {
  let points = winogradPoints(m)
  let finite = m &+ 1
  for i in 0..<finite {
    let p = points[i]
    var n = 1.0
    for j in 0..<finite where j != i { n *= p - points[j] }
    matrix[3 &* i] = 1 / n
    matrix[3 &* i &+ 1] = p / n
    matrix[3 &* i &+ 2] = p * p / n
  }
  matrix[3 &* finite] = 0
  matrix[3 &* finite &+ 1] = 0
  matrix[3 &* finite &+ 2] = 1
}
