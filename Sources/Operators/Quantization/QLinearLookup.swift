import CKernels
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
  scales: ScalePlaces(tensors: 0..<1, result: 4),
  infer: { (context) throws(ApusError) in
    try context.requireQuantized(0, scale: 1)
    try context.require(context.hasInput(3), .invalidModel, "input 3 is left out")
    try context.requireType(3, .uint8)
    try context.requireShape(3, Shape(256))
    let type = try context.requireQuantized(context.hasInput(5) ? 5 : 0, scale: 4)
    try context.setOutput(type, context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let count = node.outputs[0].shape.count
    if count == 0 { return }
    context.allowInPlace(input: 0, output: 0)
    guard let x = context.channelsLast(0), let table = node.input(3).constant else {
      context.emit(
        QLinearLookupStep(
          context.kernels, context.input(0), context.output(0), length: count,
          table: context.input(3)),
        work: count)
      return
    }
    let (flip, yFlip) = (Int(x.flip), node.outputs[0].dataType.flip)
    context.emit(
      QLinearLookupStep(
        context.kernels, context.blockedInput(0), context.blockedOutput(0), length: x.count,
        table: context.byteTable {
          table.load(fromByteOffset: $0 ^ flip, as: UInt8.self) ^ yFlip
        }),
      work: count)
  })

/// Lines of bytes by a table, each to its place in the output.
final class QLinearLookupStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let x: Slot
  private let y: Slot
  private let lines: Int
  private let length: Int
  private let sourcePitch: Int
  private let pitch: Int
  private let offset: Int
  private let table: Slot?
  private let scales: (x: QLinearScale, y: QLinearScale)?

  /// - Parameters:
  ///   - sourcePitch: from a line to the next in the input.
  ///   - pitch: and in the output.
  ///   - offset: of the first line in the output.
  ///   - table: nil: copies.
  ///   - scales: that are no constants: from which to which.
  init(
    _ kernels: UnsafePointer<apus_kernels>, _ x: Slot, _ y: Slot, lines: Int = 1, length: Int,
    sourcePitch: Int = 0, pitch: Int = 0, offset: Int = 0, table: Slot?,
    scales: (x: QLinearScale, y: QLinearScale)? = nil
  ) {
    self.kernels = kernels
    self.sourcePitch = sourcePitch
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
    guard let scales else {
      return look(
        memory, share, table.map { UnsafePointer(memory[$0].assumingMemoryBound(to: UInt8.self)) })
    }
    let rescaling = ByteRescaling(scales.x.type, scales.x.read(memory), scales.y.read(memory))
    var bytes = InlineArray<256, UInt8> { i in rescaling.byte(i) }
    withUnsafeMutableBytes(of: &bytes) {
      look(memory, share, $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self))
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
        kernels.pointee.byte_lookup(table, source, target, count)
      } else {
        memcpy(target, source, count)
      }
      i &+= count
    }
  }
}

/// From one scale of bytes to another.
struct ByteRescaling {
  let x: (scale: Float, zero: Float)
  let y: (scale: Float, zero: Float)
  private let flip: UInt8
  private let rounding: ByteRounding

  init(_ type: DataType, _ x: (scale: Float, zero: Float), _ y: (scale: Float, zero: Float)) {
    self.x = x
    self.y = y
    flip = type.flip
    rounding = ByteRounding(type, zero: y.zero)
  }

  /// The model's byte that the model's byte `i` becomes.
  @inline(never)
  func byte(_ i: Int) -> UInt8 {
    let byte = UInt8(truncatingIfNeeded: i)
    if x == y { return byte }
    return rounding.byte((byte.number(Int32(flip)) - x.zero) * x.scale / y.scale)
  }
}

extension PlanContext {
  /// How input `i` lies with channels last; nil: it does not.
  func channelsLast(_ i: Int) -> ChannelBlocks? {
    hasChannelsLast(i) ? ChannelBlocks(node.input(i).shape, kernels, node.input(i).dataType) : nil
  }

  /// From the scale that inputs `i` and `i + 1` state to that of `k` and `k + 1`; nil where these are no
  /// constants.
  func byteRescaling(_ i: Int, _ k: Int) -> ByteRescaling? {
    guard let x = node.byteScale(i), let y = node.byteScale(k) else { return nil }
    return ByteRescaling(node.outputs[0].dataType, x, y)
  }

  /// A table of what each byte becomes.
  func byteTable(tag: Int = 0, _ byte: @escaping (Int) -> UInt8) -> Slot {
    packedWeights(tag: tag, byteCount: 256) { target in
      for i in 0..<256 { target.storeBytes(of: byte(i), toByteOffset: i, as: UInt8.self) }
    }
  }

  /// That of input `i`, with channels last if `flip` is their type's; nil where nothing changes.
  func byteTable(of i: Int, _ rescaling: ByteRescaling?, flip: UInt8) -> Slot? {
    guard let rescaling, rescaling.x != rescaling.y else { return nil }
    return byteTable(tag: 2 * i + (flip == 0 ? 0 : 1)) { rescaling.byte($0 ^ Int(flip)) ^ flip }
  }

  /// Plans a join of channels where all inputs lie with channels last: from input `first`, every
  /// `step`th; rescaling: of each, where the scales may differ.
  func planByteConcat(
    first: Int = 0, step: Int = 1, rescaling: ((Int) -> ByteRescaling?)? = nil
  ) -> Bool {
    let output = ChannelBlocks(node.outputs[0].shape, kernels, node.outputs[0].dataType)
    guard mayUseBlocks, output.count > 0 else { return false }
    for i in stride(from: first, to: node.inputs.count, by: step) {
      if !hasChannelsLast(i) { return false }
      if let rescaling, rescaling(i) == nil { return false }
    }
    var offset = 0
    for i in stride(from: first, to: node.inputs.count, by: step) {
      guard let x = channelsLast(i) else { return false }
      emit(
        QLinearLookupStep(
          kernels, blockedInput(i), blockedOutput(0), lines: x.items * x.positions,
          length: x.channels, sourcePitch: x.width, pitch: output.width, offset: offset,
          table: byteTable(of: i, rescaling?(i), flip: x.flip)),
        work: x.count / 4)
      offset += x.channels
    }
    return true
  }
}
