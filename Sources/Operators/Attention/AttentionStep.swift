import CKernels
import CSystem
import ModelFormat

extension AttentionGeometry {
  /// Query rows whose scores are held at once.
  static var blockRows: Int { 32 }

  func emit(_ context: PlanContext) {
    var k = context.input(1)
    var v = context.input(2)
    let hasPast = context.node.hasInput(4)
    // Keys and values lie as [N, g, S, size] once they are copied.
    var isCopied = false
    if hasPast || context.optionalOutput(1) != nil || context.optionalOutput(2) != nil {
      k = present(context, 1, past: 4, size: keySize)
      v = present(context, 2, past: 5, size: valueSize)
      isCopied = true
    }
    let width = context.kernels.pointee.gemm_columns
    let packed = (keys + width - 1) / width * width * keySize
    let block = min(queries, AttentionGeometry.blockRows) * keys
    let bytes = (packed + block) * 4
    if batch * heads * queries == 0 { return }
    context.emit(
      AttentionStep(
        self, context.kernels, isCopied: isCopied, q: context.input(0), k: k, v: v,
        mask: context.optionalInput(3), lengths: context.optionalInput(6), y: context.output(0),
        scores: context.optionalOutput(3),
        packed: context.scratch(byteCount: bytes * context.threads), packedCount: packed,
        count: packed + block),
      work: multiplyAccumulates)
  }

  /// Past and new keys, or values, behind each other.
  private func present(_ context: PlanContext, _ i: Int, past: Int, size: Int) -> Slot {
    let bytes = batch * keyHeads * keys * size * 4
    let slot = context.optionalOutput(i) ?? context.scratch(byteCount: bytes)
    if bytes > 0 {
      context.emit(
        PresentStep(
          self, size: size, past: context.optionalInput(past), new: context.input(i), y: slot),
        work: bytes / 4)
    }
    return slot
  }
}

private final class PresentStep: Step {
  private let a: AttentionGeometry
  private let size: Int
  private let past: Slot?
  private let new: Slot
  private let y: Slot

  init(_ a: AttentionGeometry, size: Int, past: Slot?, new: Slot, y: Slot) {
    self.a = a
    self.size = size
    self.past = past
    self.new = new
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    for plane in share.part(of: a.batch * a.keyHeads) {
      let target = memory.mutableFloats(y) + plane * a.keys * size
      if let past {
        memcpy(target, memory.floats(past) + plane * a.pastKeys * size, a.pastKeys * size * 4)
      }
      let rows = target + a.pastKeys * size
      if !a.isFlat {
        memcpy(rows, memory.floats(new) + plane * a.newKeys * size, a.newKeys * size * 4)
        continue
      }
      let (image, head) = (plane / a.keyHeads, plane % a.keyHeads)
      for s in 0..<a.newKeys {
        memcpy(
          rows + s * size,
          memory.floats(new) + ((image * a.newKeys + s) * a.keyHeads + head) * size, size * 4)
      }
    }
  }
}

/// Threads share images and heads.
private final class AttentionStep: Step {
  private let a: AttentionGeometry
  private let kernels: UnsafePointer<apus_kernels>
  private let isCopied: Bool
  private let q: Slot
  private let k: Slot
  private let v: Slot
  private let mask: Slot?
  private let lengths: Slot?
  private let y: Slot
  private let scores: Slot?
  private let packed: Slot
  private let packedCount: Int
  /// Floats of scratch for each thread: packed keys and a block of scores.
  private let count: Int

  init(
    _ a: AttentionGeometry, _ kernels: UnsafePointer<apus_kernels>, isCopied: Bool, q: Slot,
    k: Slot, v: Slot, mask: Slot?, lengths: Slot?, y: Slot, scores: Slot?, packed: Slot,
    packedCount: Int, count: Int
  ) {
    self.a = a
    self.kernels = kernels
    self.isCopied = isCopied
    self.q = q
    self.k = k
    self.v = v
    self.mask = mask
    self.lengths = lengths
    self.y = y
    self.scores = scores
    self.packed = packed
    self.packedCount = packedCount
    self.count = count
  }

  override func run(_ memory: Memory, _ share: Share) {
    let packed = memory.mutableFloats(packed) + share.index * count
    for unit in share.part(of: a.batch * a.heads) { attend(memory, unit, packed) }
  }

