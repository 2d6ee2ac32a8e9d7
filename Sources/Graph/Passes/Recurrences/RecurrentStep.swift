import ModelFormat

/// One step of a recurrent layer, found in a graph.
struct RecurrentStep {
  let cell: RecurrentCell
  /// In ONNX's order: RNN one; LSTM i, o, f, c; GRU z, r, h, and with `linearBeforeReset` the part
  /// of h that the reset gate multiplies, as a fourth.
  var gates: [LinearForm]
  /// The activation of an RNN.
  var activation = "Tanh"
  var linearBeforeReset = false
  /// GRU: h' = z · n + (1 − z) · h, the other way round than ONNX says it.
  var isUpdateInverted = false
  /// Before the step. nil: an LSTM or RNN does not tell h from x by itself.
  var h: SequenceRow?
  var c: SequenceRow?
  /// After the step.
  let nextH: Value
  var nextC: Value?
  /// What computes it from the gates' sums on.
  var nodes: [Node]

  /// What the gates read.
  var rows: [SequenceRow] {
    var result: [SequenceRow] = []
    for gate in gates { for row in gate.rows where !result.contains(row) { result.append(row) } }
    return result
  }

  /// The inputs, if `h` is the state. Several are one that is joined from parts.
  func inputs(_ h: SequenceRow?) -> [SequenceRow] { rows.filter { $0 != h } }

  /// Every node that has to do with the state.
  func allNodes(_ h: SequenceRow?) -> [Node] {
    nodes
      + gates.flatMap(\.nodes).filter { entry in h.map { entry.rows.contains($0) } ?? false }
      .map(\.node)
  }

  /// The number of units, if the gates are those of a layer with state h.
  func units(_ h: SequenceRow) -> Int? {
    let units = gates[0].columns
    let inputs = inputs(h)
    guard !inputs.isEmpty, gates.allSatisfy({ $0.columns == units }) else { return nil }
    for (k, gate) in gates.enumerated() {
      let hasInputs = inputs.allSatisfy { x in
        gate.matrix(of: x).map { $0.inputs == gates[0].matrix(of: x)?.inputs } ?? false
      }
      let hasState = gate.matrix(of: h)?.inputs == units
      switch (linearBeforeReset, k) {
      case (true, 2): if !hasInputs || gate.terms.count != inputs.count { return nil }
      case (true, 3): if !hasState || gate.terms.count != 1 { return nil }
      default: if !hasInputs || !hasState || gate.terms.count != inputs.count + 1 { return nil }
      }
    }
    return units
  }

  /// The rows that this step multiplies with the matrices with which another multiplies `rows`.
  func rows(like rows: [SequenceRow], of other: RecurrentStep) -> [SequenceRow]? {
    guard isLike(other) else { return nil }
    let mine = self.rows
    let found = rows.compactMap { theirs in
      mine.first { row in
        zip(gates, other.gates).allSatisfy { $0.matrix(of: row) == $1.matrix(of: theirs) }
      }
    }
    return found.count == rows.count ? found : nil
  }

  /// The inputs, where with state h the weights are those of another step whose state is the last
  /// of the rows given, behind its inputs.
  func inputs(_ h: SequenceRow, like rows: [SequenceRow], of other: RecurrentStep)
    -> [SequenceRow]?
  {
    guard self.rows.count == rows.count, let mine = self.rows(like: rows, of: other),
      mine.last == h,
      zip(gates, other.gates).allSatisfy({ $0.sortedBiases == $1.sortedBiases })
    else { return nil }
    return Array(mine.dropLast())
  }

  /// The inputs, where this is another's step from a state of zeros, whose products were constants:
  /// only their biases are left.
  func inputsFromZeros(like rows: [SequenceRow], of other: RecurrentStep) -> [SequenceRow]? {
    guard self.rows.count == rows.count, let mine = self.rows(like: rows, of: other),
      zip(gates, other.gates).allSatisfy({ mine, theirs in
        zip(mine.bias, theirs.bias).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }
      })
    else { return nil }
    return mine
  }

  private func isLike(_ other: RecurrentStep) -> Bool {
    cell == other.cell && gates.count == other.gates.count && activation == other.activation
      && linearBeforeReset == other.linearBeforeReset
      && isUpdateInverted == other.isUpdateInverted
      && gates[0].columns == other.gates[0].columns
  }
}

