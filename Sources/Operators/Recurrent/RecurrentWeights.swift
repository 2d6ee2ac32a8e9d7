import CKernels
import ModelFormat

/// Where a layer's weights lie in one packed buffer, all directions one after the other, and how
/// they get there: W and R as panels for gemm and gemv, or for integer_gemv, with the columns in the
/// order that RecurrentKernels.h names.
final class RecurrentWeights {
  let kind: RecurrentKind
  let linearBeforeReset: Bool
  let inputs: Int
  let units: Int
  let directions: Int
  /// Lanes of a vector.
  let width: Int
  let hasPeepholes: Bool
  let isInteger: Bool
  let kernels: UnsafePointer<apus_kernels>

  let blocks: Int
  /// Columns of one gate.
  let lanes: Int
  let columns: Int
  /// Gates whose columns stand block by block before those of the rest: the GRU's third is apart.
  let leadingGates: Int
  /// Columns of a panel, and all of them with the last panel's padding.
  let panel: Int
  let paddedColumns: Int
  /// Numbers of the depth in a word.
  private let wordDepth: Int

  // Offsets in floats from a direction's start.
  private let recurrentOffset: Int
  private let biasOffset: Int
  private let recurrentBiasOffset: Int
  private let peepholeOffset: Int
  private let directionSize: Int

  init(_ node: RecurrentNode, _ kernels: UnsafePointer<apus_kernels>, hasPeepholes: Bool) {
    kind = node.kind
    linearBeforeReset = node.linearBeforeReset
    inputs = node.inputs
    units = node.units
    directions = node.directions
    isInteger = node.isInteger
    self.kernels = kernels
    width = kernels.pointee.vector_width
    self.hasPeepholes = hasPeepholes
    blocks = (units + width - 1) / width
    lanes = blocks * width
    columns = lanes * kind.gates
    leadingGates = kind == .gru ? 2 : kind.gates
    panel = isInteger ? kernels.pointee.integerPanel : 2 * width
    paddedColumns = (columns + panel - 1) / panel * panel
    wordDepth = isInteger ? kernels.pointee.byte_word_depth : kernels.pointee.word_depth
    recurrentOffset =
      paddedColumns * RecurrentWeights.words(inputs, wordDepth, isInteger: isInteger)
    biasOffset =
      recurrentOffset
      + paddedColumns * RecurrentWeights.words(units, wordDepth, isInteger: isInteger)
    recurrentBiasOffset = biasOffset + columns
    peepholeOffset = recurrentBiasOffset + (linearBeforeReset ? lanes : 0)
    directionSize = peepholeOffset + (hasPeepholes ? 3 * lanes : 0)
  }

  var byteCount: Int { directionSize * directions * 4 }

  var tag: Int { kernels.pointee.tag }

  /// Words of a column of a matrix: of integers in fours, and with three numbers of its own.
  func words(_ depth: Int) -> Int {
    RecurrentWeights.words(depth, wordDepth, isInteger: isInteger)
  }

  @inline(never)
  private static func words(_ depth: Int, _ wordDepth: Int, isInteger: Bool) -> Int {
    let words = (depth &+ wordDepth &- 1) / wordDepth
    return isInteger ? (words &+ 3) / 4 &* 4 &+ 3 : words
  }

  /// The packed weights of a direction.
  struct Direction {
    let input: UnsafePointer<Float>
    let recurrent: UnsafePointer<Float>
    /// Input and recurrent bias added; for the gate h of a GRU that resets behind the matrix the
    /// input's alone.
    let bias: UnsafePointer<Float>
    /// The recurrent bias of that gate.
    let recurrentBias: UnsafePointer<Float>
    /// [blocks][3][width], for i, o, f.
    let peepholes: UnsafePointer<Float>?
  }

  func direction(_ direction: Int, _ packed: UnsafePointer<Float>) -> Direction {
    let start = packed + direction &* directionSize
    return Direction(
      input: start, recurrent: start + recurrentOffset, bias: start + biasOffset,
      recurrentBias: start + recurrentBiasOffset,
      peepholes: hasPeepholes ? start + peepholeOffset : nil)
  }

