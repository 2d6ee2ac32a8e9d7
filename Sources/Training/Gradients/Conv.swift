/// Y = X ∗ W + b for 1 to 3 spatial dimensions. The columns of an image (one for each place of the
/// window: K = channels / group · kernel numbers) make it a matrix product, for each group
///
///     Y (M × P) = W (M × K) · columns (K × P),   dW += dY columnsᵀ,   d columns = Wᵀ dY,
///
/// and d columns is added back to where the columns came from. The columns are kept for the backward
/// pass where they take little memory, and made again where they would take much. Images are shared
/// out to the threads; each sums its own dW, which are then added in order.
func convRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let w = call.input(1)
  let window = try Window(call, kernel: Array(w.shape[2...]))
  let group = call.node.int("group", default: 1)
  if window.isWhole && group == 1 { return wholeConvPasses(call) }
  if group > 1 && w.shape[0] == group && w.shape[1] == 1 { return depthwisePasses(call, window) }
  return convPasses(call, Columns(window, channels: w.shape[1]), group: group)
}

/// The window covers the whole input: a dense layer over all channels.
private func wholeConvPasses<S: TrainingScalar>(_ call: NodeCall<S>) -> Passes {
  let (x, w, y) = (call.input(0), call.input(1), call.output(0))
  let b = call.optionalInput(2)
  let n = x.shape[0]
  let m = w.shape[0]
  let k = w.count / m
  return Passes(
    forward: {
      if let b { for i in 0..<n { (y.data + i * m).update(from: b.data, count: m) } }
      S.gemm(false, true, n, m, k, 1, x.data, k, w.data, k, b == nil ? 0 : 1, y.data, m)
    },
    backward: {
      guard let dy = y.gradient else { return }
      if let dx = x.gradient { S.gemm(false, false, n, k, m, 1, dy, m, w.data, k, 1, dx, k) }
      if let dw = w.gradient { S.gemm(true, false, m, k, n, 1, dy, m, x.data, k, 1, dw, k) }
      if let db = b?.gradient { for i in 0..<n { S.axpy(m, 1, dy + i * m, db) } }
    })
}