/// Finds steps by their structure; sums and products in any order.
struct RecurrentStepFinder {
  let editor: FunctionEditor
  let forms: LinearForms

  func step(_ cell: RecurrentCell, endingIn node: Node) -> RecurrentStep? {
    switch cell {
    case .lstm: lstm(node)
    case .gru: gru(node)
    case .rnn: rnn(node)
    }
  }

  // MARK: Parts

  private func producer(_ value: Value?, _ op: String) -> Node? {
    guard let value, let node = editor.producer(of: forms.rows.peeled(value)), node.op == op
    else { return nil }
    return node
  }

  /// Both orders of a node's two inputs.
  private func pairs(_ node: Node?) -> [(Value, Value)] {
    guard let node, let a = node.input(0), let b = node.input(1) else { return [] }
    return [(a, b), (b, a)]
  }

  /// The form whose activation a value is.
  private func gate(_ value: Value, _ op: String = "Sigmoid") -> (form: LinearForm, node: Node)? {
    guard let node = producer(value, op), let x = node.input(0), let form = forms.form(x) else {
      return nil
    }
    return (form, node)
  }

  private func isSame(_ a: Value, _ b: Value) -> Bool {
    forms.rows.peeled(a) === forms.rows.peeled(b)
  }

  /// z where a value is 1 − z.
  private func complement(_ value: Value) -> (z: Value, node: Node)? {
    guard let node = producer(value, "Sub"), let one = node.input(0), one.hasRealFloats,
      one.realFloats.allSatisfy({ $0 == 1 }), let z = node.input(1)
    else { return nil }
    return (z, node)
  }

  // MARK: Cells

  /// h' = f(form).
  private func rnn(_ node: Node) -> RecurrentStep? {
    guard ["Tanh", "Relu", "Sigmoid"].contains(node.op), let x = node.input(0),
      let y = node.outputs[0], let form = forms.form(x), !form.terms.isEmpty
    else { return nil }
    return RecurrentStep(
      cell: .rnn, gates: [form], activation: node.op, nextH: y, nodes: [node])
  }

  /// h' = o · tanh(c'),   c' = f · c + i · g.
  private func lstm(_ node: Node) -> RecurrentStep? {
    guard node.op == "Mul", let y = node.outputs[0] else { return nil }
    for (a, b) in pairs(node) {
      guard let o = gate(a), let tanh = producer(b, "Tanh"), let next = tanh.input(0),
        let sum = producer(next, "Add")
      else { continue }
      for (kept, new) in pairs(sum) {
        guard let keep = producer(kept, "Mul"), let add = producer(new, "Mul") else { continue }
        for (fValue, c) in pairs(keep) {
          guard let f = gate(fValue) else { continue }
          for (iValue, gValue) in pairs(add) {
            guard let i = gate(iValue), let g = gate(gValue, "Tanh") else { continue }
            return RecurrentStep(
              cell: .lstm, gates: [i.form, o.form, f.form, g.form], c: forms.rows.row(c),
              nextH: y, nextC: sum.outputs[0],
              nodes: [node, tanh, sum, keep, add, i.node, o.node, f.node, g.node])
          }
        }
      }
    }
    return nil
  }

