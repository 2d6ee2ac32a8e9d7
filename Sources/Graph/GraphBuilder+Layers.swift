import ModelFormat

extension GraphBuilder {
  // MARK: Layers with weights

  /// y = activation(x ∗ W + b). x: [N, channels, spatial…]; W: [outChannels, channels / group,
  /// kernel…].
  public func conv(
    _ x: Value, outChannels: Int, kernel: [Int], stride: [Int]? = nil, padding: [Int]? = nil,
    dilation: [Int]? = nil, group: Int = 1, bias: Bool = true, activation: Activation = .none,
    initializer: Initializer? = nil, name: String
  ) -> Value {
    let channels = known(x, 1, name)
    guard group > 0, channels % group == 0, outChannels % group == 0 else {
      fail("\(name): \(group) groups do not divide \(channels) and \(outChannels) channels")
      return x
    }
    let area = kernel.reduce(1, *)
    let w = weight(
      name + ".weight", [outChannels, channels / group] + kernel,
      initializer ?? activation.initializer, fanIn: channels / group * area,
      fanOut: outChannels / group * area)
    let b = bias ? weight(name + ".bias", [outChannels], .zeros) : nil
    var attributes: [String: Attribute] = ["kernel_shape": .ints(kernel)]
    if let stride { attributes["strides"] = .ints(stride) }
    if let padding { attributes["pads"] = .ints(padding + padding) }
    if let dilation { attributes["dilations"] = .ints(dilation) }
    if group != 1 { attributes["group"] = .int(group) }
    let y = node("Conv", name: name, b.map { [x, w, $0] } ?? [x, w], attributes)
    return self.activation(y, activation, name: name)
  }

  /// y = activation(x Wᵀ + b) over the last dimension of x; W: [outputs, inputs].
  public func dense(
    _ x: Value, _ outputs: Int, bias: Bool = true, activation: Activation = .none,
    initializer: Initializer? = nil, name: String
  ) -> Value {
    let inputs = known(x, -1, name)
    let b = bias ? weight(name + ".bias", [outputs], .zeros) : nil
    let start = initializer ?? activation.initializer
    let y: Value
    if (x.shape?.count ?? 2) == 2 {
      let w = weight(
        name + ".weight", [outputs, inputs], start, fanIn: inputs, fanOut: outputs)
      y = node("Gemm", name: name, b.map { [x, w, $0] } ?? [x, w], ["transB": 1])
    } else {
      let w = weight(
        name + ".weight", [inputs, outputs], start, fanIn: inputs, fanOut: outputs)
      let product = node("MatMul", name: name, [x, w])
      y = b.map { node("Add", name: name + ".add", [product, $0]) } ?? product
    }
    return self.activation(y, activation, name: name)
  }

  /// Rows of a table: y[…] = W[indices[…]]; W: [count, width]. indices: int32 or int64.
  public func embedding(_ indices: Value, count: Int, width: Int, name: String) -> Value {
    let w = weight(name + ".weight", [count, width], .normal(deviation: 1))
    return node("Gather", name: name, [w, indices])
  }

  /// y = scale · (x − mean) / √(variance + ε) + shift, by channel; in training mean and variance are
  /// the batch's, afterwards the running ones (Ioffe and Szegedy 2015).
  public func batchNormalization(
    _ x: Value, epsilon: Float = 1e-5, scale: Initializer = .ones, name: String
  ) -> Value {
    let channels = known(x, 1, name)
    let mean = Value(name + ".mean", [channels], floats: [Float](repeating: 0, count: channels))
    let variance = Value(
      name + ".variance", [channels], floats: [Float](repeating: 1, count: channels))
    return node(
      "BatchNormalization", name: name,
      [
        x, weight(name + ".scale", [channels], scale),
        weight(name + ".shift", [channels], .zeros), mean, variance,
      ], ["epsilon": .float(epsilon)])
  }

  // MARK: Layers without

  public func maxPool(
    _ x: Value, kernel: [Int], stride: [Int]? = nil, padding: [Int]? = nil, name: String = ""
  ) -> Value {
    pool("MaxPool", x, kernel, stride, padding, name)
  }

  public func averagePool(
    _ x: Value, kernel: [Int], stride: [Int]? = nil, padding: [Int]? = nil, name: String = ""
  ) -> Value {
    pool("AveragePool", x, kernel, stride, padding, name)
  }

  /// The stride is the kernel where it is not given: windows side by side.
  private func pool(
    _ op: String, _ x: Value, _ kernel: [Int], _ stride: [Int]?, _ padding: [Int]?, _ name: String
  ) -> Value {
    var attributes: [String: Attribute] = [
      "kernel_shape": .ints(kernel), "strides": .ints(stride ?? kernel),
    ]
    if let padding { attributes["pads"] = .ints(padding + padding) }
    return node(op, name: name, [x], attributes)
  }

  /// The mean over all spatial dimensions, which stay as dimensions of 1.
  public func globalAveragePool(_ x: Value, name: String = "") -> Value {
    node("GlobalAveragePool", name: name, [x])
  }

  public func activation(_ x: Value, _ activation: Activation, name: String = "") -> Value {
    guard let op = activation.op else { return x }
    return node(op, name: name.isEmpty ? "" : name + "." + activation.rawValue, [x])
  }

  public func relu(_ x: Value) -> Value { activation(x, .relu) }
  public func tanh(_ x: Value) -> Value { activation(x, .tanh) }
  public func sigmoid(_ x: Value) -> Value { activation(x, .sigmoid) }

  public func softmax(_ x: Value, axis: Int = -1, name: String = "") -> Value {
    node("Softmax", name: name, [x], ["axis": .int(axis)])
  }

  public func flatten(_ x: Value) -> Value { node("Flatten", [x]) }

  /// 0 keeps the input's dimension, −1 is what makes the number of elements right.
  public func reshape(_ x: Value, _ shape: [Int]) -> Value {
    node("Reshape", [x, constant(integers: shape)])
  }

  public func add(_ a: Value, _ b: Value, name: String = "") -> Value {
    node("Add", name: name, [a, b])
  }

  public func multiply(_ a: Value, _ b: Value, name: String = "") -> Value {
    node("Mul", name: name, [a, b])
  }

  public func transpose(_ x: Value, _ permutation: [Int]) -> Value {
    node("Transpose", [x], ["perm": .ints(permutation)])
  }

  public func squeeze(_ x: Value, axes: [Int]) -> Value {
    node("Squeeze", [x, constant(integers: axes)])
  }

  /// The parts of x's last axis, which are so long.
  public func split(_ x: Value, _ sizes: [Int]) -> [Value] {
    nodes("Split", [x, constant(integers: sizes)], ["axis": -1], outputs: sizes.count)
  }

  /// Elements of an axis; bounds below 0 count from its end, and what lies beyond is left out.
  public func slice(_ x: Value, axis: Int, _ range: Range<Int>) -> Value {
    node(
      "Slice",
      [
        x, constant(integers: [range.lowerBound]), constant(integers: [range.upperBound]),
        constant(integers: [axis]),
      ])
  }

  public func concat(_ values: [Value], axis: Int) -> Value {
    node("Concat", values, ["axis": .int(axis)])
  }

  /// In training each element is 0 with probability `ratio`, the others are divided by 1 − ratio;
  /// otherwise y = x. An exported model has no such node. Srivastava et al. 2014.
  public func dropout(_ x: Value, ratio: Float, name: String = "") -> Value {
    ratio == 0 ? x : node("Dropout", name: name, [x], ["ratio": .float(ratio)])
  }
}
