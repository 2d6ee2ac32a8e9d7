import Graph
import ModelFormat

/// Which tensors of a network become integers, and which of them share a scale.
///
/// Tensors and nodes are named by their numbers in the model's file.
struct QuantizationScheme {
  /// For each node of the function why it cannot be computed in integers; nil where it can.
  let obstacles: [String?]
  /// For each tensor the group that it shares its scale with, by one of its members.
  let groups: [Int]
  /// Tensors between a layer and the clip behind it, which are never quantised on their own.
  let fused: Set<Int>
  /// For each node its data inputs and outputs, and for one that is fused with clips its result.
  private let data: [(inputs: [Int], outputs: [Int])]
  private let rules: [OperatorRule?]

  init(_ model: FloatModel) throws {
    let (graph, tensors) = try model.open()
    let function = graph.functions[model.function]
    let numbers = tensors.numbers
    func number(_ value: Value) -> Int { numbers[ObjectIdentifier(value)]! }

    var readers: [Int: [Int]] = [:]
    var producers: [Int: Int] = [:]
    for (i, node) in function.nodes.enumerated() {
      for input in Set(node.inputs.compactMap { $0.map(number) }) {
        readers[input, default: []].append(i)
      }
      for case let output? in node.outputs { producers[number(output)] = i }
    }
    let obstacles = function.nodes.map { node -> String? in
      if let obstacle = node.obstacle { return obstacle }
      let isResult = node.outputs.contains { $0.map(function.isResult) ?? false }
      return node.rule?.treatment == .bends && isResult ? "it makes the network's result" : nil
    }
    self.obstacles = obstacles
    rules = function.nodes.map(\.rule)

    var fused: Set<Int> = []
    for (i, node) in function.nodes.enumerated() where obstacles[i] == nil {
      guard node.rule?.treatment == .clips, let x = node.input(0), let p = producers[number(x)],
        obstacles[p] == nil, readers[number(x)] == [i], !function.isResult(x)
      else { continue }
      let before = function.nodes[p]
      let isPart: Bool =
        switch before.rule?.treatment {
        case .layer: true
        case .computes: true
        case .clips: fused.contains(number(before.inputs[0]!))
        default: false
        }
      if isPart { fused.insert(number(x)) }
    }
    self.fused = fused

    var sets = UnionFind(tensors.count)
    var data: [(inputs: [Int], outputs: [Int])] = []
    for (i, node) in function.nodes.enumerated() {
      let inputs = node.dataInputs.map(number)
      var outputs = node.outputs.compactMap { $0.map(number) }
      if obstacles[i] == nil {
        // What a layer writes is what the last clip behind it writes.
        outputs = outputs.map { output in
          var y = output
          while fused.contains(y), let next = readers[y]?.first {
            y = number(function.nodes[next].outputs[0]!)
          }
          return y
        }
        let treatment = node.rule!.treatment
        if treatment == .moves || treatment == .clips {
          for input in inputs where !fused.contains(input) {
            for output in outputs { sets.unite(input, output) }
          }
        }
      }
      data.append((inputs.filter { !fused.contains($0) }, outputs))
    }
    for update in function.stateUpdates where update.state.dataType == .float32 {
      sets.unite(number(update.state), number(update.next))
    }
    self.data = data
    groups = tensors.indices.map { sets.find($0) }
  }

  /// What a node writes, behind the clips that are part of it.
  func results(of node: Int) -> [Int] { data[node].outputs }

  /// What a choice of nodes makes integers.
  struct Choice {
    /// For each node whether it is computed in integers.
    var isInteger: [Bool]
    /// Recurrent nodes whose weights become integers, their tensors not.
    var dynamic: Set<Int>
    /// The groups whose tensors are.
    var groups: Set<Int>
  }

  /// Layers are computed in integers but for those that are kept; what moves or computes between
  /// tensors follows them.
  func choose(keepingFloat kept: Set<Int>) -> Choice {
    var isInteger = [Bool](repeating: false, count: data.count)
    var wanted: Set<Int> = []
    func want(_ i: Int) {
      isInteger[i] = true
      for tensor in data[i].inputs + data[i].outputs { wanted.insert(groups[tensor]) }
    }
    let possible = data.indices.filter { obstacles[$0] == nil && !kept.contains($0) }
    let free = possible.filter { rules[$0]!.treatment != .recurrent }
    for i in free where rules[i]!.treatment == .layer { want(i) }
    var isChanged = true
    while isChanged {
      isChanged = false
      for i in free where !isInteger[i] {
        if (data[i].inputs + data[i].outputs).contains(where: { wanted.contains(groups[$0]) }) {
          want(i)
          isChanged = true
        }
      }
    }
    return Choice(
      isInteger: isInteger, dynamic: Set(possible).subtracting(free), groups: wanted)
  }
}
