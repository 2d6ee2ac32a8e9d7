import CKernels

// What the units of RNN, LSTM and GRU share: vectors of which only the first lanes are in memory,
// the walk over the units, and the activations of the gates.

// MARK: Partial vectors

/// The first `valid` lanes from memory, zeros behind them.
@inline(__always) func loadVector(_ p: UnsafePointer<Float>, valid: Int) -> Vector {
  valid >= Vector.scalarCount ? loadVector(p) : loadPart(p, valid)
}

@inline(__always)
func storeVector(_ v: Vector, _ p: UnsafeMutablePointer<Float>, valid: Int) {
  if valid >= Vector.scalarCount {
    storeVector(v, p)
  } else {
    storePart(v, p, valid)
  }
}

/// Calls the body for every block of every row.
@inline(__always)
func forEachBlock(
  _ rows: UnsafePointer<apus_recurrent_row>, _ count: Int, _ firstBlock: Int, _ lastBlock: Int,
  _ body: (UnsafePointer<apus_recurrent_row>, Int) -> Void
) {
  var r = 0
  while r < count {
    var block = firstBlock
    while block < lastBlock {
      body(rows + r, block)
      block &+= 1
    }
    r &+= 1
  }
}

// MARK: Activations

/// A gate's activation, its input clipped first.
@inline(never)
func activate(_ x: Vector, _ activation: apus_activation, _ limit: Float) -> Vector {
  let x = clip(x, Vector(repeating: -limit), Vector(repeating: limit))
  let alpha = Vector(repeating: activation.alpha)
  let beta = Vector(repeating: activation.beta)
  let zero = Vector(repeating: 0)
  let one = Vector(repeating: 1)
  switch activation.kind {
  case Int32(APUS_ACTIVATION_SIGMOID): return sigmoid(x)
  case Int32(APUS_ACTIVATION_RELU): return x.replacing(with: zero, where: x .< zero)
  case Int32(APUS_ACTIVATION_AFFINE): return multiplyAdd(alpha, x, beta)
  case Int32(APUS_ACTIVATION_LEAKY_RELU): return x.replacing(with: alpha * x, where: x .< zero)
  case Int32(APUS_ACTIVATION_THRESHOLDED_RELU):
    return x.replacing(with: zero, where: x .<= alpha)
  case Int32(APUS_ACTIVATION_SCALED_TANH): return alpha * tanh(beta * x)
  case Int32(APUS_ACTIVATION_HARD_SIGMOID): return clip(multiplyAdd(alpha, x, beta), zero, one)
  case Int32(APUS_ACTIVATION_ELU):
    return x.replacing(with: alpha * expm1(x), where: x .< zero)
  case Int32(APUS_ACTIVATION_SOFTSIGN):
    return x / (one + x.replacing(with: -x, where: x .< zero))
  case Int32(APUS_ACTIVATION_SOFTPLUS):
    // max(x, 0) + log(1 + e^−|x|)
    let positive = x.replacing(with: zero, where: x .< zero)
    return positive + log1p(exp(x.replacing(with: -x, where: x .> zero)))
  default: return tanh(x)
  }
}
