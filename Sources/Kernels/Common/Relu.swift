/// y = max(x, 0); NaN stays NaN.
@inline(__always) func relu(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  var i = 0
  while i &+ Vector.scalarCount <= n {
    let v = UnsafeRawPointer(x + i).loadUnaligned(as: Vector.self)
    let r = v.replacing(with: 0, where: v .< Vector(repeating: 0))
    UnsafeMutableRawPointer(y + i).storeBytes(of: r, as: Vector.self)
    i &+= Vector.scalarCount
  }
  while i < n {
    y[i] = x[i] < 0 ? 0 : x[i]
    i &+= 1
  }
}
