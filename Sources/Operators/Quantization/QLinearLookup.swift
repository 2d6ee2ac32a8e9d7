import CSystem
import ModelFormat

/// y = table[x], where x counts as its byte without a sign.
///
/// Inputs X (int8 or uint8), its scale and zero point, the table (uint8 [256]: bytes of Y), Y's scale
/// and zero point (a number each), which has the type of Y. The table stands for DequantizeLinear,
/// what `function` names one after the other, and QuantizeLinear; nothing for another scale alone.
/// `parameters` holds two numbers for each name: what ONNX calls alpha and beta, or the like. Only
/// export reads these, and the scales.
let qLinearLookupOperator = Operator(
  opcode: 272, name: "QLinearLookup",
  attributes: [AttributeSpec("function", .string), AttributeSpec("parameters", .floats)],
  inputs: 5...6, requiredInputs: 2,
  notes: "A function of one quantised tensor, of which a table has all 256 values.",
  infer: { (context) throws(ApusError) in
    try context.requireQuantized(0, scale: 1)
    try context.require(context.hasInput(3), .invalidModel, "input 3 is left out")
    try context.requireType(3, .uint8)
    try context.requireShape(3, Shape(256))
    let type = try context.requireQuantized(context.hasInput(5) ? 5 : 0, scale: 4)
    try context.setOutput(type, context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    let count = context.node.outputs[0].shape.count
    if count == 0 { return }
    context.allowInPlace(input: 0, output: 0)
    context.emit(
      QLinearLookupStep(
        context.input(0), context.output(0), lines: 1, length: count, pitch: count,
        table: context.input(3)),
      work: count)
  })

/// Lines of bytes by a table, each to its place in the output.
final class QLinearLookupStep: Step {
  private let x: Slot
  private let y: Slot
  private let lines: Int
  private let length: Int
  private let pitch: Int
  private let offset: Int
  private let table: Slot?
  private let scales: (x: QLinearScale, y: QLinearScale)?

  /// - Parameters:
  ///   - pitch: from a line to the next in the output.
  ///   - offset: of the first line in the output.
  ///   - scales: where there is no table: from which scale to which.
  init(
    _ x: Slot, _ y: Slot, lines: Int, length: Int, pitch: Int, offset: Int = 0, table: Slot?,
    scales: (x: QLinearScale, y: QLinearScale)? = nil
  ) {
    self.x = x
    self.y = y
    self.lines = lines
    self.length = length
    self.pitch = pitch
    self.offset = offset
    self.table = table
    self.scales = scales
  }

  override func run(_ memory: Memory, _ share: Share) {
    if let table {
      look(memory, share, memory[table].assumingMemoryBound(to: UInt8.self))
    } else if let scales {
      requantize(memory, share, scales.x, scales.y)
    }
  }

  private func requantize(
    _ memory: Memory, _ share: Share, _ from: QLinearScale, _ to: QLinearScale
  ) {
    let (x, y) = (from.read(memory), to.read(memory))
    if x == y { return look(memory, share, nil) }
    let flip = Int32(truncatingIfNeeded: from.type.flip)
    let rounding = ByteRounding(to.type, zero: y.zero)
    var bytes = InlineArray<256, UInt8>(repeating: 0)
    withUnsafeMutableBytes(of: &bytes) {
      let table = $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
      for i in 0..<256 {
        let number = UInt8(truncatingIfNeeded: i).number(flip)
        table[i] = rounding.byte((number - x.zero) * x.scale / y.scale)
      }
      look(memory, share, table)
    }
  }

  @inline(never)
  private func look(_ memory: Memory, _ share: Share, _ table: UnsafePointer<UInt8>?) {
    let x = memory[x].assumingMemoryBound(to: UInt8.self)
    let y = memory[y].assumingMemoryBound(to: UInt8.self) + offset
    let part = share.part(of: lines * length, grain: 64)
    var i = part.lowerBound
    while i < part.upperBound {
      let line = i / length
      let first = i &- line &* length
      let count = min(length &- first, part.upperBound &- i)
      let target = y + (line &* pitch &+ first)
      if let table {
        for k in 0..<count { target[k] = table[Int(x[i &+ k])] }
      } else {
        memcpy(target, x + i, count)
      }
      i &+= count
    }
  }
}
