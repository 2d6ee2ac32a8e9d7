/// XXH64 with seed 0 (Yann Collet's xxHash, 64-bit variant): the checksum of every section.
///
/// - Complexity: O(count), about 0.1 ns a byte.
public func xxHash64(_ start: UnsafeRawPointer, _ count: Int) -> UInt64 {
  let p1: UInt64 = 0x9E37_79B1_85EB_CA87
  let p2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  let p3: UInt64 = 0x1656_67B1_9E37_79F9
  let p4: UInt64 = 0x85EB_CA77_C2B2_AE63
  let p5: UInt64 = 0x27D4_EB2F_1656_67C5

  @inline(__always) func rotate(_ x: UInt64, _ n: UInt64) -> UInt64 { x &<< n | x &>> (64 &- n) }
  @inline(__always) func word(_ offset: Int) -> UInt64 {
    UInt64(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
  @inline(__always) func round(_ a: UInt64, _ input: UInt64) -> UInt64 {
    rotate(a &+ input &* p2, 31) &* p1
  }

  var i = 0
  var hash: UInt64
  if count >= 32 {
    var a = p1 &+ p2
    var b = p2
    var c: UInt64 = 0
    var d = 0 &- p1
    while i &+ 32 <= count {
      a = round(a, word(i))
      b = round(b, word(i &+ 8))
      c = round(c, word(i &+ 16))
      d = round(d, word(i &+ 24))
      i &+= 32
    }
    hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
    let lanes: InlineArray<4, UInt64> = [a, b, c, d]
    for index in lanes.indices {
      hash = (hash ^ round(0, lanes[index])) &* p1 &+ p4
    }
  } else {
    hash = p5
  }
  hash &+= UInt64(truncatingIfNeeded: count)
  while i &+ 8 <= count {
    hash = rotate(hash ^ round(0, word(i)), 27) &* p1 &+ p4
    i &+= 8
  }
  if i &+ 4 <= count {
    let half = UInt32(littleEndian: start.loadUnaligned(fromByteOffset: i, as: UInt32.self))
    hash = rotate(hash ^ UInt64(half) &* p1, 23) &* p2 &+ p3
    i &+= 4
  }
  while i < count {
    let byte = start.load(fromByteOffset: i, as: UInt8.self)
    hash = rotate(hash ^ UInt64(byte) &* p5, 11) &* p1
    i &+= 1
  }
  hash = (hash ^ (hash &>> 33)) &* p2
  hash = (hash ^ (hash &>> 29)) &* p3
  return hash ^ (hash &>> 32)
}
