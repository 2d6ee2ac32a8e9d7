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
    let bytes = context.channelsLast(0)
    let length = bytes?.x.count ?? count
    context.emit(
      QLinearLookupStep(
        bytes == nil ? context.input(0) : context.blockedInput(0),
        bytes == nil ? context.output(0) : context.blockedOutput(0), lines: 1, length: length,
        sourcePitch: length, pitch: length, table: context.input(3), flips: bytes?.flips ?? (0, 0)),
      work: count)
  })

/// Lines of bytes by a table, each to its place in the output.
final class QLinearLookupStep: Step {
  private let x: Slot
  private let y: Slot
  private let lines: Int
  private let length: Int
  private let sourcePitch: Int
  private let pitch: Int
  private let offset: Int
  private let table: Slot?
  private let scales: (x: QLinearScale, y: QLinearScale)?
  private let flips: (x: UInt8, y: UInt8)

  /// - Parameters:
  ///   - sourcePitch: from a line to the next in the input.
  ///   - pitch: and in the output.
  ///   - offset: of the first line in the output.
  ///   - scales: where there is no table: from which scale to which; nil: copies.
  ///   - flips: what makes the model's bytes of x's and y's.
  init(
    _ x: Slot, _ y: Slot, lines: Int, length: Int, sourcePitch: Int, pitch: Int, offset: Int = 0,
    table: Slot? = nil, scales: (x: QLinearScale, y: QLinearScale)? = nil,
    flips: (x: UInt8, y: UInt8) = (0, 0)
  ) {
    self.sourcePitch = sourcePitch
    self.flips = flips
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
      flip(memory, share, memory[table].assumingMemoryBound(to: UInt8.self))
    } else if let scales {
      requantize(memory, share, scales.x, scales.y)
    } else {
      look(memory, share, nil)
    }
  }

  /// Of a table of the model's bytes, makes one of those that there are.
  private func flip(_ memory: Memory, _ share: Share, _ table: UnsafePointer<UInt8>) {
    if flips.x | flips.y == 0 { return look(memory, share, table) }
    var bytes = InlineArray<256, UInt8>(repeating: 0)
    withUnsafeMutableBytes(of: &bytes) {
      let flipped = $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
      for i in 0..<256 { flipped[i] = table[i ^ Int(flips.x)] ^ flips.y }
      look(memory, share, flipped)
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
      self.flip(memory, share, table)
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
      let source = x + (line &* sourcePitch &+ first)
      let target = y + (line &* pitch &+ first)
      if let table {
        for k in 0..<count { target[k] = table[Int(source[k])] }
      } else {
        memcpy(target, source, count)
      }
      i &+= count
    }
  }
}

extension PlanContext {
  /// Where input `i` lies with channels last: how it lies, and what makes the model's bytes of it and of
  /// output 0.
  func channelsLast(_ i: Int) -> (x: ChannelBlocks, flips: (x: UInt8, y: UInt8))? {
    guard hasChannelsLast(i) else { return nil }
    let type = node.input(i).dataType
    return (
      ChannelBlocks(node.input(i).shape, kernels, type),
      (
        UInt8(truncatingIfNeeded: type.flip),
        UInt8(truncatingIfNeeded: node.outputs[0].dataType.flip)
      )
    )
  }

  /// Plans a join of channels where all inputs lie with channels last: from input `first`, every
  /// `step`th; scales: of each and the output's, where those may differ.
  func planByteConcat(
    first: Int = 0, step: Int = 1, scales: ((Int) -> (x: QLinearScale, y: QLinearScale))? = nil
  ) -> Bool {
    let output = ChannelBlocks(node.outputs[0].shape, kernels, node.outputs[0].dataType)
    guard mayUseBlocks, output.count > 0 else { return false }
    for i in stride(from: first, to: node.inputs.count, by: step) where !hasChannelsLast(i) {
      return false
    }
    var offset = 0
    for i in stride(from: first, to: node.inputs.count, by: step) {
      guard let (x, flips) = channelsLast(i) else { return false }
      emit(
        QLinearLookupStep(
          blockedInput(i), blockedOutput(0), lines: x.items * x.positions, length: x.channels,
          sourcePitch: x.width, pitch: output.width, offset: offset, scales: scales?(i),
          flips: flips),
        work: x.count / 4)
      offset += x.channels
    }
    return true
  }
}
