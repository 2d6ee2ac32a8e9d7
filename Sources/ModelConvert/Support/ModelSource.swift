import Foundation
import Graph
import ModelFormat
import NumPyFile

/// Bytes of a model of another kind.
enum ModelSource {
  /// What protocol buffers can hold in one message.
  private static let sizeLimit = 1 << 31

  /// Maps the file while `body` looks at it.
  static func withBytes<T>(
    _ path: String, _ body: (UnsafeRawBufferPointer) throws -> T
  ) throws -> T {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw Failure("\(path): there is no such file")
    }
    if isFolder.boolValue { throw Failure("\(path): it is a directory, not a model file") }
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    guard size < sizeLimit else {
      throw Failure(
        "\(path): it is \(bytesText(size)); an ONNX file may have 2 GiB, larger models keep their "
          + "weights as external data")
    }
    // .mappedIfSafe never maps on Linux. What cannot be mapped, as a pipe, is read.
    let url = URL(fileURLWithPath: path)
    guard
      let data = (try? Data(contentsOf: url, options: .alwaysMapped)) ?? (try? Data(contentsOf: url))
    else { throw Failure("\(path): it cannot be read") }
    return try data.withUnsafeBytes(body)
  }
}

/// The folder that a path lies in; "" for the present one.
func folder(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "" }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// As `printable`, with line breaks kept.
func printableLines(_ text: String) -> String {
  text.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }
    .joined(separator: "\n")
}

/// An array in a file as a weight.
enum ConstantFile {
  static func value(_ name: String, _ path: String) throws -> Value {
    let array: NumPyArray
    do { array = try NumPyArray(contentsOf: path) } catch { throw Failure("\(error)") }
    let type: DataType
    var bytes = array.bytes
    switch array.type {
    case .float32: type = .float32
    case .float16, .float64:
      type = .float32
      bytes = array.floats().withUnsafeBytes { [UInt8]($0) }
    case .int8: type = .int8
    case .uint8: type = .uint8
    case .int32: type = .int32
    case .int64: type = .int64
    case .bool: type = .bool
    default: throw Failure("\(path): its elements are \(array.type); a model holds no such type")
    }
    return Value(name, type, array.shape.map { .fixed($0) }, kind: .weight, bytes: bytes)
  }
}
