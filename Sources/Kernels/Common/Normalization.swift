// What the normalising operators are made of.

@inline(__always) private func all(_ x: Float) -> Vector { Vector(repeating: x) }

/// The mean of n elements and that of their squared distances from it, in two passes.
func moments(
  _ x: UnsafePointer<Float>, _ n: Int, _ mean: UnsafeMutablePointer<Float>,
  _ variance: UnsafeMutablePointer<Float>
) {
  let m = sumRow(x, n) / Float(n)
  let center = all(m)
  let squares = reduceRow(
    x, n, identity: 0, fill: m,
    {
      let d = $0 - center
      return d * d
    }, { $0 + $1 })
  mean.pointee = m
  variance.pointee = squares / Float(n)
}

/// y[i] = (x[i] − mean)·factor·scale[i·step] + bias[i·step].
func normalize(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ mean: Float,
  _ factor: Float, _ scale: UnsafePointer<Float>?, _ bias: UnsafePointer<Float>?, _ step: Int
) {
  let mean = all(mean)
  let factor = all(factor)
  let isVector = step != 0
  var scalarScale = all(1)
  var scalarBias = all(0)
  if !isVector {
    if let scale { scalarScale = all(scale[0]) }
    if let bias { scalarBias = all(bias[0]) }
  }
  var i = 0
  while i < n {
    let left = n &- i
    let isWhole = left >= Vector.scalarCount
    let v = isWhole ? loadVector(x + i) : loadPart(x + i, left)
    var s = scalarScale
    var b = scalarBias
    if isVector {
      if let scale { s = isWhole ? loadVector(scale + i) : loadPart(scale + i, left) }
      if let bias { b = isWhole ? loadVector(bias + i) : loadPart(bias + i, left) }
    }
    let result = multiplyAdd((v - mean) * factor, s, b)
    if isWhole { storeVector(result, y + i) } else { storePart(result, y + i, left) }
    i &+= Vector.scalarCount
  }
}

/// d^−beta for d > 0: by square roots for the usual exponents, else as e^(−beta·log d).
@inline(__always) private func inversePower(_ d: Vector, _ beta: Float) -> Vector {
  if beta == 0.75 {
    let root = squareRoot(d)
    return all(1) / (root * squareRoot(root))
  }
  if beta == 0.5 { return all(1) / squareRoot(d) }
  if beta == 1 { return all(1) / d }
  return exp(log(d) * all(-beta))
}

/// y[c] = x[c]·(bias + alpha·Σ x[k]²)^−beta down the channels, each window summed anew from its
/// first channel on.
func localResponse(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ channels: Int, _ stride: Int,
  _ columns: Int, _ before: Int, _ after: Int, _ alpha: Float, _ beta: Float, _ bias: Float
) {
  var i = 0
  while i < columns {
    let left = columns &- i
    let isWhole = left >= Vector.scalarCount
    var c = 0
    while c < channels {
      var sum = all(0)
      var k = max(0, c &- before)
      let end = min(channels &- 1, c &+ after)
      while k <= end {
        let p = x + (k &* stride &+ i)
        let v = isWhole ? loadVector(p) : loadPart(p, left)
        sum = multiplyAdd(v, v, sum)
        k &+= 1
      }
      let p = x + (c &* stride &+ i)
      let v = isWhole ? loadVector(p) : loadPart(p, left)
      let result = v * inversePower(multiplyAdd(sum, all(alpha), all(bias)), beta)
      let q = y + (c &* stride &+ i)
      if isWhole { storeVector(result, q) } else { storePart(result, q, left) }
      c &+= 1
    }
    i &+= Vector.scalarCount
  }
}

/// y[i] = factor·Σk w[k]·x[i + k·stride].
func weightedSum(
  _ x: UnsafePointer<Float>, _ taps: Int, _ stride: Int, _ w: UnsafePointer<Float>,
  _ factor: Float, _ y: UnsafeMutablePointer<Float>, _ n: Int
) {
  var i = 0
  while i < n {
    let left = n &- i
    let isWhole = left >= Vector.scalarCount
    var sum = all(0)
    var k = 0
    while k < taps {
      let p = x + (i &+ k &* stride)
      sum = multiplyAdd(all(w[k]), isWhole ? loadVector(p) : loadPart(p, left), sum)
      k &+= 1
    }
    let result = sum * all(factor)
    if isWhole { storeVector(result, y + i) } else { storePart(result, y + i, left) }
    i &+= Vector.scalarCount
  }
}
