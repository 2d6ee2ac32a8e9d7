import CSystem
import ModelFormat

/// How the band of a convolution's input is copied.
struct ByteBand {
  let geometry: SpatialGeometry
  /// Channels, or 1; numbers at a position; bytes of each in the band, 1 or 2.
  let planes: Int
  let numbers: Int
  let size: Int
  let columns: Int
  /// Bytes from one plane or slice of the band to the next.
  let planeStride: Int
  let sliceStride: Int
  let flip: UInt8
  let fill: UInt8
  /// Columns so far apart come to stand next to each other: every first, then every second …, each in
  /// an equal part of the row. Only for bytes.
  var phases = 1

  /// Whether the band of a single output row, the least there can be, is of a sensible size, and what
  /// windows read is so near that the kernels can count it in 32 bits.
  ///
  /// - Parameter width: channels of a position.
  static func isPossible(_ g: SpatialGeometry, width: Int) -> Bool {
    // In floating point: a file may state any numbers.
    let slices = Double(g.kernel[0]) * Double(g.extent(1)) * Double(g.span(2) + g.stride[2] + 4)
    let input = Double(g.inputCount) * Double(width)
    return width > 0 && slices * Double(width) <= 0x1p26 && input <= 0x1p31
  }

  /// Copies what `rows` rows of the output read, from `row` of `slice` and position `first` on.
  func fill(
    _ target: UnsafeMutablePointer<UInt8>, from x: UnsafePointer<UInt8>, slice: Int, row: Int,
    rows: Int, first: Int
  ) {
    let g = geometry
    let begin = first * g.stride[2] - g.padBegin[2]
    // The columns inside ..< outside lie in the input.
    let inside = min(columns, max(0, -begin))
    let outside = max(inside, min(columns, g.input[2] - begin))
    for plane in 0..<planes {
      for kz in 0..<g.kernel[0] {
        let z = slice * g.stride[0] - g.padBegin[0] + kz * g.dilation[0]
        var out = target + plane * planeStride + kz * sliceStride
        for i in 0..<((rows - 1) * g.stride[1] + g.extent(1)) {
          let y = row * g.stride[1] - g.padBegin[1] + i
          if z < 0 || z >= g.input[0] || y < 0 || y >= g.input[1] || inside == outside {
            repeatFill(out, columns)
          } else if phases > 1 {
            let row = x + ((z * g.input[1] + y) * g.input[2] + begin) * numbers
            scatter(row, out, inside, outside)
          } else {
            repeatFill(out, inside)
            let source = ((plane * g.input[0] + z) * g.input[1] + y) * g.input[2] + begin + inside
            copy(x + source * numbers, out + inside * numbers * size, (outside - inside) * numbers)
            repeatFill(out + outside * numbers * size, columns - outside)
          }
          out += columns * numbers * size
        }
      }
    }
  }

  private func repeatFill(_ out: UnsafeMutablePointer<UInt8>, _ positions: Int) {
    let count = positions * numbers
    if size == 1 {
      memset(out, Int32(fill), count)
      return
    }
    for i in 0..<count {
      UnsafeMutableRawPointer(out).storeBytes(of: UInt16(fill), toByteOffset: 2 * i, as: UInt16.self)
    }
  }

  /// Copies a row in phases; columns is a multiple of them.
  private func scatter(
    _ row: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<UInt8>, _ inside: Int, _ outside: Int
  ) {
    for phase in 0..<phases {
      var target = out + phase * (columns / phases) * numbers
      var column = phase
      while column < columns {
        if column >= inside && column < outside {
          copyBlocks(row + column * numbers, target)
        } else {
          memset(target, Int32(fill), numbers)
        }
        target += numbers
        column += phases
      }
    }
  }

  /// The bytes of a position, whole blocks.
  private func copyBlocks(_ x: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<UInt8>) {
    var i = 0
    while i < numbers {
      let block = UnsafeRawPointer(x).loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
      UnsafeMutableRawPointer(out).storeBytes(
        of: block, toByteOffset: i, as: SIMD16<UInt8>.self)
      i += ChannelBlocks.byteBlock
    }
  }

  private func copy(
    _ x: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<UInt8>, _ count: Int
  ) {
    if size == 1 && flip == 0 {
      memcpy(out, x, count)
      return
    }
    let raw = UnsafeRawPointer(x)
    let target = UnsafeMutableRawPointer(out)
    let flips = SIMD16<UInt8>(repeating: flip)
    var i = 0
    while i + 16 <= count {
      let bytes = raw.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self) ^ flips
      if size == 1 {
        target.storeBytes(of: bytes, toByteOffset: i, as: SIMD16<UInt8>.self)
      } else {
        target.storeBytes(
          of: SIMD16<UInt16>(truncatingIfNeeded: bytes), toByteOffset: 2 * i,
          as: SIMD16<UInt16>.self)
      }
      i += 16
    }
    while i < count {
      if size == 1 {
        out[i] = x[i] ^ flip
      } else {
        target.storeBytes(of: UInt16(x[i] ^ flip), toByteOffset: 2 * i, as: UInt16.self)
      }
      i += 1
    }
  }
}
