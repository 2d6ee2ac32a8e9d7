import CKernels
import CSystem
import ModelFormat

extension ResizeGeometry {
  /// One step, which copies.
  mutating func emitNearest(_ context: PlanContext) {
    let (x, y) = place(context)
    var tables: [[Int32]] = []
    var which = InlineArray<8, Int>(repeating: -1)
    for a in axes {
      which[a.axis] = tables.count
      tables.append(a.nearestTable(rule))
    }
    context.emit(
      NearestResizeStep(
        x, y, input, output, tables, which, elementSize: dataType.size,
        fill: dataType.bits(of: rule.extrapolation) ^ UInt64(hasChannelsLast ? dataType.flip : 0)),
      work: output.count)
  }

  /// A step for each axis that changes: those that shrink most first, of equals the innermost, which
  /// is the slowest for each element.
  mutating func emitWeighted(_ context: PlanContext) {
    var (x, last) = place(context)
    var left = axes
    var shape = input
    let isBytes = dataType != .float32
    // Between the steps there are floats.
    var bytes = ResizedBytes(
      readsBytes: isBytes, writesBytes: false,
      flips: hasChannelsLast ? 0 : UInt64(dataType.flip) &* 0x0101_0101_0101_0101,
      sign: Int16(dataType.flip), cut: rounds ? 0 : 0.499)
    while !left.isEmpty {
      var best = 0
      for i in left.indices where left[i].scale <= left[best].scale { best = i }
      let a = left.remove(at: best)
      let inner = shape.product(a.axis + 1, shape.rank)
      let outer = shape.product(0, a.axis)
      shape[a.axis] = a.output
      let y = left.isEmpty ? last : context.scratch(byteCount: shape.count * 4)
      bytes.writesBytes = isBytes && left.isEmpty
      let table = a.weightTable(mode, rule)
      let taps = a.taps(mode, rule)
      context.emit(
        WeightedResizeStep(
          x, y, outer: outer, input: a.input, output: a.output, inner: inner, taps: taps,
          indices: table.indices, weights: table.weights, extrapolation: rule.extrapolation, bytes),
        work: shape.count * taps)
      x = y
      bytes.readsBytes = false
    }
  }
}

extension DataType {
  /// The bits of `value` as an element, rounded towards zero and to the nearest that there is.
  func bits(of value: Float) -> UInt64 {
    switch self {
    case .float32: return UInt64(value.bitPattern)
    case .bfloat16: return UInt64(value.bitPattern >> 16)
    case .float16: return 0
    case .bool: return value == 0 ? 0 : 1
    case .int8: return bits(of: value, -128, 127)
    case .uint8: return bits(of: value, 0, 255)
    case .int32: return bits(of: value, -2_147_483_648, 2_147_483_520)
    case .int64: return bits(of: value, -0x1p62, 0x1p62)
    }
  }

  private func bits(of value: Float, _ least: Float, _ greatest: Float) -> UInt64 {
    UInt64(bitPattern: Int64(value >= least ? min(value, greatest) : least))
  }
}

/// y[o…] = x[table0[o0], table1[o1], …], element by element on the last axis that changes, whole
/// blocks behind it.
private final class NearestResizeStep: Step {
  private let x: Slot
  private let y: Slot
  private let input: Shape
  private let output: Shape
  private let tables: [[Int32]]
  /// The table of each axis, −1 where it does not change.
  private let which: InlineArray<8, Int>
  private let elementSize: Int
  private let fill: UInt64
  /// Axes from here on are copied as one block.
  private let blockAxis: Int

  init(
    _ x: Slot, _ y: Slot, _ input: Shape, _ output: Shape, _ tables: [[Int32]],
    _ which: InlineArray<8, Int>, elementSize: Int, fill: UInt64
  ) {
    self.x = x
    self.y = y
    self.input = input
    self.output = output
    self.tables = tables
    self.which = which
    self.elementSize = elementSize
    self.fill = fill
    var axis = output.rank
    while axis > 0 && which[axis - 1] < 0 { axis -= 1 }
    blockAxis = axis
  }

  override func run(_ memory: Memory, _ share: Share) {
    let block = output.product(blockAxis, output.rank) * elementSize
    if blockAxis == 0 {
      if share.index == 0 { memcpy(memory[y], memory[x], block) }
      return
    }
    let width = output[blockAxis - 1]
    let part = share.part(of: output.product(0, blockAxis - 1))
    tables[which[blockAxis - 1]].withUnsafeBufferPointer { table in
      guard let table = table.baseAddress else { return }
      var previous = -2
      for row in part {
        let target = memory[y] + row * width * block
        let from = sourceRow(row, block * input[blockAxis - 1])
        if from < 0 {
          fillBlock(target, width * block)
        } else if from == previous {
          memcpy(target, target - width * block, width * block)
        } else {
          copyRow(UnsafeRawPointer(memory[x]) + from, target, table, width, block)
        }
        previous = from
      }
    }
  }

