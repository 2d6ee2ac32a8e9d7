import CKernels

// What RNN, LSTM and GRU share: sums over a packed stream of weights (see RecurrentKernels.h), and
// the activations of their gates.
//
// A sum is bias + Σ W·x + Σ R·h, k after k in one chain, whatever the number of rows and blocks that
// are computed at once and whether the first part came from `recurrentProject`: an element's bits
// depend on its own inputs alone.

/// Rows whose sums fit in registers next to each other with four gates each.
@inline(__always) var recurrentRows: Int { Vector.scalarCount == 16 ? 4 : 2 }

/// Rows of the tile that takes the next of `remaining` rows.
@inline(__always) func recurrentTile(_ remaining: Int) -> Int {
  remaining >= recurrentRows ? recurrentRows : remaining >= 2 ? 2 : 1
}

/// The sums in memory, one vector after the other, for what is done to each of them.
@inline(__always)
func withPanel<let n: Int>(
  _ sums: InlineArray<n, Vector>, _ body: (UnsafePointer<Float>) -> Void
) {
  // A copy: the address of the sums themselves would keep them out of registers.
  var panel = sums
  withUnsafeBytes(of: &panel) { bytes in
    body(bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self))
  }
}

/// Where the rows' vectors begin; unused entries repeat the first.
typealias RowPointers = InlineArray<4, UnsafePointer<Float>>

/// sums[row, block, gate] += Σ_k x[row][k] · weights[block][k][gate]. In `sums` a block has
/// `spacing` places, and the last gate of the stream has the place `last` among them.
@inline(__always)
func accumulate<let n: Int>(
  _ sums: inout InlineArray<n, Vector>, rows: Int, blocks: Int, gates: Int, spacing: Int,
  last: Int, _ weights: UnsafePointer<Float>, _ depth: Int, _ x: RowPointers
) {
  let width = Vector.scalarCount
  let step = gates &* width
  let blockSize = depth &* step
  var w = weights
  var k = 0
  while k < depth {
    for b in 0..<blocks {
      for g in 0..<gates {
        let weight = loadVector(w + (b &* blockSize &+ g &* width))
        let place = b &* spacing &+ (g == gates &- 1 ? last : g)
        for r in 0..<rows {
          let i = r &* blocks &* spacing &+ place
          sums[i] = multiplyAdd(Vector(repeating: x[r][k]), weight, sums[i])
        }
      }
    }
    w += step
    k &+= 1
  }
}

/// Vector `place` of each block and row of `sums`, as `accumulate` counts them, loaded from a block's
/// `gates` vectors in `bias` (or each row's own in `projected`).
@inline(__always)
func loadGates<let n: Int>(
  _ sums: inout InlineArray<n, Vector>, rows: Int, blocks: Int, gates: Int, spacing: Int,
  last: Int, _ source: RowPointers, sourceSpacing: Int
) {
  let width = Vector.scalarCount
  for r in 0..<rows {
    for b in 0..<blocks {
      for g in 0..<gates {
        let place = g == gates &- 1 ? last : g
        sums[(r &* blocks &+ b) &* spacing &+ place] =
          loadVector(source[r] + (b &* sourceSpacing &+ g) &* width)
      }
    }
  }
}

@inline(__always)
func rowPointers(
  _ rows: Int, _ pointer: (Int) -> UnsafePointer<Float>
) -> RowPointers {
  RowPointers { r in pointer(r < rows ? r : 0) }
}

@inline(__always) func sameRow(_ pointer: UnsafePointer<Float>) -> RowPointers {
  RowPointers { _ in pointer }
}

// MARK: Projection

@inline(__always)
private func projectTile<let n: Int>(
  _: InlineArray<n, Vector>.Type, rows: Int, blocks: Int, gates: Int,
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ x: RowPointers, _ depth: Int,
  _ spacing: Int, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
) {
  let width = Vector.scalarCount
  var sums = InlineArray<n, Vector> { _ in Vector(repeating: 0) }
  loadGates(
    &sums, rows: rows, blocks: blocks, gates: gates, spacing: gates, last: gates &- 1,
    sameRow(bias), sourceSpacing: spacing)
  accumulate(
    &sums, rows: rows, blocks: blocks, gates: gates, spacing: gates, last: gates &- 1, weights,
    depth, x)
  for r in 0..<rows {
    for b in 0..<blocks {
      for g in 0..<gates {
        storeVector(
          sums[(r &* blocks &+ b) &* gates &+ g],
          out + (r &* outStride &+ (b &* spacing &+ g) &* width))
      }
    }
  }
}

