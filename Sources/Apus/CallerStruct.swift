import CApus
import CSystem
import ModelFormat

// Structs of the caller's that start with struct_size: read and written only as far as that
// reaches, so that programs compiled for another version of the header go on working.

/// A copy of the caller's options; what its version of the header did not have yet is zero. nil
/// stands for all defaults.
func readOptions<Options: BitwiseCopyable>(
  _ pointer: UnsafePointer<Options>?, default value: Options, named name: StaticString
) throws(ApusError) -> Options {
  guard let pointer else { return value }
  let size = UnsafeRawPointer(pointer).load(as: Int.self)
  guard size >= MemoryLayout<Int>.size else {
    throw ApusError(
      .invalidArgument,
      "\(name).struct_size is \(size); start from the struct's initialiser macro")
  }
  var copy = value
  withUnsafeMutableBytes(of: &copy) {
    _ = memcpy($0.baseAddress!, pointer, min(size, MemoryLayout<Options>.size))
  }
  return copy
}

/// Writes as much of `value` as the caller's struct holds, but for struct_size itself. False where
/// struct_size is not set.
func writeStruct<Info: BitwiseCopyable>(_ value: Info, to pointer: UnsafeMutablePointer<Info>) -> Bool {
  let head = MemoryLayout<Int>.size
  let size = UnsafeRawPointer(pointer).load(as: Int.self)
  guard size >= head else { return false }
  var copy = value
  withUnsafeBytes(of: &copy) {
    _ = memcpy(
      UnsafeMutableRawPointer(pointer) + head, $0.baseAddress! + head,
      min(size, MemoryLayout<Info>.size) - head)
  }
  return true
}
