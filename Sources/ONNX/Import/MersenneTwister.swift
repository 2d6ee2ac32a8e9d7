/// The generator that the ONNX reference implementation draws masks from (NumPy's RandomState):
/// MT19937 of M. Matsumoto and T. Nishimura, "Mersenne twister", ACM TOMACS 8, 1998.
struct MersenneTwister {
  private var state: [UInt32]
  private var position = 624

  init(seed: UInt32) {
    state = [seed]
    for i in 1..<624 {
      let last = state[i - 1]
      state.append(1_812_433_253 &* (last ^ last >> 30) &+ UInt32(i))
    }
  }

  /// Uniform in [0, 1), with 53 bits.
  mutating func uniform() -> Double {
    let high = Double(next() >> 5)
    return (high * 0x1p26 + Double(next() >> 6)) * 0x1p-53
  }

  private mutating func next() -> UInt32 {
    if position == 624 { twist() }
    var y = state[position]
    position += 1
    y ^= y >> 11
    y ^= y << 7 & 0x9D2C_5680
    y ^= y << 15 & 0xEFC6_0000
    return y ^ y >> 18
  }

  private mutating func twist() {
    for i in 0..<624 {
      let mixed = state[i] & 0x8000_0000 | state[(i + 1) % 624] & 0x7FFF_FFFF
      state[i] = state[(i + 397) % 624] ^ mixed >> 1 ^ (mixed & 1 != 0 ? 0x9908_B0DF : 0)
    }
    position = 0
  }
}