/// A tile of 4, 2 or 1 rows; for a single row two blocks at once, which hides the latency of the
/// chains of sums.
@inline(__always)
private func project(
  gates: Int, _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>,
  _ x: UnsafePointer<UnsafePointer<Float>?>, _ rows: Int, _ depth: Int, _ blocks: Int,
  _ spacing: Int, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
) {
  let width = Vector.scalarCount
  var block = 0
  while block < blocks {
    let w = weights + block &* depth &* gates &* width
    let b = bias + block &* spacing &* width
    let o = out + block &* spacing &* width
    if recurrentRows == 4 && rows == 4 {
      projectTile(
        InlineArray<16, Vector>.self, rows: 4, blocks: 1, gates: gates, w, b,
        rowPointers(4) { x[$0].unsafelyUnwrapped }, depth, spacing, o, outStride)
      block &+= 1
    } else if rows == 2 {
      projectTile(
        InlineArray<8, Vector>.self, rows: 2, blocks: 1, gates: gates, w, b,
        rowPointers(2) { x[$0].unsafelyUnwrapped }, depth, spacing, o, outStride)
      block &+= 1
    } else if block &+ 2 <= blocks {
      projectTile(
        InlineArray<8, Vector>.self, rows: 1, blocks: 2, gates: gates, w, b,
        rowPointers(1) { x[$0].unsafelyUnwrapped }, depth, spacing, o, outStride)
      block &+= 2
    } else {
      projectTile(
        InlineArray<4, Vector>.self, rows: 1, blocks: 1, gates: gates, w, b,
        rowPointers(1) { x[$0].unsafelyUnwrapped }, depth, spacing, o, outStride)
      block &+= 1
    }
  }
}

/// See recurrent_project in CKernels.h.
func recurrentProject(
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>,
  _ x: UnsafePointer<UnsafePointer<Float>?>, _ rows: Int, _ depth: Int, _ blocks: Int,
  _ gates: Int, _ spacing: Int, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
) {
  let width = Vector.scalarCount
  // Blocks outside, rows inside: the weights of a block are near when the next rows need them.
  var block = 0
  while block < blocks {
    let n = min(2, blocks &- block)
    let weights = weights + block &* depth &* gates &* width
    let bias = bias + block &* spacing &* width
    let out = out + block &* spacing &* width
    var first = 0
    while first < rows {
      let tile = recurrentTile(rows &- first)
      let x = x + first
      let out = out + first &* outStride
      switch gates {
      case 1: project1(weights, bias, x, tile, depth, n, spacing, out, outStride)
      case 2: project2(weights, bias, x, tile, depth, n, spacing, out, outStride)
      case 3: project3(weights, bias, x, tile, depth, n, spacing, out, outStride)
      default: project4(weights, bias, x, tile, depth, n, spacing, out, outStride)
      }
      first &+= tile
    }
    block &+= n
  }
}

// One function for each number of gates: small enough for the compiler to inline and unroll all.

@inline(never)
private func project1(
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>,
  _ x: UnsafePointer<UnsafePointer<Float>?>, _ rows: Int, _ depth: Int, _ blocks: Int,
  _ spacing: Int, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
) {
  project(gates: 1, weights, bias, x, rows, depth, blocks, spacing, out, outStride)
}

@inline(never)
private func project2(
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>,
  _ x: UnsafePointer<UnsafePointer<Float>?>, _ rows: Int, _ depth: Int, _ blocks: Int,
  _ spacing: Int, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
) {
  project(gates: 2, weights, bias, x, rows, depth, blocks, spacing, out, outStride)
}

@inline(never)
private func project3(
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>,
  _ x: UnsafePointer<UnsafePointer<Float>?>, _ rows: Int, _ depth: Int, _ blocks: Int,
  _ spacing: Int, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
) {
  project(gates: 3, weights, bias, x, rows, depth, blocks, spacing, out, outStride)
}

@inline(never)
private func project4(
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>,
  _ x: UnsafePointer<UnsafePointer<Float>?>, _ rows: Int, _ depth: Int, _ blocks: Int,
  _ spacing: Int, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
) {
  project(gates: 4, weights, bias, x, rows, depth, blocks, spacing, out, outStride)
}

// MARK: Partial vectors

/// The first `valid` lanes from memory, zeros behind them.
@inline(__always) func loadVector(_ p: UnsafePointer<Float>, valid: Int) -> Vector {
  if valid >= Vector.scalarCount { return loadVector(p) }
  var v = Vector(repeating: 0)
  withUnsafeMutableBytes(of: &v) { bytes in
    let lanes = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    var i = 0
    while i < valid {
      lanes[i] = p[i]
      i &+= 1
    }
  }
  return v
}

@inline(__always)
func storeVector(_ v: Vector, _ p: UnsafeMutablePointer<Float>, valid: Int) {
  if valid >= Vector.scalarCount {
    storeVector(v, p)
    return
  }
  var v = v
  withUnsafeMutableBytes(of: &v) { bytes in
    let lanes = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    var i = 0
    while i < valid {
      p[i] = lanes[i]
      i &+= 1
    }
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