  /// Packs W, R, B (nil: zeros) and P.
  ///
  /// - Parameter node: where the matrices are integers, to read their columns' numbers of.
  func pack(
    _ w: UnsafeRawPointer, _ r: UnsafeRawPointer, _ b: UnsafePointer<Float>?,
    _ p: UnsafePointer<Float>?, integersOf node: NodeContext? = nil,
    into target: UnsafeMutablePointer<Float>
  ) {
    let rows = kind.gates * units
    for d in 0..<directions {
      let to = target + d * directionSize
      if let node {
        packIntegers(node, 1, direction: d, to)
        packIntegers(node, 2, direction: d, to + recurrentOffset)
      } else {
        packMatrix(
          w.assumingMemoryBound(to: Float.self) + d * rows * inputs, inputs, to)
        packMatrix(
          r.assumingMemoryBound(to: Float.self) + d * rows * units, units, to + recurrentOffset)
      }
      let bias = b.map { $0 + d * 2 * rows }
      for column in 0..<columns {
        let (gate, unit) = place(column)
        // Behind the matrix the reset gate scales R_h·h with its own bias, which stays apart.
        let isApart = linearBeforeReset && gate == 2
        var sum: Float = 0
        if let bias, unit < units {
          sum = bias[gate * units + unit]
          if !isApart { sum += bias[rows + gate * units + unit] }
        }
        to[biasOffset + column] = sum
      }
      if linearBeforeReset {
        for unit in 0..<lanes {
          to[recurrentBiasOffset + unit] = unit < units ? bias?[rows + 2 * units + unit] ?? 0 : 0
        }
      }
      if let p, hasPeepholes {
        for gate in 0..<3 {
          for unit in 0..<lanes {
            to[peepholeOffset + (unit / width * 3 + gate) * width + unit % width] =
              unit < units ? p[(d * 3 + gate) * units + unit] : 0
          }
        }
      }
    }
  }

  /// The gate and the unit that a column belongs to.
  func place(_ column: Int) -> (gate: Int, unit: Int) {
    let leading = leadingGates
    if column >= leading * lanes { return (leading, column - leading * lanes) }
    let vector = column / width
    return (vector % leading, vector / leading * width + column % width)
  }

  /// A direction's [gates · units, depth] as panels.
  private func packMatrix(
    _ source: UnsafePointer<Float>, _ depth: Int, _ target: UnsafeMutablePointer<Float>
  ) {
    if wordDepth == 1 {
      packPanels(0..<paddedColumns, source, depth, target)
      return
    }
    // Only constants are packed in bf16, so this is no part of a run.
    let room = UnsafeMutablePointer<Float>.allocate(capacity: max(1, panel * depth))
    defer { room.deallocate() }
    var column = 0
    while column < paddedColumns {
      packPanels(column..<column + panel, source, depth, room)
      kernels.pointee.gemm_pack(
        room, panel, 1, depth, panel, 1, target + column * words(depth))
      column += panel
    }
  }

  /// Those columns of it, in float32.
  private func packPanels(
    _ columns: Range<Int>, _ source: UnsafePointer<Float>, _ depth: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    var column = columns.lowerBound
    while column < columns.upperBound {
      let (gate, first) = place(column)
      let valid = column < self.columns ? max(0, min(width, units - first)) : 0
      let place = column - columns.lowerBound
      var to = target + (place / panel * panel * depth + place % panel)
      var from = source + (gate * units + first) * depth
      for _ in 0..<depth {
        for lane in 0..<width { to[lane] = lane < valid ? from[lane &* depth] : 0 }
        from += 1
        to += panel
      }
      column += width
    }
  }
}

/// Packs weights that are no constants, before each run.
final class RecurrentPackStep: Step {
  private let weights: RecurrentWeights
  private let w: Slot
  private let r: Slot
  private let b: Slot?
  private let p: Slot?
  private let packed: Slot

  init(_ weights: RecurrentWeights, _ w: Slot, _ r: Slot, _ b: Slot?, _ p: Slot?, _ packed: Slot) {
    self.weights = weights
    self.w = w
    self.r = r
    self.b = b
    self.p = p
    self.packed = packed
  }

  override func run(_ memory: Memory, _ share: Share) {
    if share.index > 0 { return }
    weights.pack(
      memory.floats(w), memory.floats(r), b.map { memory.floats($0) }, p.map { memory.floats($0) },
      into: memory.mutableFloats(packed))
  }
}
