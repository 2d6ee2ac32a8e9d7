import Foundation
import ModelFormat
import NumPyFile
import Operators
import Quantization

/// What an output was in each step.
struct RunOutput {
  let name: String
  let dataType: DataType
  /// With a first dimension for the steps where there are any. What depends on the data is as the
  /// first step made it.
  private(set) var shape: [Int]
  private let steps: Int?
  private(set) var bytes: [UInt8] = []

  init(_ name: String, _ info: TensorInfo, steps: Int?) {
    self.name = name
    self.steps = steps
    dataType = info.dataType
    shape = RunOutput.shape(info, steps)
    bytes.reserveCapacity(info.byteCount * (steps ?? 1))
  }

  private static func shape(_ info: TensorInfo, _ steps: Int?) -> [Int] {
    (steps.map { [$0] } ?? []) + info.shape.dimensions
  }

  mutating func append(_ data: UnsafeRawPointer, _ info: TensorInfo) throws {
    let found = RunOutput.shape(info, steps)
    if bytes.isEmpty { shape = found }
    guard found == shape else {
      throw Failure(
        "output '\(printable(name))': its shape changes from step to step; they make no one array")
    }
    bytes.append(contentsOf: UnsafeRawBufferPointer(start: data, count: info.byteCount))
  }

  var values: [Double] {
    bytes.withUnsafeBytes { raw in
      guard let start = raw.baseAddress else { return [] }
      return elements(start, dataType, raw.count / dataType.size)
    }
  }

  func write(to path: String) throws {
    guard let type = NumPyType(rawValue: dataType.name.description) else {
      throw Failure("output '\(printable(name))': NumPy has no type \(dataType.name)")
    }
    do {
      try NumPyArray(type: type, shape: shape, bytes: bytes).write(to: path)
    } catch {
      throw Failure("\(error)")
    }
  }
}

/// Where outputs are written.
enum OutputFiles {
  /// A path for each output. Two names that make the same file name are told apart by a number.
  static func paths(_ names: [String], in folder: String, inputs: [String]) throws -> [String] {
    var taken: Set<String> = []
    let read = Set(inputs.compactMap(realPath))
    return try names.map { name in
      let base = safe(name)
      var file = base
      var number = 2
      while !taken.insert(file.lowercased()).inserted {
        file = "\(base)-\(number)"
        number += 1
      }
      let path = (folder == "." ? "" : folder.hasSuffix("/") ? folder : folder + "/") + file + ".npy"
      if let real = realPath(path), read.contains(real) {
        throw Failure(
          "\(path): output '\(printable(name))' would overwrite an input; give another --output-dir")
      }
      return path
    }
  }

  /// Letters, digits, '.', '_' and '-' stay; no file is hidden or longer than names may be.
  static func safe(_ name: String) -> String {
    var text = ""
    for c in name.unicodeScalars {
      let stays = ("a"..."z").contains(c) || ("A"..."Z").contains(c) || ("0"..."9").contains(c)
        || c == "." || c == "_" || c == "-"
      text += stays ? String(c) : "_"
    }
    if text.first == "." || text.first == "-" { text = "_" + text.dropFirst() }
    return text.isEmpty ? "output" : String(text.prefix(120))
  }

  static func makeFolder(_ folder: String) throws {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) {
      guard isFolder.boolValue else { throw Failure("\(folder): it is a file, not a folder") }
      return
    }
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw Failure("\(folder): the folder cannot be made")
    }
  }

  private static func realPath(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }
}
