import ModelFormat
import Operators
import Runtime

/// Gathers what `inspect` says.
struct SummaryBuilder {
  let opened: OpenedModel
  let functionIndex: Int
  /// nil where the function could not be planned.
  let plan: Plan?

  private var file: ModelFile { opened.file }

  func build(planError: String?) -> ModelSummary {
    let layers = layers()
    return ModelSummary(
      file: opened.path,
      formatVersion: "\(Format.majorVersion).\(file.minorVersion)",
      size: size(),
      sections: SectionTable.read(file),
      metadata: Dictionary(opened.metadata, uniquingKeysWith: { first, _ in first }),
      functions: (0..<file.count(.functions)).map(function),
      function: opened.functionNames[functionIndex],
      isa: opened.model.instructionSet.name.description,
      layers: layers,
      totals: ModelSummary.Totals(
        parameters: layers.reduce(0) { $0 + $1.parameters },
        weightBytes: layers.reduce(0) { $0 + $1.weightBytes },
        macs: layers.reduce(0) { $0 + ($1.macs ?? 0) },
        activationBytes: layers.reduce(0) { $0 + ($1.activationBytes ?? 0) }),
      arena: plan.map(arena),
      planError: planError)
  }

  // MARK: File

  private func size() -> ModelSummary.SizeSummary {
    // Tensors may share bytes: each offset counts once.
    var bytesAt: [UInt64: Int] = [:]
    func add(_ offset: UInt64, _ bytes: Int) {
      if offset != Format.noOffset { bytesAt[offset] = max(bytesAt[offset] ?? 0, bytes) }
    }
    for i in 0..<file.count(.tensors) {
      let r = file.tensor(i)
      if r.kind != TensorKind.activation.rawValue { add(r.offset, Int(r.byteCount)) }
    }
    for i in 0..<file.count(.quantization) {
      let q = file.quantization(i)
      add(q.scales, Int(q.count) * 4)
      add(q.zeroPoints, Int(q.count) * 4)
    }
    let raw = bytesAt.values.reduce(0, +)
    return ModelSummary.SizeSummary(
      fileBytes: file.size, rawWeightBytes: raw, overheadBytes: file.size - raw,
      overheadPercent: raw > 0 ? Double(file.size - raw) / Double(raw) * 100 : nil)
  }

  // MARK: Functions

  private func function(_ f: Int) -> ModelSummary.FunctionSummary {
    let record = file.function(f)
    var states: [ModelSummary.StateSummary] = []
    for i in 0..<file.count(.states) where Int(file.state(i).function) == f {
      let s = file.state(i)
      let r = file.tensor(Int(s.state))
      states.append(
        ModelSummary.StateSummary(
          name: opened.name(tensor: Int(s.state)), dtype: typeName(r),
          shape: file.declaredShape(r).dimensions,
          initialValue: r.offset == Format.noOffset ? "zeros" : "in the file",
          next: opened.name(tensor: Int(s.next))))
    }
    return ModelSummary.FunctionSummary(
      name: opened.functionNames[f], nodes: Int(record.nodeCount),
      inputs: opened.inputTensors(f).map(tensor), outputs: opened.outputTensors(f).map(tensor),
      states: states)
  }

  private func tensor(_ t: Int) -> ModelSummary.TensorSummary {
    let parameters = file.linearParameters(file.tensor(t))
    return ModelSummary.TensorSummary(
      name: opened.name(tensor: t), dtype: typeName(file.tensor(t)),
      declaredShape: opened.declaredShape(tensor: t),
      shape: plan?.tensors[t]?.shape.dimensions, scale: parameters?.scale,
      zeroPoint: parameters.map { Int($0.zeroPoint) })
  }

  private func typeName(_ r: TensorRecord) -> String {
    DataType(rawValue: r.dataType)?.name.description ?? "unknown"
  }

  // MARK: Layers

  func layers() -> [ModelSummary.LayerSummary] {
    let function = file.function(functionIndex)
    let first = Int(function.firstNode)
    var counted: Set<Int> = []
    return (0..<Int(function.nodeCount)).map { layer(first + $0, $0, &counted) }
  }

