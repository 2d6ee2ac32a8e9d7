import Graph
import ModelFormat
import Operators

/// Makes a graph of an ONNX model.
///
/// The rule is generic: an ONNX node becomes the registry's operator of its name, with the same
/// attributes and inputs. Where an older opset says it otherwise, or the runtime does, an adaptor
/// translates (Adaptors/). What cannot be imported is noted and the rest looked at all the same, so
/// that the report names everything at once.
public final class Importer {
  /// Operator sets that are read.
  public static let opsets = 1...28
  /// Each try but the last found one name of a free dimension too many, and there may be twelve of
  /// them (FreeDimensions). What a model may cost is this many times what one try may.
  private static let mostTries = 12

  /// Empty once it is imported: the passes make new weights, beside which those read need not lie.
  private var model: ModelProto
  private let options: ImportOptions
  let tensors: TensorReader
  private var result = ImportReport()
  /// What is good to know of an import that went through.
  public private(set) var notes: [String] = []
  /// What the passes of the options changed.
  public private(set) var passReport = PassReport()
  /// Names of free dimensions that turned out to mean what another does, and which that is.
  private var sameDimensions: [String: String] = [:]
  private let functionsByName: [String: FunctionProto]
  /// How far the model may grow in one try.
  private let growth: Expansion
  var expansion: Expansion
  /// Functions made of graphs in attributes.
  private(set) var bodies: [Function] = []

  /// - Parameters:
  ///   - bytes: of the .onnx file; they are needed only here.
  ///   - folder: the file's, where external data lie.
  /// - Throws: ONNXError where the bytes are no ONNX model.
  public init(_ bytes: UnsafeRawBufferPointer, folder: String, options: ImportOptions) throws {
    model = try ModelProto(bytes: bytes)
    self.options = options
    tensors = TensorReader(
      externalData: ExternalData(folder: folder), halfWeights: options.halfWeights)
    var functions: [String: FunctionProto] = [:]
    for f in model.functions { functions[Importer.key(f.domain, f.name, f.overload)] = f }
    functionsByName = functions
    growth = Expansion(
      size: bytes.count,
      nodeCount: model.graph.totalNodeCount
        + model.functions.reduce(0) { $0 + $1.nodes.reduce(0) { $0 + $1.totalNodeCount } })
    expansion = growth
  }

  /// Nodes of the model that were looked at.
  public var nodeCount: Int { result.nodeCount }

  /// Imports the model; this can be done once.
  ///
  /// - Throws: ImportReport with everything that stands in the way; ONNXError where the model cannot
  ///   be looked into at all.
  public func run() throws -> Graph {
    guard let opset = model.opsets[""] ?? (model.opsets.isEmpty ? nil : Importer.opsets.upperBound)
    else { throw ONNXError("it does not say which operator set it uses") }
    guard Importer.opsets.contains(opset) else {
      throw ONNXError(
        "it uses opset \(opset); opsets \(Importer.opsets.lowerBound) to "
          + "\(Importer.opsets.upperBound) are read")
    }
    let graph = try unifiedGraph(opset)
    model = ModelProto()
    passReport = try graph.apply(options.passes)
    graph.describeIntegerEnds()
    return graph
  }

  /// Tries until no two names of free dimensions turn out to mean the same.
  private func unifiedGraph(_ opset: Int) throws -> Graph {
    var tries = 1
    while true {
      let known = sameDimensions.count
      do { return try attempt(opset) } catch {
        guard sameDimensions.count > known, tries < Importer.mostTries else { throw error }
      }
      tries += 1
      result = ImportReport()
      bodies = []
      expansion = growth
      tensors.beginAgain()
      notes = sameDimensions.map { "dimension \($0.key) is the same as \($0.value)" }.sorted()
    }
  }

  private func attempt(_ opset: Int) throws -> Graph {
    let function = Function("main")
    let main = FunctionImporter(
      self, function: function, bounds: Bound.stated(in: model.graph))
    let scope = Scope()
    readInitializers(model.graph, scope, main)
    readInputs(function, scope, main)
    let outputs = self.outputs
    main.importNodes(
      model.graph.nodes, scope, opsets: model.opsets, wanted: outputs.map(\.name))
    let graph = Graph(functions: [function] + bodies)
    if let broken = setOutputs(outputs, function, scope, main) { report(broken) }
    guard result.problems.isEmpty else { throw result }
    setStates(function)
    function.removeUnusedNodes()
    if !options.outputs.isEmpty { function.removeUnusedInputs() }
    guard result.problems.isEmpty else { throw result }
    setMetadata(graph, opset)
    return graph
  }

  // MARK: Inputs and outputs

