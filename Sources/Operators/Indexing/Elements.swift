import CSystem
import ModelFormat

// Elements of any type, one at a time: what the operators share that read positions from tensors or
// that order, count and add numbers of every type in one loop.

extension NodeContext {
  /// Input `i`, where it is there, holds positions.
  func requireIndices(_ i: Int) throws(ApusError) {
    guard let type = optionalInput(i)?.dataType, type != .int32, type != .int64 else { return }
    throw error(.invalidType, "input \(i) must be int32 or int64 and is \(type)")
  }

  /// Input `i` is of a type that `loadInteger` and `orderedKey` know.
  func requireNumbers(_ i: Int) throws(ApusError) {
    let type = input(i).dataType
    try require(
      type != .float16 && type != .bfloat16, .invalidType,
      "input \(i) must be float32, bool or an integer type and is \(type)")
  }

  /// The single integer that input `i` holds; `value` where it was left out.
  func constantInt(_ i: Int, default value: Int) throws(ApusError) -> Int {
    guard let values = try constantInts(i) else { return value }
    try require(values.count == 1, "input \(i) must hold one number and is \(input(i).shape)")
    return values[0]
  }
}

/// Element `i` as an integer. Floats lose their fraction; beyond the range they saturate.
func loadInteger(_ p: UnsafeRawPointer, _ i: Int, _ type: DataType) -> Int {
  switch type {
  case .float32: saturated(p.loadUnaligned(fromByteOffset: i &* 4, as: Float.self), Int.self)
  case .int8: Int(p.load(fromByteOffset: i, as: Int8.self))
  case .int32: Int(p.loadUnaligned(fromByteOffset: i &* 4, as: Int32.self))
  case .int64: Int(truncatingIfNeeded: p.loadUnaligned(fromByteOffset: i &* 8, as: Int64.self))
  default: Int(p.load(fromByteOffset: i, as: UInt8.self))
  }
}

/// Writes an integer as element `i`; what does not fit loses its high bits.
func storeInteger(_ v: Int, _ p: UnsafeMutableRawPointer, _ i: Int, _ type: DataType) {
  switch type {
  case .float32: p.storeBytes(of: Float(v), toByteOffset: i &* 4, as: Float.self)
  case .int32:
    p.storeBytes(of: Int32(truncatingIfNeeded: v), toByteOffset: i &* 4, as: Int32.self)
  case .int64: p.storeBytes(of: Int64(v), toByteOffset: i &* 8, as: Int64.self)
  default: p.storeBytes(of: UInt8(truncatingIfNeeded: v), toByteOffset: i, as: UInt8.self)
  }
}

/// Element `i` as an integer whose order is that of the elements: −0 is 0, NaN is above all.
@inline(__always)
func orderedKey(_ p: UnsafeRawPointer, _ i: Int, _ type: DataType) -> Int {
  guard type == .float32 else { return loadInteger(p, i, type) }
  let f = p.loadUnaligned(fromByteOffset: i &* 4, as: Float.self)
  if f != f { return Int(Int32.max) }
  let bits = Int32(bitPattern: f.bitPattern)
  // Negative floats count downwards from the sign bit.
  return Int(bits < 0 ? Int32.min &- bits : bits)
}

/// The position that an index means along an axis, negative ones counted from its end; outside of
/// 0..<length where there is none.
@inline(__always)
func position(_ p: UnsafeRawPointer, _ i: Int, isWide: Bool, length: Int) -> Int {
  let index =
    isWide
    ? Int(truncatingIfNeeded: p.loadUnaligned(fromByteOffset: i &* 8, as: Int64.self))
    : Int(p.loadUnaligned(fromByteOffset: i &* 4, as: Int32.self))
  return index < 0 ? index &+ length : index
}

/// As `position`, the nearest there is where the index is outside the axis.
@inline(__always)
func clampedPosition(_ p: UnsafeRawPointer, _ i: Int, isWide: Bool, length: Int) -> Int {
  max(0, min(position(p, i, isWide: isWide, length: length), length &- 1))
}

/// Copies one element of `size` bytes.
@inline(__always)
func copyElement(_ t: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ size: Int) {
  switch size {
  case 1: t.storeBytes(of: s.load(as: UInt8.self), as: UInt8.self)
  case 2: t.storeBytes(of: s.loadUnaligned(as: UInt16.self), as: UInt16.self)
  case 4: t.storeBytes(of: s.loadUnaligned(as: UInt32.self), as: UInt32.self)
  case 8: t.storeBytes(of: s.loadUnaligned(as: UInt64.self), as: UInt64.self)
  default: memcpy(t, s, size)
  }
}

/// Fills `count` elements of `size` bytes with the one at `value`.
func fillElements(
  _ t: UnsafeMutableRawPointer, _ value: UnsafeRawPointer, size: Int, count: Int
) {
  if count == 0 { return }
  copyElement(t, value, size)
  // Each copy doubles what is there.
  let total = size &* count
  var done = size
  while done < total {
    let n = min(done, total &- done)
    memcpy(t + done, t, n)
    done &+= n
  }
}

/// Where index number `index` of a box of `rank` dimensions lies: Σ i_d · stride_d.
@inline(__always)
func boxOffset(
  _ index: Int, _ counts: InlineArray<8, Int>, _ strides: InlineArray<8, Int>, rank: Int
) -> Int {
  var rest = index
  var result = 0
  var d = rank &- 1
  while d >= 0 {
    let quotient = rest / counts[d]
    result &+= (rest &- quotient &* counts[d]) &* strides[d]
    rest = quotient
    d &-= 1
  }
  return result
}

extension Shape {
  /// The dimensions as a fixed array, 1 behind the last.
  var counts: InlineArray<8, Int> {
    var counts = InlineArray<8, Int>(repeating: 1)
    for d in 0..<rank { counts[d] = self[d] }
    return counts
  }

  /// Elements from one index to the next of each dimension of a dense tensor.
  var strides: InlineArray<8, Int> {
    var strides = InlineArray<8, Int>(repeating: 0)
    for d in 0..<rank { strides[d] = product(d + 1, rank) }
    return strides
  }
}
