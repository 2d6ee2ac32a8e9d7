import CKernels
import ModelFormat
import Operators
import Runtime

/// What the operators' own shape rules say of a graph's tensors, for given numbers in place of its
/// free dimensions.
///
/// Bind the inputs, then pass the nodes in order.
public final class ShapeInference {
  private var infos: [ObjectIdentifier: TensorInfo] = [:]
  /// Keeps the memory that constants in `infos` point to, and the values whose identity counts.
  private var kept: [AnyObject] = []
  /// What is known without regard to free dimensions.
  private let base: ShapeInference?
  /// Multiply-accumulates of the nodes that were inferred.
  public private(set) var work = 0

  public init() { base = nil }

  /// What `base` knows, and more.
  init(over base: ShapeInference) { self.base = base }

  /// What is known of a value: weights and states always, others once bound or inferred.
  public func info(_ value: Value) -> TensorInfo? {
    if let base { return infos[ObjectIdentifier(value)] ?? base.info(value) }
    if let info = infos[ObjectIdentifier(value)] { return info }
    guard value.kind != .activation, let shape = value.fixedShape, shape.count <= 8 else {
      return nil
    }
    var info = TensorInfo(value.logicalType, Shape(shape))
    // Shape rules look at integers and at small tables, never at a layer's weights.
    if value.kind == .weight, value.dataType == value.logicalType,
      value.dataType == .int64 || value.dataType == .int32 || value.bytes.count <= 4096,
      value.bytes.count == info.byteCount
    {
      let copy = Bytes(value.bytes)
      info.constant = UnsafeRawPointer(copy.memory)
      kept.append(copy)
    }
    infos[ObjectIdentifier(value)] = info
    kept.append(value)
    return info
  }

  /// The inferred shape as numbers.
  public func shape(_ value: Value) -> [Int]? {
    info(value).map { info in (0..<info.shape.rank).map { info.shape[$0] } }
  }

  /// - Throws: GraphError where nothing of this shape can be held.
  public func bind(
    _ value: Value, _ dataType: DataType, _ shape: [Int], isBound: Bool = false
  ) throws {
    guard shape.count <= Shape.maximumRank, Shape(shape).checkedCount != nil else {
      throw GraphError("tensor \(value.name): \(shape) is too much to hold")
    }
    var info = TensorInfo(dataType, Shape(shape))
    info.isBound = isBound
    infos[ObjectIdentifier(value)] = info
    kept.append(value)
  }

  /// Infers the outputs of a node whose inputs are known.
  ///
  /// - Throws: GraphError with the shape rule's reason.
  public func infer(_ node: Node) throws {
    var inputs: [TensorInfo?] = []
    for input in node.inputs {
      guard let input else {
        inputs.append(nil)
        continue
      }
      guard let info = info(input) else {
        throw GraphError("node \(node.displayName): tensor \(input.name) is read before it is written")
      }
      inputs.append(info)
    }
    guard let definition = node.definition else {
      try inferTrainingNode(node, inputs)
      return
    }
    let file = try NodeFile(node, definition)
    let context = NodeContext(
      file: file.file, record: file.file.node(0), definition: definition, nodeIndex: 0,
      nodeName: file.file.nodeName(0), inputs: inputs)
    do {
      try context.inferOutputs { i in
        node.outputs[i].flatMap { output in
          output.bound.map { TensorInfo(output.dataType, Shape($0)) }
        }
      }
    } catch { throw GraphError(error) }
    work = work.addingReportingOverflow(definition.multiplyAccumulates?(context) ?? 0).partialValue
    evaluate(context)
    for (i, output) in node.outputs.enumerated() {
      guard let output else { continue }
      guard i < context.outputs.count else {
        throw GraphError("node \(node.displayName): it has no output \(i)")
      }
      infos[ObjectIdentifier(output)] = context.outputs[i]
      kept.append(output)
    }
  }

  /// Whether the node were possible if one number in the shapes of its inputs were another.
  func accepts(_ node: Node, with number: Int, inPlaceOf other: Int) -> Bool {
    let trial = ShapeInference()
    for case let input? in node.inputs {
      guard var info = info(input) else { return false }
      for axis in 0..<info.shape.rank where info.shape[axis] == other { info.shape[axis] = number }
      trial.infos[ObjectIdentifier(input)] = info
    }
    do { try trial.infer(node) } catch { return false }
    return true
  }

