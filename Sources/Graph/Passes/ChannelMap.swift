import ModelFormat

/// The numbers of a constant that is broadcast to a tensor of `rank` dimensions, if it has one for
/// each index of `axis`, or one for all.
func channelNumbers(_ constant: Value, rank: Int, axis: Int, channels: Int) -> [Double]? {
  guard constant.hasRealFloats, let shape = constant.fixedShape, shape.count <= rank else {
    return nil
  }
  for (d, size) in shape.enumerated() where size != 1 {
    if d + rank - shape.count != axis || size != channels { return nil }
  }
  let numbers = constant.realFloats
  guard numbers.count == 1 || numbers.count == channels, numbers.allSatisfy(\.isFinite) else {
    return nil
  }
  return numbers.count == channels
    ? numbers.map { Double($0) } : [Double](repeating: Double(numbers[0]), count: channels)
}

/// y = scale · x + shift by channel: what a node does, if it does that.
struct ChannelMap {
  let x: Value
  var scale: [Double]
  var shift: [Double]

  var hasShift: Bool { shift.contains { $0 != 0 } }
  var hasScale: Bool { scale.contains { $0 != 1 } }

  /// - Parameters:
  ///   - rank: of x and y, whose channels are along `axis`.
  init?(_ node: Node, rank: Int, axis: Int, channels: Int) {
    scale = [Double](repeating: 1, count: channels)
    shift = [Double](repeating: 0, count: channels)
    func numbers(_ i: Int) -> [Double]? {
      node.input(i).flatMap { channelNumbers($0, rank: rank, axis: axis, channels: channels) }
    }
    if node.op == "BatchNormalization" {
      guard axis == 1, node.int("training_mode", default: 0) == 0, let x = node.input(0),
        let gamma = statistics(1, channels, node), let beta = statistics(2, channels, node),
        let mean = statistics(3, channels, node),
        let variance = statistics(4, channels, node)
      else { return nil }
      self.x = x
      let epsilon = Double(node.float("epsilon", default: 1e-5))
      for c in 0..<channels {
        scale[c] = gamma[c] / (variance[c] + epsilon).squareRoot()
        shift[c] = beta[c] - mean[c] * scale[c]
      }
    } else if node.op == "Neg", let x = node.input(0), x.logicalType == .float32 {
      self.x = x
      scale = scale.map { -$0 }
    } else {
      let isSecond = node.input(1)?.kind == .weight
      guard let x = node.input(isSecond ? 0 : 1), x.kind != .weight,
        let c = numbers(isSecond ? 1 : 0)
      else { return nil }
      self.x = x
      switch (node.op, isSecond) {
      case ("Mul", _): scale = c
      case ("Div", true): scale = c.map { 1 / $0 }
      case ("Add", _): shift = c
      case ("Sub", true): shift = c.map { -$0 }
      case ("Sub", false): (scale, shift) = (scale.map { -$0 }, c)
      default: return nil
      }
    }
    guard scale.allSatisfy(\.isFinite), shift.allSatisfy(\.isFinite) else { return nil }
  }

  /// Makes the map part of the layer that writes x, and takes the node out.
  func foldIntoLayerBefore(_ node: Node, _ editor: FunctionEditor, _ layer: LinearLayer) -> Bool {
    guard editor.exclusiveProducer(of: x) === layer.node, layer.isPlain else { return false }
    let old = layer.bias
    var weight: Value?
    if hasScale {
      guard editor.isOwned(layer.weight) else { return false }
      weight = layer.weight(times: scale, byOutput: true)
      if weight == nil { return false }
    }
    var bias: [Double]?
    if hasShift || layer.node.input(2) != nil {
      guard let old else { return false }
      bias = zip(zip(old, scale), shift).map { $0.0 * $0.1 + $1 }
    }
    layer.set(editor, weight: weight, bias: bias)
    editor.absorb(node, into: layer.node)
    return true
  }

  /// Makes the map part of the layer that alone reads what the node writes, and takes the node out.
  func foldIntoLayerBehind(_ node: Node, _ editor: FunctionEditor, _ layer: LinearLayer) -> Bool {
    guard let y = node.outputs[0], editor.onlyReader(of: y) === layer.node,
      layer.node.input(0) === y, editor.isOwned(layer.weight) || !hasScale
    else { return false }
    var bias: [Double]?
    if hasShift {
      guard layer.seesInputOnly, let old = layer.bias else { return false }
      bias = zip(old, layer.sums(of: shift)).map { $0 + $1 }
    }
    let weight = hasScale ? layer.weight(times: scale, byOutput: false) : nil
    if hasScale && weight == nil { return false }
    layer.set(editor, weight: weight, bias: bias)
    editor.setInput(0, of: layer.node, to: x)
    editor.remove(node)
    return true
  }
}

extension ChannelMap {
  /// Makes what a node does part of the BatchNormalization before it: γ ← k γ, β ← k β + c.
  static func foldIntoNormalization(_ node: Node, _ editor: FunctionEditor) -> Bool {
    guard
      let before = node.inputs.lazy.compactMap({ editor.exclusiveProducer(of: $0) }).first(where: {
        $0.op == "BatchNormalization" && $0.int("training_mode", default: 0) == 0
      }),
      let rank = before.input(0)?.shape?.count, rank >= 2,
      let gamma = before.input(1), let beta = before.input(2), let channels = gamma.count,
      let map = ChannelMap(node, rank: rank, axis: 1, channels: channels),
      map.x === before.outputs[0], let g = statistics(1, channels, before),
      let b = statistics(2, channels, before),
      let newGamma = gamma.holding(zip(g, map.scale).map { Float($0 * $1) }),
      let newBeta = beta.holding(
        zip(zip(b, map.scale), map.shift).map { Float($0.0 * $0.1 + $1) })
    else { return false }
    editor.setInput(1, of: before, to: newGamma)
    editor.setInput(2, of: before, to: newBeta)
    editor.absorb(node, into: before)
    return true
  }
}

/// Input `i` of a BatchNormalization: one number a channel.
private func statistics(_ i: Int, _ channels: Int, _ node: Node) -> [Double]? {
  guard let value = node.input(i), value.hasRealFloats, value.count == channels else { return nil }
  return value.realFloats.map { Double($0) }
}
