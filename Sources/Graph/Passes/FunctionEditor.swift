/// A function while a pass changes it: who writes each value and who reads it, kept up to date.
///
/// Nodes that are taken out or put in come into the function's list when the pass is done, in an
/// order in which they can run. Lookups and edits take constant time (but for the readers of a value
/// that are changed).
public final class FunctionEditor {
  public let graph: Graph
  public let function: Function
  private var producers: [ObjectIdentifier: Node] = [:]
  private var readers: [ObjectIdentifier: [Node]] = [:]
  private var results: Set<ObjectIdentifier> = []
  private var removed: Set<ObjectIdentifier> = []
  private var inserted: [ObjectIdentifier: [Node]] = [:]
  private var isChanged = false
  /// Keeps what the tables know by identity.
  private var kept: [AnyObject] = []
  /// Functions that read a weight, counted once each.
  private lazy var weightReaders: [ObjectIdentifier: Int] = countWeightReaders()
  /// Attributes that refer to a function.
  private lazy var bodyUses: [ObjectIdentifier: Int] = countBodyUses()

  init(_ function: Function, of graph: Graph) {
    self.graph = graph
    self.function = function
    for node in function.nodes { enter(node) }
    for value in function.outputs { results.insert(ObjectIdentifier(value)) }
    for update in function.stateUpdates { results.insert(ObjectIdentifier(update.next)) }
  }

  private func enter(_ node: Node) {
    kept.append(node)
    for case let output? in node.outputs {
      producers[ObjectIdentifier(output)] = node
      kept.append(output)
    }
    for case let input? in node.inputs {
      // Only this node is entered meanwhile: if the list has it, it comes last.
      let id = ObjectIdentifier(input)
      if readers[id]?.last === node { continue }
      readers[id, default: []].append(node)
      kept.append(input)
    }
  }

  private func addReader(_ node: Node, of value: Value) {
    var list = readers[ObjectIdentifier(value)] ?? []
    if !list.contains(where: { $0 === node }) {
      list.append(node)
      readers[ObjectIdentifier(value)] = list
      kept.append(value)
    }
  }

  private func removeReader(_ node: Node, of value: Value) {
    readers[ObjectIdentifier(value)]?.removeAll { $0 === node }
  }

  // MARK: Looking

  /// The nodes in the order in which they stood when the pass began, without those taken out.
  public var nodes: [Node] {
    function.nodes.filter { !removed.contains(ObjectIdentifier($0)) }
  }

  public func isRemoved(_ node: Node) -> Bool { removed.contains(ObjectIdentifier(node)) }

  /// The node that writes the value; nil where none does.
  public func producer(of value: Value?) -> Node? {
    value.flatMap { producers[ObjectIdentifier($0)] }
  }

  /// The nodes of this function that read the value, each once.
  public func readers(of value: Value) -> [Node] { readers[ObjectIdentifier(value)] ?? [] }

  /// Whether the value is needed after the last node has run.
  public func isResult(_ value: Value) -> Bool { results.contains(ObjectIdentifier(value)) }

  /// The only node that reads the value, if it reads it once and nothing else needs it.
  public func onlyReader(of value: Value) -> Node? {
    let list = readers(of: value)
    guard list.count == 1, !isResult(value), list[0].inputs.count(where: { $0 === value }) == 1
    else { return nil }
    return list[0]
  }

  /// The node that writes the value, if nothing but one reader needs the value and that node writes
  /// nothing else that is needed: the two can become one.
  public func exclusiveProducer(of value: Value?) -> Node? {
    guard let value, onlyReader(of: value) != nil, let node = producer(of: value),
      node.outputs.allSatisfy({ $0 === value || $0 == nil })
    else { return nil }
    return node
  }

  /// Whether nothing in the graph but one node reads the weight: a changed copy of it then takes its
  /// place in the file, otherwise it comes on top.
  public func isOwned(_ weight: Value) -> Bool {
    onlyReader(of: weight) != nil && (weightReaders[ObjectIdentifier(weight)] ?? 1) == 1
  }

  private func countWeightReaders() -> [ObjectIdentifier: Int] {
    var counts: [ObjectIdentifier: Int] = [:]
    for function in graph.functions {
      var own: Set<ObjectIdentifier> = []
      for node in function.nodes {
        for case let input? in node.inputs where input.kind == .weight {
          own.insert(ObjectIdentifier(input))
        }
      }
      for id in own { counts[id, default: 0] += 1 }
    }
    return counts
  }