  /// Bytes to the input's row that output row `row` takes; −1: none.
  private func sourceRow(_ row: Int, _ rowBytes: Int) -> Int {
    var rest = row
    var stride = rowBytes
    var from = 0
    var axis = blockAxis - 2
    while axis >= 0 {
      let position = rest % output[axis]
      rest /= output[axis]
      let index = which[axis] < 0 ? position : Int(tables[which[axis]][position])
      if index < 0 { return -1 }
      from += index * stride
      stride *= input[axis]
      axis -= 1
    }
    return from
  }

  private func copyRow(
    _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ table: UnsafePointer<Int32>,
    _ width: Int, _ block: Int
  ) {
    var i = 0
    while i < width {
      let index = Int(table[i])
      if index < 0 {
        fillBlock(target + i &* block, block)
      } else if block == 4 {
        (target + i &* 4).storeBytes(
          of: (source + index &* 4).loadUnaligned(as: UInt32.self), as: UInt32.self)
      } else {
        memcpy(target + i &* block, source + index &* block, block)
      }
      i &+= 1
    }
  }

  private func fillBlock(_ target: UnsafeMutableRawPointer, _ bytes: Int) {
    var value = fill
    var at = 0
    while at < bytes {
      memcpy(target + at, &value, elementSize)
      at += elementSize
    }
  }
}

/// How the elements of a weighted step are read and written.
private struct ResizedBytes {
  var readsBytes: Bool
  var writesBytes: Bool
  /// Makes bytes without a sign, and undoes it.
  let flips: UInt64
  /// What these are more than the numbers.
  let sign: Int16
  /// Brings a number nearer to zero before it is rounded. Nearly a half cuts it off, but for what is an
  /// error of float32.
  let cut: Float

  var elementSizes: (read: Int, written: Int) { (readsBytes ? 1 : 4, writesBytes ? 1 : 4) }

  @inline(__always)
  func read(_ p: UnsafeRawPointer, _ i: Int) -> Float {
    if !readsBytes { return p.load(fromByteOffset: i &* 4, as: Float.self) }
    let byte = p.load(fromByteOffset: i, as: UInt8.self) ^ UInt8(truncatingIfNeeded: flips)
    return Float(Int32(byte) &- Int32(sign))
  }

  @inline(__always)
  func readVector(_ p: UnsafeRawPointer, _ i: Int) -> SIMD8<Float> {
    if !readsBytes { return p.loadUnaligned(fromByteOffset: i &* 4, as: SIMD8<Float>.self) }
    let bits = p.loadUnaligned(fromByteOffset: i, as: UInt64.self) ^ flips
    let none = SIMD4<Int32>()
    let pairs = apus_low_bytes_i32x4(
      unsafeBitCast(SIMD2<UInt64>(bits, 0), to: SIMD4<Int32>.self), none)
    let low: SIMD4<Float> = apus_real_i32x4(apus_low_pairs_i32x4(pairs, none) &- Int32(sign))
    let high: SIMD4<Float> = apus_real_i32x4(apus_high_pairs_i32x4(pairs, none) &- Int32(sign))
    return unsafeBitCast((low, high), to: SIMD8<Float>.self)
  }

  /// What `v` is as bytes.
  @inline(__always)
  private func bytes(_ v: SIMD8<Float>) -> UInt64 {
    let signs: SIMD8<UInt32> = unsafeBitCast(v, to: SIMD8<UInt32>.self) & 0x8000_0000
    let parts: SIMD8<UInt32> = signs | cut.bitPattern
    let (low, high) = unsafeBitCast(
      v - unsafeBitCast(parts, to: SIMD8<Float>.self), to: (SIMD4<Float>, SIMD4<Float>).self)
    let bytes = apus_round_bytes_f32x4(low, high, low, high, sign)
    return unsafeBitCast(bytes, to: SIMD2<UInt64>.self)[0] ^ flips
  }

  @inline(__always)
  func write(_ v: Float, _ p: UnsafeMutableRawPointer, _ i: Int) {
    if writesBytes {
      let byte = UInt8(truncatingIfNeeded: bytes(SIMD8(repeating: v)))
      p.storeBytes(of: byte, toByteOffset: i, as: UInt8.self)
    } else {
      p.storeBytes(of: v, toByteOffset: i &* 4, as: Float.self)
    }
  }

