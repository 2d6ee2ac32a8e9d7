import CKernels
import ModelFormat

/// Where a layer's weights lie in one packed buffer, all directions one after the other, and how
/// they get there (see RecurrentKernels.h for the order).
struct RecurrentWeights {
  let kind: RecurrentKind
  let linearBeforeReset: Bool
  let inputs: Int
  let units: Int
  let directions: Int
  /// Lanes of a vector.
  let width: Int
  let hasPeepholes: Bool

  init(_ node: RecurrentNode, width: Int, hasPeepholes: Bool) {
    kind = node.kind
    linearBeforeReset = node.linearBeforeReset
    inputs = node.inputs
    units = node.units
    directions = node.directions
    self.width = width
    self.hasPeepholes = hasPeepholes
  }

  var blocks: Int { (units + width - 1) / width }
  /// Floats of one gate for all blocks.
  private var lanes: Int { blocks * width }
  /// Gates in the first streams; the GRU that resets before the matrix has its third in streams of
  /// its own.
  var leadingGates: Int { kind == .gru && !linearBeforeReset ? 2 : kind.gates }

  // Offsets in floats from a direction's start.
  private var recurrentOffset: Int { lanes * kind.gates * inputs }
  private var biasOffset: Int { recurrentOffset + lanes * kind.gates * units }
  private var recurrentBiasOffset: Int { biasOffset + lanes * kind.gates }
  private var peepholeOffset: Int { recurrentBiasOffset + (linearBeforeReset ? lanes : 0) }
  private var directionSize: Int { peepholeOffset + (hasPeepholes ? 3 * lanes : 0) }
  var byteCount: Int { directionSize * directions * 4 }

  /// Points the layer's weights into the packed buffer.
  func bind(
    _ layer: inout apus_recurrent_layer, _ packed: UnsafePointer<Float>, direction: Int
  ) {
    let start = packed + direction &* directionSize
    layer.input_weights = start
    layer.recurrent_weights = start + recurrentOffset
    layer.candidate_input_weights = start + lanes &* leadingGates &* inputs
    layer.candidate_recurrent_weights =
      start + (recurrentOffset &+ lanes &* leadingGates &* units)
    layer.bias = start + biasOffset
    layer.recurrent_bias = start + recurrentBiasOffset
    layer.peepholes = hasPeepholes ? start + peepholeOffset : nil
  }

  /// Packs W, R, B (nil: zeros) and P.
  func pack(
    _ w: UnsafePointer<Float>, _ r: UnsafePointer<Float>, _ b: UnsafePointer<Float>?,
    _ p: UnsafePointer<Float>?, into target: UnsafeMutablePointer<Float>
  ) {
    let rows = kind.gates * units
    for d in 0..<directions {
      let to = target + d * directionSize
      packMatrix(w + d * rows * inputs, inputs, to)
      packMatrix(r + d * rows * units, units, to + recurrentOffset)
      let bias = b.map { $0 + d * 2 * rows }
      for gate in 0..<kind.gates {
        // Behind the matrix the reset gate scales R_h·h with its own bias, which stays apart.
        let isApart = linearBeforeReset && gate == 2
        for unit in 0..<lanes {
          var sum: Float = 0
          if let bias, unit < units {
            sum = bias[gate * units + unit]
            if !isApart { sum += bias[rows + gate * units + unit] }
          }
          to[biasOffset + place(unit, gate, of: kind.gates)] = sum
        }
      }
      if linearBeforeReset {
        for unit in 0..<lanes {
          to[recurrentBiasOffset + unit] = unit < units ? bias?[rows + 2 * units + unit] ?? 0 : 0
        }
      }
      if let p, hasPeepholes {
        for gate in 0..<3 {
          for unit in 0..<lanes {
            to[peepholeOffset + place(unit, gate, of: 3)] =
              unit < units ? p[(d * 3 + gate) * units + unit] : 0
          }
        }
      }
    }
  }

  /// Index in [blocks][gates][width].
  private func place(_ unit: Int, _ gate: Int, of gates: Int) -> Int {
    (unit / width * gates + gate) * width + unit % width
  }

  /// A direction's [gates · units, depth] as its streams.
  private func packMatrix(
    _ source: UnsafePointer<Float>, _ depth: Int, _ target: UnsafeMutablePointer<Float>
  ) {
    let leading = leadingGates
    packStream(source, depth, leading, target)
    if leading < kind.gates {
      packStream(
        source + leading * units * depth, depth, kind.gates - leading,
        target + lanes * leading * depth)
    }
  }

  private func packStream(
    _ source: UnsafePointer<Float>, _ depth: Int, _ gates: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    var to = target
    for block in 0..<blocks {
      for k in 0..<depth {
        for gate in 0..<gates {
          for lane in 0..<width {
            let unit = block &* width &+ lane
            to[lane] = unit < units ? source[(gate &* units &+ unit) &* depth &+ k] : 0
          }
          to += width
        }
      }
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
