import ModelFormat

extension RecurrenceFusion {
  /// Puts the layer in the place of its steps.
  func perform() -> Bool {
    let cell = chain.last.cell
    let steps = chain.steps.count
    let builder = LayerBuilder(editor: editor, place: chain.last.nodes[0])
    let parts = sequences.compactMap { input($0, builder) }
    guard parts.count == sequences.count, let x = builder.joined(parts) else { return false }
    for node in goneNodes { editor.remove(node) }
    let name = chain.last.nodes[0].name
    let state: [Dimension] = [1, batch, .fixed(chain.units)]
    var outputs: [Value?] = [
      Value(name + ".sequence", .float32, [.fixed(steps)] + state),
      Value(name + ".last", .float32, state),
    ]
    if cell == .lstm { outputs.append(Value(name + ".cell", .float32, state)) }
    let needed = neededStates()
    if needed.sequence == false && stacks.isEmpty { outputs[0] = nil }
    if !needed.last { outputs[1] = nil }
    if cell == .lstm, let c = chain.last.nextC, !isNeeded(c) { outputs[2] = nil }
    var inputs: [Value?] = [x] + weights()
    inputs += [nil, initial(chain.h, builder)]
    if cell == .lstm { inputs.append(initial(chain.c, builder)) }
    guard outputs.contains(where: { $0 != nil }) else { return true }
    while inputs.last! == nil { inputs.removeLast() }
    while outputs.count > 1, outputs.last! == nil { outputs.removeLast() }
    editor.insert(
      Node(
        cell.rawValue, name: name, inputs: inputs, outputs: outputs, attributes: attributes()),
      before: builder.place)
    supply(outputs, builder)
    return true
  }

  // MARK: What goes in

  /// [T, N, I]
  private func input(_ sequence: StepSequence, _ builder: LayerBuilder) -> Value? {
    switch sequence {
    case .part(let value, let axis, let first, _):
      guard let shape = value.knownShape else { return nil }
      let count = chain.steps.count
      var x = value
      if shape[axis] != .fixed(count) || first != 0 {
        var part = shape
        part[axis] = .fixed(count)
        x = builder.add(
          "Slice",
          [
            x, builder.integers("starts", [first]), builder.integers("ends", [first + count]),
            builder.integers("axes", [axis]),
          ], part)
      }
      guard let now = x.shape else { return nil }
      if now.count == 2 { return builder.unsqueeze(x, 1) }
      return axis == 0 ? x : builder.swap(x)
    case .separate(let rows):
      var made: [(row: SequenceRow, value: Value)] = []
      let parts = rows.map { row -> Value in
        if let known = made.first(where: { $0.row == row }) { return known.value }
        let part = row.axis.map { builder.element(row.index, of: row.value, $0) } ?? row.value
        made.append((row, part.shape?.count == 2 ? builder.unsqueeze(part, 0) : part))
        return made[made.count - 1].value
      }
      guard let shape = parts[0].shape else { return nil }
      return builder.add(
        "Concat", parts, [.fixed(parts.count)] + shape.dropFirst(), ["axis": 0])
    }
  }

  private func initial(_ row: SequenceRow?, _ builder: LayerBuilder) -> Value? {
    guard let row, !isZero(row.value), let state = InitialState(row, chain.last.nextH.shape ?? [])
    else { return nil }
    if state.isComplete { return row.value }
    guard row.axis != nil else {
      if row.value.kind == .weight {
        return Value(
          row.value.name, row.value.dataType, [1] + (row.value.shape ?? []), kind: .weight,
          bytes: row.value.bytes)
      }
      return builder.unsqueeze(row.value, 0)
    }
    return builder.element(row.index, of: row.value, 0)
  }

  /// Zeros are what a layer starts from anyway.
  private func isZero(_ value: Value) -> Bool {
    if value.kind == .weight {
      return value.quantization == nil && value.bytes.allSatisfy { $0 == 0 }
    }
    guard let node = editor.producer(of: value) else { return false }
    switch node.op {
    case "ConstantOfShape": return node.input(1).map(isZero) ?? true
    case "Expand", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Tile":
      return node.input(0).map(isZero) ?? false
    default: return false
    }
  }

  /// W, R and B.
  private func weights() -> [Value?] {
    let step = chain.last
    let (x, h) = chain.weightRows
    let units = chain.units
    let count = step.cell.gates
    let inputs = x.reduce(0) { $0 + (step.gates[0].matrix(of: $1)?.inputs ?? 0) }
    var w = [Float](repeating: 0, count: count * units * inputs)
    var r = [Float](repeating: 0, count: count * units * units)
    var b = [Float](repeating: 0, count: 2 * count * units)
    for (k, gate) in step.gates.enumerated() {
      let scale: Float = k == 0 && step.isUpdateInverted ? -1 : 1
      // The fourth of a GRU is the part of the third that the reset gate multiplies.
      let place = min(k, count - 1)
      let isInner = k == count
      var start = place * units * inputs
      for row in x {
        guard let matrix = gate.matrix(of: row) else { continue }
        matrix.write(to: &w, at: start, stride: inputs, scale: scale)
        start += matrix.inputs
      }
      gate.matrix(of: h)?.write(to: &r, at: place * units * units, stride: units, scale: scale)
      for (i, value) in gate.bias.enumerated() {
        b[(isInner ? count * units : 0) + place * units + i] = scale * value
      }
    }
    /// Named, and stored as wide, as the matrix that it is made of.
    func weight(_ row: SequenceRow, _ width: Int, _ numbers: [Float]) -> Value {
      let source = step.gates.lazy.compactMap { $0.matrix(of: row)?.value }.first
      let result = Value(source?.name ?? "", [1, count * units, width], floats: numbers)
      if source?.dataType == .float16 {
        result.dataType = .float16
        result.bytes = numbers.map { Float16($0).bitPattern }.withUnsafeBytes { [UInt8]($0) }
      }
      return result
    }
    let bias = step.gates.lazy.flatMap(\.biases).first?.value.name ?? ""
    return [
      weight(x[0], inputs, w), weight(h, units, r),
      b.allSatisfy { $0 == 0 } ? nil : Value(bias, [1, 2 * count * units], floats: b),
    ]
  }

