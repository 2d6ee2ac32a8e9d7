import ModelFormat

/// A layer that multiplies its input with a constant weight and sums: Conv, ConvTranspose, Gemm or
/// MatMul. What by channel scales and shifts its input or its result can become part of it.
public struct LinearLayer {
  public let node: Node
  public let weight: Value
  /// Channels of its input and of its result.
  public let inputs: Int
  public let outputs: Int
  /// The result's dimensions, the place of its channels among them, and that of the input's.
  let rank: Int
  public let outputAxis: Int
  public let inputAxis: Int
  /// The weight is [outer, inner, taps]; outer are the output's channels, or the input's.
  private let outer: Int
  private let inner: Int
  private let taps: Int
  private let group: Int
  private let outerIsOutput: Bool

  /// nil where the node is no such layer, or its weight not constant.
  public init?(_ node: Node?) {
    guard let node, let weight = node.input(1), weight.hasRealFloats,
      let shape = weight.fixedShape, shape.count >= 2, shape.allSatisfy({ $0 > 0 })
    else { return nil }
    var rank = shape.count
    switch node.op {
    case "Conv", "ConvTranspose":
      guard rank >= 3 else { return nil }
      group = node.int("group", default: 1)
      outerIsOutput = node.op == "Conv"
      (inputAxis, outputAxis) = (1, 1)
    case "Gemm":
      group = 1
      outerIsOutput = node.int("transB", default: 0) != 0
      inputAxis = node.int("transA", default: 0) != 0 ? 0 : 1
      outputAxis = 1
    case "MatMul":
      guard rank == 2, let x = node.input(0)?.shape, !x.isEmpty else { return nil }
      rank = x.count
      group = 1
      outerIsOutput = false
      (inputAxis, outputAxis) = (rank - 1, rank - 1)
    default: return nil
    }
    guard group >= 1, shape[0] % group == 0 else { return nil }
    self.node = node
    self.weight = weight
    self.rank = rank
    outer = shape[0]
    inner = shape[1]
    taps = shape.dropFirst(2).reduce(1, *)
    outputs = outerIsOutput ? outer : inner * group
    inputs = outerIsOutput ? inner * group : outer
  }

  /// Whether nothing stands between the sums and the result.
  public var isPlain: Bool {
    node.attributes["activation_minimum"] == nil && node.attributes["activation_maximum"] == nil
  }

  /// What is added to each output channel; nil where it is not a constant by channel, or the layer
  /// can add nothing.
  public var bias: [Double]? {
    if node.op == "MatMul" { return rank == 2 ? [Double](repeating: 0, count: outputs) : nil }
    guard let bias = node.input(2) else { return [Double](repeating: 0, count: outputs) }
    let beta = node.op == "Gemm" ? Double(node.float("beta", default: 1)) : 1
    return channelNumbers(bias, rank: 2, axis: 1, channels: outputs)?.map { beta * $0 }
  }

  /// Whether what is added to its input comes to the same sum everywhere: nothing is padded.
  var seesInputOnly: Bool {
    if node.op != "Conv" { return node.op != "ConvTranspose" }
    let mode = node.string("auto_pad", default: "NOTSET")
    return (mode == "NOTSET" || mode == "VALID")
      && (mode == "VALID" || (node.ints("pads") ?? []).allSatisfy { $0 == 0 })
  }

  /// The largest magnitude among the weights of each output or each input channel.
  public func largest(byOutput: Bool) -> [Double] {
    var result = [Double](repeating: 0, count: byOutput ? outputs : inputs)
    let w = weight.realFloats
    var k = 0
    for o in 0..<outer {
      let first = o / (outer / group) * inner
      for i in 0..<inner {
        let channel = byOutput == outerIsOutput ? o : first + i
        for _ in 0..<taps {
          result[channel] = max(result[channel], abs(Double(w[k])))
          k += 1
        }
      }
    }
    return result
  }

  // MARK: Changed weights

  /// The weight with each number multiplied by what belongs to its output or its input channel.
  public func weight(times factors: [Double], byOutput: Bool) -> Value? {
    var numbers = weight.realFloats
    numbers.withUnsafeMutableBufferPointer { w in
      var k = 0
      for o in 0..<outer {
        let first = o / (outer / group) * inner
        for i in 0..<inner {
          let factor = factors[byOutput == outerIsOutput ? o : first + i]
          for _ in 0..<taps {
            w[k] = Float(Double(w[k]) * factor)
            k += 1
          }
        }
      }
    }
    return weight.holding(numbers)
  }

  /// By output channel: Σ weight · shift of the input channel.
  func sums(of shifts: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: outputs)
    let alpha = node.op == "Gemm" ? Double(node.float("alpha", default: 1)) : 1
    let w = weight.realFloats
    var k = 0
    for o in 0..<outer {
      let first = o / (outer / group) * inner
      for i in 0..<inner {
        var sum = 0.0
        for _ in 0..<taps {
          sum += Double(w[k])
          k += 1
        }
        let (output, input) = outerIsOutput ? (o, first + i) : (first + i, o)
        result[output] += alpha * sum * shifts[input]
      }
    }
    return result
  }

  /// Gives the layer another weight and bias. A MatMul that gets a bias becomes a Gemm.
  public func set(_ editor: FunctionEditor, weight: Value?, bias: [Double]?) {
    if let weight { editor.setInput(1, of: node, to: weight) }
    guard let bias else { return }
    let old = node.input(2)
    let name = old?.name ?? (node.name.isEmpty ? self.weight.name : node.name) + ".bias"
    let value = Value(name, [outputs], floats: bias.map { Float($0) })
    value.isTrainable = old?.isTrainable ?? false
    if node.op == "MatMul" { node.op = "Gemm" }
    node.attributes["beta"] = nil
    editor.setInput(2, of: node, to: value)
  }
}