  func readInitializers(_ proto: GraphProto, _ scope: Scope, _ owner: FunctionImporter) {
    for tensor in proto.initializers {
      do { scope[tensor.name] = try tensors.weight(tensor) } catch {
        report(ImportProblem(name: "tensor \(tensor.name)", what: "\(error)"))
        let stand = Value(tensor.name)
        owner.markUnknown(stand)
        scope[tensor.name] = stand
      }
    }
    for name in proto.sparseInitializers {
      report(
        ImportProblem(
          name: "tensor \(name)", what: "it is a sparse initializer",
          instead: "store it as a dense one"))
      let stand = Value(name)
      owner.markUnknown(stand)
      scope[name] = stand
    }
  }

  private func readInputs(_ function: Function, _ scope: Scope, _ main: FunctionImporter) {
    // Before IR version 4 each initialiser is an input too; it stays what it is.
    // One that becomes a state starts with the initialiser's value.
    let inputs = model.graph.inputs.filter { info in
      scope[info.name] == nil || options.states.contains { $0.input == info.name }
    }
    checkNames(inputs)
    for info in inputs {
      let value = Value(info.name)
      let initial = scope[info.name]
      scope[info.name] = value
      if let constant = options.constants.first(where: { $0.name == info.name }) {
        scope[info.name] = constant.value
        continue
      }
      do {
        value.dataType = try type(info)
        value.shape = try shape(info, alone: inputs.count == 1)
        if options.states.contains(where: { $0.input == info.name }) {
          guard value.fixedShape != nil else {
            throw ONNXError(
              "a state needs a fixed shape and this is \(value.shape!.text); "
                + "--input-shape can fix it")
          }
          value.kind = .state
          if let initial, initial.dataType == value.dataType, initial.shape == value.shape {
            value.bytes = initial.bytes
          }
        } else {
          function.inputs.append(value)
          try main.bind(value)
        }
      } catch {
        report(ImportProblem(name: "input \(info.name)", what: "\(error)"))
        main.markUnknown(value)
      }
    }
  }

  private func checkNames(_ inputs: [ValueInfoProto]) {
    let named = Set(inputs.map(\.name))
    func check(_ name: String, _ option: String) {
      if !named.contains(name) {
        report(
          ImportProblem(
            name: "--\(option) \(name)", what: "the model has no input of this name",
            instead: "it has " + inputs.map(\.name).joined(separator: ", ")))
      }
    }
    for shape in options.inputShapes where !(shape.name.isEmpty && inputs.count == 1) {
      check(shape.name, "input-shape")
    }
    for constant in options.constants { check(constant.name, "input-value") }
    for state in options.states { check(state.input, "state") }
  }

  private func type(_ info: ValueInfoProto) throws -> DataType {
    if let kind = info.otherKind {
      throw ONNXError("it is \(kind); only tensors can be inputs")
    }
    guard let type = info.type else { throw ONNXError("its type is not stated") }
    guard let computed = type.computed else {
      throw ONNXError("\(type.name) tensors are not supported")
    }
    if type != ElementType(computed) {
      notes.append("\(info.name) is \(type.name) in the ONNX model and \(computed.name) here")
    }
    return computed
  }

  private func shape(_ info: ValueInfoProto, alone: Bool) throws -> [Dimension] {
    let bound = options.inputShapes.first {
      $0.name == info.name || (alone && $0.name.isEmpty)
    }?.dimensions
    guard let dimensions = info.shape else {
      guard let bound else {
        throw ONNXError("its shape is not stated; --input-shape \(info.name)=… can state it")
      }
      return bound.map { .fixed($0) }
    }
    guard dimensions.count <= Shape.maximumRank else {
      throw ONNXError("its rank is \(dimensions.count); at most \(Shape.maximumRank) is supported")
    }
    let declared = dimensions.map { dimension -> Dimension in
      switch dimension {
      case .value(let d): d >= 0 ? .fixed(d) : .free("")
      case .parameter(let name): .free(sameDimensions[name] ?? name)
      case .unknown: .free("")
      }
    }
    guard let bound else { return declared }
    guard bound.count == declared.count,
      zip(bound, declared).allSatisfy({ $1.fixed == nil || $1.fixed == $0 })
    else {
      throw ONNXError("--input-shape says \(bound) and the model \(declared.text)")
    }
    return bound.map { .fixed($0) }
  }

  /// The model's outputs, or those that the user wants and those that states come from.
  private var outputs: [ValueInfoProto] {
    if options.outputs.isEmpty { return model.graph.outputs }
    var names = options.outputs
    for state in options.states where !names.contains(state.output) { names.append(state.output) }
    return names.map { name in
      (model.graph.outputs + model.graph.valueInfo).first { $0.name == name }
        ?? ValueInfoProto(name: name)
    }
  }

