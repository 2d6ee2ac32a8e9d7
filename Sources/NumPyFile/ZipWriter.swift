/// Makes a zip file in memory. Files from 4 GiB on need ZIP64, which is not written: an error.
struct ZipWriter {
  private let file: String
  private var bytes: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0

  init(file: String) {
    self.file = file
  }

  mutating func add(_ name: String, _ contents: [UInt8], compressed: Bool) throws {
    let packed = compressed ? deflate(contents) : nil
    let stored = packed ?? contents
    guard bytes.count + stored.count < 0xFFFF_0000, contents.count < 0xFFFF_0000, count < 0xFFFF
    else { throw NumPyError("\(file): more than 4 GiB of arrays do not fit one .npz file") }
    // Version 2.0 to extract; names are UTF-8 (bit 11); dated 1980-01-01, so that the same arrays
    // give the same bytes.
    var common = number(20, 2) + number(1 << 11, 2) + number(packed == nil ? 0 : 8, 2)
    common += number(0, 2) + number(0x21, 2) + number(Int(crc32(contents)), 4)
    common += number(stored.count, 4) + number(contents.count, 4)
    common += number(name.utf8.count, 2) + number(0, 2)
    let offset = bytes.count
    bytes += number(0x0403_4B50, 4) + common + Array(name.utf8) + stored
    directory += number(0x0201_4B50, 4) + number(20, 2) + common
    directory += number(0, 2) + number(0, 2) + number(0, 2) + number(0, 4) + number(offset, 4)
    directory += Array(name.utf8)
    count += 1
  }

  func finish() throws -> [UInt8] {
    guard directory.count < 0xFFFF else {
      // 65,535 names of some length: nothing that anybody writes.
      throw NumPyError("\(file): too many arrays for one .npz file")
    }
    var end = number(0x0605_4B50, 4) + number(0, 2) + number(0, 2)
    end += number(count, 2) + number(count, 2)
    end += number(directory.count, 4) + number(bytes.count, 4) + number(0, 2)
    return bytes + directory + end
  }

  private func number(_ value: Int, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}
