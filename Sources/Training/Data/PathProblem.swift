/// Shortest paths in random graphs, for machines with memory: A. Graves et al., "Hybrid computing using
/// a neural network with dynamic external memory", 2016, Methods, graph task descriptions.
///
/// A graph is shown edge by edge as triples (from, edge, to), then the query (from, nothing, to), then
/// nothing for some steps to plan in; the answer is the shortest path, triple by triple, each shown in
/// the step that follows. Nodes and edges have labels of their own in each graph; a node's edges differ.
struct PathProblem: Sendable {
  /// Labels of nodes and of edges.
  var labels = 10
  var planning = 5

  /// How large a graph is, and how many edges the path has that is asked for.
  struct Size: Equatable, Sendable {
    var nodes: Int
    var edges: Int
    var length: Int
  }

  struct Triple: Equatable, Sendable {
    var from: Int
    var edge: Int?
    var to: Int
  }

  struct Episode {
    var graph: [Triple]
    var query: Triple
    /// The one shortest path.
    var path: [Triple]
  }

  enum Phase: Int, CaseIterable { case graph, query, planning, answer }

  var inputWidth: Int { 3 * labels + Phase.allCases.count }
  var outputWidth: Int { 3 * labels }

  /// What is shown in a step: three labels, each one of `labels` numbers or none, and the phase.
  func shown(_ triple: Triple?, _ phase: Phase) -> [Float] {
    var x = [Float](repeating: 0, count: inputWidth)
    if let triple {
      x[triple.from] = 1
      if let edge = triple.edge { x[labels + edge] = 1 }
      x[2 * labels + triple.to] = 1
    }
    x[3 * labels + phase.rawValue] = 1
    return x
  }

  /// What is shown before the answer.
  func question(_ episode: Episode) -> [[Float]] {
    episode.graph.map { shown($0, .graph) } + [shown(episode.query, .query)]
      + [[Float]](repeating: shown(nil, .planning), count: planning)
  }

  /// The path is drawn first, then other edges that leave it the only shortest one. Where there is no
  /// more room for these, some are shown again.
  func episode(_ size: Size, _ random: inout SeededRandom) -> Episode {
    let nodes = Array(random.permutation(labels).prefix(size.nodes))
    var free = nodes.map { _ in random.permutation(labels) }
    func edge(_ from: Int, _ to: Int) -> Triple {
      Triple(from: nodes[from], edge: free[from].removeLast(), to: nodes[to])
    }
    let path = (0..<size.length).map { edge($0, $0 + 1) }
    let query = Triple(from: nodes[0], to: nodes[size.length])
    var graph = path
    for pair in random.permutation(size.nodes * size.nodes) where graph.count < size.edges {
      let (from, to) = (pair / size.nodes, pair % size.nodes)
      if from == to || graph.contains(where: { $0.from == nodes[from] && $0.to == nodes[to] }) {
        continue
      }
      graph.append(Triple(from: nodes[from], edge: free[from].last, to: nodes[to]))
      if let (length, count) = PathProblem.shortestPaths(graph, query, labels),
        length == size.length, count == 1
      {
        free[from].removeLast()
      } else {
        graph.removeLast()
      }
    }
    while graph.count < size.edges { graph.append(graph[random.integer(below: graph.count)]) }
    let order = random.permutation(graph.count)
    return Episode(graph: order.map { graph[$0] }, query: query, path: path)
  }

  /// The length of the shortest paths that a query asks for, and how many there are (breadth first).
  static func shortestPaths(
    _ graph: [Triple], _ query: Triple, _ labels: Int
  ) -> (length: Int, count: Int)? {
    var distances = [Int?](repeating: nil, count: labels)
    distances[query.from] = 0
    /// How many shortest paths lead to each node of the level.
    var level = [query.from: 1]
    for length in 1..<max(labels, 2) where distances[query.to] == nil {
      var next: [Int: Int] = [:]
      for edge in graph {
        if let count = level[edge.from], distances[edge.to] == nil {
          next[edge.to, default: 0] += count
        }
      }
      for node in next.keys { distances[node] = length }
      level = next
    }
    return distances[query.to].map { ($0, level[query.to] ?? 0) }
  }
}
