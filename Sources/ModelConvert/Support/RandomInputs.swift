import ModelFormat
import Operators
import Runtime

/// Inputs for `bench` and `verify`: random, the same for the same seed.
struct RandomInputs {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// Steele, Lea and Flood: SplitMix64 (2014).
  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z &>> 31)
  }

  /// Uniform in −1 … 1.
  private mutating func unit() -> Float { Float(next() &>> 40) * 0x1p-23 - 1 }

  private mutating func integer(below bound: Int) -> Int {
    Int(next() &>> 33) % max(bound, 1)
  }

  /// Fills every input of the session: floats uniform in −1 … 1, and integers that stand for
  /// such; integers that look something up in the range of what they look up, others 0 or 1.
  mutating func fill(_ session: Session, _ opened: OpenedModel) {
    for i in session.plan.inputTensors.indices {
      let info = session.info(input: i)
      let data = session.data(input: i)
      if let stored = InputQuantization(opened, tensor: session.plan.inputTensors[i]) {
        let values = (0..<info.shape.count).map { _ in unit() }
        let bytes = stored.rounded(values)
        for k in bytes.indices {
          data.storeBytes(of: bytes[k], toByteOffset: k, as: UInt8.self)
        }
        continue
      }
      let bound = RandomInputs.range(of: session.plan.inputTensors[i], session.plan, opened)
      for k in 0..<info.shape.count { fill(data, k, info.dataType, bound) }
    }
  }

  private mutating func fill(
    _ data: UnsafeMutableRawPointer, _ k: Int, _ type: DataType, _ bound: Int
  ) {
    switch type {
    case .float32:
      data.storeBytes(of: unit(), toByteOffset: k * 4, as: Float.self)
    case .float16, .bfloat16: data.storeBytes(of: 0, toByteOffset: k * 2, as: UInt16.self)
    case .int8, .uint8:
      let value = UInt8(truncatingIfNeeded: next())
      data.storeBytes(of: value, toByteOffset: k, as: UInt8.self)
    case .bool: data.storeBytes(of: UInt8(integer(below: 2)), toByteOffset: k, as: UInt8.self)
    case .int32:
      data.storeBytes(of: Int32(integer(below: bound)), toByteOffset: k * 4, as: Int32.self)
    case .int64: data.storeBytes(of: integer(below: bound), toByteOffset: k * 8, as: Int.self)
    }
  }

  /// How many rows the table has that the input is an index into.
  private static func range(of t: Int, _ plan: Plan, _ opened: OpenedModel) -> Int {
    for node in plan.nodes where node.definition.name.description == "Gather" {
      let inputs = opened.nodeInputs(node.nodeIndex)
      guard inputs.count == 2, inputs[1] == t else { continue }
      let table = node.input(0).shape
      let axis = node.int("axis", default: 0)
      return min(max(table[axis < 0 ? axis + table.rank : axis], 1), Int(Int32.max))
    }
    return 2
  }
}
