/// Σ a[i] · b[i], summed in an order that depends on n alone.
func dotProduct(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ n: Int) -> Float {
  var sums = SIMD8<Float>()
  var i = 0
  while i &+ 8 <= n {
    let x = UnsafeRawPointer(a + i).loadUnaligned(as: SIMD8<Float>.self)
    let y = UnsafeRawPointer(b + i).loadUnaligned(as: SIMD8<Float>.self)
    sums += x * y
    i &+= 8
  }
  let four = sums.lowHalf + sums.highHalf
  let two = four.lowHalf + four.highHalf
  var sum = two[0] + two[1]
  while i < n {
    sum += a[i] * b[i]
    i &+= 1
  }
  return sum
}
