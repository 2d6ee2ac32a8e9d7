import Graph
import ModelFormat

/// Makes weights of ONNX tensors.
final class TensorReader {
  private let externalData: ExternalData
  private let halfWeights: Bool
  /// Smaller tensors keep all their digits, whatever type large ones are stored in.
  private static let halfMinimum = 1024

  init(externalData: ExternalData, halfWeights: Bool) {
    self.externalData = externalData
    self.halfWeights = halfWeights
  }

  /// Lets every tensor be read once more.
  func beginAgain() { externalData.beginAgain() }

  /// - Throws: ONNXError that says what is wrong with the tensor.
  func weight(_ tensor: TensorProto) throws -> Value {
    guard let count = tensor.count, tensor.dimensions.count <= Shape.maximumRank else {
      throw ONNXError("its shape is \(tensor.dimensions)")
    }
    guard tensor.type.computed != nil, let size = tensor.type.size else {
      throw ONNXError("\(tensor.type.name) tensors are not supported")
    }
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: size)
    guard !overflow, byteCount < 1 << 40 else {
      throw ONNXError("its shape is \(tensor.dimensions), too much to hold")
    }
    let bytes = try bytes(tensor, byteCount)
    guard bytes.count == byteCount else {
      throw ONNXError(
        "\(tensor.dimensions) of \(tensor.type.name) takes \(byteCount) bytes; it has \(bytes.count)")
    }
    let (type, stored) = convert(bytes, tensor.type, count: count)
    return Value(
      tensor.name, type, tensor.dimensions.map { .fixed($0) }, kind: .weight, bytes: stored)
  }

  private func bytes(_ tensor: TensorProto, _ byteCount: Int) throws -> [UInt8] {
    switch tensor.elements {
    case .bytes(let bytes): return bytes
    case .unreadable(let why): throw ONNXError(why)
    case .external(let location, let offset, let length):
      return try externalData.read(location, offset: offset, length: length ?? byteCount)
    }
  }

  private func convert(
    _ bytes: [UInt8], _ type: ElementType, count: Int
  ) -> (DataType, [UInt8]) {
    let isLarge = count >= TensorReader.halfMinimum
    switch type {
    case .float32 where halfWeights && isLarge && fitHalves(bytes, Float.self):
      return (.float16, mapElements(bytes, Float.self) { Float16($0).bitPattern })
    case .float16 where isLarge: return (.float16, bytes)
    case .float16:
      return (.float32, mapElements(bytes, UInt16.self) { Float(Float16(bitPattern: $0)) })
    case .bfloat16 where isLarge: return (.bfloat16, bytes)
    case .bfloat16:
      return (.float32, mapElements(bytes, UInt16.self) { Float(bfloat16: $0) })
    case .double where halfWeights && isLarge && fitHalves(bytes, Double.self):
      return (.float16, mapElements(bytes, Double.self) { Float16($0).bitPattern })
    case .double: return (.float32, mapElements(bytes, Double.self) { Float($0) })
    case .bool: return (.bool, bytes.map { $0 == 0 ? 0 : 1 })
    default: return (type.computed ?? .float32, bytes)
    }
  }
}

/// Whether no finite number is beyond what float16 holds.
private func fitHalves<T: BinaryFloatingPoint>(_ bytes: [UInt8], _: T.Type) -> Bool {
  let size = MemoryLayout<T>.size
  return bytes.withUnsafeBytes { source in
    (0..<source.count / size).allSatisfy {
      let x = source.loadUnaligned(fromByteOffset: $0 * size, as: T.self)
      return !x.isFinite || Float16(x).isFinite
    }
  }
}

/// The bytes of what `body` makes of each element.
func mapElements<T, U>(_ bytes: [UInt8], _: T.Type, _ body: (T) -> U) -> [UInt8] {
  let size = MemoryLayout<T>.size
  return bytes.withUnsafeBytes { source in
    let result = (0..<source.count / size).map {
      body(source.loadUnaligned(fromByteOffset: $0 * size, as: T.self))
    }
    return result.withUnsafeBytes { [UInt8]($0) }
  }
}

extension Float {
  /// The upper half of a float32.
  init(bfloat16 bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }
}
