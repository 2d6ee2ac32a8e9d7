import CKernels

// Words: two numbers rounded to bf16, that of the lower depth in the lower half.

/// Words in which so many numbers of the depth lie; the last may be half empty.
@inline(__always) func words(_ depth: Int) -> Int { (depth &+ 1) / 2 }

/// Rounds 32 adjacent numbers, `low` before `high`.
@inline(__always) func roundAdjacent(_ low: Vector, _ high: Vector) -> Vector {
  apus_round_bf16x32(low, high)
}

/// Rounds two numbers of each lane, the lower and the upper half of its word.
@inline(__always) func roundPairs(_ low: Vector, _ high: Vector) -> Vector {
  apus_pair_bf16x32(low, high)
}

/// The word of x[0] and x[1] in all lanes.
@inline(__always) func broadcastWord(_ x: UnsafePointer<Float>) -> Vector {
  apus_broadcast_bf16x2(x)
}

/// The word of x[0] and 0 in all lanes.
@inline(__always) func broadcastHalfWord(_ x: UnsafePointer<Float>) -> Vector {
  roundPairs(Vector(repeating: x[0]), Vector())
}

/// Rounds `n` adjacent numbers.
@inline(never)
func roundRow(_ x: UnsafePointer<Float>, _ n: Int, _ out: UnsafeMutablePointer<Float>) {
  var i = 0
  while i &+ 32 <= n {
    storeVector(roundAdjacent(loadVector(x + i), loadVector(x + (i &+ 16))), out + i / 2)
    i &+= 32
  }
  if i == n { return }
  let left = n &- i
  let low = left < 16 ? loadPart(x + i, left) : loadVector(x + i)
  let high = left > 16 ? loadPart(x + (i &+ 16), left &- 16) : Vector()
  storePart(roundAdjacent(low, high), out + i / 2, words(left))
}
