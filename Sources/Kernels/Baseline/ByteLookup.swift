/// See byte_lookup. For all instruction sets but VBMI: none of the others looks up bytes in a table of
/// 256 any faster.
func byteLookup(
  _ table: UnsafePointer<UInt8>, _ x: UnsafePointer<UInt8>, _ y: UnsafeMutablePointer<UInt8>,
  _ n: Int
) {
  var i = 0
  while i &+ 4 <= n {
    let (a, b, c, d) = (x[i], x[i &+ 1], x[i &+ 2], x[i &+ 3])
    y[i] = table[Int(a)]
    y[i &+ 1] = table[Int(b)]
    y[i &+ 2] = table[Int(c)]
    y[i &+ 3] = table[Int(d)]
    i &+= 4
  }
  while i < n {
    y[i] = table[Int(x[i])]
    i &+= 1
  }
}
