import CKernels

// VBMI finds 64 bytes in a table of 128 at once. Not every processor with VNNI has it, so its one
// kernel comes on top of their table.

typealias IntVector = SIMD16<Int32>

@c(kernels_fill_vbmi) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  table.pointee.byte_lookup = { byteLookup($0!, $1!, $2!, $3) }
}

/// See byte_lookup.
func byteLookup(
  _ table: UnsafePointer<UInt8>, _ x: UnsafePointer<UInt8>, _ y: UnsafeMutablePointer<UInt8>,
  _ n: Int
) {
  let (table0, table1) = (load(table), load(table + 64))
  let (table2, table3) = (load(table + 128), load(table + 192))
  var i = 0
  while i &+ 64 <= n {
    UnsafeMutableRawPointer(y + i).storeBytes(
      of: apus_lookup_u8x64(load(x + i), table0, table1, table2, table3), as: IntVector.self)
    i &+= 64
  }
  if i < n {
    let rest = apus_lookup_u8x64(
      apus_load_part_u8x64(x + i, n &- i), table0, table1, table2, table3)
    apus_store_part_u8x64(rest, y + i, n &- i)
  }
}

@inline(__always)
private func load(_ p: UnsafePointer<UInt8>) -> IntVector {
  UnsafeRawPointer(p).loadUnaligned(as: IntVector.self)
}
