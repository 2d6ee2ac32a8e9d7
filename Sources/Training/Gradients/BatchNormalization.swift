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
  let n = Double(images * inner)
  let mean = call.buffer(channels)
  let inverse = call.buffer(channels)
  let usesBatch = call.isTraining
  return Passes(
    forward: {
      let (from, to) = (UnsafePointer(x.data), y.data)
      TrainingThreads.parallel(channels) { range, _ in
        for c in range {
          if usesBatch {
            var sum = 0.0
            for i in 0..<images { sum += total(inner, from + (i * channels + c) * inner) }
            let m = S(sum / n)
            var square = 0.0
            for i in 0..<images {
              square += squares(inner, from + (i * channels + c) * inner, around: m)
            }
            let variance = S(square / n)
            mean[c] = m
            inverse[c] = 1 / (variance + epsilon).squareRoot()
            runningMean.data[c] = momentum * runningMean.data[c] + (1 - momentum) * m
            runningVariance.data[c] = momentum * runningVariance.data[c] + (1 - momentum) * variance
          } else {
            mean[c] = runningMean.data[c]
            inverse[c] = 1 / (runningVariance.data[c] + epsilon).squareRoot()
          }
          let factor = scale.data[c] * inverse[c]
          let offset = shift.data[c] - mean[c] * factor
          for i in 0..<images {
            let at = (i * channels + c) * inner
            let (source, target) = (from + at, to + at)
            for j in 0..<inner { target[j] = source[j] * factor + offset }
          }
        }
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      let from = UnsafePointer(x.data)
      TrainingThreads.parallel(channels) { range, _ in
        for c in range {
          let m = mean[c]
          var sum = 0.0
          var product = 0.0
          for i in 0..<images {
            let at = (i * channels + c) * inner
            sum += total(inner, dy + at)
            product += products(inner, dy + at, from + at, around: m)
          }
          product *= Double(inverse[c])
          scale.gradient?[c] += S(product)
          shift.gradient?[c] += S(sum)
          guard let dx = x.gradient else { continue }
          let factor = scale.data[c] * inverse[c]
          let share = usesBatch ? S(sum / n) : 0
          let slope = usesBatch ? S(product / n) * inverse[c] : 0
          for i in 0..<images {
            let at = (i * channels + c) * inner
            let (source, above, target) = (from + at, dy + at, dx + at)
            for j in 0..<inner {
              target[j] += factor * (above[j] - share - (source[j] - m) * slope)
            }
          }
        }
      }
    })
}

// A channel of a large batch has a hundred thousand numbers. Added one after the other in float32 the
// last ones hardly count, and what is lost in one layer grows from layer to layer: so rows are added in
// many lanes, and rows to each other in double precision.

/// Σ x
@inline(__always) private func total<S: TrainingScalar>(_ n: Int, _ x: UnsafePointer<S>) -> Double {
  sumInLanes(n) { lanes(x, $0) } single: { x[$0] }
}

/// Σ (x − m)²
@inline(__always) private func squares<S: TrainingScalar>(
  _ n: Int, _ x: UnsafePointer<S>, around m: S
) -> Double {
  sumInLanes(n) { at in
    let d = lanes(x, at) - m
    return d * d
  } single: { at in
    (x[at] - m) * (x[at] - m)
  }
}

/// Σ y (x − m)
@inline(__always) private func products<S: TrainingScalar>(
  _ n: Int, _ y: UnsafePointer<S>, _ x: UnsafePointer<S>, around m: S
) -> Double {
  sumInLanes(n) { lanes(y, $0) * (lanes(x, $0) - m) } single: { y[$0] * (x[$0] - m) }
}

@inline(__always) private func lanes<S: TrainingScalar>(
  _ x: UnsafePointer<S>, _ at: Int
) -> SIMD8<S> {
  UnsafeRawPointer(x + at).loadUnaligned(as: SIMD8<S>.self)
}

@inline(__always) private func sumInLanes<S: TrainingScalar>(
  _ n: Int, _ eight: (Int) -> SIMD8<S>, single: (Int) -> S
) -> Double {
  var (a, b) = (SIMD8<S>(), SIMD8<S>())
  var at = 0
  while at &+ 16 <= n {
    a += eight(at)
    b += eight(at &+ 8)
    at &+= 16
  }
  var sum = Double((a + b).sum())
  while at < n {
    sum += Double(single(at))
    at &+= 1
  }
  return sum
}
