import CKernels
import ModelFormat

/// A function of two arguments. The first are the kernel table's (APUS_BINARY_…), by number.
enum BinaryFunction: Int {
  case add, sub, mul, div, min, max, prelu, pow
  /// The remainder with the sign of the divisor, and with that of the dividend.
  case modulo, remainder
  case equal, greater, greaterOrEqual, less, lessOrEqual
  case and, or, xor

  var isComparison: Bool { rawValue >= Self.equal.rawValue && rawValue <= Self.lessOrEqual.rawValue }
}

/// y = f(a, b) in any integer type or bool, with broadcasting. Sums and products wrap around; a
/// division by 0 and its remainder are 0. y is of the inputs' type, or bool for comparisons.
final class IntegerBinaryStep: Step {
  let function: BinaryFunction
  let type: DataType
  let a: Slot
  let b: Slot
  let y: Slot
  let layout: Broadcast

  init(
    _ function: BinaryFunction, _ type: DataType, _ a: Slot, _ b: Slot, _ y: Slot,
    _ layout: Broadcast
  ) {
    self.function = function
    self.type = type
    self.a = a
    self.b = b
    self.y = y
    self.layout = layout
  }

  override func run(_ memory: Memory, _ share: Share) {
    let a = UnsafeRawPointer(memory[a])
    let b = UnsafeRawPointer(memory[b])
    let y = memory[y]
    let size = type.size
    let target = function.isComparison ? DataType.bool : type
    withIntegerChunk { u in
      withIntegerChunk { v in
        layout.forEachRun(in: share.part(of: layout.total, grain: 64)) { i, j, k, n in
          var c = 0
          while c < n {
            let m = Swift.min(chunkCount, n &- c)
            loadIntegers(a + (i &+ c &* layout.aStep) &* size, type, step: layout.aStep, m, u)
            loadIntegers(b + (j &+ c &* layout.bStep) &* size, type, step: layout.bStep, m, v)
            apply(u, v, m)
            storeIntegers(u, y + (k &+ c) &* target.size, target, m)
            c &+= m
          }
        }
      }
    }
  }

  private func apply(_ u: IntegerChunk, _ v: IntegerChunk, _ n: Int) {
    switch function {
    case .add: mapChunks(u, v, n) { $0 &+ $1 }
    case .sub: mapChunks(u, v, n) { $0 &- $1 }
    case .mul: mapChunks(u, v, n) { $0 &* $1 }
    // The smallest integer divided by −1 does not fit; like a sum, it wraps around.
    case .div: mapChunks(u, v, n) { $1 == 0 ? 0 : $1 == -1 ? 0 &- $0 : $0 / $1 }
    case .min: mapChunks(u, v, n) { $1 < $0 ? $1 : $0 }
    case .max: mapChunks(u, v, n) { $0 < $1 ? $1 : $0 }
    case .prelu: mapChunks(u, v, n) { $0 < 0 ? $0 &* $1 : $0 }
    case .pow: mapChunks(u, v, n) { integerPower($0, $1) }
    case .modulo:
      mapChunks(u, v, n) { a, b in
        let r = b == 0 || b == -1 ? 0 : a % b
        return r != 0 && (r < 0) != (b < 0) ? r &+ b : r
      }
    case .remainder: mapChunks(u, v, n) { $1 == 0 || $1 == -1 ? 0 : $0 % $1 }
    case .equal: mapChunks(u, v, n) { $0 == $1 ? 1 : 0 }
    case .greater: mapChunks(u, v, n) { $0 > $1 ? 1 : 0 }
    case .greaterOrEqual: mapChunks(u, v, n) { $0 >= $1 ? 1 : 0 }
    case .less: mapChunks(u, v, n) { $0 < $1 ? 1 : 0 }
    case .lessOrEqual: mapChunks(u, v, n) { $0 <= $1 ? 1 : 0 }
    case .and: mapChunks(u, v, n) { $0 & $1 }
    case .or: mapChunks(u, v, n) { $0 | $1 }
    case .xor: mapChunks(u, v, n) { $0 ^ $1 }
    }
  }
}

/// a^b, wrapped around. For b < 0 what is left of 1/a^|b| without its fraction: 0 but for ±1.
func integerPower(_ a: Int64, _ b: Int64) -> Int64 {
  if b < 0 { return a == 1 ? 1 : a == -1 ? (b & 1 == 0 ? 1 : -1) : 0 }
  var result: Int64 = 1
  var square = a
  var rest = b
  while rest > 0 {
    if rest & 1 == 1 { result = result &* square }
    square = square &* square
    rest >>= 1
  }
  return result
}
