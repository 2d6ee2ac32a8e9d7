import CSystem

/// A name in the model file or from the caller: UTF-8 bytes that somebody else keeps alive.
public struct Name {
  public let start: UnsafePointer<UInt8>
  public let count: Int

  public init(start: UnsafePointer<UInt8>, count: Int) {
    self.start = start
    self.count = count
  }

  public init(_ literal: StaticString) {
    self.init(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
  }

  /// A NUL-terminated C string.
  public init(cString: UnsafePointer<CChar>) {
    var n = 0
    while cString[n] != 0 { n += 1 }
    self.init(start: UnsafeRawPointer(cString).assumingMemoryBound(to: UInt8.self), count: n)
  }

  public var isEmpty: Bool { count == 0 }

  public static func == (a: Name, b: Name) -> Bool {
    guard a.count == b.count else { return false }
    var i = 0
    while i < a.count {
      if a.start[i] != b.start[i] { return false }
      i += 1
    }
    return true
  }

  /// An order, shorter names first.
  public func precedes(_ other: Name) -> Bool {
    if count != other.count { return count < other.count }
    return memcmp(start, other.start, count) < 0
  }

  /// Whether the bytes are well-formed UTF-8 without NUL, so that every caller can show them.
  public var isWellFormed: Bool {
    var i = 0
    while i < count {
      let lead = start[i]
      var length = 0
      var minimum: UInt32 = 0
      var scalar: UInt32 = 0
      switch lead {
      case 1..<0x80: (length, minimum, scalar) = (1, 0, UInt32(lead))
      case 0xC2..<0xE0: (length, minimum, scalar) = (2, 0x80, UInt32(lead & 0x1F))
      case 0xE0..<0xF0: (length, minimum, scalar) = (3, 0x800, UInt32(lead & 0x0F))
      case 0xF0..<0xF5: (length, minimum, scalar) = (4, 0x10000, UInt32(lead & 0x07))
      default: return false
      }
      if i + length > count { return false }
      var j = 1
      while j < length {
        let byte = start[i + j]
        if byte & 0xC0 != 0x80 { return false }
        scalar = scalar << 6 | UInt32(byte & 0x3F)
        j += 1
      }
      if scalar < minimum || scalar > 0x10FFFF || (0xD800..<0xE000).contains(scalar) {
        return false
      }
      i += length
    }
    return true
  }
}
