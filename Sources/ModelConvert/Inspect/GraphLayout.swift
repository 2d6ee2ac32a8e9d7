/// A layered drawing, top to bottom, after Sugiyama, Tagawa and Toda (1981): ranks by longest path,
/// order within a rank by barycentres, then x-coordinates that keep chains straight.
///
/// An edge that crosses ranks runs through a point in each of them, which takes part in the layout
/// like a narrow box.
struct GraphLayout {
  struct Place {
    /// The box's centre.
    var x = 0.0
    var y = 0.0
  }

  static let boxWidth = 216.0
  static let stateWidth = 108.0
  static let slimHeight = 28.0
  static let fullHeight = 46.0
  private static let pointWidth = 26.0
  private static let gapAcross = 22.0
  private static let gapDown = 26.0

  private(set) var places: [Place] = []
  /// For each edge the points between its two boxes.
  private(set) var bends: [[Place]] = []
  private(set) var width = 0.0
  private(set) var height = 0.0

  // Boxes first, then the points of long edges.
  private var ranks: [Int] = []
  private var above: [[(item: Int, weight: Double)]] = []
  private var below: [[(item: Int, weight: Double)]] = []
  private var rows: [[Int]] = []
  private var x: [Double] = []
  private let boxCount: Int
  private let boxWidths: [Double]

  init(_ graph: ModelGraph, heights: [Double], widths: [Double]) {
    boxCount = graph.nodes.count
    boxWidths = widths
    guard boxCount > 0 else { return }
    ranks = GraphLayout.longestPaths(graph)
    above = Array(repeating: [], count: boxCount)
    below = above
    let chains = addPoints(graph)
    rows = Array(repeating: [], count: (ranks.max() ?? 0) + 1)
    for item in ranks.indices { rows[ranks[item]].append(item) }
    order()
    placeAcross()
    placeDown(graph, heights, chains)
  }

  // MARK: Ranks

  /// Edges lead from earlier boxes to later ones but for states, which are made when first read.
  private static func longestPaths(_ graph: ModelGraph) -> [Int] {
    var ranks = [Int](repeating: 0, count: graph.nodes.count)
    var changed = true
    var rounds = 0
    while changed && rounds <= graph.nodes.count {
      changed = false
      rounds += 1
      for e in graph.edges where ranks[e.to] <= ranks[e.from] {
        ranks[e.to] = ranks[e.from] + 1
        changed = true
      }
    }
    // What nothing leads to stands just above what reads it.
    for i in graph.nodes.indices where !graph.edges.contains(where: { $0.to == i }) {
      let readers = graph.edges.filter { $0.from == i }.map { ranks[$0.to] }
      if let first = readers.min() { ranks[i] = max(first - 1, 0) }
    }
    return ranks
  }

  private mutating func addPoints(_ graph: ModelGraph) -> [[Int]] {
    var chains: [[Int]] = []
    var readers = [Int](repeating: 0, count: boxCount)
    for e in graph.edges { readers[e.from] += 1 }
    for e in graph.edges {
      var chain: [Int] = []
      var previous = e.from
      // A long edge beside another way out of its box is a shortcut, which gives way to the chain;
      // a long edge that is the only way out is the end of a branch.
      let isShortcut = ranks[e.to] > ranks[e.from] + 1 && readers[e.from] > 1
      let weight = graph.isStateEdge(e) ? 0.5 : isShortcut ? 1 : 4
      for rank in (ranks[e.from] + 1)..<max(ranks[e.to], ranks[e.from] + 1) {
        ranks.append(rank)
        above.append([])
        below.append([])
        connect(previous, ranks.count - 1, weight)
        previous = ranks.count - 1
        chain.append(previous)
      }
      connect(previous, e.to, weight)
      chains.append(chain)
    }
    return chains
  }

  private mutating func connect(_ upper: Int, _ lower: Int, _ weight: Double) {
    below[upper].append((lower, weight))
    above[lower].append((upper, weight))
  }

  // MARK: Order

  private mutating func order() {
    var best = rows
    var fewest = crossings()
    for sweep in 0..<16 where fewest > 0 {
      let down = sweep % 2 == 0
      let indices = down ? Array(rows.indices.dropFirst()) : rows.indices.dropLast().reversed()
      for r in indices {
        let neighbours = down ? above : below
        let position = positions(of: rows[down ? r - 1 : r + 1])
        let own = positions(of: rows[r])
        let key = rows[r].map { item -> (Double, Int, Int) in
          let found = neighbours[item].compactMap { position[$0.item] }
          let mean = found.isEmpty ? Double(own[item]!) : Double(found.reduce(0, +)) / Double(found.count)
          return (mean, own[item]!, item)
        }
        rows[r] = key.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
      }
      let now = crossings()
      if now < fewest {
        fewest = now
        best = rows
      }
    }
    rows = best
  }

