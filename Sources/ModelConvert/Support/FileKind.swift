import Foundation

/// What a file that is no .apus model seems to be, so that the error can say it.
enum FileKind {
  private static let signatures: [(bytes: [UInt8], offset: Int, kind: String)] = [
    (Array("\u{93}NUMPY".unicodeScalars.map { UInt8($0.value) }), 0, "a NumPy array"),
    (Array("PK\u{3}\u{4}".utf8), 0, "a zip archive (.npz, PyTorch)"),
    (Array("TFL3".utf8), 4, "a TensorFlow Lite model"),
    (Array("HDF".utf8), 1, "an HDF5 file (Keras)"),
    (Array("PNG".utf8), 1, "a PNG image"),
    ([0xFF, 0xD8, 0xFF], 0, "a JPEG image"),
    ([0x1F, 0x8B], 0, "a gzip archive"),
    (Array("7767517".utf8), 0, "an ncnn model"),
    ([0x7F, 0x45, 0x4C, 0x46], 0, "a program"),
  ]

  /// nil where nothing is recognised.
  static func guess(path: String) -> String? {
    guard let file = FileHandle(forReadingAtPath: path),
      let data = try? file.read(upToCount: 4096)
    else { return nil }
    let head = [UInt8](data)
    for (bytes, offset, kind) in signatures
    where head.count >= offset + bytes.count
      && Array(head[offset..<(offset + bytes.count)]) == bytes
    { return kind }
    if isONNX(head, path) {
      return "an ONNX model ('model-convert import' makes an .apus model of it)"
    }
    if !head.isEmpty, String(validating: head, as: UTF8.self) != nil || isText(head) {
      return "a text file"
    }
    return nil
  }

  /// ONNX has no signature. Its first field is the IR version: tag 8, then a small number.
  private static func isONNX(_ head: [UInt8], _ path: String) -> Bool {
    let starts = head.count > 2 && head[0] == 8 && (1...20).contains(head[1])
    return starts && (path.lowercased().hasSuffix(".onnx") || head[2] == 0x12 || head[2] == 0x3A)
  }

  private static func isText(_ head: [UInt8]) -> Bool {
    head.allSatisfy { $0 >= 32 && $0 != 127 || $0 == 9 || $0 == 10 || $0 == 13 }
  }
}