  /// h' = (1 − z) · n + z · h, written in one of several ways.
  private func gru(_ node: Node) -> RecurrentStep? {
    guard node.op == "Add", let y = node.outputs[0], let mix = mixture(node),
      let z = gate(mix.z), let tanh = producer(mix.n, "Tanh"), let sum = tanh.input(0)
    else { return nil }
    let h = forms.rows.row(mix.h)
    var step = RecurrentStep(
      cell: .gru, gates: [z.form], isUpdateInverted: mix.isInverted, h: h, nextH: y,
      nodes: [node, tanh, z.node] + mix.nodes)
    // n = tanh(x part + r · (h part))
    let terms = addends(sum, &step.nodes)
    for (k, term) in terms.enumerated() {
      guard let product = producer(term, "Mul") else { continue }
      for (a, b) in pairs(product) {
        guard let r = gate(a), let inner = forms.addend(b, z.form.columns) else { continue }
        var rest = LinearForm(columns: inner.columns)
        for (j, other) in terms.enumerated() where j != k {
          guard let form = forms.addend(other, inner.columns) else { return nil }
          rest.add(form)
        }
        step.gates += [r.form, rest, inner]
        step.linearBeforeReset = true
        step.nodes += [product, r.node]
        return step
      }
    }
    // n = tanh(form of x and r · h)
    guard var form = forms.form(sum) else { return nil }
    for i in form.terms.indices {
      let row = form.terms[i].row
      guard row.axis == nil, let product = producer(row.value, "Mul") else { continue }
      for (a, b) in pairs(product) where forms.rows.row(b) == h {
        guard let r = gate(a) else { continue }
        // In the layer's terms it is h that the matrix is for.
        form.terms[i].row = h
        form.nodes = form.nodes.map { entry in
          (entry.node, entry.rows.map { $0 == row ? h : $0 })
        }
        step.gates += [r.form, form]
        step.nodes += [product, r.node]
        return step
      }
    }
    return nil
  }

  /// A sum's terms, through sums of sums; the nodes that add them are noted.
  private func addends(_ value: Value, _ nodes: inout [Node]) -> [Value] {
    guard let node = producer(value, "Add"), let a = node.input(0), let b = node.input(1) else {
      return [value]
    }
    nodes.append(node)
    return addends(a, &nodes) + addends(b, &nodes)
  }

  private struct Mixture {
    let z: Value
    let n: Value
    let h: Value
    let isInverted: Bool
    let nodes: [Node]
  }

  /// The ways of writing (1 − z) · n + z · h.
  private func mixture(_ node: Node) -> Mixture? {
    for (a, b) in pairs(node) {
      // (1 − z) · u + z · v
      if let first = producer(a, "Mul"), let second = producer(b, "Mul") {
        for (p, u) in pairs(first) {
          guard let (z, sub) = complement(p) else { continue }
          for (q, v) in pairs(second) where isSame(q, z) {
            return mixture(z, u, v, [first, second, sub])
          }
        }
      }
      // u + z · (v − u)
      if let product = producer(b, "Mul") {
        for (z, d) in pairs(product) {
          if let sub = producer(d, "Sub"), let v = sub.input(0), let u = sub.input(1),
            isSame(u, a)
          {
            return mixture(z, u, v, [product, sub])
          }
        }
      }
      // (u − z · u) + z · v
      if let sub = producer(a, "Sub"), let product = producer(b, "Mul"), let u = sub.input(0),
        let taken = producer(sub.input(1), "Mul")
      {
        for (p, w) in pairs(taken) where isSame(w, u) {
          for (z, v) in pairs(product) where isSame(z, p) {
            return mixture(z, u, v, [sub, product, taken])
          }
        }
      }
    }
    return nil
  }

  /// (1 − z) · u + z · v, where one of u and v is the new part: a tanh.
  private func mixture(_ z: Value, _ u: Value, _ v: Value, _ nodes: [Node]) -> Mixture? {
    // The state may be a tanh too: that of another layer. The new part reads the gates' input.
    if isNew(u) { return Mixture(z: z, n: u, h: v, isInverted: false, nodes: nodes) }
    if isNew(v) { return Mixture(z: z, n: v, h: u, isInverted: true, nodes: nodes) }
    return nil
  }

  private func isNew(_ value: Value) -> Bool {
    guard let x = producer(value, "Tanh")?.input(0) else { return false }
    return producer(x, "Add") != nil || forms.form(x) != nil
  }
}
