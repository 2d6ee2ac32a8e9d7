import CKernels
import CRegion
import CSystem
import ModelFormat
import Operators

/// An open model: its file, checked; its operators, found; its constants, ready for the kernels.
/// Immutable but for the packed weights, which are made when a session first needs them.
///
/// Threads: any number may use a model at once.
public final class Model {
  public let file: ModelFile
  public let instructionSet: InstructionSet
  /// Behind it, where the model has that precision, the table of bf16.
  public let kernels: UnsafeMutablePointer<apus_kernels>
  /// The operator of each node.
  let operatorIndices: [Int]
  /// The bytes of each weight as operators see them; nil for what is no weight.
  let constants: [UnsafeRawPointer?]
  let packedWeights: PackedWeightsCache

  private let mapping: FileMapping
  private let expanded: UnsafeMutableRawPointer?
  private var isClosed = false

  /// Opens the model file at `path`.
  public convenience init(
    path: UnsafePointer<CChar>, instructionSet: InstructionSet = .best, verifyWeights: Bool = true
  ) throws(ApusError) {
    try self.init(
      mapping: FileMapping(path: path), instructionSet: instructionSet,
      verifyWeights: verifyWeights)
  }

  /// Opens a model in memory, which must stay as it is until `close`.
  public convenience init(
    bytes: UnsafeRawPointer, size: Int, instructionSet: InstructionSet = .best,
    verifyWeights: Bool = true
  ) throws(ApusError) {
    try self.init(
      mapping: FileMapping(bytes: bytes, size: size), instructionSet: instructionSet,
      verifyWeights: verifyWeights)
  }

  /// Takes the mapping over, also where it throws.
  public init(
    mapping: FileMapping, instructionSet: InstructionSet, verifyWeights: Bool
  ) throws(ApusError) {
    self.mapping = mapping
    self.instructionSet = instructionSet
    do throws(ApusError) {
      file = try ModelFile(mapping.base, size: mapping.size, verifyWeights: verifyWeights)
      operatorIndices = try Model.findOperators(file)
      (constants, expanded) = try Model.prepareConstants(file)
      // What only the checksums have read.
      if verifyWeights { mapping.forget(mapping.base, mapping.size) }
    } catch {
      mapping.close()
      throw error
    }
    kernels = UnsafeMutablePointer<apus_kernels>.allocate(capacity: 2)
    kernels.initialize(repeating: apus_kernels(), count: 2)
    instructionSet.fill(kernels)
    packedWeights = PackedWeightsCache()
    if has(.bf16) {
      kernels[1] = kernels[0]
      kernels_fill_bf16(kernels + 1)
    }
  }

  deinit { close() }

  /// Gives back what is not reference-counted. Nobody may use the model afterwards.
  public func close() {
    if isClosed { return }
    isClosed = true
    packedWeights.close()
    apus_sys_release(expanded)
    kernels.deallocate()
    mapping.close()
  }

  /// Bytes of the weights that sessions have had packed so far.
  public var packedWeightBytes: Int { packedWeights.totalByteCount }

  /// Weights in a kernel's order: from the file, or packed now.
  func find(_ packing: PackedWeights) throws(ApusError) -> UnsafeMutableRawPointer {
    if let ready = file.packedWeights(
      node: packing.nodeIndex, tag: packing.tag, byteCount: packing.byteCount,
      instructionSet: instructionSet.rawValue, revision: PackedWeights.revision)
    {
      return UnsafeMutableRawPointer(mutating: ready)
    }
    if let packed = packedWeights.find(packing) { return packed }
    let packed = try packedWeights.make(packing)
    forgetWeights(ofNode: packing.nodeIndex)
    return packed
  }

  /// Weights are in memory once: packed, or as the file has them.
  private func forgetWeights(ofNode i: Int) {
    let node = file.node(i)
    for k in 0..<Int(node.inputCount) {
      let index = file.index(Int(node.inputs) + k)
      if index == Format.none { continue }
      let r = file.tensor(Int(index))
      if r.kind == TensorKind.weight.rawValue {
        mapping.forget(file.weightBytes(r.offset), Int(r.byteCount))
      }
    }
  }

  /// Calls the body with the node, the tag and the bytes of everything packed so far.
  public func forEachPacking(_ body: (Int, Int, UnsafeRawBufferPointer) -> Void) {
    packedWeights.forEach(body)
  }

  /// The operator of node `i`.
  public func definition(node i: Int) -> Operator { operators[operatorIndices[i]] }

  // MARK: Functions

  /// The function that runs where none is named: "main", or the first.
  public var defaultFunction: Int { findFunction(named: Name("main")) ?? 0 }

  public func findFunction(named name: Name) -> Int? {
    for i in 0..<file.count(.functions) where file.functionName(file.function(i)) == name {
      return i
    }
    return nil
  }