  private func attend(_ memory: Memory, _ unit: Int, _ packed: UnsafeMutablePointer<Float>) {
    let (image, head) = (unit / a.heads, unit % a.heads)
    let keyHead = head / (a.heads / a.keyHeads)
    let isFlat = a.isFlat && !isCopied
    let plane = image * a.keyHeads + keyHead
    let k = memory.floats(k) + first(plane, a.keyHeads, a.keys, a.keySize, isFlat)
    let v = memory.floats(v) + first(plane, a.keyHeads, a.keys, a.valueSize, isFlat)
    let valueStride = isFlat ? a.keyHeads * a.valueSize : a.valueSize
    if a.keys > 0 && a.keySize > 0 {
      kernels.pointee.gemm_pack(
        k, 1, isFlat ? a.keyHeads * a.keySize : a.keySize, a.keySize, a.keys, a.scale, packed)
    }
    let q = memory.floats(q) + first(unit, a.heads, a.queries, a.keySize, a.isFlat)
    let y = memory.mutableFloats(y) + first(unit, a.heads, a.queries, a.valueSize, a.isFlat)
    let queryStride = a.isFlat ? a.heads * a.keySize : a.keySize
    let outputStride = a.isFlat ? a.heads * a.valueSize : a.valueSize
    let block = packed + packedCount
    var row = 0
    while row < a.queries {
      let rows = min(AttentionGeometry.blockRows, a.queries - row)
      multiply(
        rows, a.keys, a.keySize, q + row * queryStride, queryStride, packed, 0, block, a.keys)
      let kept = scores.map { memory.mutableFloats($0) + (unit * a.queries + row) * a.keys }
      for r in 0..<rows {
        weigh(memory, image, head, row + r, block + r * a.keys, kept.map { $0 + r * a.keys })
      }
      multiply(
        rows, a.valueSize, a.keys, block, a.keys, v, valueStride, y + row * outputStride,
        outputStride)
      row += rows
    }
  }

  /// Where a head's rows begin, head `unit` of all images'.
  private func first(_ unit: Int, _ heads: Int, _ rows: Int, _ size: Int, _ isFlat: Bool) -> Int {
    isFlat ? (unit / heads * rows * heads + unit % heads) * size : unit * rows * size
  }

  private func multiply(
    _ rows: Int, _ columns: Int, _ depth: Int, _ a: UnsafePointer<Float>, _ aStride: Int,
    _ b: UnsafePointer<Float>, _ bStride: Int, _ c: UnsafeMutablePointer<Float>, _ cStride: Int
  ) {
    if columns == 0 { return }
    if depth == 0 {
      for r in 0..<rows { (c + r * cStride).update(repeating: 0, count: columns) }
      return
    }
    var g = apus_gemm(
      rows: rows, columns: columns, depth: depth, a: a, a_row_stride: aStride, a_column_stride: 1,
      b_row_stride: bStride, b: b, c: c, c_row_stride: cStride, bias: nil, accumulate: false,
      minimum: -Float.infinity, maximum: Float.infinity)
    kernels.pointee.gemm(&g)
  }

  /// Turns the scores of one query into weights; `kept` gets the stage that the node asks for.
  private func weigh(
    _ memory: Memory, _ image: Int, _ head: Int, _ query: Int, _ row: UnsafeMutablePointer<Float>,
    _ kept: UnsafeMutablePointer<Float>?
  ) {
    let n = a.keys
    if n == 0 { return }
    if a.scoresStage == 0 { kept?.update(from: row, count: n) }
    if a.softcap > 0 {
      let k = kernels.pointee
      k.unary(APUS_UNARY_AFFINE, row, row, n, 1 / a.softcap, 0)
      k.unary(APUS_UNARY_TANH, row, row, n, 0, 0)
      k.unary(APUS_UNARY_AFFINE, row, row, n, a.softcap, 0)
    }
    if a.scoresStage == 1 { kept?.update(from: row, count: n) }
    let isSeen = addBias(memory, image, head, query, row)
    if a.scoresStage == 2 { kept?.update(from: row, count: n) }
    if isSeen {
      kernels.pointee.softmax_row(row, row, n, false)
    } else {
      row.update(repeating: 0, count: n)
    }
    if a.scoresStage == 3 { kept?.update(from: row, count: n) }
  }

  /// Whether the query sees any key.
  private func addBias(
    _ memory: Memory, _ image: Int, _ head: Int, _ query: Int, _ row: UnsafeMutablePointer<Float>
  ) -> Bool {
    var position = query + a.pastKeys
    // Keys from `low` to `high`, the latter not counted, are in sight.
    var (low, high) = (0, a.keys)
    if let lengths {
      let length = memory[lengths].assumingMemoryBound(to: Int64.self)[image]
      let clamped = Int(max(0, min(length, Int64(a.keys))))
      high = clamped
      position = query + clamped - a.queries
    }
    if a.isCausal { high = min(high, position + 1) }
    if a.rightWindow >= 0 { high = min(high, position + a.rightWindow + 1) }
    if a.leftWindow >= 0 { low = max(0, position - a.leftWindow) }
    if let mask = a.mask { high = min(high, mask.length) }
    high = max(0, high)
    low = min(low, high)
    let n = a.keys
    (row).update(repeating: -Float.infinity, count: low)
    (row + high).update(repeating: -Float.infinity, count: n - high)
    guard let mask = a.mask, let slot = self.mask else { return low < high }
    let at = image * mask.strides[0] + head * mask.strides[1] + query * mask.strides[2]
    var isSeen = false
    if mask.isBool {
      let allowed = memory[slot].assumingMemoryBound(to: UInt8.self) + at
      for j in low..<high {
        if allowed[j] == 0 { row[j] = -Float.infinity } else { isSeen = true }
      }
    } else {
      let bias = memory.floats(slot) + at
      for j in low..<high {
        row[j] = bias[j] == -Float.infinity ? bias[j] : row[j] + bias[j]
        if bias[j] != -Float.infinity { isSeen = true }
      }
    }
    return isSeen
  }
}