  /// Computes shape arithmetic, as the planner will: small outputs of nothing but known values.
  private func evaluate(_ context: NodeContext) {
    guard context.canBeComputed(within: ShapeInference.maximumComputedBytes) else {
      return expect(context)
    }
    guard let results = results(of: context) else { return }
    for (i, result) in results.enumerated() {
      context.outputs[i].constant = UnsafeRawPointer(result.memory)
      kept.append(result)
    }
  }

  /// The outputs of a node whose inputs' values are known; nil where it cannot be run.
  private func results(of context: NodeContext) -> [Bytes]? {
    let results = context.outputs.map { Bytes([UInt8](repeating: 0, count: $0.byteCount)) }
    do {
      try ImmediateRun.perform(
        context, ShapeInference.kernels, inputs: context.inputValues,
        outputs: results.map(\.memory))
    } catch { return nil }
    return results
  }

  /// What small outputs would be if every bound were reached, as the planner will.
  private func expect(_ context: NodeContext) {
    let limit = ShapeInference.maximumExpectedBytes
    if context.isUnknownMask(within: limit) {
      let mask = Bytes([UInt8](repeating: 1, count: context.outputs[0].byteCount))
      context.outputs[0].expected = UnsafeRawPointer(mask.memory)
      kept.append(mask)
    } else if let largest = context.expectation(within: limit),
      let results = results(of: largest)
    {
      for (i, result) in results.enumerated() {
        context.outputs[i].expected = UnsafeRawPointer(result.memory)
        kept.append(result)
      }
    }
  }

  private static let maximumComputedBytes = 4096
  private static let maximumExpectedBytes = 65_536

  static let kernels: UnsafePointer<apus_kernels> = {
    let kernels = UnsafeMutablePointer<apus_kernels>.allocate(capacity: 1)
    kernels.initialize(to: apus_kernels())
    InstructionSet.baseline.fill(kernels)
    return UnsafePointer(kernels)
  }()

  /// Nodes that exist while a network is trained only. Dropout: y = x but for what training adds.
  private func inferTrainingNode(_ node: Node, _ inputs: [TensorInfo?]) throws {
    guard node.op == "Dropout", let x = inputs.first ?? nil, let y = node.outputs.first ?? nil
    else {
      throw GraphError("node \(node.displayName): there is no operator of this name")
    }
    infos[ObjectIdentifier(y)] = TensorInfo(x.dataType, x.shape)
    kept.append(y)
  }
}

final class Bytes {
  let memory: UnsafeMutableRawPointer

  init(_ bytes: [UInt8]) {
    memory = .allocate(byteCount: max(bytes.count, 1), alignment: 64)
    bytes.withUnsafeBytes {
      if let start = $0.baseAddress { memory.copyMemory(from: start, byteCount: $0.count) }
    }
  }

  deinit { memory.deallocate() }
}

/// A file with one node and nothing around it: shape rules read attributes from a file.
final class NodeFile {
  let file: ModelFile
  private let bytes: Bytes

  init(_ node: Node, _ definition: Operator) throws {
    guard definition.inputs.contains(node.inputs.count) else {
      throw GraphError(
        "node \(node.displayName): \(node.inputs.count) inputs; it takes "
          + "\(definition.inputs.lowerBound) to \(definition.inputs.upperBound)")
    }
    for i in 0..<min(definition.requiredInputs, node.inputs.count) where node.inputs[i] == nil {
      throw GraphError("node \(node.displayName): input \(i) may not be left out")
    }
    guard definition.outputs.contains(node.outputs.count) else {
      throw GraphError(
        "node \(node.displayName): \(node.outputs.count) outputs; it has "
          + "\(definition.outputs.lowerBound) to \(definition.outputs.upperBound)")
    }
    let encoder = GraphEncoder()
    var tensors: [Value] = []
    func stand(for value: Value?) -> Value? {
      guard value != nil else { return nil }
      tensors.append(Value("\(tensors.count)", .float32, []))
      return tensors.last
    }
    let inputs = node.inputs.map(stand)
    let outputs = node.outputs.map(stand)
    for tensor in tensors { try encoder.add(tensor, named: true, stated: true) }
    let copy = Node(
      node.op, name: node.name, inputs: inputs, outputs: outputs, attributes: node.attributes)
    let function = Function("main", inputs: inputs.compactMap { $0 }, nodes: [copy])
    encoder.number([function])
    try encoder.add(copy, as: definition)
    encoder.add(function, firstNode: 0)
    encoder.addDebugNames()
    let finished = encoder.writer.finish()
    bytes = Bytes(finished)
    do {
      file = try ModelFile(bytes.memory, size: finished.count, verifyWeights: false)
    } catch { throw GraphError(error) }
  }
}
