import CKernels

// Reductions. The order of a sum is fixed by the number of its terms alone, so that its bits do not
// depend on threads. Sums run in blocks of 64 terms a lane, so that rounding errors grow with the
// number of blocks.

@inline(__always) private func all(_ x: Float) -> Vector { Vector(repeating: x) }

@inline(__always) private var blockLength: Int { 64 }

/// The lanes combined in a fixed tree: halves, quarters, … .
@inline(__always) func foldLanes(_ v: Vector, _ f: (Vector, Vector) -> Vector) -> Float {
  var v = v
  if Vector.scalarCount > 8 { v = f(v, oddGroups(v, v, 8)) }
  if Vector.scalarCount > 4 { v = f(v, oddGroups(v, v, 4)) }
  v = f(v, oddGroups(v, v, 2))
  v = f(v, oddGroups(v, v, 1))
  return v[0]
}

/// Combines map(x[i]) over n elements: four vectors at a time into the sums of a block, blocks into
/// the total. `fill` stands beyond the end: map(fill) must be the identity.
@inline(__always)
func reduceRow(
  _ x: UnsafePointer<Float>, _ n: Int, identity: Float, fill: Float, _ map: (Vector) -> Vector,
  _ combine: (Vector, Vector) -> Vector
) -> Float {
  let width = Vector.scalarCount
  var total = all(identity)
  var i = 0
  while i &+ 4 &* width <= n {
    var s0 = all(identity)
    var s1 = s0
    var s2 = s0
    var s3 = s0
    let end = min(n &- 4 &* width, i &+ (blockLength &- 1) &* 4 &* width)
    while i <= end {
      s0 = combine(s0, map(loadVector(x + i)))
      s1 = combine(s1, map(loadVector(x + (i &+ width))))
      s2 = combine(s2, map(loadVector(x + (i &+ 2 &* width))))
      s3 = combine(s3, map(loadVector(x + (i &+ 3 &* width))))
      i &+= 4 &* width
    }
    total = combine(total, combine(combine(s0, s1), combine(s2, s3)))
  }
  var rest = all(identity)
  while i < n {
    let left = n &- i
    rest = combine(
      rest, map(left >= width ? loadVector(x + i) : loadPart(x + i, left, fill: all(fill))))
    i &+= width
  }
  return foldLanes(combine(total, rest), combine)
}

/// Reduces n adjacent elements with one of APUS_REDUCE_….
func reduceRow(_ f: Int, _ x: UnsafePointer<Float>, _ n: Int, _ shift: Float) -> Float {
  switch f {
  case APUS_REDUCE_SUM: return sumRow(x, n)
  case APUS_REDUCE_ABS_SUM:
    return reduceRow(x, n, identity: 0, fill: 0, { magnitude($0) }, { $0 + $1 })
  case APUS_REDUCE_SQUARE_SUM:
    return reduceRow(x, n, identity: 0, fill: 0, { $0 * $0 }, { $0 + $1 })
  case APUS_REDUCE_EXP_SUM: return expSumRow(x, n, shift)
  case APUS_REDUCE_MAX: return maximumRow(x, n)
  case APUS_REDUCE_MIN:
    return reduceRow(
      x, n, identity: .infinity, fill: .infinity, { $0 }, { minimum($0, $1) })
  case APUS_REDUCE_PROD:
    return reduceRow(x, n, identity: 1, fill: 1, { $0 }, { $0 * $1 })
  default: return 0
  }
}

@inline(never) func sumRow(_ x: UnsafePointer<Float>, _ n: Int) -> Float {
  reduceRow(x, n, identity: 0, fill: 0, { $0 }, { $0 + $1 })
}

@inline(never) func maximumRow(_ x: UnsafePointer<Float>, _ n: Int) -> Float {
  reduceRow(
    x, n, identity: -.infinity, fill: -.infinity, { $0 }, { maximum($0, $1) })
}

@inline(never) func expSumRow(_ x: UnsafePointer<Float>, _ n: Int, _ shift: Float) -> Float {
  let shift = all(shift)
  return reduceRow(
    x, n, identity: 0, fill: -.infinity, { exp($0 - shift) }, { $0 + $1 })
}

/// y[c] = combine over r of map(x[r][c], shift[c]): a vector of columns at a time.
@inline(__always)
private func reduceColumns(
  _ x: UnsafePointer<Float>, _ rows: Int, _ stride: Int, _ columns: Int,
  _ shift: UnsafePointer<Float>?, _ accumulate: Bool, _ y: UnsafeMutablePointer<Float>,
  identity: Float, _ map: (Vector, Vector) -> Vector, _ combine: (Vector, Vector) -> Vector
) {
  var c = 0
  while c < columns {
    let left = columns &- c
    let isWhole = left >= Vector.scalarCount
    var s = all(0)
    if let shift { s = isWhole ? loadVector(shift + c) : loadPart(shift + c, left) }
    var total = all(identity)
    if accumulate { total = isWhole ? loadVector(y + c) : loadPart(y + c, left) }
    var row = x + c
    var r = 0
    while r < rows {
      let end = min(rows, r &+ blockLength)
      var block = all(identity)
      while r < end {
        let v = isWhole ? loadVector(row) : loadPart(row, left)
        block = combine(block, map(v, s))
        row += stride
        r &+= 1
      }
      total = combine(total, block)
    }
    if isWhole { storeVector(total, y + c) } else { storePart(total, y + c, left) }
    c &+= Vector.scalarCount
  }
}

/// Reduces rows into one with one of APUS_REDUCE_….
func reduceColumns(
  _ f: Int, _ x: UnsafePointer<Float>, _ rows: Int, _ stride: Int, _ columns: Int,
  _ shift: UnsafePointer<Float>?, _ accumulate: Bool, _ y: UnsafeMutablePointer<Float>
) {
  switch f {
  case APUS_REDUCE_SUM:
    reduceColumns(
      x, rows, stride, columns, nil, accumulate, y, identity: 0, { v, _ in v }, { $0 + $1 })
  case APUS_REDUCE_ABS_SUM:
    reduceColumns(
      x, rows, stride, columns, nil, accumulate, y, identity: 0, { v, _ in magnitude(v) },
      { $0 + $1 })
  case APUS_REDUCE_SQUARE_SUM:
    reduceColumns(
      x, rows, stride, columns, nil, accumulate, y, identity: 0, { v, _ in v * v }, { $0 + $1 })
  case APUS_REDUCE_EXP_SUM:
    expSumColumns(x, rows, stride, columns, shift, accumulate, y)
  case APUS_REDUCE_MAX:
    reduceColumns(
      x, rows, stride, columns, nil, accumulate, y, identity: -.infinity, { v, _ in v },
      { maximum($0, $1) })
  case APUS_REDUCE_MIN:
    reduceColumns(
      x, rows, stride, columns, nil, accumulate, y, identity: .infinity, { v, _ in v },
      { minimum($0, $1) })
  case APUS_REDUCE_PROD:
    reduceColumns(
      x, rows, stride, columns, nil, accumulate, y, identity: 1, { v, _ in v }, { $0 * $1 })
  default: break
  }
}

@inline(never)
private func expSumColumns(
  _ x: UnsafePointer<Float>, _ rows: Int, _ stride: Int, _ columns: Int,
  _ shift: UnsafePointer<Float>?, _ accumulate: Bool, _ y: UnsafeMutablePointer<Float>
) {
  reduceColumns(
    x, rows, stride, columns, shift, accumulate, y, identity: 0, { v, s in exp(v - s) },
    { $0 + $1 })
}
