import Foundation

/// A weighted mean around each place of an image, all of its channels together, as the operator
/// LocalContrastNormalization defines it: along the height, then along the width, the weights inside
/// the image made to sum to 1.
private struct LocalMean<S: TrainingScalar> {
  let channels: Int
  let height: Int
  let width: Int
  let weights: [S]
  private let rows: UnsafeMutablePointer<S>
  private let sums: UnsafeMutablePointer<S>

  init(_ call: NodeCall<S>) {
    let shape = call.input(0).shape
    channels = shape[1]
    height = shape.count == 4 ? shape[2] : 1
    width = shape[shape.count - 1]
    let size = call.node.int("size", default: 9)
    let isUniform = call.node.string("weighting", default: "gaussian") == "uniform"
    weights = (0..<size).map { k in
      let p = Double(k - size / 2) / (Double(size) / 4)
      return isUniform ? 1 : S(Foundation.exp(-0.5 * p * p))
    }
    rows = call.buffer(height * width)
    sums = call.buffer(height * width)
  }

  var area: Int { height * width }

  /// result[i,j] = Σ w[p,q] value(k, i + p, j + q); `value` takes the channel and the place.
  func average(_ value: (Int, Int) -> S, _ result: UnsafeMutablePointer<S>) {
    for i in 0..<area {
      var sum: S = 0
      for c in 0..<channels { sum += value(c, i) }
      sums[i] = sum / S(channels)
      rows[i] = 0
      result[i] = 0
    }
    forEachPair(height) { at, from, w in
      for j in 0..<width { rows[at * width + j] += w * sums[from * width + j] }
    }
    forEachPair(width) { at, from, w in
      for i in 0..<height { result[i * width + at] += w * rows[i * width + from] }
    }
  }

  /// The transposed map: what a gradient by the averages means for one channel of the values.
  func transposed(_ gradient: UnsafePointer<S>, _ result: UnsafeMutablePointer<S>) {
    for i in 0..<area {
      rows[i] = 0
      result[i] = 0
    }
    forEachPair(width) { at, from, w in
      for i in 0..<height { rows[i * width + from] += w * gradient[i * width + at] }
    }
    forEachPair(height) { at, from, w in
      for j in 0..<width { result[from * width + j] += w * rows[at * width + j] }
    }
    for i in 0..<area { result[i] /= S(channels) }
  }

  /// Calls body(place, place in its window, weight) along an axis of n places.
  private func forEachPair(_ n: Int, _ body: (Int, Int, S) -> Void) {
    let radius = weights.count / 2
    for i in 0..<n {
      let window = max(0, i - radius)...min(n - 1, i + radius)
      var total: S = 0
      for k in window { total += weights[k - i + radius] }
      for k in window { body(i, k, weights[k - i + radius] / total) }
    }
  }
}

/// v = x − local mean, σ = √(local mean of v²), d = max(mean σ, σ, ε), y = v / d.
///
/// Backward: v gets dy/d and, through σ, 2 v Aᵀ(dσ/2σ), where A is the local mean and dσ what d's
/// gradient −Σ dy v/d² leaves: at the place itself where σ is the greatest of the three, shared by
/// all places where the mean is. Then dx = dv − Aᵀ(Σ dv).
func localContrastNormalizationRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let mean = LocalMean(call)
  let (channels, area) = (mean.channels, mean.area)
  let epsilon = S(call.node.float("epsilon", default: 1e-5))
  let samples = x.shape[0]
  let v = call.buffer(x.count)
  let sigma = call.buffer(samples * area)
  let means = call.buffer(samples)
  let map = call.buffer(area)
  let back = call.buffer(area)
  let dv = call.buffer(channels * area)
  return Passes(
    forward: {
      for n in 0..<samples {
        let start = n * channels * area
        mean.average({ c, i in x.data[start + c * area + i] }, map)
        for k in 0..<channels * area { v[start + k] = x.data[start + k] - map[k % area] }
        let deviations = sigma + n * area
        mean.average(
          { c, i in
            let d = v[start + c * area + i]
            return d * d
          }, deviations)
        var sum: S = 0
        for i in 0..<area {
          deviations[i] = deviations[i].squareRoot()
          sum += deviations[i]
        }
        means[n] = sum / S(area)
        for k in 0..<channels * area {
          y.data[start + k] = v[start + k] / max(means[n], deviations[k % area], epsilon)
        }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for n in 0..<samples {
        let start = n * channels * area
        let deviations = sigma + n * area
        var shared: S = 0
        for i in 0..<area {
          let d = max(means[n], deviations[i], epsilon)
          var gradient: S = 0
          for c in 0..<channels {
            let at = start + c * area + i
            dv[c * area + i] = dy[at] / d
            gradient -= dy[at] * v[at] / (d * d)
          }
          map[i] = 0
          if deviations[i] >= max(means[n], epsilon) {
            map[i] = gradient
          } else if means[n] >= epsilon {
            shared += gradient
          }
        }
        for i in 0..<area {
          let gradient = map[i] + shared / S(area)
          map[i] = deviations[i] > 0 ? gradient / (2 * deviations[i]) : 0
        }
        mean.transposed(map, back)
        for k in 0..<channels * area { dv[k] += 2 * v[start + k] * back[k % area] }
        for i in 0..<area {
          map[i] = 0
          for c in 0..<channels { map[i] += dv[c * area + i] }
        }
        mean.transposed(map, back)
        for k in 0..<channels * area { dx[start + k] += dv[k] - back[k % area] }
      }
    })
}
