/// One stretch of numbers brought to mean 0 and variance 1, x̂ = (x − μ) r, r = 1/√(σ² + ε). With
/// g = ∂loss/∂x̂ over n numbers, dx = r (g − mean(g) − x̂ mean(g x̂)); without the centring (RMS),
/// dx = r (g − x̂ mean(g x̂)).
private struct Standardization<S: TrainingScalar> {
  let length: Int
  let epsilon: S
  let isCentered: Bool

  func statistics(_ x: UnsafePointer<S>) -> (mean: S, inverse: S) {
    var mean: S = 0
    if isCentered {
      for i in 0..<length { mean += x[i] }
      mean /= S(length)
    }
    var square: S = 0
    for i in 0..<length {
      let d = x[i] - mean
      square += d * d
    }
    return (mean, 1 / (square / S(length) + epsilon).squareRoot())
  }

  /// Adds to dx; `g(i)` is the gradient of x̂[i].
  @inline(__always)
  func backward(
    _ x: UnsafePointer<S>, _ mean: S, _ inverse: S, _ dx: UnsafeMutablePointer<S>, _ g: (Int) -> S
  ) {
    var sum: S = 0
    var product: S = 0
    for i in 0..<length {
      sum += g(i)
      product += g(i) * (x[i] - mean) * inverse
    }
    let shift = isCentered ? sum / S(length) : 0
    let slope = product / S(length)
    for i in 0..<length { dx[i] += inverse * (g(i) - shift - (x[i] - mean) * inverse * slope) }
  }
}

/// y = x̂ · scale + bias over the axes from `axis` on; also the optional outputs μ and r.
func layerNormalizationRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  rowNormalizationRule(call, isCentered: true)
}

/// y = x r · scale, r = 1/√(mean of x² + ε).
func rmsNormalizationRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  rowNormalizationRule(call, isCentered: false)
}

private func rowNormalizationRule<S: TrainingScalar>(
  _ call: NodeCall<S>, isCentered: Bool
) -> Passes {
  let (x, scale, y) = (call.input(0), call.input(1), call.output(0))
  let bias = call.optionalInput(2)
  let (meanOutput, inverseOutput) = (call.optionalOutput(1), call.optionalOutput(2))
  let stated = call.node.int("axis", default: -1)
  let axis = stated < 0 ? stated + x.shape.count : stated
  let rows = x.product(0..<axis)
  let length = x.product(axis..<x.shape.count)
  let part = Standardization<S>(
    length: length, epsilon: S(call.node.float("epsilon", default: 1e-5)), isCentered: isCentered)
  let means = call.buffer(rows)
  let inverses = call.buffer(rows)
  let scaleStep = scale.count == 1 ? 0 : 1
  let biasStep = bias?.count == 1 ? 0 : 1
  return Passes(
    forward: {
      for row in 0..<rows {
        let from = x.data + row * length
        let to = y.data + row * length
        let (mean, inverse) = part.statistics(from)
        means[row] = mean
        inverses[row] = inverse
        for i in 0..<length {
          let offset = bias.map { $0.data[i * biasStep] } ?? 0
          to[i] = (from[i] - mean) * inverse * scale.data[i * scaleStep] + offset
        }
        meanOutput?.data[row] = mean
        inverseOutput?.data[row] = inverse
      }
    },
    backward: {
      for row in 0..<rows {
        let from = x.data + row * length
        let (mean, inverse) = (means[row], inverses[row])
        if let gradient = y.gradient {
          let dy = gradient + row * length
          if let d = bias?.gradient { for i in 0..<length { d[i * biasStep] += dy[i] } }
          if let d = scale.gradient {
            for i in 0..<length { d[i * scaleStep] += dy[i] * (from[i] - mean) * inverse }
          }
          if let dx = x.gradient {
            part.backward(from, mean, inverse, dx + row * length) {
              dy[$0] * scale.data[$0 * scaleStep]
            }
          }
        }
        // ∂μ/∂x = 1/n, ∂r/∂x = −r³ (x − μ)/n.
        guard let dx = x.gradient else { continue }
        if let d = meanOutput?.gradient {
          for i in 0..<length { dx[row * length + i] += d[row] / S(length) }
        }
        if let d = inverseOutput?.gradient {
          let factor = d[row] * inverse * inverse * inverse / S(length)
          for i in 0..<length { dx[row * length + i] -= factor * (from[i] - mean) }
        }
      }
    })
}

