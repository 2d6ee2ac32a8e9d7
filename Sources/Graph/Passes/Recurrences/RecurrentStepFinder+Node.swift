import ModelFormat

extension RecurrentStepFinder {
  /// An RNN, LSTM or GRU that runs a single step, as cells are exported by some.
  func step(_ cell: RecurrentCell, ofLayer node: Node) -> RecurrentStep? {
    let plain: Set<String> = ["hidden_size", "linear_before_reset"]
    guard node.op == cell.rawValue, plain.isSuperset(of: node.attributes.keys),
      let x = node.input(0), x.knownShape?.first == 1, let w = node.input(1), w.hasRealFloats,
      let r = node.input(2), r.hasRealFloats, let shape = w.fixedShape, shape.count == 3,
      shape[0] == 1, let units = r.fixedShape?.last, shape[1] == cell.gates * units,
      node.input(4) == nil, node.input(7) == nil, node.outputs.count > 1,
      let next = node.outputs[1], node.outputs[0].map({ editor.readers(of: $0).isEmpty }) ?? true,
      node.outputs[0].map({ !editor.isResult($0) }) ?? true
    else { return nil }
    let b = node.input(3)
    guard b?.hasRealFloats ?? true else { return nil }
    let xRow = forms.rows.row(x)
    let hRow = node.input(5).map(forms.rows.row)
    let isLinear = node.int("linear_before_reset", default: 0) != 0
    /// Rows of the gates are columns here.
    func gate(_ k: Int, x hasX: Bool, h hasH: Bool) -> LinearForm {
      var form = LinearForm(columns: units)
      func add(_ row: SequenceRow, _ value: Value, _ inputs: Int) {
        let matrix = MatrixPart(
          value: forms.unique(value), isTransposed: true, firstInput: 0, inputs: inputs,
          firstColumn: k * units, columns: units)
        form.terms.append(LinearForm.Term(row: row, matrix: matrix))
      }
      if hasX { add(xRow, w, shape[2]) }
      if hasH, let hRow { add(hRow, r, units) }
      if let b {
        let parts = (hasX ? [k] : []) + (hasH ? [cell.gates + k] : [])
        form.biases = parts.map { BiasPart(value: forms.unique(b), start: $0 * units) }
      }
      return form
    }
    var gates = (0..<cell.gates).map {
      gate($0, x: true, h: !(isLinear && $0 == 2))
    }
    if isLinear { gates.append(gate(2, x: false, h: true)) }
    return RecurrentStep(
      cell: cell, gates: gates, linearBeforeReset: isLinear, h: cell == .gru ? hRow : nil,
      c: node.input(6).map(forms.rows.row), nextH: next,
      nextC: node.outputs.count > 2 ? node.outputs[2] : nil, nodes: [node])
  }
}