  private func positions(of row: [Int]) -> [Int: Int] {
    Dictionary(uniqueKeysWithValues: row.enumerated().map { ($1, $0) })
  }

  private func crossings() -> Int {
    var count = 0
    for r in rows.indices.dropLast() {
      let position = positions(of: rows[r + 1])
      var ends: [Int] = []
      for item in rows[r] { ends += below[item].compactMap { position[$0.item] }.sorted() }
      for i in ends.indices {
        for j in 0..<i where ends[j] > ends[i] { count += 1 }
      }
    }
    return count
  }

  // MARK: Coordinates

  private func width(_ item: Int) -> Double {
    item < boxCount ? boxWidths[item] : GraphLayout.pointWidth
  }

  private mutating func placeAcross() {
    x = [Double](repeating: 0, count: ranks.count)
    for row in rows {
      var at = 0.0
      for item in row {
        x[item] = at + width(item) / 2
        at += width(item) + GraphLayout.gapAcross
      }
      for item in row { x[item] -= at / 2 }
    }
    for pass in 0..<25 {
      let down = pass % 2 == 0
      for r in down ? Array(rows.indices) : rows.indices.reversed() {
        settle(rows[r], down ? above : below)
      }
    }
    let left = ranks.indices.map { x[$0] - width($0) / 2 }.min() ?? 0
    let right = ranks.indices.map { x[$0] + width($0) / 2 }.max() ?? 0
    for i in x.indices { x[i] -= left }
    width = right - left
  }

  /// Moves a row's items to where their neighbours want them, in order and without overlap: a
  /// least-squares fit under order constraints, by pooling adjacent violators.
  private mutating func settle(_ row: [Int], _ neighbours: [[(item: Int, weight: Double)]]) {
    var offset = 0.0
    var blocks: [(value: Double, weight: Double, count: Int)] = []
    var offsets: [Double] = []
    for (i, item) in row.enumerated() {
      if i > 0 { offset += (width(row[i - 1]) + width(item)) / 2 + GraphLayout.gapAcross }
      offsets.append(offset)
      let wish = median(neighbours[item]) ?? x[item]
      // Shortcuts and states give way to boxes and branches altogether.
      let heaviest = neighbours[item].map(\.weight).max() ?? 0.01
      let weight = heaviest > 1 ? 1000 : heaviest
      blocks.append((wish - offset, weight, 1))
      while blocks.count > 1, blocks[blocks.count - 2].value > blocks[blocks.count - 1].value {
        let b = blocks.removeLast()
        let a = blocks.removeLast()
        let sum = a.weight + b.weight
        blocks.append(((a.value * a.weight + b.value * b.weight) / sum, sum, a.count + b.count))
      }
    }
    var i = 0
    for block in blocks {
      for _ in 0..<block.count {
        x[row[i]] = block.value + offsets[i]
        i += 1
      }
    }
  }

  private func median(_ neighbours: [(item: Int, weight: Double)]) -> Double? {
    let sorted = neighbours.map { (x[$0.item], $0.weight) }.sorted { $0.0 < $1.0 }
    let half = sorted.reduce(0) { $0 + $1.1 } / 2
    var sum = 0.0
    for (i, (value, weight)) in sorted.enumerated() {
      sum += weight
      if sum == half, i + 1 < sorted.count { return (value + sorted[i + 1].0) / 2 }
      if sum > half { return value }
    }
    return nil
  }

  private mutating func placeDown(_ graph: ModelGraph, _ heights: [Double], _ chains: [[Int]]) {
    var y = [Double](repeating: 0, count: ranks.count)
    var top = 0.0
    for row in rows {
      let tallest = row.map { $0 < boxCount ? heights[$0] : 0 }.max() ?? 0
      for item in row { y[item] = top + tallest / 2 }
      top += tallest + GraphLayout.gapDown
    }
    height = max(top - GraphLayout.gapDown, 0)
    places = (0..<boxCount).map { Place(x: x[$0], y: y[$0]) }
    bends = chains.map { $0.map { Place(x: x[$0], y: y[$0]) } }
  }
}
