import ModelFormat
import Operators
import Runtime

/// A model whose bytes are in this process, as libapus runs it.
public final class ModelInMemory {
  public let model: Model
  private let memory: UnsafeMutableRawPointer

  public init(_ bytes: [UInt8]) throws(ApusError) {
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(bytes.count, 1), alignment: Format.alignment)
    self.memory = memory
    bytes.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    do throws(ApusError) {
      model = try Model(bytes: memory, size: bytes.count, verifyWeights: false)
    } catch {
      memory.deallocate()
      throw error
    }
  }

  /// Sessions must be closed before.
  deinit {
    model.close()
    memory.deallocate()
  }

  /// - Parameter joinsNodes: Whether nodes may be computed together.
  public func session(
    function: Int, shapes: [(name: String, dimensions: [Int])], threads: Int = 1,
    joinsNodes: Bool = true
  ) throws(ApusError) -> Session {
    try Session(
      model.plan(
        function: function, shapes: shapes, threads: threads,
        options: PlanOptions(joinsNodes: joinsNodes)))
  }
}

extension Model {
  /// A plan for inputs of the given shapes.
  public func plan(
    function: Int, shapes: [(name: String, dimensions: [Int])], threads: Int, options: PlanOptions
  ) throws(ApusError) -> Plan {
    // The names must stay where they are until the plan is made.
    let names = shapes.map { shape in
      let bytes = shape.name.utf8CString
      let text = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
      for i in bytes.indices { (text + i).initialize(to: bytes[i]) }
      return text
    }
    defer { for name in names { name.deallocate() } }
    let inputs = zip(names, shapes).map { InputShape(Name(cString: $0), Shape($1.dimensions)) }
    return try Plan(
      self, function: function, inputShapes: inputs, threads: threads, options: options)
  }
}

/// A tensor's elements as float64, whatever their type.
public func elements(_ data: UnsafeRawPointer, _ type: DataType, _ count: Int) -> [Double] {
  (0..<count).map { i in
    switch type {
    case .float32: Double(data.load(fromByteOffset: i * 4, as: Float.self))
    case .float16: Double(Float16(bitPattern: data.load(fromByteOffset: i * 2, as: UInt16.self)))
    case .bfloat16:
      Double(Float(bitPattern: UInt32(data.load(fromByteOffset: i * 2, as: UInt16.self)) << 16))
    case .int8: Double(data.load(fromByteOffset: i, as: Int8.self))
    case .uint8, .bool: Double(data.load(fromByteOffset: i, as: UInt8.self))
    case .int32: Double(data.load(fromByteOffset: i * 4, as: Int32.self))
    case .int64: Double(data.load(fromByteOffset: i * 8, as: Int64.self))
    }
  }
}