  @inline(__always)
  func write(_ v: SIMD8<Float>, _ p: UnsafeMutableRawPointer, _ i: Int) {
    if writesBytes {
      p.storeBytes(of: bytes(v), toByteOffset: i, as: UInt64.self)
    } else {
      p.storeBytes(of: v, toByteOffset: i &* 4, as: SIMD8<Float>.self)
    }
  }
}

/// y[o, m, i] = Σt weights[m, t] · x[o, indices[m, t], i].
private final class WeightedResizeStep: Step {
  private let x: Slot
  private let y: Slot
  private let outer: Int
  private let input: Int
  private let output: Int
  private let inner: Int
  private let taps: Int
  private let indices: [Int32]
  private let weights: [Float]
  private let extrapolation: Float
  private let bytes: ResizedBytes

  init(
    _ x: Slot, _ y: Slot, outer: Int, input: Int, output: Int, inner: Int, taps: Int,
    indices: [Int32], weights: [Float], extrapolation: Float, _ bytes: ResizedBytes
  ) {
    self.bytes = bytes
    self.x = x
    self.y = y
    self.outer = outer
    self.input = input
    self.output = output
    self.inner = inner
    self.taps = taps
    self.indices = indices
    self.weights = weights
    self.extrapolation = extrapolation
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: outer &* output)
    indices.withUnsafeBufferPointer { indices in
      weights.withUnsafeBufferPointer { weights in
        guard let indices = indices.baseAddress, let weights = weights.baseAddress else { return }
        var o = part.lowerBound / output
        var m = part.lowerBound &- o &* output
        var left = part.count
        while left > 0 {
          let count = min(left, output &- m)
          let sizes = bytes.elementSizes
          let source = memory[x] + o &* input &* inner &* sizes.read
          let target = memory[y] + (o &* output &+ m) &* inner &* sizes.written
          let isFloat = sizes.read &+ sizes.written == 8
          if inner == 1 && isFloat {
            writeElements(
              source.assumingMemoryBound(to: Float.self), indices + m &* taps, weights + m &* taps,
              target.assumingMemoryBound(to: Float.self), count)
          } else {
            for i in 0..<count {
              let at = (m &+ i) &* taps
              let target = target + i &* inner &* sizes.written
              if isFloat {
                // Known where it is compiled: a loop of its own.
                var floats = bytes
                floats.readsBytes = false
                floats.writesBytes = false
                writeRow(source, indices + at, weights + at, target, floats)
              } else {
                writeRow(source, indices + at, weights + at, target, bytes)
              }
            }
          }
          left &-= count
          o &+= 1
          m = 0
        }
      }
    }
  }

  @inline(__always)
  private func writeElements(
    _ x: UnsafePointer<Float>, _ indices: UnsafePointer<Int32>, _ weights: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    var at = 0
    var i = 0
    while i < count {
      if indices[at] < 0 {
        y[i] = extrapolation
      } else if taps == 2 {
        // Indices and weights of a tap pair are adjacent.
        y[i] = x[Int(indices[at])] * weights[at] + x[Int(indices[at &+ 1])] * weights[at &+ 1]
      } else {
        var sum: Float = 0
        var t = 0
        while t < taps {
          sum += x[Int(indices[at &+ t])] * weights[at &+ t]
          t &+= 1
        }
        y[i] = sum
      }
      at &+= taps
      i &+= 1
    }
  }

  @inline(__always)
  private func writeRow(
    _ x: UnsafeRawPointer, _ indices: UnsafePointer<Int32>, _ weights: UnsafePointer<Float>,
    _ y: UnsafeMutableRawPointer, _ bytes: ResizedBytes
  ) {
    if indices[0] < 0 {
      for i in 0..<inner { bytes.write(extrapolation, y, i) }
      return
    }
    var i = 0
    while i &+ 8 <= inner {
      var sum = SIMD8<Float>()
      var t = 0
      while t < taps {
        let position: Int = Int(indices[t]) &* inner &+ i
        sum += bytes.readVector(x, position) * SIMD8<Float>(repeating: weights[t])
        t &+= 1
      }
      bytes.write(sum, y, i)
      i &+= 8
    }
    while i < inner {
      var sum: Float = 0
      var t = 0
      while t < taps {
        let position: Int = Int(indices[t]) &* inner &+ i
        sum += bytes.read(x, position) * weights[t]
        t &+= 1
      }
      bytes.write(sum, y, i)
      i &+= 1
    }
  }
}
