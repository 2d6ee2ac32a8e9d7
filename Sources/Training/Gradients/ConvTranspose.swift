/// Y = b + the transposed convolution of X: what a convolution does to the gradient of its input.
/// With the columns of Y's image (K = channels of Y / group · kernel numbers, P places, one for
/// each element of X's image) and, for each group, X (C × P) and W (C × K),
///
///     columns = Wᵀ X, added back to where they came from,
///     d columns from dY,   dX += W d columns,   dW += X d columnsᵀ.
func convTransposeRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, w, y) = (call.input(0), call.input(1), call.output(0))
  let b = call.optionalInput(2)
  let group = call.node.int("group", default: 1)
  let channels = w.shape[1]
  let columns = Columns(try Window(transposed: call), channels: channels)
  let n = x.shape[0]
  let c = x.shape[1] / group
  let k = columns.rows
  let p = columns.columns
  let area = y.count / max(n * group * channels, 1)
  let buffer = call.buffer(k * p)
  return Passes(
    forward: {
      for image in 0..<(n * group) {
        let g = image % group
        let to = y.data + image * channels * area
        for m in 0..<channels {
          (to + m * area).update(repeating: b?.data[g * channels + m] ?? 0, count: area)
        }
        S.gemm(
          true, false, k, p, c, 1, w.data + g * c * k, k, x.data + image * c * p, p, 0, buffer, p)
        columns.scatter(buffer, into: to)
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      for image in 0..<(n * group) {
        let g = image % group
        let d = dy + image * channels * area
        columns.gather(d, into: buffer)
        if let dx = x.gradient {
          S.gemm(
            false, false, c, p, k, 1, w.data + g * c * k, k, buffer, p, 1, dx + image * c * p, p)
        }
        if let dw = w.gradient {
          S.gemm(
            false, true, c, k, p, 1, x.data + image * c * p, p, buffer, p, 1, dw + g * c * k, k)
        }
        if let db = b?.gradient {
          for m in 0..<channels {
            for i in 0..<area { db[g * channels + m] += d[m * area + i] }
          }
        }
      }
    })
}

extension Window {
  /// The window of the convolution that a ConvTranspose is the transposed of: from Y to X.
  fileprivate init<S>(transposed call: NodeCall<S>) throws {
    let (x, y, w) = (call.input(0).shape, call.output(0).shape, call.input(1).shape)
    try self.init(call, kernel: Array(w[2...]))
    let node = call.node
    let spatial = x.count - 2
    let offset = 3 - spatial
    let autoPad = node.string("auto_pad", default: "NOTSET")
    let pads = node.ints("pads") ?? [Int](repeating: 0, count: 2 * spatial)
    for d in 0..<spatial {
      input[offset + d] = y[2 + d]
      output[offset + d] = x[2 + d]
      let reach = dilation[offset + d] * (kernel[offset + d] - 1) + 1
      let whole =
        (x[2 + d] - 1) * stride[offset + d] + reach + (node.ints("output_padding")?[d] ?? 0)
      if node.ints("output_shape") != nil || autoPad.hasPrefix("SAME") {
        let total = max(0, whole - y[2 + d])
        before[offset + d] = autoPad == "SAME_UPPER" ? total / 2 : total - total / 2
      } else {
        before[offset + d] = autoPad == "VALID" ? 0 : pads[d]
      }
      after[offset + d] = max(0, whole - before[offset + d] - y[2 + d])
    }
  }
}
