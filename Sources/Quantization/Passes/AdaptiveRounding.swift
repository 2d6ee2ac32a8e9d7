import Graph

/// M. Nagel et al., "Up or down? Adaptive rounding for post-training quantization", ICML 2020:
/// whether a weight is rounded up or down is chosen such that the layer's outputs are nearest to
/// the real ones, ‖X (w − s q)‖² the least over calibration data, not each weight.
///
/// The paper relaxes the choice to real numbers; here it is searched directly. From the nearest
/// integers on, each weight in turn goes to its other neighbour where that makes the sum smaller,
/// until none does: the sum never grows, and the same data give the same weights.
enum AdaptiveRounding {
  private static let mostSweeps = 8

  /// - Parameters:
  ///   - column: Of a layer whose weight is [depth, channels]; otherwise it is [channels, depth].
  static func round(_ weight: inout QuantizedWeight, _ inputs: LayerInputs, isColumn: Bool) {
    guard inputs.count > 0 else { return }
    let channels = weight.count / inputs.depth
    let perGroup = channels / inputs.groups
    let (n, depth) = (inputs.capacity, inputs.depth)
    // Of each input, ‖x_k‖².
    var powers = [Float](repeating: 0, count: inputs.groups * depth)
    for group in 0..<inputs.groups {
      inputs.withRows(group) { rows in
        for k in 0..<depth {
          let x = rows + k * n
          powers[group * depth + k] = dot(x, x, n)
        }
      }
    }
    var residual = [Float](repeating: 0, count: n)
    for channel in 0..<channels {
      let group = channel / perGroup
      let scale = weight.scale(ofChannel: channel)
      func place(_ k: Int) -> Int { isColumn ? k * channels + channel : channel * depth + k }
      inputs.withRows(group) { rows in
        residual.withUnsafeMutableBufferPointer { r in
          let r = r.baseAddress!
          for i in 0..<n { r[i] = 0 }
          for k in 0..<depth {
            add(weight.error(place(k)), rows + k * n, to: r, n)
          }
          for _ in 0..<mostSweeps {
            var changes = 0
            for k in 0..<depth {
              let i = place(k)
              // To the integer on the other side of the real number.
              let step: Int = weight.error(i) > 0 ? 1 : -1
              guard weight.canStep(i, step) else { continue }
              let delta = -Float(step) * scale
              let x = rows + k * n
              let gain = 2 * delta * dot(x, r, n) + delta * delta * powers[group * depth + k]
              // Less than rounding could make.
              guard gain < -1e-6 * delta * delta * powers[group * depth + k] else { continue }
              weight.step(i, step)
              add(delta, x, to: r, n)
              changes += 1
            }
            if changes == 0 { break }
          }
        }
      }
    }
  }

  /// - Precondition: `n` is a multiple of 16.
  private static func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ n: Int) -> Float {
    var sum = SIMD16<Float>()
    let (x, y) = (UnsafeRawPointer(x), UnsafeRawPointer(y))
    for i in stride(from: 0, to: n * 4, by: 64) {
      sum += x.loadUnaligned(fromByteOffset: i, as: SIMD16<Float>.self)
        * y.loadUnaligned(fromByteOffset: i, as: SIMD16<Float>.self)
    }
    return sum.sum()
  }

  private static func add(
    _ factor: Float, _ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, _ n: Int
  ) {
    for i in 0..<n { y[i] += factor * x[i] }
  }
}
