import ModelFormat
import Operators
import Quantization
import Runtime

/// A copy of every tensor that a run's layers compute; of several runs, one after the other.
struct Capture {
  struct Layer {
    let index: Int
    let name: String
    let `operator`: String
    /// The file's tensors that it reads.
    let inputs: [Int]
    let weights: WeightSpread?
    var outputs: [Value]
  }

  struct Value {
    /// The file's.
    let tensor: Int
    /// Empty where the file has none.
    let name: String
    /// In one run.
    let shape: [Int]
    /// What its bytes stand for, where it is quantised.
    let quantization: TensorQuantization?
    /// As stored.
    var values: [Double]

    /// As real numbers.
    var real: [Double] {
      quantization.map { $0.real(values, Channels(shape, axis: $0.axis)) } ?? values
    }
  }

  private(set) var layers: [Layer] = []
  /// The function's inputs.
  private(set) var inputs: [Value] = []
  /// The function's outputs.
  private(set) var outputs: [Value] = []

  init(_ session: Session, _ opened: OpenedModel) throws {
    let plan = session.plan
    // A layer's tensors are copied after its last step: later ones may use their memory. A layer
    // without steps is a view of what the steps before it made.
    var last = [Int](repeating: -1, count: plan.nodes.count)
    let first = Int(plan.function.firstNode)
    for (step, node) in plan.stepNodes.enumerated() where node >= 0 { last[node - first] = step }
    for i in last.indices.dropFirst() { last[i] = max(last[i], last[i - 1]) }
    var nodesAfter: [Int: [Int]] = [:]
    for (i, step) in last.enumerated() { nodesAfter[step, default: []].append(i) }

    let quantized = QuantizedTensors(plan, opened.file).parameters
    func value(_ t: Int, _ info: TensorInfo, _ data: UnsafeRawPointer) -> Value {
      let name = opened.file.displayName(tensor: t)
      let shape = info.shape.dimensions
      return Value(
        tensor: t, name: String(name), shape: shape,
        quantization: quantized[t].flatMap { $0.fits(shape) ? $0 : nil },
        values: elements(data, info.dataType, info.shape.count))
    }
    var found = [Layer?](repeating: nil, count: plan.nodes.count)
    func capture(_ step: Int) {
      for i in nodesAfter[step] ?? [] {
        let node = plan.nodes[i]
        found[i] = Layer(
          index: i, name: opened.layerName(node.nodeIndex),
          operator: node.definition.name.description,
          inputs: opened.nodeInputs(node.nodeIndex), weights: WeightSpread(node),
          outputs: opened.nodeOutputs(node.nodeIndex).compactMap { t in
            plan.tensors[t].map { info in
              var info = info
              info.shape = plan.shape(tensor: t)
              let data = UnsafeMutableRawPointer.allocate(
                byteCount: max(1, plan.tensors[t]!.byteCount), alignment: 64)
              defer { data.deallocate() }
              session.copy(tensor: t, to: data)
              return value(t, info, data)
            }
          })
      }
    }
    inputs = plan.inputTensors.enumerated().map { i, t in
      value(t, session.info(input: i), session.data(input: i))
    }
    capture(-1)
    try opened.run(session, afterStep: { capture($0) })
    layers = found.compactMap { $0 }
    outputs = plan.outputTensors.enumerated().map { i, t in
      value(t, session.info(output: i), session.data(output: i))
    }
  }

  /// Adds the values of a later run of the same session.
  mutating func append(_ later: Capture) {
    for i in layers.indices {
      for k in layers[i].outputs.indices {
        layers[i].outputs[k].values += later.layers[i].outputs[k].values
      }
    }
    for i in inputs.indices { inputs[i].values += later.inputs[i].values }
    for i in outputs.indices { outputs[i].values += later.outputs[i].values }
  }
}
