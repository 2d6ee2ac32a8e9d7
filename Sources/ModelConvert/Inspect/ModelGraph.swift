import ModelFormat

/// A function as boxes and edges, for drawing.
struct ModelGraph {
  enum Kind { case input, output, state, nextState, layer(Int) }

  struct Node {
    var kind: Kind
    var title: String
    /// Second line; empty: a slim box.
    var detail: String
    var tip: String
  }

  struct Edge {
    var from: Int
    var to: Int
    var tip: String
  }

  var nodes: [Node] = []
  var edges: [Edge] = []

  /// Whether the edge carries a state from or to another run.
  func isStateEdge(_ e: Edge) -> Bool {
    switch (nodes[e.from].kind, nodes[e.to].kind) {
    case (.state, _), (_, .nextState): true
    default: false
    }
  }
}

extension SummaryBuilder {
  func graph() -> ModelGraph {
    var graph = ModelGraph()
    var producer: [Int: Int] = [:]
    for t in opened.inputTensors(functionIndex) {
      producer[t] = graph.add(.input, title: opened.name(tensor: t), detail: shape(t), tip: "input")
    }
    addLayers(&graph, &producer)
    for t in opened.outputTensors(functionIndex) {
      let node = graph.add(
        .output, title: opened.name(tensor: t), detail: shape(t), tip: "output")
      if let from = producer[t] { graph.connect(from, node, tip(t)) }
    }
    for i in 0..<opened.file.count(.states) {
      let s = opened.file.state(i)
      guard Int(s.function) == functionIndex else { continue }
      let node = graph.add(
        .nextState, title: "next \(opened.name(tensor: Int(s.state)))", detail: "",
        tip: "the state's value in the next run")
      if let from = producer[Int(s.next)] { graph.connect(from, node, tip(Int(s.next))) }
    }
    return graph
  }

  private func addLayers(_ graph: inout ModelGraph, _ producer: inout [Int: Int]) {
    let function = opened.file.function(functionIndex)
    for (position, layer) in layers().enumerated() {
      let n = Int(function.firstNode) + position
      let outputs = opened.nodeOutputs(n)
      let shapes = outputs.map(shape).joined(separator: " ")
      let parameters = layer.parameters > 0 ? "  ·  \(countText(layer.parameters)) params" : ""
      var tip = "\(layer.index)  \(layer.operator)  \(layer.name)\noutput \(shapes)"
      if layer.parameters > 0 { tip += "\n\(layer.parameters) parameters" }
      if let macs = layer.macs, macs > 0 { tip += "\n\(countText(macs)) MACs" }
      let node = graph.add(
        .layer(position), title: layer.operator,
        detail: (outputs.first.map(shape) ?? "") + parameters, tip: tip)
      for t in opened.nodeInputs(n) {
        if producer[t] == nil, opened.file.tensor(t).kind == TensorKind.state.rawValue {
          producer[t] = graph.add(
            .state, title: opened.name(tensor: t), detail: "",
            tip: "state \(shape(t)), kept from run to run")
        }
        if let from = producer[t] { graph.connect(from, node, self.tip(t)) }
      }
      for t in outputs { producer[t] = node }
    }
  }

  private func shape(_ t: Int) -> String {
    if let info = plan?.tensors[t] { return shapeText(info.shape.dimensions) }
    return opened.declaredShape(tensor: t).map { "[" + $0.joined(separator: ", ") + "]" } ?? ""
  }

  private func tip(_ t: Int) -> String { "\(opened.name(tensor: t))  \(shape(t))" }
}

extension ModelGraph {
  fileprivate mutating func add(
    _ kind: Kind, title: String, detail: String, tip: String
  ) -> Int {
    var text = tip
    if case .layer = kind {} else { text = "\(tip)  \(title)\n\(detail)" }
    nodes.append(Node(kind: kind, title: title, detail: detail, tip: text))
    return nodes.count - 1
  }

  fileprivate mutating func connect(_ from: Int, _ to: Int, _ tip: String) {
    edges.append(Edge(from: from, to: to, tip: tip))
  }
}
