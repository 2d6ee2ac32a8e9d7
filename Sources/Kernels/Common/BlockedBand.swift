import CKernels

/// See `apus_blocked_band`.
func blockedBand(
  _ band: UnsafePointer<apus_blocked_band>, _ x: UnsafePointer<Float>,
  _ out: UnsafeMutablePointer<Float>
) {
  let b = band.pointee
  // The columns inside ..< outside lie in the input.
  let inside = min(b.columns, max(0, 0 &- b.first_column))
  let outside = max(inside, min(b.columns, b.input_width &- b.first_column))
  var plane = 0
  while plane < b.planes {
    var target = out + plane &* b.out_plane
    var row = 0
    while row < b.rows {
      let y = b.first_row &+ row
      let isInside = y >= 0 && y < b.input_height && inside < outside
      let end = isInside ? inside : b.columns
      fillZeros(target, end &* b.lanes)
      if isInside {
        let place = (y &* b.input_width &+ b.first_column &+ inside) &* b.lanes
        copyFloats(
          x + (plane &* b.x_plane &+ place), target + inside &* b.lanes,
          (outside &- inside) &* b.lanes)
        fillZeros(target + outside &* b.lanes, (b.columns &- outside) &* b.lanes)
      }
      target += b.columns &* b.lanes
      row &+= 1
    }
    plane &+= 1
  }
}

@inline(__always)
private func fillZeros(_ target: UnsafeMutablePointer<Float>, _ n: Int) {
  var i = 0
  while i &+ Vector.scalarCount <= n {
    storeVector(Vector(), target + i)
    i &+= Vector.scalarCount
  }
  while i < n {
    target[i] = 0
    i &+= 1
  }
}