/// y = x̂ · scale[c] + bias[c], μ and σ² of each channel of each sample.
func instanceNormalizationRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  channelNormalizationRule(call, groups: call.input(0).shape[1])
}

/// The same with μ and σ² of each group of channels.
func groupNormalizationRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  channelNormalizationRule(call, groups: call.node.int("num_groups", default: 1))
}

private func channelNormalizationRule<S: TrainingScalar>(
  _ call: NodeCall<S>, groups: Int
) -> Passes {
  let (x, scale, bias, y) = (call.input(0), call.input(1), call.input(2), call.output(0))
  let channels = x.shape[1] / groups
  let inner = x.product(2..<x.shape.count)
  let blocks = x.shape[0] * groups
  let part = Standardization<S>(
    length: channels * inner, epsilon: S(call.node.float("epsilon", default: 1e-5)),
    isCentered: true)
  let means = call.buffer(blocks)
  let inverses = call.buffer(blocks)
  return Passes(
    forward: {
      for block in 0..<blocks {
        let at = block * part.length
        let (mean, inverse) = part.statistics(x.data + at)
        means[block] = mean
        inverses[block] = inverse
        for i in 0..<part.length {
          let c = block % groups * channels + i / inner
          y.data[at + i] = (x.data[at + i] - mean) * inverse * scale.data[c] + bias.data[c]
        }
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      for block in 0..<blocks {
        let at = block * part.length
        let first = block % groups * channels
        let (mean, inverse) = (means[block], inverses[block])
        for i in 0..<part.length {
          let c = first + i / inner
          bias.gradient?[c] += dy[at + i]
          scale.gradient?[c] += dy[at + i] * (x.data[at + i] - mean) * inverse
        }
        if let dx = x.gradient {
          part.backward(x.data + at, mean, inverse, dx + at) {
            dy[at + $0] * scale.data[first + $0 / inner]
          }
        }
      }
    })
}

/// y[c] = x[c] d[c]^−β, d[c] = bias + α/size Σk x[k]² over a window of channels;
/// dx[k] = dy[k] d[k]^−β − 2 β α/size x[k] Σc dy[c] x[c] d[c]^(−β−1) over the c whose window has k.
func lrnRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let size = call.node.int("size", default: 1)
  let alpha = S(call.node.float("alpha", default: 1e-4)) / S(size)
  let beta = S(call.node.float("beta", default: 0.75))
  let bias = S(call.node.float("bias", default: 1))
  let channels = x.shape[1]
  let inner = x.product(2..<x.shape.count)
  let samples = x.shape[0]
  let sums = call.buffer(x.count)
  func window(_ c: Int) -> ClosedRange<Int> {
    max(0, c - (size - 1) / 2)...min(channels - 1, c + size / 2)
  }
  return Passes(
    forward: {
      for sample in 0..<samples {
        for c in 0..<channels {
          for i in 0..<inner {
            var sum: S = 0
            for k in window(c) {
              let v = x.data[(sample * channels + k) * inner + i]
              sum += v * v
            }
            let at = (sample * channels + c) * inner + i
            sums[at] = bias + alpha * sum
            y.data[at] = x.data[at] * S.pow(sums[at], -beta)
          }
        }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for sample in 0..<samples {
        for c in 0..<channels {
          for i in 0..<inner {
            let at = (sample * channels + c) * inner + i
            dx[at] += dy[at] * S.pow(sums[at], -beta)
            let factor = 2 * beta * alpha * dy[at] * x.data[at] * S.pow(sums[at], -beta - 1)
            for k in window(c) {
              let from = (sample * channels + k) * inner + i
              dx[from] -= factor * x.data[from]
            }
          }
        }
      }
    })
}
