import Foundation

/// The whole of a file.
///
/// - Throws: `NumPyError` that says what stands in the way: nothing there, a directory, no
///   permission.
public func readBytes(ofFile path: String) throws -> [UInt8] {
  guard let file = fopen(path, "rb") else {
    throw NumPyError("\(path): \(describe(errno: errno))")
  }
  defer { fclose(file) }
  var info = stat()
  guard fstat(fileno(file), &info) == 0 else {
    throw NumPyError("\(path): \(describe(errno: errno))")
  }
  if info.st_mode & S_IFMT == S_IFDIR { throw NumPyError("\(path): is a directory, not a file") }
  // Pipes and files under /proc say 0: read them in pieces until they end.
  var bytes: [UInt8] = []
  var piece = max(Int(info.st_size), 1 << 16)
  while true {
    let start = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: piece))
    let got = bytes.withUnsafeMutableBytes { fread($0.baseAddress! + start, 1, piece, file) }
    bytes.removeLast(piece - got)
    if got < piece {
      if ferror(file) != 0 { throw NumPyError("\(path): \(describe(errno: errno))") }
      return bytes
    }
    piece = 1 << 16
  }
}

/// Writes a file, or leaves what was there: the bytes go to a neighbour first, which then takes
/// the file's name.
public func writeBytes(_ bytes: [UInt8], toFile path: String) throws {
  let neighbour = "\(path).\(getpid()).part"
  guard let file = fopen(neighbour, "wb") else {
    throw NumPyError("\(path): \(describe(errno: errno))")
  }
  let written = bytes.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
  let closed = fclose(file)
  guard written == bytes.count, closed == 0, rename(neighbour, path) == 0 else {
    let reason = describe(errno: errno)
    unlink(neighbour)
    throw NumPyError("\(path): \(reason)")
  }
}

private func describe(errno number: Int32) -> String {
  switch number {
  case ENOENT: "no such file or directory"
  case EISDIR: "is a directory, not a file"
  case EACCES: "permission denied"
  default: String(cString: strerror(number)).lowercased()
  }
}
