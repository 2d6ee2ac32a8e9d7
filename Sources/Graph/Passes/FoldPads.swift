import ModelFormat

/// Padding with zeros before a convolution or an average, and with −∞ (or with zeros where nothing
/// is negative) before a maximum, becomes the pads of that layer.
let foldPads = GraphPass(
  "fold-pads", "Make Pad part of the Conv or pooling behind it"
) { editor in
  var count = 0
  for node in editor.nodes where node.op == "Pad" {
    guard let x = node.input(0), let y = node.outputs[0], let layer = editor.onlyReader(of: y),
      layer.input(0) === y, let pads = spatialPads(node),
      // One that rounds its size up looks at where the padding begins.
      layer.int("ceil_mode", default: 0) == 0,
      let own = ownPads(layer, count: pads.count)
    else { continue }
    let sum = zip(own, pads).map { $0 + $1 }
    let value = node.input(2).map(\.scalar) ?? 0
    switch layer.op {
    case "Conv":
      guard value == 0 else { continue }
    case "AveragePool":
      // The zeros count as elements; what the layer pads itself has to count too, or be nothing.
      guard value == 0, fits(sum, layer),
        layer.int("count_include_pad", default: 0) != 0 || own.allSatisfy({ $0 == 0 })
      else { continue }
      layer.attributes["count_include_pad"] = 1
    case "LpPool":
      guard value == 0, fits(sum, layer) else { continue }
    case "MaxPool":
      guard fits(sum, layer), layer.outputs.count == 1,
        value == -.infinity || (value == 0 && isNeverNegative(x, editor) && own.allSatisfy { $0 == 0 })
      else { continue }
    default: continue
    }
    layer.attributes["auto_pad"] = nil
    layer.attributes["pads"] = .ints(sum)
    editor.setInput(0, of: layer, to: x)
    editor.remove(node)
    count += 1
  }
  return count
}

/// The pads before, then behind the spatial axes of [N, C, D1 … Dr], where only those are padded with
/// a constant and none is cut.
private func spatialPads(_ node: Node) -> [Int]? {
  guard node.string("mode", default: "constant") == "constant",
    let x = node.input(0), x.logicalType == .float32, let rank = x.shape?.count, rank >= 3,
    let pads = node.input(1), pads.kind == .weight, pads.dataType == .int64
  else { return nil }
  var axes = Array(0..<rank)
  if let stated = node.input(3) {
    guard let numbers = stated.constantIntegers else { return nil }
    axes = numbers.map { $0 < 0 ? $0 + rank : $0 }
  }
  let amounts = pads.integers
  guard amounts.count == 2 * axes.count, axes.allSatisfy((0..<rank).contains) else { return nil }
  var result = [Int](repeating: 0, count: 2 * (rank - 2))
  for (i, axis) in axes.enumerated() {
    let (before, behind) = (amounts[i], amounts[i + axes.count])
    guard before >= 0, behind >= 0, axis >= 2 || (before == 0 && behind == 0) else { return nil }
    if axis >= 2 {
      result[axis - 2] = before
      result[axis - 2 + rank - 2] = behind
    }
  }
  return result
}

/// The layer's own pads; nil where they depend on the input's size.
private func ownPads(_ layer: Node, count: Int) -> [Int]? {
  let none = [Int](repeating: 0, count: count)
  switch layer.string("auto_pad", default: "NOTSET") {
  case "NOTSET":
    let pads = layer.ints("pads") ?? none
    return pads.count == count ? pads : nil
  case "VALID": return none
  default: return nil
  }
}

/// Whether each window of a pooling still sees an element: ONNX wants pads smaller than the window.
private func fits(_ pads: [Int], _ layer: Node) -> Bool {
  guard let kernel = layer.ints("kernel_shape"), 2 * kernel.count == pads.count,
    (layer.ints("dilations") ?? []).allSatisfy({ $0 == 1 })
  else { return false }
  return pads.indices.allSatisfy { pads[$0] < kernel[$0 % kernel.count] }
}

private func isNeverNegative(_ x: Value, _ editor: FunctionEditor) -> Bool {
  guard let node = editor.producer(of: x) else { return false }
  if node.op == "Relu" || node.op == "Sigmoid" { return true }
  if node.op == "Clip" { return (node.input(1)?.scalar ?? -1) >= 0 }
  return node.float("activation_minimum", default: -1) >= 0
}
