import Foundation

/// Reads CIFAR-10 in its binary version: files of records of 3,073 bytes, the class and then
/// 32 × 32 pixels of red, of green, of blue (A. Krizhevsky, "Learning multiple layers of features
/// from tiny images", 2009).
public struct CIFARReader {
  public static let classNames = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
  ]
  static let recordSize = 1 + 3 * 32 * 32

  public init() {}

  /// Reads one file, or the files whose name begins with `prefix` ("data_batch", "test_batch") and
  /// ends in ".bin" of a folder, in the order of their names.
  public func read(_ path: String, prefix: String = "data_batch") throws -> Samples {
    var files = [path]
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      files = try entries(ofFolder: path)
        .filter { $0.hasPrefix(prefix) && $0.hasSuffix(".bin") }
        .map { path + "/" + $0 }
      guard !files.isEmpty else {
        throw DataError("\(path): no file '\(prefix)*.bin' in this folder")
      }
    }
    var pixels: [UInt8] = []
    var classes: [Int32] = []
    for file in files {
      let bytes = try dataBytes(file)
      guard !bytes.isEmpty, bytes.count % CIFARReader.recordSize == 0 else {
        throw DataError(
          "\(file): \(bytes.count) bytes are no whole number of CIFAR-10's records of 3073 bytes")
      }
      for start in stride(from: 0, to: bytes.count, by: CIFARReader.recordSize) {
        guard bytes[start] < 10 else {
          throw DataError(
            "\(file): record \(start / CIFARReader.recordSize): class \(bytes[start]); "
              + "CIFAR-10 has classes 0 to 9")
        }
        classes.append(Int32(bytes[start]))
        pixels.append(contentsOf: bytes[start + 1..<start + CIFARReader.recordSize])
      }
    }
    return Samples(
      storage: .bytes(pixels), shape: [3, 32, 32],
      targets: .classes(classes, names: CIFARReader.classNames), count: classes.count)
  }
}

/// The names in a folder, sorted, hidden ones left out.
func entries(ofFolder path: String) throws -> [String] {
  var isFolder: ObjCBool = false
  guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
    throw DataError("\(path): no such file or directory")
  }
  guard isFolder.boolValue else { throw DataError("\(path): is a file, not a folder") }
  guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
    throw DataError("\(path): the folder cannot be read")
  }
  // By bytes: the same order in every locale.
  return names.filter { !$0.hasPrefix(".") }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

func isFolder(_ path: String) -> Bool {
  var isFolder: ObjCBool = false
  return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
}
