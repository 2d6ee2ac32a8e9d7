import CRegion
import CSystem
import ModelFormat
import Operators

/// Weights in the kernels' own order, made once for a model and shared by its sessions.
///
/// A list of blocks in unowned memory (see CRegion.h), because they outlive the session that made
/// them. Each block: next, node, tag, byte count, then the data at 64 bytes.
final class PackedWeightsCache {
  private static var headerSize: Int { 64 }
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var first: UnsafeMutableRawPointer?
  private var total = 0

  /// Bytes of all packings, for the memory report.
  var totalByteCount: Int {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return total
  }

  init() {
    mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
  }

  func close() {
    while let block = first {
      first = next(block)
      apus_sys_release(block)
    }
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  private func next(_ block: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    block.load(as: UnsafeMutableRawPointer?.self)
  }

  /// The data of a packing, where a session has asked for it before.
  func find(_ packing: PackedWeights) -> UnsafeMutableRawPointer? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return search(packing)
  }

  /// Fills a packing that was not found.
  ///
  /// Filling happens outside the lock: it may leave by the way out of memory (see CRegion.h), and
  /// nobody would unlock. Two sessions created at once may so fill one packing twice; the second
  /// copy is dropped.
  func make(_ packing: PackedWeights) throws(ApusError) -> UnsafeMutableRawPointer {
    let size = PackedWeightsCache.headerSize + packing.byteCount
    guard let block = apus_sys_allocate(size, Format.alignment) else {
      throw ApusError(.outOfMemory, "no memory for \(packing.byteCount) bytes of packed weights")
    }
    packing.fill(block + PackedWeightsCache.headerSize)
    block.storeBytes(of: packing.nodeIndex, toByteOffset: 8, as: Int.self)
    block.storeBytes(of: packing.tag, toByteOffset: 16, as: Int.self)
    block.storeBytes(of: packing.byteCount, toByteOffset: 24, as: Int.self)
    if let earlier = insert(block, packing) {
      apus_sys_release(block)
      return earlier
    }
    return block + PackedWeightsCache.headerSize
  }

  func forEach(_ body: (Int, Int, UnsafeRawBufferPointer) -> Void) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    var block = first
    while let b = block {
      body(
        b.load(fromByteOffset: 8, as: Int.self), b.load(fromByteOffset: 16, as: Int.self),
        UnsafeRawBufferPointer(
          start: b + PackedWeightsCache.headerSize,
          count: b.load(fromByteOffset: 24, as: Int.self)))
      block = next(b)
    }
  }

  /// Inserts the block, unless another thread was first: then returns that one's data.
  private func insert(
    _ block: UnsafeMutableRawPointer, _ packing: PackedWeights
  ) -> UnsafeMutableRawPointer? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    if let earlier = search(packing) { return earlier }
    apus_sys_disown(block)
    block.storeBytes(of: first, as: UnsafeMutableRawPointer?.self)
    first = block
    total += packing.byteCount
    return nil
  }

  private func search(_ packing: PackedWeights) -> UnsafeMutableRawPointer? {
    var block = first
    while let b = block {
      if b.load(fromByteOffset: 8, as: Int.self) == packing.nodeIndex,
        b.load(fromByteOffset: 16, as: Int.self) == packing.tag,
        b.load(fromByteOffset: 24, as: Int.self) == packing.byteCount
      {
        return b + PackedWeightsCache.headerSize
      }
      block = next(b)
    }
    return nil
  }
}
