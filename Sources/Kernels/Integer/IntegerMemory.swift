@inline(__always) func loadIntegers(_ p: UnsafePointer<Int32>) -> IntVector {
  UnsafeRawPointer(p).loadUnaligned(as: IntVector.self)
}

@inline(__always) func storeIntegers(_ v: IntVector, _ p: UnsafeMutablePointer<Int32>) {
  UnsafeMutableRawPointer(p).storeBytes(of: v, as: IntVector.self)
}
