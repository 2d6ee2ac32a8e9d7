/// The members of a zip file, ZIP64 included (PKWARE's APPNOTE.TXT, sections 4.3 to 4.5).
///
/// Stored and deflated members can be read. Every offset and size is checked against the file
/// before it is used.
struct ZipReader {
  struct Member {
    let name: String
    fileprivate let method: Int
    fileprivate let flags: Int
    fileprivate let checksum: UInt32
    fileprivate let packedSize: Int
    fileprivate let size: Int
    fileprivate let headerOffset: Int
  }

  let members: [Member]
  private let bytes: [UInt8]
  private let file: String

  init(_ bytes: [UInt8], file: String) throws {
    self.bytes = bytes
    self.file = file
    let input = LittleEndianBytes(bytes)
    guard let end = ZipReader.endRecord(input) else {
      throw NumPyError("\(file): not a zip file, or cut off (no end-of-directory record)")
    }
    var count = input.uint(end + 10, 2)!
    var offset = input.uint(end + 16, 4)!
    if end >= 20, input.uint(end - 20, 4) == 0x0706_4B50 {
      guard let end64 = input.uint(end - 12, 8), input.uint(end64, 4) == 0x0606_4B50,
        let count64 = input.uint(end64 + 32, 8), let offset64 = input.uint(end64 + 48, 8)
      else { throw NumPyError("\(file): the ZIP64 end-of-directory record is damaged") }
      count = count64
      offset = offset64
    }

    var members: [Member] = []
    for index in 0..<count {
      guard let member = ZipReader.member(input, &offset) else {
        throw NumPyError("\(file): the zip directory is damaged at entry \(index + 1) of \(count)")
      }
      members.append(member)
    }
    self.members = members
  }

  /// The unpacked bytes of a member.
  func contents(_ member: Member) throws -> [UInt8] {
    let input = LittleEndianBytes(bytes)
    let name = "\(file): member '\(member.name)'"
    guard member.flags & 1 == 0 else { throw NumPyError("\(name) is encrypted") }
    guard input.uint(member.headerOffset, 4) == 0x0403_4B50,
      let nameLength = input.uint(member.headerOffset + 26, 2),
      let extraLength = input.uint(member.headerOffset + 28, 2)
    else { throw NumPyError("\(name) has no header where the directory says") }
    let start = member.headerOffset + 30 + nameLength + extraLength
    guard start <= bytes.count, member.packedSize <= bytes.count - start else {
      throw NumPyError("\(name) is cut off")
    }
    let packed = bytes[start..<start + member.packedSize]
    let contents: [UInt8]
    switch member.method {
    case 0: contents = Array(packed)
    case 8:
      guard let unpacked = inflate(packed, wrapper: .none, limit: member.size) else {
        throw NumPyError("\(name) has damaged deflate data")
      }
      contents = unpacked
    default:
      throw NumPyError("\(name) is packed with method \(member.method); only 0 and 8 can be read")
    }
    guard contents.count == member.size, crc32(contents) == member.checksum else {
      throw NumPyError("\(name) is damaged: its size or checksum is wrong")
    }
    return contents
  }

  /// The end-of-directory record: the last place where its signature stands and its comment ends
  /// with the file.
  private static func endRecord(_ input: LittleEndianBytes) -> Int? {
    var at = input.count - 22
    let lowest = max(0, at - 0xFFFF)
    while at >= lowest {
      if input.uint(at, 4) == 0x0605_4B50, input.uint(at + 20, 2) == input.count - at - 22 {
        return at
      }
      at -= 1
    }
    return nil
  }

  /// The directory entry at `offset`, which moves to the next.
  private static func member(_ input: LittleEndianBytes, _ offset: inout Int) -> Member? {
    guard input.uint(offset, 4) == 0x0201_4B50,
      let flags = input.uint(offset + 8, 2), let method = input.uint(offset + 10, 2),
      let checksum = input.uint(offset + 16, 4), var packedSize = input.uint(offset + 20, 4),
      var size = input.uint(offset + 24, 4), let nameLength = input.uint(offset + 28, 2),
      let extraLength = input.uint(offset + 30, 2), let commentLength = input.uint(offset + 32, 2),
      var headerOffset = input.uint(offset + 42, 4),
      let name = input.slice(offset + 46, nameLength)
    else { return nil }
    let extraStart = offset + 46 + nameLength
    guard extraStart + extraLength + commentLength <= input.count else { return nil }

    // ZIP64's extra field (0x0001) holds those of the three that are all ones above, in this order.
    var at = extraStart
    while at + 4 <= extraStart + extraLength {
      guard let id = input.uint(at, 2), let length = input.uint(at + 2, 2) else { return nil }
      at += 4
      if id == 1 {
        var field = at
        func next() -> Int? {
          guard field + 8 <= at + length else { return nil }
          defer { field += 8 }
          return input.uint(field, 8)
        }
        if size == 0xFFFF_FFFF {
          guard let value = next() else { return nil }
          size = value
        }
        if packedSize == 0xFFFF_FFFF {
          guard let value = next() else { return nil }
          packedSize = value
        }
        if headerOffset == 0xFFFF_FFFF {
          guard let value = next() else { return nil }
          headerOffset = value
        }
      }
      at += length
    }
    offset = extraStart + extraLength + commentLength
    return Member(
      name: String(decoding: name, as: UTF8.self), method: method, flags: flags,
      checksum: UInt32(checksum), packedSize: packedSize, size: size, headerOffset: headerOffset)
  }
}

/// Little-endian numbers out of bytes that may end too soon.
struct LittleEndianBytes {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  var count: Int { bytes.count }

  /// The unsigned number in `size` bytes at `offset`; nil where it lies outside of the bytes or
  /// beyond 2⁶³ − 1.
  func uint(_ offset: Int, _ size: Int) -> Int? {
    guard offset >= 0, offset <= count, size <= count - offset else { return nil }
    var value: UInt64 = 0
    for i in (0..<size).reversed() { value = value << 8 | UInt64(bytes[offset + i]) }
    // Sums of a few such numbers must not overflow.
    return value < 1 << 62 ? Int(value) : nil
  }

  func slice(_ offset: Int, _ size: Int) -> ArraySlice<UInt8>? {
    guard offset >= 0, offset <= count, size <= count - offset else { return nil }
    return bytes[offset..<offset + size]
  }
}
