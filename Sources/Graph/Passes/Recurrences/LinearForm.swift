import ModelFormat

/// Some columns of Σ row · matrix + Σ bias: what a gate of a recurrent cell is a function of.
struct LinearForm {
  /// row · part of a constant matrix [inputs, columns].
  struct Term: Equatable {
    var row: SequenceRow
    var matrix: MatrixPart
  }

  var terms: [Term] = []
  var biases: [BiasPart] = []
  var columns: Int
  /// The nodes that compute it, each with the rows that it depends on.
  var nodes: [(node: Node, rows: [SequenceRow])] = []

  var rows: [SequenceRow] {
    var result: [SequenceRow] = []
    for term in terms where !result.contains(term.row) { result.append(term.row) }
    return result
  }

  /// The matrix that a row is multiplied with; nil where there is none or are several.
  func matrix(of row: SequenceRow?) -> MatrixPart? {
    let found = terms.filter { $0.row == row }
    return found.count == 1 ? found[0].matrix : nil
  }

  mutating func add(_ other: LinearForm) {
    terms += other.terms
    biases += other.biases
    nodes += other.nodes
  }

  /// The biases in an order that does not depend on how they were added.
  var sortedBiases: [BiasPart] {
    biases.sorted {
      let (a, b) = (ObjectIdentifier($0.value).hashValue, ObjectIdentifier($1.value).hashValue)
      return a == b ? $0.start < $1.start : a < b
    }
  }

  /// The sum of the biases.
  var bias: [Float] {
    var sum = [Float](repeating: 0, count: columns)
    for part in biases {
      let floats = part.value.realFloats
      for i in sum.indices { sum[i] += floats.count == 1 ? floats[0] : floats[part.start + i] }
    }
    return sum
  }
}

/// A part of a constant matrix, as [inputs, columns].
struct MatrixPart: Equatable {
  /// [a, b], or a recurrent layer's [1, a, b].
  let value: Value
  /// It is [columns, inputs].
  let isTransposed: Bool
  let firstInput: Int
  let inputs: Int
  var firstColumn: Int
  var columns: Int

  static func == (a: MatrixPart, b: MatrixPart) -> Bool {
    a.value === b.value && a.isTransposed == b.isTransposed && a.firstInput == b.firstInput
      && a.inputs == b.inputs && a.firstColumn == b.firstColumn && a.columns == b.columns
  }

  /// Its elements as [columns, inputs], as recurrent operators want them, into rows of `stride`.
  func write(to target: inout [Float], at start: Int, stride: Int, scale: Float) {
    let source = value.realFloats
    guard let width = value.fixedShape?.last else { return }
    for j in 0..<columns {
      for i in 0..<inputs {
        let (row, column) =
          isTransposed
          ? (firstColumn + j, firstInput + i) : (firstInput + i, firstColumn + j)
        target[start + j * stride + i] = scale * source[row * width + column]
      }
    }
  }
}

/// A part of a constant that is added to every row.
struct BiasPart: Equatable {
  let value: Value
  var start: Int

  static func == (a: BiasPart, b: BiasPart) -> Bool { a.value === b.value && a.start == b.start }
}

/// Finds the linear forms of a function's values.
final class LinearForms {
  let rows: SequenceRows
  private let editor: FunctionEditor
  private var known: [ObjectIdentifier: LinearForm?] = [:]
  private var constants = WeightContents(limit: .max, mergesTrainable: true)

  init(_ editor: FunctionEditor) {
    self.editor = editor
    rows = SequenceRows(editor: editor)
  }

  /// Of the constants with the same elements one.
  func unique(_ constant: Value) -> Value { constants.first(constant) }

  /// nil where the value is no such thing.
  func form(_ value: Value) -> LinearForm? {
    let value = rows.peeled(value)
    if let form = known[ObjectIdentifier(value)] { return form }
    known[ObjectIdentifier(value)] = .some(nil)
    let form = find(value)
    known[ObjectIdentifier(value)] = .some(form)
    return form
  }

  private func find(_ value: Value) -> LinearForm? {
    guard let columns = value.shape?.last?.fixed else { return constant(value, 1) }
    if value.kind == .weight { return constant(value, columns) }
    guard let node = editor.producer(of: value), var form = form(of: node, value, columns) else {
      return nil
    }
    form.nodes.append((node, form.rows))
    return form
  }

