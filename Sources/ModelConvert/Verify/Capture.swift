import ModelFormat
import Operators
import Runtime

/// A copy of every tensor that a run's layers compute; of several runs, one after the other. Integers
/// of a quantised layer are what they stand for.
struct Capture {
  struct Layer {
    let index: Int
    let name: String
    let `operator`: String
    var outputs: [Value]
  }

  struct Value {
    /// Empty where the file has none.
    let name: String
    /// In one run.
    let shape: [Int]
    var values: [Double]
  }

  private(set) var layers: [Layer] = []
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

    let scales = IntegerScales(opened, plan)
    func value(_ t: Int, _ info: TensorInfo, _ data: UnsafeRawPointer) -> Value {
      let name = opened.file.displayName(tensor: t)
      return Value(
        name: String(name), shape: info.shape.dimensions,
        values: scales.real(t, elements(data, info.dataType, info.shape.count)))
    }
    var found = [Layer?](repeating: nil, count: plan.nodes.count)
    func capture(_ step: Int) {
      for i in nodesAfter[step] ?? [] {
        let node = plan.nodes[i]
        found[i] = Layer(
          index: i, name: opened.layerName(node.nodeIndex),
          operator: node.definition.name.description,
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
    for i in outputs.indices { outputs[i].values += later.outputs[i].values }
  }
}

/// Which tensors of two models are the same.
struct Matching {
  struct Pair {
    /// Of the tested model; nil for a function output that no layer makes.
    let layer: Capture.Layer?
    let name: String
    let tested: Capture.Value
    let reference: Capture.Value
  }

  private(set) var pairs: [Pair] = []
  /// Layers of the tested model that nothing was found for.
  private(set) var unmatched: [Capture.Layer] = []

  init(_ a: Capture, _ b: Capture) {
    var named: [String: Capture.Value] = [:]
    for layer in b.layers {
      for value in layer.outputs where !value.name.isEmpty { named[value.name] = value }
    }
    let sameOrder = a.layers.count == b.layers.count
    var outputNames: Set<String> = []
    for (i, layer) in a.layers.enumerated() {
      var found = false
      for (k, value) in layer.outputs.enumerated() {
        var other = value.name.isEmpty ? nil : named[value.name]
        if other == nil, sameOrder, k < b.layers[i].outputs.count,
          b.layers[i].operator == layer.operator
        {
          other = b.layers[i].outputs[k]
        }
        guard let other, other.shape == value.shape else { continue }
        let name =
          !value.name.isEmpty
          ? value.name : layer.outputs.count > 1 ? "\(layer.name) output \(k)" : layer.name
        pairs.append(Pair(layer: layer, name: name, tested: value, reference: other))
        outputNames.insert(value.name)
        found = true
      }
      if !found { unmatched.append(layer) }
    }
    // Outputs are compared in any case, by name or by position.
    for (i, value) in a.outputs.enumerated() where !outputNames.contains(value.name) {
      let other = b.outputs.first { $0.name == value.name } ?? (i < b.outputs.count ? b.outputs[i] : nil)
      guard let other, other.shape == value.shape else { continue }
      pairs.append(Pair(layer: nil, name: value.name, tested: value, reference: other))
    }
  }
}
