/// A rewrite of a graph that keeps its results, and makes it smaller or faster.
///
/// What a pass may rely on, and what it has to keep:
/// - Values have their types and shapes (`Value.shape` may hold free dimensions; `knownShape` is nil
///   where only a run finds the shape). What the pass adds gets a type and a shape too, or the shape
///   nil, which is inferred before the next round.
/// - Inputs, outputs and states keep their names, types and shapes.
/// - Weights may be shared, also between functions: a pass makes new ones and never changes one.
/// - Doing it again changes nothing.
public struct GraphPass {
  /// What `--without-pass` takes: "fold-constants".
  public let name: String
  /// One line for `inspect --passes`.
  public let summary: String
  /// Applied once, after the rounds of the others.
  let isLast: Bool
  /// Rewrites one function; returns how many things it changed.
  let apply: (FunctionEditor) -> Int

  public init(
    _ name: String, _ summary: String, isLast: Bool = false,
    _ apply: @escaping (FunctionEditor) -> Int
  ) {
    self.name = name
    self.summary = summary
    self.isLast = isLast
    self.apply = apply
  }
}

/// Every pass, in the order in which a round applies them.
public let graphPasses: [GraphPass] = [
  removeIdentities,
  foldConstants,
  // While the graph still stands as its exporter wrote it.
  integerOperators,
  fuseRecurrences,
  mergeActivations,
  mergeReshapes,
  eliminateTransposes,
  mergeDuplicates,
  foldPads,
  foldBatchNormalization,
  foldScales,
  fuseBias,
  fuseActivations,
  removeUnused,
  mergeWeights,
]

extension Graph {
  /// The metadata entry that holds the report of the passes which changed the graph.
  public static let passesKey = "apus.passes"

  /// Applies passes in rounds until one changes nothing.
  ///
  /// - Throws: GraphError where a shape rule refuses the graph.
  @discardableResult
  public func apply(_ passes: [GraphPass] = graphPasses) throws -> PassReport {
    var report = PassReport()
    if passes.isEmpty { return report }
    try inferShapes()
    let bodiesBefore = bodies
    // Each round leaves fewer nodes or simpler ones; the bound is for what nobody has thought of.
    for _ in 0..<16 {
      var changed = 0
      for pass in passes where !pass.isLast { changed += apply(pass, &report) }
      if changed == 0 { break }
      try inferShapes()
    }
    for pass in passes where pass.isLast { _ = apply(pass, &report) }
    dropUnusedBodies(known: bodiesBefore)
    report.sort(like: passes)
    if !report.changes.isEmpty {
      var whole = PassReport(metadata(Graph.passesKey) ?? "")
      for change in report.changes { whole.add(change.pass, change.count) }
      setMetadata(Graph.passesKey, whole.description)
    }
    return report
  }

  private func apply(_ pass: GraphPass, _ report: inout PassReport) -> Int {
    var count = 0
    for function in functions {
      let editor = FunctionEditor(function, of: self)
      count += pass.apply(editor)
      editor.finish()
    }
    if count > 0 { report.add(pass.name, count) }
    return count
  }

  /// The functions that attributes of nodes refer to.
  private var bodies: Set<ObjectIdentifier> {
    var result: Set<ObjectIdentifier> = []
    for function in functions {
      for node in function.nodes {
        for case .function(let body) in node.attributes.values {
          result.insert(ObjectIdentifier(body))
        }
      }
    }
    return result
  }

  /// Functions that were bodies and are none any more go; bodies of bodies come after them.
  private func dropUnusedBodies(known: Set<ObjectIdentifier>) {
    while true {
      let used = bodies
      let count = functions.count
      functions.removeAll {
        known.contains(ObjectIdentifier($0)) && !used.contains(ObjectIdentifier($0))
      }
      if functions.count == count { return }
    }
  }
}
