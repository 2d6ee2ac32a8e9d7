/// The text of an error: a sentence built by string interpolation into a fixed buffer.
///
/// `String` is kept out of the runtime (its comparison alone pulls in Unicode tables that would
/// outweigh the whole library), so this is the little that an error message needs. Text beyond the
/// capacity is cut.
public struct Message: ExpressibleByStringInterpolation {
  public typealias StringLiteralType = StaticString
  /// Bytes that a message can hold.
  public static var capacity: Int { 480 }

  /// A class, because an error is passed up through many frames and 500 bytes copied in each of
  /// them would be half of the library.
  public final class Storage {
    public var bytes: InlineArray<480, UInt8> = InlineArray(repeating: 0)
    public var count = 0

    init() {}

    /// Takes over the text of another message, without memory.
    public func copy(_ other: Storage) {
      bytes = other.bytes
      count = other.count
    }

    @inline(never) func append(_ byte: UInt8) {
      if count < Message.capacity {
        bytes[count] = byte
        count += 1
      }
    }

    @inline(never) func append(_ start: UnsafePointer<UInt8>, _ length: Int) {
      var i = 0
      while i < length {
        append(start[i])
        i += 1
      }
    }

    @inline(never) func append(decimal value: Int64) {
      var magnitude = value.magnitude
      var digits: InlineArray<20, UInt8> = InlineArray(repeating: 0)
      var n = 0
      repeat {
        digits[n] = UInt8(truncatingIfNeeded: 48 + magnitude % 10)
        magnitude /= 10
        n += 1
      } while magnitude > 0
      if value < 0 { append(45) }
      while n > 0 {
        n -= 1
        append(digits[n])
      }
    }
  }

  public private(set) var storage: Storage

  public init(stringLiteral value: StaticString) {
    storage = Storage()
    storage.append(value.utf8Start, value.utf8CodeUnitCount)
  }

  public init(stringInterpolation: StringInterpolation) { storage = stringInterpolation.storage }

  public struct StringInterpolation: StringInterpolationProtocol {
    public typealias StringLiteralType = StaticString
    var storage: Storage

    public init(literalCapacity: Int, interpolationCount: Int) { storage = Storage() }

    public mutating func appendLiteral(_ literal: StaticString) {
      storage.append(literal.utf8Start, literal.utf8CodeUnitCount)
    }
    public mutating func appendInterpolation(_ value: StaticString) {
      storage.append(value.utf8Start, value.utf8CodeUnitCount)
    }
    public mutating func appendInterpolation<I: FixedWidthInteger>(_ value: I) {
      storage.append(decimal: Int64(truncatingIfNeeded: value))
    }
    public mutating func appendInterpolation(_ value: Name) {
      storage.append(value.start, value.count)
    }
    public mutating func appendInterpolation(_ value: Message) {
      var i = 0
      while i < value.storage.count {
        storage.append(value.storage.bytes[i])
        i += 1
      }
    }
    /// As `[2, 3, 8]`; a free dimension reads `?`.
    public mutating func appendInterpolation(_ value: Shape) {
      storage.append(91)
      var i = 0
      while i < value.rank {
        if i > 0 {
          storage.append(44)
          storage.append(32)
        }
        if value[i] < 0 { storage.append(63) } else { storage.append(decimal: Int64(value[i])) }
        i += 1
      }
      storage.append(93)
    }
    public mutating func appendInterpolation(_ value: DataType) {
      appendInterpolation(value.name)
    }
  }
}