  /// Whether the function is the body of one node, in one role.
  public func isOwned(_ body: Function) -> Bool { bodyUses[ObjectIdentifier(body)] == 1 }

  private func countBodyUses() -> [ObjectIdentifier: Int] {
    var counts: [ObjectIdentifier: Int] = [:]
    for function in graph.functions {
      for node in function.nodes {
        for case .function(let body) in node.attributes.values {
          counts[ObjectIdentifier(body), default: 0] += 1
        }
      }
    }
    return counts
  }

  // MARK: Changing

  public func setInput(_ i: Int, of node: Node, to value: Value?) {
    let old = i < node.inputs.count ? node.inputs[i] : nil
    while node.inputs.count <= i { node.inputs.append(nil) }
    node.inputs[i] = value
    if let old, !node.inputs.contains(where: { $0 === old }) { removeReader(node, of: old) }
    if let value { addReader(node, of: value) }
    isChanged = true
  }

  /// Leaves out an input; those behind it move up.
  public func removeInput(_ i: Int, of node: Node) {
    if let old = node.inputs.remove(at: i), !node.inputs.contains(where: { $0 === old }) {
      removeReader(node, of: old)
    }
    isChanged = true
  }

  /// Takes a node out; what it wrote must have no reader any more, or another writer.
  public func remove(_ node: Node) {
    removed.insert(ObjectIdentifier(node))
    for case let input? in node.inputs { removeReader(node, of: input) }
    for case let output? in node.outputs where producers[ObjectIdentifier(output)] === node {
      producers[ObjectIdentifier(output)] = nil
    }
    isChanged = true
  }

  /// Puts a new node before one that stands in the function.
  public func insert(_ node: Node, before other: Node) {
    inserted[ObjectIdentifier(other), default: []].append(node)
    enter(node)
    isChanged = true
  }

  /// Puts another node in the place of one; it writes what that wrote.
  public func replace(_ node: Node, with other: Node) {
    remove(node)
    insert(other, before: node)
  }

  /// Makes `node` write `value` as its output `i`, in place of what writes it now.
  public func setOutput(_ i: Int, of node: Node, to value: Value) {
    if let old = node.outputs[i] { producers[ObjectIdentifier(old)] = nil }
    node.outputs[i] = value
    producers[ObjectIdentifier(value)] = node
    kept.append(value)
    isChanged = true
  }

  /// Leaves out an output that nobody needs.
  public func dropOutput(_ i: Int, of node: Node) {
    node.outputs[i] = nil
    isChanged = true
  }

  /// `node` comes to write what its only reader writes, and that reader goes.
  public func absorb(_ reader: Node, into node: Node) {
    guard let value = reader.outputs[0] else { return }
    remove(reader)
    setOutput(0, of: node, to: value)
  }

  /// Makes everything that reads `old` read `new`. Where `old` is a result, `new` takes its name and
  /// its place, unless it has a name of its own to keep.
  ///
  /// - Returns: Whether it was done.
  @discardableResult
  public func replace(_ old: Value, with new: Value) -> Bool {
    if isResult(old) {
      guard producer(of: new) != nil, !isResult(new) else { return false }
      if function.outputs.contains(where: { $0 === old }) { new.name = old.name }
      new.bound = new.bound ?? old.bound
      for i in function.outputs.indices where function.outputs[i] === old {
        function.outputs[i] = new
      }
      for i in function.stateUpdates.indices where function.stateUpdates[i].next === old {
        function.stateUpdates[i].next = new
      }
      results.remove(ObjectIdentifier(old))
      results.insert(ObjectIdentifier(new))
      kept.append(new)
    }
    for node in readers(of: old) {
      for i in node.inputs.indices where node.inputs[i] === old { node.inputs[i] = new }
      addReader(node, of: new)
    }
    readers[ObjectIdentifier(old)] = nil
    isChanged = true
    return true
  }

  /// Brings the function's list up to date.
  func finish() {
    guard isChanged else { return }
    var nodes: [Node] = []
    func add(_ node: Node) {
      for other in inserted[ObjectIdentifier(node)] ?? [] { add(other) }
      if !removed.contains(ObjectIdentifier(node)) { nodes.append(node) }
    }
    for node in function.nodes { add(node) }
    function.nodes = nodes
    // The edits keep the order of reading and writing, so there is no circle to be found.
    try? function.sortNodes()
  }
}
