import ModelFormat

/// An RNN, LSTM or GRU that was exported step by step becomes one node again.
///
/// At least two steps, one behind the other and with the same weights, must be there. What is
/// inside of a step (a gate, a cell state but the last) must not be read by anything else: one node
/// cannot supply it.
let fuseRecurrences = GraphPass(
  "fuse-recurrences", "Make one RNN, LSTM or GRU of steps that are written out"
) { editor in
  var count = 0
  // An RNN's step is a part of what the others' are.
  for cell in [RecurrentCell.lstm, .gru, .rnn] {
    // A layer changes what the one above it reads, so they are looked for anew.
    search: while true {
      for chain in RecurrentChain.find(cell, editor) {
        if RecurrenceFusion(chain, editor)?.perform() ?? false {
          count += 1
          continue search
        }
      }
      break
    }
  }
  return count
}

/// What of a chain has to be replaced, if it can be.
struct RecurrenceFusion {
  let chain: RecurrentChain
  let editor: FunctionEditor
  let rows: SequenceRows
  /// Nodes that go.
  private(set) var gone: Set<ObjectIdentifier> = []
  private(set) var goneNodes: [Node] = []
  /// Concats of every step's state.
  private(set) var stacks: [StackOfSteps] = []
  /// What the layer reads: several parts are joined.
  let sequences: [StepSequence]
  /// From a sequence's end to its beginning.
  let isReversed: Bool
  /// N, the batch.
  let batch: Dimension

  /// - Returns: nil where the steps must stay.
  init?(_ chain: RecurrentChain, _ editor: FunctionEditor) {
    self.chain = chain
    self.editor = editor
    rows = SequenceRows(editor: editor)
    let states = chain.steps.map(\.nextH)
    guard let shape = states[0].knownShape, shape.count == 2 || (shape.count == 3 && shape[0] == 1),
      states.allSatisfy({ $0.knownShape == shape }),
      chain.steps.allSatisfy({ $0.nextC.map { $0.knownShape == shape } ?? true })
    else { return nil }
    let batch = shape[shape.count - 2]
    self.batch = batch
    let parts = chain.inputs[0].indices.map { k in chain.inputs.map { $0[k] } }
    var sequences = parts.compactMap { StepSequence($0, batch: batch) }
    if sequences.contains(where: { $0.isReversed != sequences[0].isReversed }) {
      sequences = parts.compactMap { StepSequence(separate: $0, batch: batch) }
    }
    guard sequences.count == parts.count, !sequences.isEmpty else { return nil }
    self.sequences = sequences
    isReversed = sequences[0].isReversed
    for state in [chain.h, chain.c] {
      guard let state else { continue }
      guard InitialState(state, shape) != nil else { return nil }
    }
    for node in chain.nodes { take(node) }
    findStacks(states)
    takeAliases()
    guard keepsWhatOthersRead(), !dependsOnItself() else { return nil }
  }

  private mutating func take(_ node: Node) {
    if gone.insert(ObjectIdentifier(node)).inserted { goneNodes.append(node) }
  }

  func isGone(_ node: Node) -> Bool { gone.contains(ObjectIdentifier(node)) }

  /// Nodes that join the states of all steps in order.
  private mutating func findStacks(_ states: [Value]) {
    var seen: Set<ObjectIdentifier> = []
    func readers(_ value: Value) -> [Node] {
      editor.readers(of: value).flatMap { node -> [Node] in
        guard rows.isAlias(node), let y = node.outputs[0] else { return [node] }
        return readers(y)
      }
    }
    for node in readers(states[0]) where node.op == "Concat" && !isGone(node) {
      guard seen.insert(ObjectIdentifier(node)).inserted,
        let stack = StackOfSteps(node, states, rows)
      else { continue }
      stacks.append(stack)
      take(node)
    }
  }

  /// Nodes without an effect of their own between those that go.
  private mutating func takeAliases() {
    var todo = goneNodes
    while let node = todo.popLast() {
      for case let input? in node.inputs {
        guard let alias = editor.producer(of: input), rows.isAlias(alias), !isGone(alias),
          !editor.isResult(input), editor.readers(of: input).allSatisfy(isGone),
          let source = editor.producer(of: rows.peeled(input)), isGone(source)
        else { continue }
        take(alias)
        todo.append(alias)
      }
    }
  }

  /// Whether everything that goes is read by what goes too, but for what the new node supplies.
  private func keepsWhatOthersRead() -> Bool {
    let supplied = chain.steps.map(\.nextH) + [chain.last.nextC].compactMap { $0 }
      + stacks.map(\.output)
    return goneNodes.allSatisfy { node in
      node.outputs.allSatisfy { output in
        guard let output, !supplied.contains(where: { $0 === output }) else { return true }
        return !editor.isResult(output) && editor.readers(of: output).allSatisfy(isGone)
      }
    }
  }

