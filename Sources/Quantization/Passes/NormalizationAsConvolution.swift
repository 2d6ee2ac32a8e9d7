import Graph
import ModelFormat

/// A BatchNormalization that no layer beside it has taken up is a depthwise convolution of one tap,
/// y = w x + b by channel. With a scale for each channel its weight is exact in int8.
let normalizationAsConvolution = GraphPass(
  "normalization-as-convolution", "Make BatchNormalization a depthwise convolution of one tap"
) { editor in
  var count = 0
  for node in editor.nodes where node.op == "BatchNormalization" {
    guard node.int("training_mode", default: 0) == 0, let x = node.input(0),
      let y = node.outputs[0], node.outputs.count == 1, let rank = x.shape?.count,
      (3...5).contains(rank), let channels = node.input(1)?.count, channels > 0
    else { continue }
    let inputs = (1...4).compactMap { node.input($0) }
    guard inputs.count == 4, inputs.allSatisfy({ $0.hasRealFloats && $0.count == channels }) else {
      continue
    }
    let numbers = inputs.map { $0.realFloats.map { Double($0) } }
    let epsilon = Double(node.float("epsilon", default: 1e-5))
    var weight: [Float] = []
    var bias: [Float] = []
    for c in 0..<channels {
      let factor = numbers[0][c] / (numbers[3][c] + epsilon).squareRoot()
      weight.append(Float(factor))
      bias.append(Float(numbers[1][c] - numbers[2][c] * factor))
    }
    guard (weight + bias).allSatisfy(\.isFinite) else { continue }
    let name = node.name.isEmpty ? y.name : node.name
    let ones = [Int](repeating: 1, count: rank - 2)
    editor.replace(
      node,
      with: Node(
        "Conv", name: node.name,
        inputs: [
          x, Value(name + ".weight", [channels, 1] + ones, floats: weight),
          Value(name + ".bias", [channels], floats: bias),
        ],
        outputs: [y],
        attributes: [
          "group": .int(channels), "kernel_shape": .ints(ones),
          // The clip that it may have had stays.
          "activation_minimum": node.attributes["activation_minimum"],
          "activation_maximum": node.attributes["activation_maximum"],
        ].compactMapValues { $0 }))
    count += 1
  }
  return count
}
