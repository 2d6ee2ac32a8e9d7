/// The graph as SVG.
struct GraphDrawing {
  private let graph: ModelGraph
  private let layout: GraphLayout
  private let heights: [Double]
  private let widths: [Double]
  private let margin = 14.0

  var width: Double { layout.width + 2 * margin }
  var height: Double { layout.height + 2 * margin }

  init(_ graph: ModelGraph) {
    self.graph = graph
    heights = graph.nodes.map {
      if case .layer = $0.kind, $0.detail.contains("·") { return GraphLayout.fullHeight }
      return GraphLayout.slimHeight
    }
    widths = graph.nodes.map {
      switch $0.kind {
      case .state, .nextState: GraphLayout.stateWidth
      default: GraphLayout.boxWidth
      }
    }
    layout = GraphLayout(graph, heights: heights, widths: widths)
  }

  var svg: String {
    var text = """
      <svg class="graph\(width <= 1500 ? " fits" : "")" viewBox="0 0 \(coordinate(width)) \(coordinate(height))" \
      width="\(coordinate(width))" height="\(coordinate(height))" role="img" \
      aria-label="The graph of layers">
      <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" \
      orient="auto-start-reverse"><path d="M0.5 1 L7 4 L0.5 7 Z" class="arrowhead"/></marker></defs>

      """
    for i in graph.edges.indices { text += edge(i) }
    for i in graph.nodes.indices { text += box(i) }
    return text + "</svg>\n"
  }

  // MARK: Edges

  private func edge(_ i: Int) -> String {
    let e = graph.edges[i]
    let from = layout.places[e.from]
    let to = layout.places[e.to]
    var points = [(x: from.x, y: from.y + heights[e.from] / 2)]
    points += layout.bends[i].map { ($0.x, $0.y) }
    points.append((to.x, to.y - heights[e.to] / 2 - 1))
    var path = "M\(point(points[0]))"
    for k in 1..<points.count {
      let a = points[k - 1]
      let b = points[k]
      // Leaving and arriving vertically makes the pieces join smoothly.
      let lean = (b.y - a.y) * 0.5
      path +=
        a.x == b.x
        ? " L\(point(b))"
        : " C\(point((a.x, a.y + lean))) \(point((b.x, b.y - lean))) \(point(b))"
    }
    let dashed = graph.isStateEdge(e)
    return """
      <path class="edge\(dashed ? " dashed" : "")" d="\(path)" marker-end="url(#arrow)">\
      <title>\(escaped(e.tip))</title></path>

      """
  }

  private func point(_ p: (x: Double, y: Double)) -> String {
    "\(coordinate(p.x + margin)) \(coordinate(p.y + margin))"
  }

  // MARK: Boxes

  private func box(_ i: Int) -> String {
    let node = graph.nodes[i]
    let h = heights[i]
    let w = widths[i]
    let left = layout.places[i].x - w / 2 + margin
    let top = layout.places[i].y - h / 2 + margin
    var style: String
    var layerAttribute = ""
    var radius = 6.0
    switch node.kind {
    case .input: (style, radius) = ("terminal input", h / 2)
    case .output: (style, radius) = ("terminal output", h / 2)
    case .state, .nextState: (style, radius) = ("terminal state", h / 2)
    case .layer(let index):
      style = "layer \(OperatorFamily.of(node.title).rawValue)"
      layerAttribute = " data-layer=\"\(index)\""
    }
    var text = """
      <g class="box \(style)"\(layerAttribute) transform="translate(\(coordinate(left)) \
      \(coordinate(top)))"><title>\(escaped(node.tip))</title>\
      <rect class="body" width="\(coordinate(w))" height="\(coordinate(h))" \
      rx="\(coordinate(radius))"/>
      """
    if case .layer = node.kind {
      text += "<rect class=\"accent\" width=\"5\" height=\"\(coordinate(h))\" rx=\"2.5\"/>"
    }
    let titleRoom = min(Double(node.title.count) * 7.4, w - 28)
    let title = escaped(fitted(node.title, width: w - 28, perCharacter: 7.4))
    if h == GraphLayout.fullHeight {
      text += "<text class=\"title\" x=\"15\" y=\"19\">\(title)</text>"
      let detail = fitted(node.detail, width: w - 24, perCharacter: 5.6)
      text += "<text class=\"detail\" x=\"15\" y=\"35\">\(escaped(detail))</text>"
    } else {
      text += "<text class=\"title\" x=\"15\" y=\"18.5\">\(title)</text>"
      let detail = fitted(node.detail, width: w - 42 - titleRoom, perCharacter: 5.6)
      text += """
        <text class="detail" x="\(coordinate(w - 13))" y="18.5" text-anchor="end">\
        \(escaped(detail))</text>
        """
    }
    return text + "</g>\n"
  }
}

/// Operators of a kind share a colour.
enum OperatorFamily: String {
  case convolution, matrix, recurrent, pooling, normalization, activation, arithmetic, movement

  static func of(_ name: String) -> OperatorFamily {
    switch name {
    case _ where name.contains("Conv"): .convolution
    case "Gemm", "MatMul", "Einsum": .matrix
    case "LSTM", "GRU", "RNN": .recurrent
    case _ where name.contains("Pool"): .pooling
    case _ where name.contains("Norm") || name == "LRN": .normalization
    case "Relu", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "Softplus", "Gelu", "HardSwish", "Elu",
      "Selu", "Celu", "HardSigmoid", "Clip", "Mish", "Swish", "Softsign", "ThresholdedRelu",
      "Softmax", "LogSoftmax", "Erf":
      .activation
    case "Concat", "Split", "Slice", "Reshape", "Transpose", "Pad", "Gather", "Expand", "Cast",
      "Flatten", "Squeeze", "Unsqueeze", "Identity", "Where", "Tile", "Shape", "Dropout":
      .movement
    default: .arithmetic
    }
  }
}
