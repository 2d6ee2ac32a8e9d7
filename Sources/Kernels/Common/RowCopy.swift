// Copies a stretch of one row of an image into a panel, with a fill value outside the row.

/// target[i] = row[first + i · step] for 0 ≤ i < n, or `fill` where that lies outside 0..<width.
///
/// May write up to a vector beyond target + n: the caller fills its panel from front to back and
/// keeps a vector of slack at the end.
///
/// - Parameter end: the end of the memory that may be read, beyond the row if more follows.
@inline(__always)
func copyRow(
  _ row: UnsafePointer<Float>, first: Int, step: Int, width: Int, fill: Float,
  _ target: UnsafeMutablePointer<Float>, _ n: Int, end: UnsafePointer<Float>
) {
  // The part of 0..<n that comes from inside the row.
  var inside = 0
  var outside = n
  if first < 0 || first &+ (n &- 1) &* step >= width {
    if step == 1 {
      inside = min(n, max(0, 0 &- first))
      outside = max(inside, min(n, width &- first))
    } else {
      inside = first < 0 ? min(n, (step &- 1 &- first) / step) : 0
      let reach = width &- first &+ step &- 1
      outside = max(inside, min(n, reach > 0 ? reach / step : 0))
    }
    var i = 0
    let fillVector = Vector(repeating: fill)
    while i < inside {
      storeVector(fillVector, target + i)
      i &+= Vector.scalarCount
    }
  }
  let source = row + (first &+ inside &* step)
  let inner = target + inside
  let count = outside &- inside
  if step == 1 {
    copyAdjacent(source, inner, count, end)
  } else if step == 2 {
    copyAlternate(source, inner, count, end)
  } else {
    var i = 0
    while i < count {
      inner[i] = source[i &* step]
      i &+= 1
    }
  }
  var i = outside
  let fillVector = Vector(repeating: fill)
  while i < n {
    storeVector(fillVector, target + i)
    i &+= Vector.scalarCount
  }
}

@inline(__always)
private func copyAdjacent(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ n: Int,
  _ end: UnsafePointer<Float>
) {
  var i = 0
  while i < n && source + (i &+ Vector.scalarCount) <= end {
    storeVector(loadVector(source + i), target + i)
    i &+= Vector.scalarCount
  }
  while i < n {
    target[i] = source[i]
    i &+= 1
  }
}

/// Every second element.
@inline(__always)
private func copyAlternate(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ n: Int,
  _ end: UnsafePointer<Float>
) {
  let width = Vector.scalarCount
  var i = 0
  while i < n && source + (2 &* (i &+ width)) <= end {
    let low = loadVector(source + 2 &* i)
    let high = loadVector(source + (2 &* i &+ width))
    var even = Vector()
    even.lowHalf = low.evenHalf
    even.highHalf = high.evenHalf
    storeVector(even, target + i)
    i &+= width
  }
  while i < n {
    target[i] = source[2 &* i]
    i &+= 1
  }
}
