/// Y = X ∗ W + b where each map has a kernel of its own. A matrix product of one row would be all
/// columns and no product; here each kernel element adds a moved and weighted map, row by row:
///
///     y += w[k] · x moved by k,   dw[k] = Σ dy · (x moved by k),   dx moved by k += w[k] · dy.
///
/// Maps are shared out to the threads, so that no sum is shared.
func depthwisePasses<S: TrainingScalar>(_ call: NodeCall<S>, _ window: Window) -> Passes {
  let (x, w, y) = (call.input(0), call.input(1), call.output(0))
  let b = call.optionalInput(2)
  let (n, maps) = (x.shape[0], x.shape[1])
  let (nx, ny, k) = (window.inputCount, window.outputCount, window.kernelCount)
  let columns = Columns(window, channels: 1)
  let step = window.stride[2]
  return Passes(
    forward: {
      TrainingThreads.parallel(maps) { range, _ in
        for map in range {
          for image in 0..<n {
            let from = x.data + (image * maps + map) * nx
            let to = y.data + (image * maps + map) * ny
            to.update(repeating: b?.data[map] ?? 0, count: ny)
            columns.forEachRun { at, first, inside, start in
              let (element, place) = at.quotientAndRemainder(dividingBy: ny)
              let factor = w.data[map * k + element]
              let row = to + (place + first)
              let source = from + start
              if step == 1 {
                for i in 0..<inside { row[i] += factor * source[i] }
              } else {
                for i in 0..<inside { row[i] += factor * source[i &* step] }
              }
            }
          }
        }
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      TrainingThreads.parallel(maps) { range, _ in
        for map in range {
          for image in 0..<n {
            let from = x.data + (image * maps + map) * nx
            let d = dy + (image * maps + map) * ny
            if let db = b?.gradient {
              var sum: S = 0
              for i in 0..<ny { sum += d[i] }
              db[map] += sum
            }
            let target = x.gradient.map { $0 + (image * maps + map) * nx }
            columns.forEachRun { at, first, inside, start in
              let (element, place) = at.quotientAndRemainder(dividingBy: ny)
              let row = d + (place + first)
              if let dw = w.gradient {
                let source = from + start
                if step == 1 {
                  dw[map * k + element] += S.dot(inside, row, source)
                } else {
                  var sum: S = 0
                  for i in 0..<inside { sum += row[i] * source[i &* step] }
                  dw[map * k + element] += sum
                }
              }
              if let target {
                let factor = w.data[map * k + element]
                let to = target + start
                if step == 1 {
                  for i in 0..<inside { to[i] += factor * row[i] }
                } else {
                  for i in 0..<inside { to[i &* step] += factor * row[i] }
                }
              }
            }
          }
        }
      }
    })
}
