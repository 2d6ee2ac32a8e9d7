import ModelFormat
import Operators

extension Plan {
  /// Lays the buffers out anew, none in another's memory and each at least `gap` bytes from all
  /// others and from both ends of the arena; `gap` is a multiple of the alignment. Before the first
  /// session: for tests of what the kernels touch.
  public func separateBuffers(gap: Int) {
    var offset = gap
    for i in buffers.indices {
      buffers[i].offset = offset
      offset += buffers[i].placedSize + gap
    }
    arenaSize = offset
  }

  /// Lets sessions read the file's weights where `copy` has put them.
  public func replaceConstants(_ copy: (UnsafeRawPointer, _ byteCount: Int) -> UnsafeRawPointer) {
    for t in tensors.indices {
      if case .constant(let constant) = slots[t], let info = tensors[t] {
        slots[t] = .constant(copy(constant, info.byteCount))
      }
    }
  }
}
