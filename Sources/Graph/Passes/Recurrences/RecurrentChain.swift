import ModelFormat

/// Steps of one layer, each of which starts where the one before it ended.
struct RecurrentChain {
  private(set) var steps: [RecurrentStep]
  /// What each step reads; several rows are one that is joined from them.
  private(set) var inputs: [[SequenceRow]]
  /// The state before the first step; nil: zeros.
  private(set) var h: SequenceRow?
  private(set) var c: SequenceRow?
  let units: Int
  /// Of the last step.
  private let lastH: SequenceRow

  var last: RecurrentStep { steps[steps.count - 1] }
  /// The rows that stand for x and h in the last step's gates.
  var weightRows: (x: [SequenceRow], h: SequenceRow) { (inputs[inputs.count - 1], lastH) }

  /// Every node of the steps that has to do with the state.
  var nodes: [Node] {
    var result = steps[0].allNodes(h)
    for (k, step) in steps.enumerated().dropFirst() {
      result += step.allNodes(SequenceRow(value: steps[k - 1].nextH))
    }
    return result
  }

  /// The longest chain that ends in the last of the steps given, which are in order.
  private init?(_ steps: [RecurrentStep]) {
    guard steps.count > 1 else { return nil }
    // From the end: each step must have the weights of the last.
    let last = steps[steps.count - 1]
    lastH = SequenceRow(value: steps[steps.count - 2].nextH)
    guard let units = last.units(lastH) else { return nil }
    self.units = units
    let x = last.inputs(lastH)
    var inputs = [x]
    var first = steps.count - 1
    while first > 1 {
      let h = SequenceRow(value: steps[first - 2].nextH)
      guard let input = steps[first - 1].inputs(h, like: x + [lastH], of: last) else { break }
      inputs.append(input)
      first -= 1
    }
    // The first step reads a state that no step before it has written.
    let head = steps[first - 1]
    var found: (x: [SequenceRow], h: SequenceRow?)?
    for h in head.h.map({ [$0] }) ?? head.rows {
      if let input = head.inputs(h, like: x + [lastH], of: last) { found = (input, h) }
    }
    if found == nil, let input = head.inputsFromZeros(like: x, of: last) { found = (input, nil) }
    if let found {
      inputs.append(found.x)
      h = found.h
      first -= 1
    } else {
      h = SequenceRow(value: steps[first - 1].nextH)
    }
    self.steps = Array(steps[first...])
    self.inputs = inputs.reversed()
    c = self.steps[0].c
    if self.steps.count < 2 { return nil }
  }

  /// Finds the chains of one kind of cell.
  static func find(_ cell: RecurrentCell, _ editor: FunctionEditor) -> [RecurrentChain] {
    let finder = RecurrentStepFinder(editor: editor, forms: LinearForms(editor))
    var steps: [RecurrentStep] = []
    var ends: [ObjectIdentifier: Int] = [:]
    for node in editor.nodes {
      guard
        let step = finder.step(cell, endingIn: node) ?? finder.step(cell, ofLayer: node)
      else { continue }
      ends[ObjectIdentifier(step.nextH)] = steps.count
      steps.append(step)
    }
    var previous = [Int?](repeating: nil, count: steps.count)
    var followers = [Int](repeating: 0, count: steps.count)
    for (i, step) in steps.enumerated() {
      // Where both rows are ends of steps (layers above each other), the weights tell which it is.
      let candidates = (step.h.map { [$0] } ?? step.rows).filter { row in
        guard row.axis == nil, let k = ends[ObjectIdentifier(row.value)], k != i else {
          return false
        }
        let other = steps[k]
        let isStateKept =
          step.c.map { $0.axis == nil && $0.value === other.nextC } ?? (other.nextC == nil)
        return isStateKept && step.units(row) != nil
          && other.rows(like: step.inputs(row), of: step) != nil
      }
      guard candidates.count == 1, let k = ends[ObjectIdentifier(candidates[0].value)] else {
        continue
      }
      previous[i] = k
      followers[k] += 1
    }
    var chains: [RecurrentChain] = []
    for i in steps.indices where previous[i] != nil && followers[i] != 1 {
      var chain = [steps[i]]
      var k = i
      while let before = previous[k], chain.count < steps.count {
        // Where two go on from one state, neither chain reaches beyond it.
        if followers[before] != 1 { break }
        chain.append(steps[before])
        k = before
      }
      if let found = RecurrentChain(chain.reversed()) { chains.append(found) }
    }
    return chains
  }
}
