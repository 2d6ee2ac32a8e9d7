// How a convolution's band takes over the input: as it is. In AVX512BF16 it rounds.

/// Floats of the input in one of the band.
@inline(__always) var bandDepth: Int { 1 }

@inline(__always)
func copyToBand(_ x: UnsafePointer<Float>, _ n: Int, _ out: UnsafeMutablePointer<Float>) {
  copyFloats(x, out, n)
}
