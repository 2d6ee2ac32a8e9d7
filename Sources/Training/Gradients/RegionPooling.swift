/// The greatest element of each bin of each region (R. Girshick, "Fast R-CNN", 2015, section 2.1); its
/// gradient goes to that element (section 2.3), the first if equal. Regions have no gradient.
func maxRoiPoolRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, rois, y) = (call.input(0), call.input(1), call.output(0))
  let scale = S(call.node.float("spatial_scale", default: 1))
  let (height, width) = (x.shape[2], x.shape[3])
  let (channels, rows, columns) = (y.shape[1], y.shape[2], y.shape[3])
  let chosen = call.integerBuffer(y.count)
  /// The elements of bin `i` of `count`.
  func bin(_ start: S, _ end: S, _ i: Int, _ count: Int, _ length: Int) -> Range<Int> {
    let first = Int((start * scale).rounded())
    let size = S(max(1, Int((end * scale).rounded()) - first + 1)) / S(count)
    let low = max(0, min(first + Int((S(i) * size).rounded(.down)), length))
    let high = max(0, min(first + Int((S(i + 1) * size).rounded(.up)), length))
    return low..<max(low, high)
  }
  return Passes(
    forward: {
      for region in 0..<y.shape[0] {
        let roi = rois.data + region * 5
        let image = max(0, min(Int(roi[0].rounded()), x.shape[0] - 1))
        for row in 0..<rows {
          let ys = bin(roi[2], roi[4], row, rows, height)
          for column in 0..<columns {
            let xs = bin(roi[1], roi[3], column, columns, width)
            for c in 0..<channels {
              let plane = (image * channels + c) * height * width
              let to = ((region * channels + c) * rows + row) * columns + column
              var best = -1
              for i in ys {
                for j in xs {
                  let at = plane + i * width + j
                  if best < 0 || x.data[at] > x.data[best] { best = at }
                }
              }
              chosen[to] = Int64(best)
              y.data[to] = best < 0 ? 0 : x.data[best]
            }
          }
        }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for i in 0..<y.count where chosen[i] >= 0 { dx[Int(chosen[i])] += dy[i] }
    })
}

/// The mean of samples of each bin of each region, each interpolated bilinearly (K. He et al., "Mask
/// R-CNN", 2017, section 3). Regions have no gradient.
func roiAlignRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  guard call.node.string("mode", default: "avg") == "avg" else {
    throw call.unsupported("mode max")
  }
  let (x, rois, images, y) = (call.input(0), call.input(1), call.input(2), call.output(0))
  let scale = S(call.node.float("spatial_scale", default: 1))
  let ratio = call.node.int("sampling_ratio", default: 0)
  let isHalf =
    call.node.string("coordinate_transformation_mode", default: "half_pixel") == "half_pixel"
  let offset: S = isHalf ? 0.5 : 0
  let (height, width) = (x.shape[2], x.shape[3])
  let (channels, rows, columns) = (y.shape[1], y.shape[2], y.shape[3])

  /// Calls `use` with an element of the output's first channel, one of x's first channel, and the
  /// weight of the latter in the former.
  func visit(_ use: (Int, Int, S) -> Void) {
    for region in 0..<y.shape[0] {
      let roi = rois.data + region * 4
      let image = max(0, min(Int(images.integers[region]), x.shape[0] - 1))
      let (left, top) = (roi[0] * scale - offset, roi[1] * scale - offset)
      var w = roi[2] * scale - offset - left
      var h = roi[3] * scale - offset - top
      if !isHalf { (w, h) = (max(w, 1), max(h, 1)) }
      let (binHeight, binWidth) = (h / S(rows), w / S(columns))
      func samples(_ bin: S) -> Int { ratio > 0 ? ratio : bin > 0 ? Int(bin.rounded(.up)) : 0 }
      let (gridRows, gridColumns) = (samples(binHeight), samples(binWidth))
      let share = 1 / S(max(1, gridRows * gridColumns))
      let source = image * channels * height * width
      for row in 0..<rows {
        for column in 0..<columns {
          let to = (region * channels * rows + row) * columns + column
          for i in 0..<gridRows {
            let v = top + (S(row) + (S(i) + 0.5) / S(gridRows)) * binHeight
            if v < -1 || v > S(height) { continue }
            let cv = min(max(v, 0), S(height - 1))
            let (upper, lower) = (Int(cv), min(Int(cv) + 1, height - 1))
            let fv = cv - S(upper)
            for j in 0..<gridColumns {
              let u = left + (S(column) + (S(j) + 0.5) / S(gridColumns)) * binWidth
              if u < -1 || u > S(width) { continue }
              let cu = min(max(u, 0), S(width - 1))
              let (first, second) = (Int(cu), min(Int(cu) + 1, width - 1))
              let fu = cu - S(first)
              use(to, source + upper * width + first, share * (1 - fv) * (1 - fu))
              use(to, source + upper * width + second, share * (1 - fv) * fu)
              use(to, source + lower * width + first, share * fv * (1 - fu))
              use(to, source + lower * width + second, share * fv * fu)
            }
          }
        }
      }
    }
  }
  let (plane, bins) = (height * width, rows * columns)
  return Passes(
    forward: {
      y.data.update(repeating: 0, count: y.count)
      visit { to, from, weight in
        for c in 0..<channels { y.data[to + c * bins] += weight * x.data[from + c * plane] }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      visit { to, from, weight in
        for c in 0..<channels { dx[from + c * plane] += weight * dy[to + c * bins] }
      }
    })
}