private func convPasses<S: TrainingScalar>(
  _ call: NodeCall<S>, _ columns: Columns, group: Int
) -> Passes {
  let (x, w, y) = (call.input(0), call.input(1), call.output(0))
  let b = call.optionalInput(2)
  let n = x.shape[0]
  let m = w.shape[0] / group
  let k = columns.rows
  let p = columns.columns
  let imageX = x.count / max(n, 1)
  let groupX = imageX / group
  let threads = TrainingThreads.count
  let isPoint = columns.window.isPoint
  // 16 MiB of float32.
  let keepsColumns = call.isTraining && n * group * k * p <= 1 << 22
  let buffers = call.buffer(isPoint ? 1 : (keepsColumns ? n * group : threads) * k * p)
  let columnGradients = call.buffer(x.gradient == nil || isPoint ? 1 : threads * k * p)
  let partW = call.buffer(threads * w.count)
  let partB = call.buffer(threads * m * group)

  /// The columns of one image's group, made in the image's or the thread's buffer.
  func makeColumns(_ image: Int, _ g: Int, _ thread: Int, isKept: Bool) -> UnsafePointer<S> {
    let source = x.data + image * imageX + g * groupX
    if isPoint { return UnsafePointer(source) }
    let target = buffers + (keepsColumns ? image * group + g : thread) * k * p
    if !(keepsColumns && isKept) { columns.gather(source, into: target) }
    return UnsafePointer(target)
  }

  return Passes(
    forward: {
      TrainingThreads.parallel(n) { range, thread in
        for image in range {
          for g in 0..<group {
            let from = makeColumns(image, g, thread, isKept: false)
            let to = y.data + (image * group + g) * m * p
            if let b {
              for i in 0..<m { (to + i * p).update(repeating: b.data[g * m + i], count: p) }
            }
            S.gemm(
              false, false, m, p, k, 1, w.data + g * m * k, k, from, p, b == nil ? 0 : 1, to, p)
          }
        }
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      let dx = x.gradient
      partW.update(repeating: 0, count: threads * w.count)
      partB.update(repeating: 0, count: threads * m * group)
      TrainingThreads.parallel(n) { range, thread in
        for image in range {
          for g in 0..<group {
            let d = dy + (image * group + g) * m * p
            if w.gradient != nil {
              let from = makeColumns(image, g, thread, isKept: true)
              let to = partW + thread * w.count + g * m * k
              S.gemm(false, true, m, k, p, 1, d, p, from, p, 1, to, k)
            }
            if b?.gradient != nil {
              let sums = partB + thread * m * group + g * m
              for i in 0..<m {
                var sum: S = 0
                for j in 0..<p { sum += d[i * p + j] }
                sums[i] += sum
              }
            }
            if let dx {
              let target = dx + image * imageX + g * groupX
              if isPoint {
                S.gemm(true, false, k, p, m, 1, w.data + g * m * k, k, d, p, 1, target, p)
              } else {
                let part = columnGradients + thread * k * p
                S.gemm(true, false, k, p, m, 1, w.data + g * m * k, k, d, p, 0, part, p)
                columns.scatter(part, into: target)
              }
            }
          }
        }
      }
      for thread in 0..<threads {
        if let dw = w.gradient { S.axpy(w.count, 1, partW + thread * w.count, dw) }
        if let db = b?.gradient { S.axpy(m * group, 1, partB + thread * m * group, db) }
      }
    })
}

/// The columns of an image: row (channel, kernel element), column (place of the window).
struct Columns {
  let window: Window
  let channels: Int
  var rows: Int { channels * window.kernelCount }
  var columns: Int { window.outputCount }

  init(_ window: Window, channels: Int) {
    self.window = window
    self.channels = channels
  }

  /// For each row of each output plane, the run of the input that it reads: calls `body` with (start
  /// in the columns, first place inside the input, places inside, start in the input), or with no
  /// places where the row lies in the padding.
  @inline(__always) func forEachRun(_ body: (Int, Int, Int, Int) -> Void) {
    let (iz, iy, ix) = (window.input[0], window.input[1], window.input[2])
    let (oz, oy, ox) = (window.output[0], window.output[1], window.output[2])
    let (sz, sy, sx) = (window.stride[0], window.stride[1], window.stride[2])
    var at = 0
    for c in 0..<channels {
      for kz in 0..<window.kernel[0] {
        for ky in 0..<window.kernel[1] {
          for kx in 0..<window.kernel[2] {
            let shift = kx * window.dilation[2] - window.before[2]
            // Places x with 0 ≤ x · stride + shift < input.
            let first = min(ox, shift >= 0 ? 0 : (-shift + sx - 1) / sx)
            let last = min(ox, shift >= ix ? 0 : (ix - 1 - shift) / sx + 1)
            let inside = max(0, last - first)
            for z in 0..<oz {
              let z0 = z * sz + kz * window.dilation[0] - window.before[0]
              for y in 0..<oy {
                let y0 = y * sy + ky * window.dilation[1] - window.before[1]
                if z0 < 0 || z0 >= iz || y0 < 0 || y0 >= iy {
                  body(at, 0, 0, 0)
                } else {
                  body(at, first, inside, ((c * iz + z0) * iy + y0) * ix + first * sx + shift)
                }
                at += ox
              }
            }
          }
        }
      }
    }
  }

  func gather<S: TrainingScalar>(_ x: UnsafePointer<S>, into target: UnsafeMutablePointer<S>) {
    let width = window.output[2]
    let stride = window.stride[2]
    forEachRun { at, first, inside, from in
      let row = target + at
      for i in 0..<first { row[i] = 0 }
      if stride == 1 {
        (row + first).update(from: x + from, count: inside)
      } else {
        for i in 0..<inside { row[first &+ i] = x[from &+ i &* stride] }
      }
      if first &+ inside < width { for i in (first &+ inside)..<width { row[i] = 0 } }
    }
  }

  func scatter<S: TrainingScalar>(
    _ columns: UnsafePointer<S>, into dx: UnsafeMutablePointer<S>
  ) {
    let stride = window.stride[2]
    forEachRun { at, first, inside, from in
      let row = columns + at
      if stride == 1 {
        for i in 0..<inside { dx[from &+ i] += row[first &+ i] }
      } else {
        for i in 0..<inside { dx[from &+ i &* stride] += row[first &+ i] }
      }
    }
  }
}
