import Foundation
import NumPyFile
import Testing

/// Fixtures come from make_fixtures.py: NumPy and Python's zipfile wrote them.
private let fixtures =
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures").path

private func expected(_ type: NumPyType) -> [Float] {
  (0..<24).map { k in
    switch type {
    case .bool: Float(k % 2)
    case .int8, .int16, .int32, .int64: Float(k - 5)
    case .uint8, .uint16, .uint32, .uint64: Float(10 * k)
    case .float16, .float32, .float64: Float(k) / 4 - 3
    }
  }
}

private func message(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch { return "\(error)".replacingOccurrences(of: fixtures + "/", with: "") }
}

@Test(arguments: NumPyType.allCases)
func readsEveryType(_ type: NumPyType) throws {
  for name in ["\(type)", "\(type)-big-fortran"] {
    let array = try NumPyArray(contentsOf: "\(fixtures)/\(name).npy")
    #expect(array.type == type && array.shape == [2, 3, 4])
    #expect(array.floats() == expected(type))
    #expect(array.doubles() == expected(type).map(Double.init))
    #expect(array.integers() == (type.isFloatingPoint ? nil : expected(type).map { Int($0) }))
  }
}

@Test(arguments: NumPyType.allCases)
func writesTheBytesThatNumPyWrites(_ type: NumPyType) throws {
  let path = "\(fixtures)/\(type).npy"
  #expect(try NumPyArray(contentsOf: path).npy() == readBytes(ofFile: path))
}

@Test func readsVersionsAndShapes() throws {
  for version in 2...3 {
    let array = try NumPyArray(contentsOf: "\(fixtures)/version\(version).npy")
    #expect(array.floats() == expected(.float32))
  }
  let scalar = try NumPyArray(contentsOf: "\(fixtures)/scalar.npy")
  #expect(scalar.shape == [] && scalar.doubles() == [2.5])
  let vector = try NumPyArray(contentsOf: "\(fixtures)/vector.npy")
  #expect(vector.shape == [3] && vector.integers() == [0, 1, 2])
  let empty = try NumPyArray(contentsOf: "\(fixtures)/empty.npy")
  #expect(empty.shape == [3, 0, 2] && empty.floats() == [])
  let limits = try NumPyArray(contentsOf: "\(fixtures)/limits.npy")
  #expect(limits.integers() == nil && limits.doubles() == [0x1p64, 0x1p63, 0])
  let special = try NumPyArray(contentsOf: "\(fixtures)/special.npy").floats()
  #expect(special[0].isNaN && special[1] == .infinity && special[2] == -.infinity)
  #expect(special[3].sign == .minus && special[4] == 65504 && special[5] == 0x1p-24)
  for (name, bytes) in [("scalar", scalar.npy()), ("vector", vector.npy()), ("empty", empty.npy())] {
    #expect(try bytes == readBytes(ofFile: "\(fixtures)/\(name).npy"))
  }
}

@Test func readsArchives() throws {
  for name in ["stored", "deflated"] {
    let archive = try NumPyArchive(contentsOf: "\(fixtures)/\(name).npz")
    #expect(archive.names == ["x", "labels", "flag"])
    #expect(archive["x"]?.floats() == expected(.float32))
    #expect(archive["labels"]?.integers() == Array(0..<7))
    #expect(archive["flag"]?.shape == [])
  }
  for name in ["zip64", "mixed"] {
    let archive = try NumPyArchive(contentsOf: "\(fixtures)/\(name).npz")
    #expect(archive.names == ["x"] && archive["x"]?.floats() == expected(.float32))
  }
}