  private func layer(
    _ n: Int, _ position: Int, _ counted: inout Set<Int>
  ) -> ModelSummary.LayerSummary {
    let definition = opened.model.definition(node: n)
    var parameters = 0
    var weightBytes = 0
    var inputs: [String] = []
    for t in opened.nodeInputs(n) {
      let r = file.tensor(t)
      if r.kind != TensorKind.weight.rawValue {
        inputs.append(opened.name(tensor: t))
      } else if counted.insert(t).inserted {
        weightBytes += Int(r.byteCount)
        if isParameter(r) { parameters += file.declaredShape(r).count }
      }
    }
    let outputs = opened.nodeOutputs(n)
    let node = plan?.nodes[position]
    return ModelSummary.LayerSummary(
      index: position, name: opened.layerName(n), operator: definition.name.description,
      inputs: inputs, outputs: outputs.map(tensor), parameters: parameters,
      weightBytes: weightBytes,
      macs: node.flatMap { node in definition.multiplyAccumulates.map { $0(node) } },
      activationBytes: plan.map { plan in
        outputs.reduce(0) { $0 + (plan.tensors[$1]?.byteCount ?? 0) }
      })
  }

  /// Integers without a scale are shapes, axes and indices, not parameters.
  private func isParameter(_ r: TensorRecord) -> Bool {
    switch DataType(rawValue: r.dataType) {
    case .float32, .float16, .bfloat16: true
    default: r.quantization != Format.none
    }
  }

  // MARK: Arena

  private func arena(_ plan: Plan) -> ModelSummary.ArenaSummary {
    let firstNode = Int(plan.function.firstNode)
    var scratch = [Int](repeating: 0, count: plan.steps.count + 1)
    for b in plan.buffers where b.isScratch {
      for step in b.firstStep...max(b.firstStep, b.lastStep) where step < scratch.count {
        scratch[step] += b.byteCount
      }
    }
    return ModelSummary.ArenaSummary(
      bytes: plan.arenaSize, lowerBoundBytes: plan.lowerBound,
      ratio: plan.lowerBound > 0 ? Double(plan.arenaSize) / Double(plan.lowerBound) : nil,
      stateBytes: plan.stateBytes, scratchBytes: scratch.max() ?? 0,
      packedWeightBytes: plan.packed.reduce(0) { $0 + $1.byteCount },
      stepLayers: plan.stepNodes.map { $0 < 0 ? -1 : $0 - firstNode },
      buffers: plan.buffers.indices.map { buffer($0, plan) })
  }

  /// What lies in a buffer: the tensor that it is made for, and those that are views of it or take
  /// its memory over.
  private func buffer(_ index: Int, _ plan: Plan) -> ModelSummary.BufferSummary {
    let b = plan.buffers[index]
    let tensors = plan.tensors.indices.filter { lies($0, in: index, plan) }
    let output = plan.outputSlots.indices.first { lies(plan.outputSlots[$0], in: index, plan) }
    let kind: String
    if b.isScratch {
      kind = "scratch"
    } else if plan.inputTensors.contains(b.tensor) {
      kind = "input"
    } else if plan.stateTensors.contains(b.tensor) {
      kind = "state"
    } else {
      kind = output != nil ? "output" : "tensor"
    }
    let name: String
    if kind == "output", let output {
      name = opened.name(tensor: plan.outputTensors[output])
    } else {
      name = b.tensor >= 0 ? opened.name(tensor: b.tensor) : kind
    }
    return ModelSummary.BufferSummary(
      name: name, kind: kind, tensors: tensors.map { opened.name(tensor: $0) }, offset: b.offset,
      bytes: b.byteCount, firstStep: b.firstStep, lastStep: max(b.firstStep, b.lastStep))
  }

  private func lies(_ slot: Int, in buffer: Int, _ plan: Plan) -> Bool {
    if case .buffer(buffer, _) = plan.slots[slot] { return true }
    return false
  }
}
