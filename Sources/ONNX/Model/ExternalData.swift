import Foundation

/// The files beside a model that hold its large tensors.
///
/// Only files inside the model's folder are read: a location is a relative path without "..", and
/// what it leads to, links followed, must lie in the folder too.
final class ExternalData {
  private let folder: String
  private var open: [String: FileHandle] = [:]
  /// Bytes that may still be read: many tensors can point to the same ones.
  private var left: UInt64 = 0
  /// Bytes that may be read in all.
  private var allowed: UInt64 = 0

  /// - Parameter folder: where the model lies.
  init(folder: String) { self.folder = folder }

  /// For a model that is imported anew.
  func beginAgain() { left = allowed }

  /// - Throws: ONNXError that says why the bytes cannot be had.
  func read(_ location: String, offset: Int, length: Int) throws -> [UInt8] {
    let file = try handle(location)
    let size: UInt64
    do { size = try file.seekToEnd() } catch {
      throw ONNXError("its external data \(location) cannot be read")
    }
    guard offset <= size, length <= size - UInt64(offset) else {
      throw ONNXError(
        "its external data are bytes \(offset) to \(offset &+ length) of \(location), "
          + "which has \(size)")
    }
    guard length <= left else {
      throw ONNXError("the tensors take more than twice what their external data have")
    }
    left -= UInt64(length)
    do {
      try file.seek(toOffset: UInt64(offset))
      guard let data = try file.read(upToCount: length), data.count == length else {
        guard length == 0 else { throw ONNXError("") }
        return []
      }
      return [UInt8](data)
    } catch {
      throw ONNXError("its external data \(location) cannot be read")
    }
  }

  private func handle(_ location: String) throws -> FileHandle {
    if let file = open[location] { return file }
    guard !location.isEmpty, !location.hasPrefix("/"),
      !location.split(separator: "/").contains("..")
    else {
      throw ONNXError(
        "its external data is at '\(location)'; only files in the model's folder are read")
    }
    guard let root = realPath(folder.isEmpty ? "." : folder),
      let path = realPath(folder.isEmpty ? location : folder + "/" + location)
    else {
      throw ONNXError("its external data \(location) is not there")
    }
    guard path.hasPrefix(root == "/" ? root : root + "/") else {
      throw ONNXError("its external data \(location) is a link that leads out of the model's folder")
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      let file = FileHandle(forReadingAtPath: path)
    else {
      throw ONNXError("its external data \(location) cannot be read")
    }
    open[location] = file
    let size = 2 * UInt64(max(status.st_size, 0))
    allowed += size
    left += size
    return file
  }

  private func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
