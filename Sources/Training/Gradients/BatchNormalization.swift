/// y = scale · x̂ + shift, x̂ = (x − μ) / √(σ² + ε), by channel.
///
/// In training μ and σ² are the batch's (over images and places), and the running ones follow:
/// running = momentum · running + (1 − momentum) · batch. Backward (Ioffe and Szegedy 2015, section
/// 3), with n numbers in a channel and g = scale / √(σ² + ε):
///
///     dscale = Σ dy x̂,   dshift = Σ dy,   dx = g (dy − (dshift + x̂ dscale) / n).
///
/// Otherwise μ and σ² are the running ones, constants, and dx = g dy.
func batchNormalizationRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let (scale, shift) = (call.input(1), call.input(2))
  let (runningMean, runningVariance) = (call.input(3), call.input(4))
  let epsilon = S(call.node.float("epsilon", default: 1e-5))
  let momentum = S(call.node.float("momentum", default: 0.9))
  let channels = x.shape[1]
  let images = x.shape[0]
  let inner = x.product(2..<x.shape.count)
  let n = S(images * inner)
  let mean = call.buffer(channels)
  let inverse = call.buffer(channels)
  let usesBatch = call.isTraining
  return Passes(
    forward: {
      TrainingThreads.parallel(channels) { range, _ in
        for c in range {
          if usesBatch {
            var sum: S = 0
            for i in 0..<images {
              let from = x.data + (i * channels + c) * inner
              for j in 0..<inner { sum += from[j] }
            }
            let m = sum / n
            var square: S = 0
            for i in 0..<images {
              let from = x.data + (i * channels + c) * inner
              for j in 0..<inner {
                let d = from[j] - m
                square += d * d
              }
            }
            mean[c] = m
            inverse[c] = 1 / (square / n + epsilon).squareRoot()
            runningMean.data[c] = momentum * runningMean.data[c] + (1 - momentum) * m
            runningVariance.data[c] =
              momentum * runningVariance.data[c] + (1 - momentum) * (square / n)
          } else {
            mean[c] = runningMean.data[c]
            inverse[c] = 1 / (runningVariance.data[c] + epsilon).squareRoot()
          }
          let factor = scale.data[c] * inverse[c]
          let offset = shift.data[c] - mean[c] * factor
          for i in 0..<images {
            let at = (i * channels + c) * inner
            for j in 0..<inner { y.data[at + j] = x.data[at + j] * factor + offset }
          }
        }
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      TrainingThreads.parallel(channels) { range, _ in
        for c in range {
          var sum: S = 0
          var product: S = 0
          for i in 0..<images {
            let at = (i * channels + c) * inner
            for j in 0..<inner {
              sum += dy[at + j]
              product += dy[at + j] * (x.data[at + j] - mean[c])
            }
          }
          product *= inverse[c]
          scale.gradient?[c] += product
          shift.gradient?[c] += sum
          guard let dx = x.gradient else { continue }
          let factor = scale.data[c] * inverse[c]
          let share = usesBatch ? sum / n : 0
          let slope = usesBatch ? product / n * inverse[c] : 0
          for i in 0..<images {
            let at = (i * channels + c) * inner
            for j in 0..<inner {
              dx[at + j] += factor * (dy[at + j] - share - (x.data[at + j] - mean[c]) * slope)
            }
          }
        }
      }
    })
}