  private func attributes() -> [String: Attribute] {
    var result: [String: Attribute] = ["hidden_size": .int(chain.units)]
    if isReversed { result["direction"] = "reverse" }
    if chain.last.linearBeforeReset { result["linear_before_reset"] = 1 }
    if chain.last.cell == .rnn, chain.last.activation != "Tanh" {
      result["activations"] = .string(chain.last.activation)
    }
    return result
  }

  // MARK: What comes out

  private func isNeeded(_ value: Value) -> Bool {
    editor.isResult(value) || !editor.readers(of: value).isEmpty
  }

  private func neededStates() -> (sequence: Bool, last: Bool) {
    (chain.steps.dropLast().contains { isNeeded($0.nextH) }, isNeeded(chain.last.nextH))
  }

  /// Gives what others read of the steps.
  private func supply(_ outputs: [Value?], _ builder: LayerBuilder) {
    func give(_ old: Value, _ new: Value) {
      if !editor.replace(old, with: new) { builder.insert("Identity", [new], old) }
    }
    func squeezed(_ state: Value, like old: Value) -> Value {
      old.shape?.count == 2 ? builder.squeeze(state, 0) : state
    }
    if let last = outputs.count > 1 ? outputs[1] : nil {
      give(chain.last.nextH, squeezed(last, like: chain.last.nextH))
    }
    if outputs.count > 2, let cell = outputs[2], let c = chain.last.nextC {
      give(c, squeezed(cell, like: c))
    }
    guard let all = outputs[0] else { return }
    let count = chain.steps.count
    // [T, N, H]; the sequence's order, not that of the steps.
    let sequence = builder.squeeze(all, 1)
    for (k, step) in chain.steps.enumerated().dropLast() where isNeeded(step.nextH) {
      let position = isReversed ? count - 1 - k : k
      give(
        step.nextH,
        builder.element(position, of: sequence, 0, keepsAxis: step.nextH.shape?.count == 3))
    }
    for stack in stacks {
      var joined = sequence
      if stack.isBackward != isReversed {
        joined = builder.add(
          "Slice",
          [
            joined, builder.integers("starts", [-1]), builder.integers("ends", [-count - 1]),
            builder.integers("axes", [0]), builder.integers("steps", [-1]),
          ], joined.shape)
      }
      if stack.axis == 1 { joined = builder.swap(joined) }
      if !stack.hasOwnAxis {
        // [T · N, H] or [N, T · H]
        let shape = stack.axis == 0 ? [-1, chain.units] : [0, count * chain.units]
        joined = builder.add(
          "Reshape", [joined, builder.integers("shape", shape)], stack.output.shape)
      }
      give(stack.output, joined)
    }
  }
}

/// Adds the nodes around a layer.
private struct LayerBuilder {
  let editor: FunctionEditor
  let place: Node

  func insert(
    _ op: String, _ inputs: [Value?], _ output: Value, _ attributes: [String: Attribute] = [:]
  ) {
    editor.insert(
      Node(op, name: output.name, inputs: inputs, outputs: [output], attributes: attributes),
      before: place)
  }

  func add(
    _ op: String, _ inputs: [Value?], _ shape: [Dimension]?,
    _ attributes: [String: Attribute] = [:]
  ) -> Value {
    let name = inputs.first??.name ?? ""
    let output = Value(name.isEmpty ? "" : name + "." + op, .float32, shape)
    insert(op, inputs, output, attributes)
    return output
  }

  /// Sequences side by side.
  func joined(_ parts: [Value]) -> Value? {
    guard parts.count > 1, var shape = parts[0].shape else { return parts.first }
    let widths = parts.compactMap { $0.shape?.last?.fixed }
    guard widths.count == parts.count else { return nil }
    shape[shape.count - 1] = .fixed(widths.reduce(0, +))
    return add("Concat", parts, shape, ["axis": .int(shape.count - 1)])
  }

  func integers(_ name: String, _ numbers: [Int]) -> Value {
    Value(name, [numbers.count], integers: numbers)
  }

  func unsqueeze(_ x: Value, _ axis: Int) -> Value {
    var shape = x.shape
    shape?.insert(1, at: axis)
    return add("Unsqueeze", [x, integers("axes", [axis])], shape)
  }

  func squeeze(_ x: Value, _ axis: Int) -> Value {
    var shape = x.shape
    shape?.remove(at: axis)
    return add("Squeeze", [x, integers("axes", [axis])], shape)
  }

  /// [a, b, c] to [b, a, c].
  func swap(_ x: Value) -> Value {
    var shape = x.shape
    shape?.swapAt(0, 1)
    return add("Transpose", [x], shape, ["perm": [1, 0, 2]])
  }

  /// Element `index` along an axis: that axis comes first, with a length of 1, or goes.
  func element(_ index: Int, of x: Value, _ axis: Int, keepsAxis: Bool = true) -> Value {
    var shape = x.shape
    guard keepsAxis else {
      shape?.remove(at: axis)
      return add(
        "Gather", [x, Value("index", [], integers: [index])], shape, ["axis": .int(axis)])
    }
    shape?[axis] = 1
    let taken = add("Gather", [x, integers("index", [index])], shape, ["axis": .int(axis)])
    return axis == 0 ? taken : swap(taken)
  }
}
