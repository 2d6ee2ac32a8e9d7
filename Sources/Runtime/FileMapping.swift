import CRegion
import CSystem
import ModelFormat

/// The bytes of a model: mapped from a file, the caller's own, or a copy of them.
public struct FileMapping {
  private enum Owner { case mapping, caller, copy }

  let base: UnsafeRawPointer
  let size: Int
  private let owner: Owner

  /// Maps the file at `path`, to read.
  public init(path: UnsafePointer<CChar>) throws(ApusError) {
    let name = Name(cString: path)
    let descriptor = apus_sys_open_read(path)
    guard descriptor >= 0 else {
      let code = apus_sys_errno()
      if code == ENOENT || code == ENOTDIR {
        throw ApusError(.fileNotFound, "\(name): there is no such file")
      }
      throw ApusError(.fileUnreadable, "\(name): it cannot be opened (errno \(code))")
    }
    defer { _ = CSystem.close(descriptor) }
    // Not fstat: its symbol is newer than the oldest libc that shall load this library. lseek
    // answers for regular files; a read tells what else the descriptor may be.
    var first: UInt8 = 0
    let got = read(descriptor, &first, 1)
    guard got >= 0 else {
      let code = apus_sys_errno()
      throw code == EISDIR
        ? ApusError(.fileUnreadable, "\(name): it is a directory, not a model file")
        : ApusError(.fileUnreadable, "\(name): it cannot be read (errno \(code))")
    }
    let end = lseek(descriptor, 0, SEEK_END)
    guard end >= 0 else {
      throw ApusError(.fileUnreadable, "\(name): it is no regular file")
    }
    guard end > 0 else { throw ApusError(.notAModel, "\(name): the file is empty") }
    guard
      let mapped = mmap(nil, end, PROT_READ, MAP_PRIVATE, descriptor, 0),
      mapped != UnsafeMutableRawPointer(bitPattern: -1)
    else {
      throw ApusError(
        .fileUnreadable, "\(name): it cannot be mapped (errno \(apus_sys_errno()))")
    }
    base = UnsafeRawPointer(mapped)
    size = end
    owner = .mapping
  }

  /// Uses the caller's bytes in place where they are aligned as the format wants, else copies them.
  public init(bytes: UnsafeRawPointer, size: Int) throws(ApusError) {
    self.size = size
    if Int(bitPattern: bytes) % Format.alignment == 0 {
      base = bytes
      owner = .caller
      return
    }
    guard let copy = apus_sys_allocate(size, Format.alignment) else {
      throw ApusError(.outOfMemory, "no memory for a copy of the model's \(size) bytes")
    }
    memcpy(copy, bytes, size)
    base = UnsafeRawPointer(copy)
    owner = .copy
  }

  /// Gives memory of a mapping back: it is read from the file again where it is needed again.
  func forget(_ start: UnsafeRawPointer, _ count: Int) {
    guard owner == .mapping else { return }
    let page = 4096
    let first = (start - base + page - 1) / page * page
    let end = (start - base + count) / page * page
    if end > first { madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_DONTNEED) }
  }

  /// Ends a mapping, and nothing else: a copy goes with the region that it was made in.
  public func unmap() {
    if owner == .mapping { munmap(UnsafeMutableRawPointer(mutating: base), size) }
  }

  func close() {
    switch owner {
    case .mapping: unmap()
    case .copy: apus_sys_release(UnsafeMutableRawPointer(mutating: base))
    case .caller: break
    }
  }
}