  private func form(of node: Node, _ value: Value, _ columns: Int) -> LinearForm? {
    guard let x = node.input(0) else { return nil }
    switch node.op {
    case "MatMul":
      return product(x, node.input(1), isTransposed: false, columns)
    case "Gemm":
      guard node.float("alpha", default: 1) == 1, node.float("beta", default: 1) == 1,
        node.int("transA", default: 0) == 0, node.attributes["activation_minimum"] == nil,
        node.attributes["activation_maximum"] == nil,
        var result = product(
          x, node.input(1), isTransposed: node.int("transB", default: 0) != 0, columns)
      else { return nil }
      if let c = node.input(2) {
        guard let bias = addend(c, columns) else { return nil }
        result.add(bias)
      }
      return result
    case "Add":
      guard let y = node.input(1), var result = addend(x, columns), let other = addend(y, columns)
      else { return nil }
      result.add(other)
      return result.terms.isEmpty ? nil : result
    case "Slice":
      if let cut = SliceOfAxis(node), cut.axis == (x.shape?.count ?? 0) - 1 {
        return cut.step == 1 ? part(form(x), cut.start, columns) : nil
      }
      return element(value)
    case "Split":
      if let cut = PartOfSplit(node, value), cut.axis == (x.shape?.count ?? 0) - 1 {
        return part(form(x), cut.start, columns)
      }
      return element(value)
    case "Gather":
      return element(value)
    default: return nil
    }
  }

  /// A term of a sum with `columns` columns, constants included.
  func addend(_ value: Value, _ columns: Int) -> LinearForm? {
    if value.kind == .weight { return constant(value, columns) }
    guard let form = form(value), form.columns == columns else { return nil }
    return form
  }

  /// A constant that is the same for every row.
  private func constant(_ value: Value, _ columns: Int) -> LinearForm? {
    guard value.hasRealFloats, let count = value.count, count > 0 else { return nil }
    let value = unique(value)
    if count > 1 {
      guard value.fixedShape?.last == columns else { return nil }
      let width = columns * value.dataType.size
      for start in stride(from: width, to: value.bytes.count, by: width)
      where value.bytes[start..<start + width] != value.bytes[0..<width] { return nil }
    }
    return LinearForm(biases: [BiasPart(value: value, start: 0)], columns: columns)
  }

  private func product(
    _ x: Value, _ w: Value?, isTransposed: Bool, _ columns: Int
  ) -> LinearForm? {
    guard let w, w.hasRealFloats, let shape = w.fixedShape, shape.count == 2,
      shape[isTransposed ? 0 : 1] == columns
    else { return nil }
    let inputs = shape[isTransposed ? 1 : 0]
    var result = LinearForm(columns: columns)
    func add(_ value: Value, _ first: Int, _ count: Int) {
      let matrix = MatrixPart(
        value: unique(w), isTransposed: isTransposed, firstInput: first, inputs: count,
        firstColumn: 0, columns: columns)
      result.terms.append(LinearForm.Term(row: rows.row(value), matrix: matrix))
    }
    // [x, h] · W
    let joined = rows.peeled(x)
    if let node = editor.producer(of: joined), node.op == "Concat", let rank = joined.shape?.count,
      [-1, rank - 1].contains(node.int("axis", default: 0))
    {
      var first = 0
      for part in node.inputs {
        guard let part, let count = part.shape?.last?.fixed else { return nil }
        add(part, first, count)
        first += count
      }
      guard first == inputs else { return nil }
      result.nodes.append((node, result.rows))
    } else {
      add(x, 0, inputs)
    }
    return result
  }

  private func part(_ form: LinearForm?, _ start: Int, _ count: Int) -> LinearForm? {
    guard var form, start >= 0, start + count <= form.columns else { return nil }
    form.columns = count
    for i in form.terms.indices {
      form.terms[i].matrix.firstColumn += start
      form.terms[i].matrix.columns = count
    }
    for i in form.biases.indices where form.biases[i].value.count != 1 {
      form.biases[i].start += start
    }
    return form
  }

  /// One element of a sequence that is a linear form of a sequence as a whole.
  private func element(_ value: Value) -> LinearForm? {
    guard var (x, axis, index) = rows.element(value) else { return nil }
    while let next = rows.behind(x, axis, index) { (x, axis, index) = next }
    guard var form = form(x), let rank = x.shape?.count else { return nil }
    for i in form.terms.indices {
      let row = form.terms[i].row
      guard row.axis == nil, row.value.shape?.count == rank else { return nil }
      form.terms[i].row = rows.element(index, of: row.value, axis: axis)
    }
    // What computes all elements at once does not belong to this one.
    form.nodes = []
    return form
  }
}
