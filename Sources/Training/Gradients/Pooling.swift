/// The largest element under each window; its gradient goes to that element (the first of equals).
func maxPoolRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  if call.outputs.count > 1, call.outputs[1] != nil {
    throw call.unsupported("the indices of MaxPool")
  }
  let window = try Window(call, kernel: call.node.ints("kernel_shape") ?? [])
  let planes = x.shape[0] * x.shape[1]
  let (nx, ny) = (window.inputCount, window.outputCount)
  let places = WindowPlaces(window)
  let chosen = call.integerBuffer(y.count)
  return Passes(
    forward: {
      TrainingThreads.parallel(planes) { range, _ in
        for plane in range {
          let from = x.data + plane * nx
          let to = y.data + plane * ny
          let which = chosen + plane * ny
          for o in 0..<ny {
            var best = -S.infinity
            var at = places.first(o)
            places.forEach(o) { i in
              if from[i] > best {
                best = from[i]
                at = i
              }
            }
            to[o] = best
            which[o] = Int64(at)
          }
        }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for plane in 0..<planes {
        for o in 0..<ny {
          dx[plane * nx + Int(chosen[plane * ny + o])] += dy[plane * ny + o]
        }
      }
    })
}

/// The mean under each window, over the elements inside the input, or over those in the padding too
/// (as zeros) where `count_include_pad` is 1.
func averagePoolRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let window = try Window(call, kernel: call.node.ints("kernel_shape") ?? [])
  return averagePasses(
    call, window, includesPadding: call.node.int("count_include_pad", default: 0) != 0)
}

/// The mean over all spatial dimensions.
func globalAveragePoolRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let planes = x.shape[0] * x.shape[1]
  let n = x.count / max(planes, 1)
  let scale = 1 / S(n)
  return Passes(
    forward: {
      for plane in 0..<planes {
        var sum: S = 0
        for i in 0..<n { sum += x.data[plane * n + i] }
        y.data[plane] = sum * scale
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for plane in 0..<planes {
        let d = dy[plane] * scale
        for i in 0..<n { dx[plane * n + i] += d }
      }
    })
}

private func averagePasses<S: TrainingScalar>(
  _ call: NodeCall<S>, _ window: Window, includesPadding: Bool
) -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let planes = x.shape[0] * x.shape[1]
  let (nx, ny) = (window.inputCount, window.outputCount)
  let places = WindowPlaces(window)
  let scale = call.buffer(ny)
  for o in 0..<ny {
    scale[o] = 1 / S(max(1, includesPadding ? places.paddedCount(o) : places.count(o)))
  }
  return Passes(
    forward: {
      TrainingThreads.parallel(planes) { range, _ in
        for plane in range {
          let from = x.data + plane * nx
          let to = y.data + plane * ny
          for o in 0..<ny {
            var sum: S = 0
            places.forEach(o) { sum += from[$0] }
            to[o] = sum * scale[o]
          }
        }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      TrainingThreads.parallel(planes) { range, _ in
        for plane in range {
          let to = dx + plane * nx
          for o in 0..<ny {
            let d = dy[plane * ny + o] * scale[o]
            places.forEach(o) { to[$0] += d }
          }
        }
      }
    })
}

/// Which elements of a plane lie under the window at each of its places. Made once.
private final class WindowPlaces {
  private let starts: [Int]
  private let elements: UnsafeMutablePointer<Int32>
  private let padded: [Int]

  init(_ window: Window) {
    var starts = [0]
    var elements: [Int32] = []
    var padded: [Int] = []
    for z in 0..<window.output[0] {
      for y in 0..<window.output[1] {
        for x in 0..<window.output[2] {
          var withPadding = 0
          for kz in 0..<window.kernel[0] {
            for ky in 0..<window.kernel[1] {
              for kx in 0..<window.kernel[2] {
                let at = zip([z, y, x], [kz, ky, kx]).enumerated().map { d, pair in
                  pair.0 * window.stride[d] + pair.1 * window.dilation[d] - window.before[d]
                }
                let inPadding = (0..<3).allSatisfy { at[$0] < window.input[$0] + window.after[$0] }
                if inPadding { withPadding += 1 }
                guard (0..<3).allSatisfy({ at[$0] >= 0 && at[$0] < window.input[$0] })
                else { continue }
                elements.append(
                  Int32((at[0] * window.input[1] + at[1]) * window.input[2] + at[2]))
              }
            }
          }
          starts.append(elements.count)
          padded.append(withPadding)
        }
      }
    }
    self.starts = starts
    self.padded = padded
    self.elements = .allocate(capacity: max(elements.count, 1))
    self.elements.initialize(from: elements, count: elements.count)
  }

  deinit { elements.deallocate() }

  func count(_ place: Int) -> Int { starts[place + 1] - starts[place] }
  func paddedCount(_ place: Int) -> Int { padded[place] }
  func first(_ place: Int) -> Int { count(place) > 0 ? Int(elements[starts[place]]) : 0 }

  @inline(__always) func forEach(_ place: Int, _ body: (Int) -> Void) {
    for i in starts[place]..<starts[place + 1] { body(Int(elements[i])) }
  }
}