@Test func writesArchives() throws {
  let source = try NumPyArchive(contentsOf: "\(fixtures)/stored.npz")
  for compressed in [false, true] {
    let path = NSTemporaryDirectory() + "apus-\(UUID().uuidString).npz"
    defer { unlink(path) }
    try source.write(to: path, compressed: compressed)
    let copy = try NumPyArchive(contentsOf: path)
    #expect(copy.names == source.names && copy.entries.map(\.array) == source.entries.map(\.array))
    // An independent reader, where there is one.
    let unzip = "/usr/bin/unzip"
    if FileManager.default.isExecutableFile(atPath: unzip) {
      let test = Process()
      test.executableURL = URL(fileURLWithPath: unzip)
      test.arguments = ["-tqq", path]
      try test.run()
      test.waitUntilExit()
      #expect(test.terminationStatus == 0)
    }
  }
}

@Test func saysWhatIsWrong() throws {
  let types = "bool, int8 to int64, uint8 to uint64 and float16 to float64 can"
  for (name, reason) in [
    ("complex.npy", "elements of type '<c8' cannot be read; \(types)"),
    ("text.npy", "elements of type '<U2' cannot be read; \(types)"),
    ("object.npy", "elements of type '|O' cannot be read; \(types)"),
    ("structured.npy", "holds a structured type; only plain numbers can be read"),
    ("stored.npz", "not a .npy file (it does not start with \\x93NUMPY)"),
    ("missing.npy", "no such file or directory"),
    ("", "is a directory, not a file"),
  ] {
    let found = message { _ = try NumPyArray(contentsOf: "\(fixtures)/\(name)") }
    #expect(found == "\(name): \(reason)")
  }
  #expect(
    message { _ = try NumPyArchive(contentsOf: "\(fixtures)/bzip2.npz") }
      == "bzip2.npz: member 'x.npy' is packed with method 12; only 0 and 8 can be read")
  #expect(
    message { _ = try NumPyArchive(contentsOf: "\(fixtures)/float32.npy") }
      == "float32.npy: not a zip file, or cut off (no end-of-directory record)")
  let file = try readBytes(ofFile: "\(fixtures)/float32.npy")
  #expect(
    message { _ = try NumPyArray(npy: file.dropLast(), file: "f") }
      == "f: the elements are cut off: 96 bytes wanted for shape [2, 3, 4] of float32, 95 left")
}

/// Headers that a program made to mislead.
@Test(arguments: [
  "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904)}",
  "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
  "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
  "{'descr': '<f4', 'fortran_order': False, 'shape': (3)}",
  "{'descr': '<f4', 'fortran_order': False}",
  "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
  "{'descr': '<f4', 'fortran_order': False, 'shape': ()} x",
  "{'descr': '<f4", "{", "", "{'descr': [[[", "{'descr': '', 'fortran_order': False, 'shape': ()}",
])
func refusesHeaders(_ text: String) {
  let bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count), 0]
  #expect(throws: NumPyError.self) {
    try NumPyArray(npy: (bytes + Array(text.utf8) + [0, 0, 0, 0])[...], file: "f")
  }
}

/// No cut and no flipped byte may crash; an array that is read all the same must fill its shape
/// (the initialiser's precondition).
@Test func survivesDamage() throws {
  var random = SystemRandomNumberGenerator()
  for name in ["float32-big-fortran.npy", "stored.npz", "deflated.npz", "zip64.npz", "version2.npy"] {
    let whole = try readBytes(ofFile: "\(fixtures)/\(name)")
    func read(_ bytes: [UInt8]) {
      if name.hasSuffix("npy") {
        _ = try? NumPyArray(npy: bytes[...], file: "f").floats()
      } else {
        _ = try? NumPyArchive(npz: bytes, file: "f")
      }
    }
    for length in whole.indices { read(Array(whole[..<length])) }
    for index in whole.indices {
      for value: UInt8 in [0, 0xFF, 0x80, whole[index] ^ 1, whole[index] &+ 1] {
        var bytes = whole
        bytes[index] = value
        read(bytes)
      }
    }
    for _ in 0..<5_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 2...8, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
      }
      read(bytes)
    }
  }
}
