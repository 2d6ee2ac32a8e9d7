import Graph
import Zoo

/// Trains a step-wise machine to say the shortest path in a graph that it was shown. In training it is
/// shown the right triple after each that it says; evaluated, also what it said itself, for as many steps
/// as the path has.
final class PathTask: TrainingTask, TextSamples {
  /// From which a batch's `PathProblem.Size` is drawn.
  struct Sizes {
    var nodes: Curriculum
    /// As shares of all pairs of nodes, in percent.
    var density: ClosedRange<Int>
    var length: Curriculum
  }

  private let problem: PathProblem
  private let sizes: Sizes
  private let batchSize: Int
  private let seed: UInt64
  private let part: Int
  let batchCount: Int

  // Of an evaluation.
  private var (asked, right) = (0, 0)
  private var names: [String] = []
  private var looks: HeadLog

  init(
    _ problem: PathProblem, _ sizes: Sizes, batchSize: Int, batchCount: Int, seed: UInt64, part: Int,
    heads: [MemoryHead] = []
  ) {
    self.problem = problem
    self.sizes = sizes
    self.batchSize = batchSize
    self.batchCount = batchCount
    self.seed = seed
    self.part = part
    looks = HeadLog(heads)
  }

  var unit: String { "graphs" }
  var sampleCount: Int { batchCount * batchSize }

  private func episodes(epoch: Int, index: Int) -> [PathProblem.Episode] {
    var random = SeededRandom(seed: seed, part, epoch, index)
    let length = sizes.length.draw(epoch: epoch, &random)
    let nodes = max(length + 1, sizes.nodes.draw(epoch: epoch, &random))
    let density = sizes.density.lowerBound + random.integer(below: sizes.density.count)
    let edges = max(length, (nodes * (nodes - 1) * density + 50) / 100)
    let size = PathProblem.Size(nodes: nodes, edges: edges, length: length)
    return (0..<batchSize).map { _ in problem.episode(size, &random) }
  }

  /// A line for each graph: its triples (from edge to), the query (from to) and the path, with bars
  /// between.
  func text(count: Int?) -> String {
    func list(_ triples: [PathProblem.Triple]) -> String {
      triples.map { "\($0.from) \($0.edge.map { "\($0) " } ?? "")\($0.to)" }.joined(separator: ", ")
    }
    let episodes = (0..<batchCount).lazy.flatMap { self.episodes(epoch: 0, index: $0) }
    return episodes.prefix(count ?? sampleCount).map {
      "\(list($0.graph)) | \(list([$0.query])) | \(list($0.path))\n"
    }.joined()
  }

  func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let episodes = episodes(epoch: epoch, index: index)
    let length = episodes[0].path.count
    let total = 3 * length * batchSize
    var (sum, hits) = (0.0, 0)
    try ask(rollout, episodes)
    for t in 0..<length {
      let y = try step(rollout, episodes.map { t == 0 ? nil : $0.path[t - 1] })[0]
      let result = Loss.crossEntropyOfStep(
        y, episodes.flatMap { PathTask.labels($0.path[t]) }, total: total)
      sum += result.sum
      hits += result.hits
    }
    if !rollout.isTraining { try answer(rollout, episodes, draws: index == 0) }
    return BatchResult(loss: sum / Double(total), count: Double(total), hits: Double(hits))
  }

  private static func labels(_ triple: PathProblem.Triple) -> [Int32?] {
    [Int32(triple.from), triple.edge.map { Int32($0) }, Int32(triple.to)]
  }

  /// Shows graphs and queries, and gives `each` step's outputs.
  private func ask(
    _ rollout: Rollout<Float>, _ episodes: [PathProblem.Episode],
    _ each: (Int, [Tensor<Float>]) -> Void = { _, _ in }
  ) throws {
    rollout.begin(resetsStates: true)
    let questions = episodes.map(problem.question)
    for t in questions[0].indices { each(t, try call(rollout, questions.map { $0[t] })) }
  }

  private func call(_ rollout: Rollout<Float>, _ x: [[Float]]) throws -> [Tensor<Float>] {
    try rollout.call(nil, [BatchTensor([batchSize, problem.inputWidth], x.flatMap { $0 })])
  }

  /// A step of the answer.
  ///
  /// - Parameter before: what was said in the last one; nil: it is the first.
  private func step(
    _ rollout: Rollout<Float>, _ before: [PathProblem.Triple?]
  ) throws -> [Tensor<Float>] {
    try call(rollout, before.map { problem.shown($0, .answer) })
  }

  /// Lets it answer without help.
  private func answer(
    _ rollout: Rollout<Float>, _ episodes: [PathProblem.Episode], draws: Bool
  ) throws {
    try ask(rollout, episodes) { t, outputs in
      if draws { note(PathTask.name(episodes[0], t), outputs) }
    }
    var said = [[PathProblem.Triple]](repeating: [], count: batchSize)
    for _ in 0..<episodes[0].path.count {
      let outputs = try step(rollout, said.map(\.last))
      let n = problem.labels
      for i in 0..<batchSize {
        let best = (0..<3).map { indexOfGreatest(outputs[0].data + (3 * i + $0) * n, n) }
        said[i].append(.init(from: best[0], edge: best[1], to: best[2]))
      }
      if draws { note("says " + PathTask.name(said[0].last!), outputs) }
    }
    asked += batchSize
    right += zip(said, episodes).count { $0 == $1.path }
  }

  private func note(_ name: String, _ outputs: [Tensor<Float>]) {
    names.append(name)
    looks.note(outputs)
  }

  private static func name(_ triple: PathProblem.Triple) -> String {
    "\(triple.from) –\(triple.edge.map(String.init) ?? "?")→ \(triple.to)"
  }

  private static func name(_ episode: PathProblem.Episode, _ t: Int) -> String {
    let graph = episode.graph.count
    return t < graph ? name(episode.graph[t]) : t == graph ? name(episode.query) : "…"
  }

  func beginEvaluation() {
    (asked, right) = (0, 0)
    names = []
    looks.clear()
  }

  func measures() -> [Measure] {
    [Measure("paths right", Double(right) / Double(max(asked, 1)))]
  }

  /// Of the first graph: what is shown and said, and where the heads looked.
  var figures: [ReportFigure] { looks.figures(stepNames: names) }
}
