/// Operators whose output is their input under another shape: nothing to compute.
func viewRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let x = call.input(0)
  let y = call.output(0)
  if x.isReal {
    y.share(x)
    return Passes(forward: {}, backward: {})
  }
  return Passes(
    forward: { y.integers.update(from: x.integers, count: x.count) }, backward: {})
}

/// y[i…] = x[i… permuted]; the gradient goes back the same way.
func transposeRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let x = call.input(0)
  let y = call.output(0)
  let rank = x.shape.count
  let permutation = call.node.ints("perm") ?? Array((0..<rank).reversed())
  var strides = [Int](repeating: 1, count: rank)
  for d in (0..<max(rank - 1, 0)).reversed() { strides[d] = strides[d + 1] * x.shape[d + 1] }
  // Where each element of y comes from.
  let from = call.integerBuffer(y.count)
  var counter = [Int](repeating: 0, count: rank)
  for i in 0..<y.count {
    from[i] = Int64((0..<rank).reduce(0) { $0 + counter[$1] * strides[permutation[$1]] })
    var d = rank - 1
    while d >= 0 {
      counter[d] += 1
      if counter[d] < y.shape[d] { break }
      counter[d] = 0
      d -= 1
    }
  }
  let n = y.count
  return Passes(
    forward: {
      if y.isReal {
        for i in 0..<n { y.data[i] = x.data[Int(from[i])] }
      } else {
        for i in 0..<n { y.integers[i] = x.integers[Int(from[i])] }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for i in 0..<n { dx[Int(from[i])] += dy[i] }
    })
}

/// A piece of a tensor that lies between two others along an axis: `outer` runs of `length`.
private struct Strip<S: TrainingScalar> {
  let tensor: Tensor<S>
  /// Where its first run starts in the whole tensor, and how far runs are apart there.
  let start: Int
  let length: Int
}

/// The pieces of `whole` along `axis`.
private func strips<S>(
  _ pieces: [Tensor<S>?], of whole: Tensor<S>, axis: Int
) -> (outer: Int, stride: Int, strips: [Strip<S>]) {
  let inner = whole.product((axis + 1)..<whole.shape.count)
  var start = 0
  var result: [Strip<S>] = []
  for case let piece? in pieces {
    let length = piece.shape[axis] * inner
    result.append(Strip(tensor: piece, start: start, length: length))
    start += length
  }
  return (whole.product(0..<axis), whole.shape[axis] * inner, result)
}

/// The inputs behind each other along `axis`; each gradient is a piece of the output's.
func concatRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let y = call.output(0)
  let stated = call.node.int("axis", default: 0)
  let axis = stated < 0 ? stated + y.shape.count : stated
  let (outer, stride, parts) = strips(call.inputs, of: y, axis: axis)
  return Passes(
    forward: {
      for part in parts {
        for o in 0..<outer {
          if y.isReal {
            (y.data + o * stride + part.start).update(
              from: part.tensor.data + o * part.length, count: part.length)
          } else {
            (y.integers + o * stride + part.start).update(
              from: part.tensor.integers + o * part.length, count: part.length)
          }
        }
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      for part in parts {
        guard let dx = part.tensor.gradient else { continue }
        for o in 0..<outer {
          S.axpy(part.length, 1, dy + o * stride + part.start, dx + o * part.length)
        }
      }
    })
}

/// The input in pieces along `axis`.
func splitRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let x = call.input(0)
  let stated = call.node.int("axis", default: 0)
  let axis = stated < 0 ? stated + x.shape.count : stated
  guard x.isReal, call.outputs.allSatisfy({ $0 != nil }) else {
    throw call.unsupported("a Split of integers or with outputs left out")
  }
  let (outer, stride, parts) = strips(call.outputs, of: x, axis: axis)
  return Passes(
    forward: {
      for part in parts {
        for o in 0..<outer {
          (part.tensor.data + o * part.length).update(
            from: x.data + o * stride + part.start, count: part.length)
        }
      }
    },
    backward: {
      guard let dx = x.gradient else { return }
      for part in parts {
        guard let dy = part.tensor.gradient else { continue }
        for o in 0..<outer {
          S.axpy(part.length, 1, dy + o * part.length, dx + o * stride + part.start)
        }
      }
    })
}

/// Entries of x along `axis`, by index; the gradient is added to the entry that was taken.
func gatherRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let x = call.input(0)
  let indices = call.input(1)
  let y = call.output(0)
  let stated = call.node.int("axis", default: 0)
  let axis = stated < 0 ? stated + x.shape.count : stated
  let inner = x.product((axis + 1)..<x.shape.count)
  let outer = x.product(0..<axis)
  let length = x.shape[axis]
  let n = indices.count
  func entry(_ k: Int) -> Int {
    let i = Int(indices.integers[k])
    return max(0, min(i < 0 ? i + length : i, length - 1))
  }
  return Passes(
    forward: {
      for o in 0..<outer {
        for k in 0..<n {
          let from = (o * length + entry(k)) * inner
          let to = (o * n + k) * inner
          if x.isReal {
            (y.data + to).update(from: x.data + from, count: inner)
          } else {
            (y.integers + to).update(from: x.integers + from, count: inner)
          }
        }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for o in 0..<outer {
        for k in 0..<n {
          S.axpy(inner, 1, dy + (o * n + k) * inner, dx + (o * length + entry(k)) * inner)
        }
      }
    })
}
