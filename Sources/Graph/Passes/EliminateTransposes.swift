import ModelFormat

/// Transposes go: two in a row are one, or none; one that moves nothing in memory is a Reshape; one
/// before a matrix product is an attribute of that. To bring two together, a Transpose moves behind
/// element-wise nodes and Concat where that costs nothing.
let eliminateTransposes = GraphPass(
  "eliminate-transposes", "Merge, cancel and move Transposes so that fewer remain"
) { editor in
  var count = 0
  for node in editor.nodes {
    if editor.isRemoved(node) { continue }
    let isChanged =
      node.op == "Transpose"
      ? merge(node, editor) || becomeReshape(node, editor)
      : absorbIntoProduct(node, editor) || moveBehind(node, editor)
    if isChanged { count += 1 }
  }
  return count
}

/// Where each dimension of the result comes from.
private func permutation(_ node: Node?) -> [Int]? {
  guard let node, node.op == "Transpose", let rank = node.input(0)?.shape?.count else { return nil }
  guard let perm = node.ints("perm") else { return (0..<rank).reversed() }
  let result = perm.map { $0 < 0 ? $0 + rank : $0 }
  return result.sorted() == Array(0..<rank) ? result : nil
}

private func inverse(_ perm: [Int]) -> [Int] {
  var result = perm
  for (i, p) in perm.enumerated() { result[p] = i }
  return result
}

/// Transpose(Transpose(x)) is one Transpose of x, or x.
private func merge(_ node: Node, _ editor: FunctionEditor) -> Bool {
  guard let x = node.input(0), let y = node.outputs[0], let outer = permutation(node) else {
    return false
  }
  if outer == Array(0..<outer.count), editor.replace(y, with: x) {
    editor.remove(node)
    return true
  }
  guard let before = editor.producer(of: x), let inner = permutation(before),
    let start = before.input(0)
  else { return false }
  let both = outer.map { inner[$0] }
  if both == Array(0..<both.count), editor.replace(y, with: start) {
    editor.remove(node)
    return true
  }
  node.attributes["perm"] = .ints(both)
  editor.setInput(0, of: node, to: start)
  return true
}

/// Where the dimensions other than 1 keep their order nothing moves.
private func becomeReshape(_ node: Node, _ editor: FunctionEditor) -> Bool {
  guard let x = node.input(0), let y = node.outputs[0], let shape = x.knownShape,
    let perm = permutation(node)
  else { return false }
  let moved = perm.filter { shape[$0] != 1 }
  guard moved == moved.sorted(), let target = shapeConstant(from: x, to: y) else { return false }
  editor.replace(
    node, with: Node("Reshape", name: node.name, inputs: [x, target], outputs: [y]))
  return true
}

// MARK: Matrix products

/// A · Bᵀ: Gemm reads either matrix as its transpose.
private func absorbIntoProduct(_ node: Node, _ editor: FunctionEditor) -> Bool {
  let isGemm = node.op == "Gemm"
  guard isGemm || node.op == "MatMul", node.inputs.prefix(2).allSatisfy({ $0?.shape?.count == 2 })
  else { return false }
  for (i, attribute) in ["transA", "transB"].enumerated() {
    guard let producer = editor.producer(of: node.inputs[i]), permutation(producer) == [1, 0],
      let start = producer.input(0)
    else { continue }
    node.op = "Gemm"
    node.attributes[attribute] = .int(1 - node.int(attribute, default: 0))
    editor.setInput(i, of: node, to: start)
    return true
  }
  return false
}

// MARK: Moving

/// Result and inputs have one type, and each element depends on those at its own place.
private let elementwise: Set<String> = [
  "Relu", "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid", "Tanh",
  "Softplus", "Softsign", "Gelu", "HardSwish", "Mish", "Swish", "Clip", "Exp", "Log", "Sqrt",
  "Reciprocal", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Erf", "Sin", "Cos", "Shrink",
  "Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "PRelu",
]

/// f(Tᵖ x, Tᵖ z, c) = Tᵖ f(x, z, T⁻ᵖ c): every input is a Transpose that nobody else reads, or a
/// constant.
private func moveBehind(_ node: Node, _ editor: FunctionEditor) -> Bool {
  guard elementwise.contains(node.op) || node.op == "Concat", let y = node.outputs[0],
    node.outputs.count == 1, let shape = y.shape, !y.isBound,
    let perm = node.inputs.lazy.compactMap({ permutation(editor.producer(of: $0)) }).first,
    perm.count == shape.count
  else { return false }
  let back = inverse(perm)
  var inputs = node.inputs
  for (i, input) in node.inputs.enumerated() {
    guard let input else { continue }
    if let producer = editor.producer(of: input), permutation(producer) == perm {
      guard !editor.isResult(input), editor.readers(of: input).allSatisfy({ $0 === node }) else {
        return false
      }
      inputs[i] = producer.input(0)
    } else {
      guard let constant = transposed(input, by: back, for: node, i) else { return false }
      inputs[i] = constant
    }
  }
  let inner = Value(y.name.isEmpty ? "" : y.name + ".inner", y.dataType, back.map { shape[$0] })
  let moved = Node(
    node.op, name: node.name, inputs: inputs, outputs: [inner], attributes: node.attributes)
  if node.op == "Concat" {
    let axis = node.int("axis", default: 0)
    moved.attributes["axis"] = .int(perm[axis < 0 ? axis + perm.count : axis])
  }
  let transpose = Node(
    "Transpose", name: node.name.isEmpty ? "" : node.name + ".transpose", inputs: [inner],
    outputs: [y], attributes: ["perm": .ints(perm)])
  editor.remove(node)
  editor.insert(moved, before: node)
  editor.insert(transpose, before: node)
  return true
}

/// What stands beside transposed tensors: a scalar stays, a small constant is transposed.
private func transposed(_ value: Value, by perm: [Int], for node: Node, _ i: Int) -> Value? {
  if value.shape?.isEmpty ?? false, node.op != "Concat" { return value }
  if node.op == "Clip", i > 0 { return value }
  guard value.kind == .weight, value.quantization == nil, let shape = value.fixedShape,
    shape.count <= perm.count
  else { return nil }
  if shape.allSatisfy({ $0 == 1 }), node.op != "Concat" { return value }
  let whole = [Int](repeating: 1, count: perm.count - shape.count) + shape
  if node.op == "Concat", shape.count < perm.count { return nil }
  let target = perm.map { whole[$0] }
  let result = Value(
    value.name, value.dataType, target.map { .fixed($0) }, kind: .weight,
    bytes: transposedBytes(value.bytes, value.dataType.size, whole, perm))
  result.isTrainable = value.isTrainable
  return result
}

private func transposedBytes(
  _ bytes: [UInt8], _ size: Int, _ shape: [Int], _ perm: [Int]
) -> [UInt8] {
  var strides = [Int](repeating: size, count: shape.count)
  for d in stride(from: shape.count - 2, through: 0, by: -1) {
    strides[d] = strides[d + 1] * shape[d + 1]
  }
  let counts = perm.map { shape[$0] }
  let steps = perm.map { strides[$0] }
  var result: [UInt8] = []
  result.reserveCapacity(bytes.count)
  var index = [Int](repeating: 0, count: shape.count)
  for _ in 0..<(bytes.count / size) {
    let start = zip(index, steps).reduce(0) { $0 + $1.0 * $1.1 }
    result += bytes[start..<start + size]
    for d in index.indices.reversed() {
      index[d] += 1
      if index[d] < counts[d] { break }
      index[d] = 0
    }
  }
  return result
}