  /// Gives the function its outputs; returns what is wrong with one.
  private func setOutputs(
    _ outputs: [ValueInfoProto], _ function: Function, _ scope: Scope, _ main: FunctionImporter
  ) -> ImportProblem? {
    for info in outputs {
      if let kind = info.otherKind {
        return ImportProblem(
          name: "output \(info.name)", what: "it is \(kind); only tensors can be outputs")
      }
      guard let value = scope[info.name] else {
        return ImportProblem(
          name: "output \(info.name)", what: "no node writes it",
          instead: "the model's outputs are "
            + model.graph.outputs.map(\.name).joined(separator: ", "))
      }
      if let type = info.type, main.isKnown(value), type != ElementType(value.logicalType) {
        notes.append(
          "\(info.name) is \(type.name) in the ONNX model and \(value.logicalType.name) here")
      }
      function.outputs.append(main.named(value, info.name))
    }
    return nil
  }

  /// Turns pairs of an input and an output into states.
  private func setStates(_ function: Function) {
    for pair in options.states {
      guard let i = function.outputs.firstIndex(where: { $0.name == pair.output }) else {
        report(
          ImportProblem(
            name: "--state \(pair.input)=\(pair.output)",
            what: "the model has no output \(pair.output)"))
        continue
      }
      let next = function.outputs[i]
      guard
        let state = Graph(functions: [function]).states.first(where: { $0.name == pair.input })
      else {
        report(
          ImportProblem(
            name: "--state \(pair.input)=\(pair.output)", what: "nothing reads \(pair.input)"))
        continue
      }
      guard next.dataType == state.dataType, next.shape == state.shape else {
        report(
          ImportProblem(
            name: "--state \(pair.input)=\(pair.output)",
            what: "\(pair.input) is \(state.dataType.name) \(state.shape!.text) and \(pair.output) "
              + "\(next.dataType.name) \((next.shape ?? []).text)"))
        continue
      }
      function.outputs.remove(at: i)
      function.stateUpdates.append((state, next))
    }
  }

  private func setMetadata(_ graph: Graph, _ opset: Int) {
    var entries: [(key: String, value: String)] = []
    if !model.graph.name.isEmpty { entries.append(("name", model.graph.name)) }
    let producer = [model.producerName, model.producerVersion].filter { !$0.isEmpty }
    if !producer.isEmpty { entries.append(("producer", producer.joined(separator: " "))) }
    entries.append(("onnx_opset", String(opset)))
    entries += model.metadata.filter { !$0.key.isEmpty }
    // The last of a key counts, in the place of the first.
    var places: [String: Int] = [:]
    for entry in entries {
      if let i = places[entry.key] {
        graph.metadata[i].value = entry.value
      } else {
        places[entry.key] = graph.metadata.count
        graph.metadata.append(entry)
      }
    }
  }

  // MARK: For the importers of functions

  func function(_ node: NodeProto) -> FunctionProto? {
    functionsByName.isEmpty
      ? nil : functionsByName[Importer.key(node.domain, node.op, node.overload)]
  }

  private static func key(_ domain: String, _ name: String, _ overload: String) -> String {
    "\(domain == "ai.onnx" ? "" : domain)\u{0}\(name)\u{0}\(overload)"
  }

  func count(_ node: NodeProto) { result.nodeCount += 1 }

  /// Two free dimensions must be the same; the model is imported anew with one name for both.
  func unify(_ kept: String, _ other: String) {
    let target = sameDimensions[kept] ?? kept
    guard target != other else { return }
    for (name, old) in sameDimensions where old == other { sameDimensions[name] = target }
    sameDimensions[other] = target
  }

  func report(_ problem: ImportProblem) { result.problems.append(problem) }

  /// Takes up a function made of a graph in an attribute.
  func add(body: Function) { bodies.append(body) }
}

extension FunctionImporter {
  /// The value under a name that others know it by.
  func named(_ value: Value, _ name: String) -> Value {
    if boundary.isEmpty { boundary = Set(function.inputs.map { ObjectIdentifier($0) }) }
    let isTaken =
      value.kind != .activation || !boundary.insert(ObjectIdentifier(value)).inserted
    if !isTaken || !isKnown(value) {
      value.name = name
      return value
    }
    let isRepeated = function.outputs.contains { $0.name == name }
    let result = Value(
      isRepeated ? "\(name)#\(function.outputs.count)" : name, value.logicalType, value.shape)
    return emit(Node("Identity", name: name, inputs: [value], outputs: [result]), folding: false)[0]
      ?? result
  }
}