  // MARK: Opening

  private static func findOperators(_ file: ModelFile) throws(ApusError) -> [Int] {
    var indices: [Int] = []
    indices.reserveCapacity(file.count(.nodes))
    for i in 0..<file.count(.nodes) {
      let record = file.node(i)
      var found = -1
      for k in operators.indices where operators[k].opcode == record.opcode { found = k }
      guard found >= 0 else {
        throw ApusError(
          .unsupported,
          "node \(i): operator number \(record.opcode) is unknown to this library")
      }
      try check(file, i, record, operators[found])
      indices.append(found)
    }
    return indices
  }

  /// The node has the inputs, outputs and attributes that its operator takes.
  private static func check(
    _ file: ModelFile, _ i: Int, _ record: NodeRecord, _ definition: Operator
  ) throws(ApusError) {
    let name = definition.name
    guard definition.inputs.contains(Int(record.inputCount)) else {
      throw ApusError(
        .invalidModel,
        "node \(i) (\(name)): \(record.inputCount) inputs; it takes \(definition.inputs.lowerBound) to \(definition.inputs.upperBound)"
      )
    }
    for k in 0..<definition.requiredInputs
    where file.index(Int(record.inputs) + k) == Format.none {
      throw ApusError(.invalidModel, "node \(i) (\(name)): input \(k) may not be left out")
    }
    guard definition.outputs.contains(Int(record.outputCount)) else {
      throw ApusError(
        .invalidModel,
        "node \(i) (\(name)): \(record.outputCount) outputs; it has \(definition.outputs.lowerBound) to \(definition.outputs.upperBound)"
      )
    }
    for k in 0..<Int(record.attributeCount) {
      let attribute = file.attribute(Int(record.attributes) + k)
      guard Int(attribute.key) < definition.attributes.count else {
        throw ApusError(
          .unsupported,
          "node \(i) (\(name)): attribute number \(attribute.key) is unknown to this library")
      }
      guard k < definition.attributes.count else {
        throw ApusError(
          .invalidModel,
          "node \(i) (\(name)): \(record.attributeCount) attributes; it takes \(definition.attributes.count)"
        )
      }
      let spec = definition.attributes[Int(attribute.key)]
      guard attribute.type == spec.type.rawValue else {
        throw ApusError(
          .invalidModel,
          "node \(i) (\(name)): attribute \(spec.name) has type \(attribute.type) and needs type \(spec.type.rawValue)"
        )
      }
    }
  }

  /// Where each weight's value lies: in the file, or expanded to float32 where the file stores it
  /// in a smaller type.
  private static func prepareConstants(
    _ file: ModelFile
  ) throws(ApusError) -> ([UnsafeRawPointer?], UnsafeMutableRawPointer?) {
    let count = file.count(.tensors)
    var constants = [UnsafeRawPointer?](repeating: nil, count: count)
    var total = 0
    // One byte becomes at most four. Several tensors may share bytes, but not without end: a small
    // file could then ask for any amount of memory and time.
    let largest = 16 * file.section(.weights).size + (1 << 20) + count * Format.alignment
    for i in 0..<count {
      let r = file.tensor(i)
      guard r.kind == TensorKind.weight.rawValue else { continue }
      if let elements = WeightExpansion.expandedCount(file, r) {
        // Zero scales per channel could repeat an enormous axis: the sum is checked, not trusted.
        let (sum, overflow) = total.addingReportingOverflow(WeightExpansion.byteCount(elements))
        guard !overflow, sum <= largest else {
          throw ApusError(
            .invalidModel, "tensor \(i): the weights overlap; expanded they are beyond measure")
        }
        total = sum
      } else {
        constants[i] = file.weightBytes(r.offset)
      }
    }
    guard total > 0 else { return (constants, nil) }
    guard let memory = apus_sys_allocate(total, Format.alignment) else {
      throw ApusError(.outOfMemory, "no memory for \(total) bytes of expanded weights")
    }
    var offset = 0
    for i in 0..<count {
      let r = file.tensor(i)
      guard r.kind == TensorKind.weight.rawValue,
        let elements = WeightExpansion.expandedCount(file, r)
      else { continue }
      WeightExpansion.expand(
        file, r, into: (memory + offset).assumingMemoryBound(to: Float.self), elements)
      constants[i] = UnsafeRawPointer(memory + offset)
      offset += WeightExpansion.byteCount(elements)
    }
    return (constants, memory)
  }

  /// The type that operators see: a weight that is stored in fewer bits counts as float32.
  static func logicalType(_ r: TensorRecord) -> DataType {
    let stored = DataType(rawValue: r.dataType)!
    guard r.kind == TensorKind.weight.rawValue else { return stored }
    return WeightExpansion.isExpanded(r) ? .float32 : stored
  }
}
