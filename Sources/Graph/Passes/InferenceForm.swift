import ModelFormat

// What makes a network that has been trained one that is run: what only training needs goes, what is
// constant is computed once.

extension Graph {
  /// Dropout goes, products of constants and batch normalisation are folded into the weights.
  public func makeInferenceForm() {
    for function in functions {
      function.removeDropout()
      function.foldConstantProducts()
      function.foldBatchNormalization()
      function.removeUnusedNodes()
    }
  }
}

extension Function {
  /// y = x in a network that is not trained.
  public func removeDropout() {
    for node in nodes where node.op == "Dropout" {
      if let x = node.inputs[0], let y = node.outputs[0] { replaceKeepingName(y, with: x) }
    }
    nodes.removeAll { $0.op == "Dropout" }
  }

  /// Makes readers of `old` read `new`; where `old` was an output, its name goes along.
  func replaceKeepingName(_ old: Value, with new: Value) {
    if outputs.contains(where: { $0 === old }) {
      if new.kind != .activation || inputs.contains(where: { $0 === new }) || isResult(new) {
        // Something with a name of its own is passed on.
        nodes.append(Node("Identity", inputs: [new], outputs: [old]))
        return
      }
      new.name = old.name
    }
    replace(old, with: new)
  }

  /// Products of two weights of one shape (a weight and its mask) become a weight.
  public func foldConstantProducts() {
    for node in nodes where node.op == "Mul" {
      guard let a = node.input(0), let b = node.input(1), let y = node.outputs[0],
        a.isPlainWeight, b.isPlainWeight, a.fixedShape == b.fixedShape, !isResult(y)
      else { continue }
      let product = Value(a.name, a.fixedShape!, floats: zip(a.floats, b.floats).map { $0 * $1 })
      product.isTrainable = a.isTrainable
      replace(y, with: product)
    }
  }

  /// Batch normalisation behind a convolution or a dense layer becomes part of its weights. With
  /// g = scale / √(variance + ε) by output channel:
  ///
  ///     W ← g W,   b ← g (b − mean) + shift.
  public func foldBatchNormalization() {
    for node in nodes
    where node.op == "BatchNormalization" && node.int("training_mode", default: 0) == 0 {
      guard let x = node.input(0), let y = node.outputs[0], let layer = producer(of: x),
        layer.op == "Conv" || (layer.op == "Gemm" && layer.int("transB", default: 0) == 1),
        layer.float("beta", default: 1) == 1, layer.float("alpha", default: 1) == 1,
        consumers(of: x).count == 1, !isResult(x), let w = layer.input(1), w.isPlainWeight,
        let channels = w.fixedShape?.first, consumers(of: w).count == 1
      else { continue }
      let numbers = (1...4).compactMap { node.input($0) }.filter(\.isPlainWeight).map(\.floats)
      let bias = layer.input(2)
      guard numbers.count == 4, numbers.allSatisfy({ $0.count == channels }),
        bias == nil || (bias!.isPlainWeight && bias!.floats.count == channels)
      else { continue }
      let epsilon = node.float("epsilon", default: 1e-5)
      let old = bias?.floats ?? [Float](repeating: 0, count: channels)
      var weights = w.floats
      var shift = [Float](repeating: 0, count: channels)
      let width = weights.count / max(channels, 1)
      for c in 0..<channels {
        let g = Double(numbers[0][c]) / (Double(numbers[3][c]) + Double(epsilon)).squareRoot()
        for i in 0..<width { weights[c * width + i] = Float(g * Double(weights[c * width + i])) }
        shift[c] = Float(g * (Double(old[c]) - Double(numbers[2][c])) + Double(numbers[1][c]))
      }
      let newWeight = Value(w.name, w.fixedShape!, floats: weights)
      let newBias = Value(
        bias?.name ?? layer.name + ".bias", [channels], floats: shift)
      layer.inputs = [layer.inputs[0], newWeight, newBias]
      layer.outputs[0] = y
      nodes.removeAll { $0 === node }
      // The layer now writes what the normalisation wrote, no later than before.
    }
  }
}

extension Value {
  /// A float32 weight whose numbers can be computed with.
  var isPlainWeight: Bool { kind == .weight && dataType == .float32 && quantization == nil }
}
