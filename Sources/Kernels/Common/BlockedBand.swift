import CKernels

/// See `apus_blocked_band`; of `lanes` floats the band has `lanes` / `bandDepth`.
func blockedBand(
  _ band: UnsafePointer<apus_blocked_band>, _ x: UnsafePointer<Float>,
  _ out: UnsafeMutablePointer<Float>
) {
  let b = band.pointee
  let outLanes = b.lanes / bandDepth
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
      fillZeros(target, end &* outLanes)
      if isInside {
        let place = (y &* b.input_width &+ b.first_column &+ inside) &* b.lanes
        copyToBand(
          x + (plane &* b.x_plane &+ place), (outside &- inside) &* b.lanes,
          target + inside &* outLanes)
        fillZeros(target + outside &* outLanes, (b.columns &- outside) &* outLanes)
      }
      target += b.columns &* outLanes
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
