import ModelFormat

/// x as another element type. `to` is ONNX's number of the type (1 float32, 2 uint8, 3 int8, 6 int32,
/// 7 int64, 9 bool, 10 float16, 16 bfloat16). Floats become integers by dropping the fraction; what
/// ONNX leaves undefined is defined here: a value beyond the integer type's range becomes its
/// nearest, NaN becomes 0. Integers that do not fit keep their low bits. Anything but 0 is true.
/// Rounding to a smaller float goes to the nearest, ties to even. ONNX Cast.
let castOperator = Operator(
  opcode: 112, name: "Cast",
  attributes: [AttributeSpec("to", .int), AttributeSpec("saturate", .int)], inputs: 1...1,
  notes: "Floats beyond an integer type's range saturate, NaN becomes 0.",
  infer: { (context) throws(ApusError) in
    try context.setOutput(try castTarget(context), context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let type = try castTarget(context.node)
    if type == x.dataType {
      context.view(input: 0, output: 0)
    } else {
      if type.size == x.dataType.size { context.allowInPlace(input: 0, output: 0) }
      context.emitCast(
        from: context.input(0), x.dataType, to: context.output(0), type, x.shape.count)
    }
  })

extension PlanContext {
  /// Emits y = x, n elements, from one type to another.
  func emitCast(from x: Slot, _ source: DataType, to y: Slot, _ target: DataType, _ n: Int) {
    emit(CastStep(x, source, y, target, n), work: n * 3)
  }
}

private func castTarget(_ context: NodeContext) throws(ApusError) -> DataType {
  try elementType(context, context.int("to", default: 0))
}

/// The type that has this number in ONNX.
func elementType(_ context: NodeContext, _ number: Int) throws(ApusError) -> DataType {
  switch number {
  case 1: return .float32
  case 2: return .uint8
  case 3: return .int8
  case 6: return .int32
  case 7: return .int64
  case 9: return .bool
  case 10: return .float16
  case 16: return .bfloat16
  case let other: throw context.error(.unsupported, "ONNX type \(other) is no type of the runtime")
  }
}

private typealias RealChunk = InlineArray<64, Float>

/// Goes through a small buffer of int64 or float32, so that n types need 2·n loops, not n².
private final class CastStep: Step {
  let x: Slot
  let y: Slot
  let source: DataType
  let target: DataType
  let count: Int

  init(_ x: Slot, _ source: DataType, _ y: Slot, _ target: DataType, _ count: Int) {
    self.x = x
    self.y = y
    self.source = source
    self.target = target
    self.count = count
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: count, grain: 64)
    var real = RealChunk(repeating: 0)
    withIntegerChunk { wide in
      var first = part.lowerBound
      while first < part.upperBound {
        let n = min(chunkCount, part.upperBound &- first)
        let from = UnsafeRawPointer(memory[x] + first &* source.size)
        let to = memory[y] + first &* target.size
        if isReal(source) {
          loadReals(from, &real, n)
          storeReals(to, &real, n)
        } else {
          loadIntegers(from, source, n, wide)
          if isReal(target) {
            for i in 0..<n { real[i] = Float(wide[i]) }
            storeReals(to, &real, n)
          } else {
            storeIntegers(wide, to, target, n)
          }
        }
        first &+= n
      }
    }
  }

  private func loadReals(_ p: UnsafeRawPointer, _ v: inout RealChunk, _ n: Int) {
    for i in 0..<n {
      switch source {
      case .float32: v[i] = p.loadUnaligned(fromByteOffset: i &* 4, as: Float.self)
      case .float16:
        v[i] = floatFromHalf(p.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self))
      default:
        let bits = UInt32(p.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self)) &<< 16
        v[i] = Float(bitPattern: bits)
      }
    }
  }

  private func storeReals(_ p: UnsafeMutableRawPointer, _ v: inout RealChunk, _ n: Int)
  {
    for i in 0..<n {
      let f = v[i]
      switch target {
      case .float32: p.storeBytes(of: f, toByteOffset: i &* 4, as: Float.self)
      case .float16: p.storeBytes(of: halfFromFloat(f), toByteOffset: i &* 2, as: UInt16.self)
      case .bfloat16: p.storeBytes(of: bfloatFromFloat(f), toByteOffset: i &* 2, as: UInt16.self)
      case .int8: p.storeBytes(of: saturated(f, Int8.self), toByteOffset: i, as: Int8.self)
      case .uint8: p.storeBytes(of: saturated(f, UInt8.self), toByteOffset: i, as: UInt8.self)
      case .int32: p.storeBytes(of: saturated(f, Int32.self), toByteOffset: i &* 4, as: Int32.self)
      case .int64: p.storeBytes(of: saturated(f, Int64.self), toByteOffset: i &* 8, as: Int64.self)
      case .bool: p.storeBytes(of: f != 0 ? 1 : 0, toByteOffset: i, as: UInt8.self)
      }
    }
  }
}

@inline(__always) private func isReal(_ type: DataType) -> Bool {
  type == .float32 || type == .float16 || type == .bfloat16
}

/// IEEE 754 binary16 to binary32, exact.
func floatFromHalf(_ h: UInt16) -> Float {
  let sign = UInt32(h & 0x8000) << 16
  let exponent = UInt32(h >> 10) & 0x1F
  let fraction = UInt32(h) & 0x3FF
  if exponent == 0x1F { return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13) }
  if exponent == 0 {
    // Subnormal: fraction · 2^−24.
    let magnitude = Float(fraction) * 0x1p-24
    return Float(bitPattern: magnitude.bitPattern | sign)
  }
  return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
}

/// IEEE 754 binary32 to binary16, to nearest, ties to even.
func halfFromFloat(_ f: Float) -> UInt16 {
  let bits = f.bitPattern
  let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
  let magnitude = bits & 0x7FFF_FFFF
  if magnitude > 0x7F80_0000 { return sign | 0x7E00 }
  // 65520 and more round to infinity.
  if magnitude >= 0x477F_F000 { return sign | 0x7C00 }
  // Below 2^−14 the result is subnormal: adding 0.5 aligns its last place with the float's.
  if magnitude < 0x3880_0000 {
    let shifted = Float(bitPattern: magnitude) + 0.5
    return sign | UInt16(truncatingIfNeeded: shifted.bitPattern &- 0x3F00_0000)
  }
  let rounded = magnitude &+ 0xFFF &+ (magnitude >> 13 & 1) &- 0x3800_0000
  return sign | UInt16(truncatingIfNeeded: rounded >> 13)
}

/// binary32 to bfloat16, to nearest, ties to even.
func bfloatFromFloat(_ f: Float) -> UInt16 {
  let bits = f.bitPattern
  if f != f { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
  return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
}
