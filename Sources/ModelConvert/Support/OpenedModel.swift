import ArgumentParser
import Foundation
import ModelFormat
import Operators
import Quantization
import Runtime

/// A model with its file's name, which every error starts with.
struct OpenedModel {
  let path: String
  let model: Model

  var file: ModelFile { model.file }

  /// A model that is open already; `path` is what errors call it.
  init(path: String, model: Model) {
    self.path = path
    self.model = model
  }

  /// Opens the model at `path` for the kernels called `isa`.
  init(path: String, isa: String?) throws {
    self.path = path
    let wanted = isa ?? ProcessInfo.processInfo.environment["APUS_ISA"] ?? ""
    let set = try OpenedModel.chooseInstructionSet(wanted)
    let mapping: FileMapping
    do throws(ApusError) {
      mapping = try FileMapping(path: path)  // its errors name the file
    } catch {
      throw Failure(String(error.message))
    }
    do throws(ApusError) {
      model = try Model(mapping: mapping, instructionSet: set, verifyWeights: true)
    } catch {
      if error.status == .notAModel, let kind = FileKind.guess(path: path) {
        throw Failure("\(path): not an .apus model; it seems to be \(kind)")
      }
      throw Failure("\(path): \(String(error.message))")
    }
  }

  private static func chooseInstructionSet(_ name: String) throws -> InstructionSet {
    do throws(ApusError) {
      var bytes = Array(name.utf8)
      return try bytes.withUnsafeMutableBufferPointer { (buffer) throws(ApusError) in
        guard let start = buffer.baseAddress, !buffer.isEmpty else { return InstructionSet.best }
        return try InstructionSet.choose(named: Name(start: UnsafePointer(start), count: buffer.count))
      }
    } catch {
      throw error.status == .unknownName
        ? ValidationError(String(error.message)) : Failure(String(error.message))
    }
  }

  // MARK: Functions

  var functionNames: [String] {
    (0..<file.count(.functions)).map { String(file.functionName(file.function($0))) }
  }

  /// The function of that name; without one the default.
  func functionIndex(_ name: String?) throws -> Int {
    guard let name else { return model.defaultFunction }
    guard let index = functionNames.firstIndex(of: name) else {
      throw Failure(
        "\(path): it has no function '\(name)'; it has "
          + functionNames.map { "'\(printable($0))'" }.joined(separator: ", "))
    }
    return index
  }

  /// The tensors of the inputs of function `f`.
  func inputTensors(_ f: Int) -> [Int] {
    let r = file.function(f)
    return (0..<Int(r.inputCount)).map { Int(file.index(Int(r.inputs) + $0)) }
  }

  func outputTensors(_ f: Int) -> [Int] {
    let r = file.function(f)
    return (0..<Int(r.outputCount)).map { Int(file.index(Int(r.outputs) + $0)) }
  }

  // MARK: Tensors

  /// What people call the tensor: its own name, its debug name, or its number.
  func name(tensor t: Int) -> String {
    let name = file.displayName(tensor: t)
    return name.isEmpty ? "#\(t)" : String(name)
  }

  /// The declared shape; a free dimension is its symbol or `?`.
  func declaredShape(tensor t: Int) -> [String]? {
    let r = file.tensor(t)
    guard r.rank != TensorRecord.unstatedRank else { return nil }
    return file.declaredShape(r).dimensions.map { d in
      d >= 0 ? String(d) : d == -1 ? "?" : String(file.symbol(-2 - d))
    }
  }

  /// The value of a metadata entry; nil where there is none.
  func metadata(_ key: String) -> String? { metadata.first { $0.key == key }?.value }

  var metadata: [(key: String, value: String)] {
    (0..<file.count(.metadata)).map {
      let entry = file.metadata($0)
      return (String(entry.key), String(entry.value))
    }
  }

  // MARK: Plans

  /// Plans function `f` for the given shapes.
  func plan(
    _ f: Int, shapes: [(name: String, dimensions: [Int])] = [], threads: Int = 1,
    options: PlanOptions = PlanOptions()
  ) throws -> Plan {
    try naming(path) { () throws(ApusError) in
      try model.plan(function: f, shapes: shapes, threads: threads, options: options)
    }
  }

  /// As above, for the shapes of a command line: a shape without a name is the only input's.
  func plan(
    _ f: Int, shapes: [InputShapeArgument], threads: Int = 1, options: PlanOptions = PlanOptions()
  ) throws -> Plan {
    let inputs = inputTensors(f)
    return try plan(
      f,
      shapes: shapes.map { shape in
        if let name = shape.name { return (name, shape.dimensions) }
        guard inputs.count == 1 else {
          throw Failure(
            "\(path): it has \(inputs.count) inputs; --input-shape must say which: "
              + "NAME=\(shape.dimensions.map(String.init).joined(separator: ","))")
        }
        return (name(tensor: inputs[0]), shape.dimensions)
      }, threads: threads, options: options)
  }

  func session(_ plan: Plan) throws -> Session {
    try naming(path) { () throws(ApusError) in try Session(plan) }
  }

  /// Runs once; an error names the file.
  func run(_ session: Session, afterStep: ((Int) -> Void)? = nil) throws {
    try naming(path) { () throws(ApusError) in try session.run(afterStep: afterStep) }
  }
}

// MARK: Nodes

extension OpenedModel {
  /// The tensors that node `n` reads, those left out left out.
  func nodeInputs(_ n: Int) -> [Int] {
    let r = file.node(n)
    return indices(r.inputs, Int(r.inputCount))
  }

  func nodeOutputs(_ n: Int) -> [Int] {
    let r = file.node(n)
    return indices(r.outputs, Int(r.outputCount))
  }

  private func indices(_ first: UInt32, _ count: Int) -> [Int] {
    (0..<count).compactMap {
      let t = file.index(Int(first) + $0)
      return t == Format.none ? nil : Int(t)
    }
  }

  /// The node's own name, or its first output's, or its number.
  func layerName(_ n: Int) -> String {
    let name = file.nodeName(n)
    if !name.isEmpty { return String(name) }
    if let t = nodeOutputs(n).first, !file.displayName(tensor: t).isEmpty {
      return self.name(tensor: t)
    }
    return "node \(n)"
  }

}
