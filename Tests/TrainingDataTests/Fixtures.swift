import Foundation
import NumPyFile
import Testing
import Training

/// Files that make_fixtures.py wrote: NumPy, Pillow, and Python's gzip and wave.
let fixtures =
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures").path

func array(_ name: String) throws -> NumPyArray {
  try NumPyArray(contentsOf: "\(fixtures)/\(name).npy")
}

/// What the body says when it fails, without the folder's name.
func message(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch { return "\(error)".replacingOccurrences(of: fixtures + "/", with: "") }
}

/// A folder of files that is gone afterwards.
func withFiles(_ files: [String: [UInt8]], _ body: (String) throws -> Void) throws {
  let folder = NSTemporaryDirectory() + "apus-\(UUID().uuidString)"
  defer { try? FileManager.default.removeItem(atPath: folder) }
  for (name, bytes) in files {
    let path = folder + "/" + name
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try writeBytes(bytes, toFile: path)
  }
  try body(folder)
}

func floats(_ samples: Samples) -> [Float] {
  switch samples.storage {
  case .bytes(let bytes): bytes.map { Float($0) }
  case .floats(let floats): floats
  }
}

func classes(_ samples: Samples) -> [Int32]? {
  if case .classes(let classes, _) = samples.targets { classes } else { nil }
}

func values(_ samples: Samples) -> [Float]? {
  if case .values(let values, _) = samples.targets { values } else { nil }
}

/// Cuts a file at every byte, or at 400 places if it is long, and changes bytes at random:
/// whatever is read must not crash. Returns how many of the damaged files were refused.
@discardableResult
func damage(_ whole: [UInt8], _ read: ([UInt8]) throws -> Void) -> Int {
  var refused = 0
  func attempt(_ bytes: [UInt8]) {
    do { try read(bytes) } catch { refused += 1 }
  }
  for length in stride(from: 0, to: whole.count, by: max(1, whole.count / 400)) {
    attempt(Array(whole[..<length]))
  }
  var random = SeededRandom(seed: 5)
  for _ in 0..<2_000 {
    var bytes = whole
    for _ in 0...random.integer(below: 4) {
      bytes[random.integer(below: bytes.count)] = UInt8(random.integer(below: 256))
    }
    attempt(bytes)
  }
  return refused
}