  /// Whether an input of the steps is computed from what the steps compute.
  private func dependsOnItself() -> Bool {
    var seen: Set<ObjectIdentifier> = []
    var todo = (chain.inputs.flatMap { $0 } + [chain.h, chain.c].compactMap { $0 }).map(\.value)
    while let value = todo.popLast() {
      guard let node = editor.producer(of: value), seen.insert(ObjectIdentifier(node)).inserted
      else { continue }
      if isGone(node) { return true }
      todo += node.inputs.compactMap { $0 }
    }
    return false
  }
}

/// Where the inputs of the steps stand in the sequence that the new node reads.
enum StepSequence {
  /// Elements first … first + steps of a sequence; the last step may read the first of them.
  case part(of: Value, axis: Int, first: Int, isReversed: Bool)
  /// Tensors of their own.
  case separate([SequenceRow])

  init?(_ inputs: [SequenceRow], batch: Dimension) {
    if let part = StepSequence.part(inputs, batch) {
      self = part
    } else {
      self.init(separate: inputs, batch: batch)
    }
  }

  init?(separate inputs: [SequenceRow], batch: Dimension) {
    self = .separate(inputs)
    for row in inputs {
      guard let shape = row.value.knownShape, let last = shape.last, last.fixed != nil else {
        return nil
      }
      // [N, I], or [1, N, I], when the element is taken.
      var rest = shape
      if let axis = row.axis { rest.remove(at: axis) }
      while rest.count > 2, rest[0] == 1 { rest.removeFirst() }
      if rest.count == 1 { rest.insert(1, at: 0) }
      guard rest.count == 2, rest[0] == batch else { return nil }
    }
  }

  private static func part(_ inputs: [SequenceRow], _ batch: Dimension) -> StepSequence? {
    let value = inputs[0].value
    guard let axis = inputs[0].axis, let shape = value.knownShape,
      shape.count == 3 ? shape[1 - axis] == batch : shape.count == 2 && batch == 1,
      inputs.allSatisfy({ $0.value === value && $0.axis == axis })
    else { return nil }
    let first = inputs[0].index
    for step in [1, -1] where inputs.enumerated().allSatisfy({ $1.index == first + step * $0 }) {
      return .part(
        of: value, axis: axis, first: min(first, inputs[inputs.count - 1].index),
        isReversed: step < 0)
    }
    return nil
  }

  var isReversed: Bool {
    if case .part(_, _, _, let isReversed) = self { isReversed } else { false }
  }
}

/// Whether a tensor can be the initial state of a layer whose states have a shape.
struct InitialState {
  let row: SequenceRow
  /// It is [1, N, H] as it is.
  let isComplete: Bool

  init?(_ row: SequenceRow, _ shape: [Dimension]) {
    self.row = row
    guard let own = row.value.knownShape else { return nil }
    let wanted = Array(shape.suffix(2))
    if row.axis == 0 {
      guard own.count == 3, Array(own.suffix(2)) == wanted else { return nil }
      isComplete = own[0] == 1
    } else {
      guard row.axis == nil, Array(own.suffix(2)) == wanted,
        own.count == 2 || (own.count == 3 && own[0] == 1)
      else { return nil }
      isComplete = own.count == 3
    }
  }
}

/// A Concat of the states of all steps.
struct StackOfSteps {
  let node: Node
  let output: Value
  /// The axis along which steps stand: 0 or 1.
  let axis: Int
  /// The steps are an axis of their own; else they lie behind each other in a longer one.
  let hasOwnAxis: Bool
  /// From the last step to the first.
  let isBackward: Bool

  init?(_ node: Node, _ states: [Value], _ rows: SequenceRows) {
    guard node.inputs.count == states.count, let output = node.outputs[0],
      let shape = node.input(0)?.knownShape
    else { return nil }
    let found = node.inputs.map { input in
      input.flatMap { value in
        let row = rows.row(value)
        return row.axis == nil ? states.firstIndex { $0 === row.value } : nil
      }
    }
    let order = found.compactMap { $0 }
    guard order.count == states.count else { return nil }
    isBackward = order != Array(states.indices)
    guard !isBackward || order == states.indices.reversed() else { return nil }
    let stated = node.int("axis", default: 0)
    axis = stated < 0 ? stated + shape.count : stated
    guard axis == 0 || axis == 1, shape.count == 2 || (shape.count == 3 && shape[axis] == 1) else {
      return nil
    }
    hasOwnAxis = shape.count == 3
    self.node = node
    self.output = output
  }
}
