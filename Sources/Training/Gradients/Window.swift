import Graph

/// How a convolution or pooling window moves over its input, in up to three spatial dimensions;
/// those that the tensor lacks are of size 1 in front.
struct Window {
  var input = [1, 1, 1]
  var output = [1, 1, 1]
  var kernel = [1, 1, 1]
  var stride = [1, 1, 1]
  var dilation = [1, 1, 1]
  /// Elements of padding before and behind the input.
  var before = [0, 0, 0]
  var after = [0, 0, 0]

  init<S>(_ call: NodeCall<S>, kernel stated: [Int]) throws {
    let x = call.input(0).shape
    let y = call.output(0).shape
    let spatial = x.count - 2
    guard (1...3).contains(spatial) else { throw call.unsupported("tensors of shape \(x)") }
    let node = call.node
    let offset = 3 - spatial
    let pads = node.ints("pads") ?? [Int](repeating: 0, count: 2 * spatial)
    let autoPad = node.string("auto_pad", default: "NOTSET")
    for d in 0..<spatial {
      input[offset + d] = x[2 + d]
      output[offset + d] = y[2 + d]
      kernel[offset + d] = stated[d]
      stride[offset + d] = node.ints("strides")?[d] ?? 1
      dilation[offset + d] = node.ints("dilations")?[d] ?? 1
      let reach = dilation[offset + d] * (stated[d] - 1) + 1
      switch autoPad {
      case "SAME_UPPER", "SAME_LOWER":
        let total = max(0, (y[2 + d] - 1) * stride[offset + d] + reach - x[2 + d])
        before[offset + d] = autoPad == "SAME_UPPER" ? total / 2 : total - total / 2
        after[offset + d] = total - before[offset + d]
      case "VALID": break
      default:
        before[offset + d] = pads[d]
        after[offset + d] = pads[spatial + d]
      }
    }
  }

  var inputCount: Int { input.reduce(1, *) }
  var outputCount: Int { output.reduce(1, *) }
  var kernelCount: Int { kernel.reduce(1, *) }

  /// Whether the window has one place and covers the whole input.
  var isWhole: Bool {
    kernel == input && outputCount == 1 && before == [0, 0, 0] && after == [0, 0, 0]
  }

  /// Whether the window is a single element that visits each element of the input.
  var isPoint: Bool {
    kernelCount == 1 && stride == [1, 1, 1] && before == [0, 0, 0] && after == [0, 0, 0]
  }
}
