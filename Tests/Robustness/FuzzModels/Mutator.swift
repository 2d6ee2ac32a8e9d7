import ModelFormat

/// Makes damaged copies of a model file.
struct Mutator {
  private let original: [UInt8]
  private var state: UInt64

  init(_ original: [UInt8], seed: UInt64) {
    self.original = original
    state = seed
  }

  /// splitmix64 (Steele, Lea, Flood 2014).
  private mutating func random() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  private mutating func below(_ n: Int) -> Int { Int(random() % UInt64(n)) }

  /// The sections of the file: id, offset, size.
  private var sections: [(id: UInt32, offset: Int, size: Int)] {
    (0..<Int(word(12, UInt32.self))).map { i in
      let at = 64 + i * 40
      return (word(at, UInt32.self), Int(word(at + 8, UInt64.self)), Int(word(at + 16, UInt64.self)))
    }
  }

  private func word<T: FixedWidthInteger>(_ at: Int, _: T.Type) -> T {
    original.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: T.self)) }
  }

  /// The number of the file's sections: files that agree in it have the same header and table but
  /// for offsets.
  var sectionCount: Int { sections.count }

  /// Each 1-, 2-, 4- and 8-byte field of every record section, and of the header and the section
  /// table where `includingLayout`, set in turn to zero, one, all ones, the sign bit, and one more
  /// and one less than it was.
  func forEachField(includingLayout: Bool, _ body: ([UInt8]) -> Void) {
    var ranges = includingLayout ? [0..<(64 + sections.count * 40)] : []
    for s in sections where s.id != SectionID.weights.rawValue && s.size > 0 {
      ranges.append(s.offset..<(s.offset + min(s.size, 4096)))
    }
    for range in ranges {
      for at in range {
        for width in [1, 2, 4, 8] where at % width == 0 && at + width <= range.upperBound {
          for variant in 0..<6 {
            let copy = set(at, width, variant)
            if copy != original { body(Mutator.seal(copy)) }
          }
        }
      }
    }
  }

  private func set(_ at: Int, _ width: Int, _ variant: Int) -> [UInt8] {
    var copy = original
    var value: UInt64 = 0
    for i in 0..<width { value |= UInt64(original[at + i]) << UInt64(8 * i) }
    let mask: UInt64 = width == 8 ? .max : (1 << UInt64(8 * width)) - 1
    switch variant {
    case 0: value = 0
    case 1: value = 1
    case 2: value = mask
    case 3: value = (mask >> 1) + 1
    case 4: value &+= 1
    default: value &-= 1
    }
    for i in 0..<width { copy[at + i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * i)) }
    return copy
  }

  /// A copy with one to eight random changes: bytes, words taken from elsewhere, runs moved, cut or
  /// filled. One in sixteen keeps its wrong checksums.
  mutating func randomMutation() -> [UInt8] {
    var copy = original
    for _ in 0...below(8) {
      if copy.count < 16 { break }
      let records = sections.filter { $0.id != SectionID.weights.rawValue && $0.size > 0 }
      let section = records[below(records.count)]
      // Mostly inside a record section: the weights are many bytes and any of them is right.
      let at =
        random() % 8 == 0 ? below(copy.count) : min(section.offset + below(section.size), copy.count - 1)
      switch below(7) {
      case 0: copy[at] = UInt8(truncatingIfNeeded: random())
      case 1: copy[at] ^= 1 << UInt8(below(8))
      case 2:
        let telling: [UInt8] = [0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF]
        copy[at] = telling[below(telling.count)]
      case 3:
        let from = below(copy.count - 8)
        let to = min(at & ~3, copy.count - 8)
        for i in 0..<4 { copy[to + i] = copy[from & ~3 + i] }
      case 4:
        let length = min(1 + below(16), copy.count - at)
        let fill: UInt8 = random() % 2 == 0 ? 0 : 0xFF
        for i in 0..<length { copy[at + i] = fill }
      case 5:
        let small = UInt8(truncatingIfNeeded: below(12))
        let to = at & ~3
        if to + 4 <= copy.count {
          copy[to] = small
          for i in 1..<4 { copy[to + i] = 0 }
        }
      default:
        if random() % 16 == 0 { copy.removeLast(below(copy.count / 2) + 1) }
      }
    }
    return random() % 16 == 0 ? copy : Mutator.seal(copy)
  }

  /// Puts the checksums and the file's size right wherever the table can still be followed.
  static func seal(_ bytes: [UInt8]) -> [UInt8] {
    var copy = bytes
    guard copy.count >= 64 else { return copy }
    copy.withUnsafeMutableBytes { b in
      let base = UnsafeRawPointer(b.baseAddress!)
      let count = Int(b.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
      if count <= 1024, 64 + count * 40 <= b.count {
        for i in 0..<count {
          let at = 64 + i * 40
          let offset = b.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)
          let size = b.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self)
          if offset <= UInt64(b.count), size <= UInt64(b.count) - offset {
            b.storeBytes(
              of: xxHash64(base + Int(offset), Int(size)), toByteOffset: at + 24, as: UInt64.self)
          }
        }
        b.storeBytes(of: xxHash64(base + 64, count * 40), toByteOffset: 24, as: UInt64.self)
      }
      b.storeBytes(of: xxHash64(base, 56), toByteOffset: 56, as: UInt64.self)
    }
    return copy
  }
}
