import CSystem
import ModelFormat

/// Writes the padded tensor row by row: the constant, the input's own run, single elements.
final class PadStep: Step {
  let map: PadMap
  let x: Slot
  let value: Slot?
  let y: Slot
  let elementSize: Int
  /// Bytes of what one entry of the map moves: an element, or all the axes behind the padded ones.
  let block: Int
  let rows: Int

  init(_ map: PadMap, _ x: Slot, _ value: Slot?, _ y: Slot, elementSize: Int, block: Int) {
    self.map = map
    self.x = x
    self.value = value
    self.y = y
    self.elementSize = elementSize
    self.block = block
    var rows = 1
    for d in 0..<max(0, map.rank - 1) { rows *= map.lengths[d] }
    self.rows = rows
  }

  override func run(_ memory: Memory, _ share: Share) {
    var constant: UInt64 = 0
    if let value { withUnsafeMutableBytes(of: &constant) { copy($0.baseAddress!, memory[value]) } }
    let source = UnsafeRawPointer(memory[x])
    let last = map.rank &- 1
    let length = map.lengths[last]
    for row in share.part(of: rows) {
      // The source row: the indices of the outer axes, innermost first.
      var rest = row
      var offset = 0
      var isConstant = false
      var d = last &- 1
      while d >= 0 {
        let i = rest % map.lengths[d]
        rest /= map.lengths[d]
        let from = map.source(d, i)
        if from < 0 { isConstant = true }
        offset &+= from &* map.strides[d]
        d &-= 1
      }
      let target = memory[y] + row &* length &* block
      if isConstant {
        fill(target, length &* block, constant)
        continue
      }
      var i = 0
      while i < length {
        if i == map.runStart && map.runLength > 0 {
          let from = offset &+ map.source(last, i)
          memcpy(target + i &* block, source + from &* block, map.runLength &* block)
          i &+= map.runLength
          continue
        }
        let from = map.source(last, i)
        if from < 0 {
          fill(target + i &* block, block, constant)
        } else {
          memcpy(target + i &* block, source + (offset &+ from) &* block, block)
        }
        i &+= 1
      }
    }
  }

  private func copy(_ target: UnsafeMutableRawPointer, _ source: UnsafeMutableRawPointer) {
    memcpy(target, source, elementSize)
  }

  @inline(__always)
  private func fill(_ target: UnsafeMutableRawPointer, _ bytes: Int, _ constant: UInt64) {
    if constant == 0 {
      memset(target, 0, bytes)
      return
    }
    var i = 0
    switch elementSize {
    case 1: memset(target, Int32(truncatingIfNeeded: constant & 0xFF), bytes)
    case 2:
      while i < bytes {
        (target + i).storeBytes(of: UInt16(truncatingIfNeeded: constant), as: UInt16.self)
        i &+= 2
      }
    case 4:
      while i < bytes {
        (target + i).storeBytes(of: UInt32(truncatingIfNeeded: constant), as: UInt32.self)
        i &+= 4
      }
    default:
      while i < bytes {
        (target + i).storeBytes(of: constant, as: UInt64.self)
        i &+= 8
      }
    }
  }
}
