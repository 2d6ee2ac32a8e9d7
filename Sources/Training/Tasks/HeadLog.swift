import Zoo

/// Where a machine's heads look, step by step, in the first sequence of a batch: drawn in the report.
struct HeadLog {
  let heads: [MemoryHead]
  /// [step][head][location]
  private var looks: [[[Float]]] = []

  init(_ heads: [MemoryHead]) { self.heads = heads }

  mutating func clear() { looks = [] }

  /// - Parameter outputs: the network's, of one step.
  mutating func note(_ outputs: [Tensor<Float>]) {
    looks.append(
      heads.map { head in
        let y = outputs[head.output]
        let locations = y.shape[2]
        return (0..<locations).map { y.data[head.index * locations + $0] }
      })
  }

  /// One drawing of each head.
  ///
  /// - Parameter stepNames: what is shown in the steps, which then run downwards.
  func figures(stepNames: [String]? = nil) -> [ReportFigure] {
    heads.indices.map { i in
      let steps = looks.map { $0[i] }
      guard let stepNames else {
        return ReportFigure(
          title: heads[i].title, svg: HeatMap(columns: steps, rowTitle: "location", "step").svg)
      }
      return ReportFigure(
        title: heads[i].title,
        svg: HeatMap(steps, columnTitle: "location", rowNames: stepNames).svg)
    }
  }
}

extension HeatMap {
  /// The matrix turned: column by column.
  init(columns: [[Float]], rowTitle: String, _ columnTitle: String) {
    self.init(
      (columns.first ?? []).indices.map { i in columns.map { $0[i] } }, rowTitle: rowTitle,
      columnTitle: columnTitle)
  }
}
