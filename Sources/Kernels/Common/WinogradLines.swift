// Winograd's transforms in one dimension, for m outputs of 3 taps from a = m + 2 inputs (Cook and
// Toom's algorithm). The outputs are coefficients of a product of polynomials: it is evaluated at a
// points, one of them ∞, and interpolated.
//
//     y = Aᵀ · ((G · g) ∘ (Bᵀ · d))
//
// With the points p, M(x) = Π (x − p) and N(p) = Π (p − q) over the other points q:
//
//     row p of Bᵀ:   the coefficients of M(x) / (x − p);   of ∞: those of M(x)
//     row p of G:    (1, p, p²) / N(p);                    of ∞: (0, 0, 1)
//     column p of Aᵀ: p⁰ … p^(m−1);                        of ∞: (0, …, 0, 1)
//
// Points come in pairs ±p, whose rows share their even and their odd terms. They have few bits: no
// coefficient of Bᵀ and Aᵀ is rounded. The root mean square of the error, as a multiple of that of
// a direct sum in single precision (256 channels, weights as in a network, inputs as behind a
// ReLU), is 0.8 for m = 2, 2.1 for 4 and 9 for 6. No other pairs of eighths are better for m = 4 by
// more than a twentieth (±1 and ±2 have twice the error), none for m = 6.
//
// Sums and products alternate where they can: some processors do one of each at a time.

/// The points but ∞, in the order of the transforms.
@inline(__always)
func winogradPoints(_ m: Int) -> InlineArray<7, Double> {
  switch m {
  case 2: [0, 1, -1, 0, 0, 0, 0]
  case 4: [0, 0.75, -0.75, 1.5, -1.5, 0, 0]
  default: [0, 1, -1, 2, -2, 0.5, -0.5]
  }
}

@inline(__always)
private func multiplyAdd(_ a: Float, _ b: Vector, _ c: Vector) -> Vector {
  multiplyAdd(Vector(repeating: a), b, c)
}

@inline(__always)
private func times(_ a: Float, _ b: Vector) -> Vector { product(Vector(repeating: a), b) }

/// Bᵀ · d: `load` gives d, `store` takes the values at the points.
@inline(__always)
func winogradInputLine(_ m: Int, _ load: (Int) -> Vector, _ store: (Int, Vector) -> Void) {
  switch m {
  case 2: inputLine2(load, store)
  case 4: inputLine4(load, store)
  default: inputLine6(load, store)
  }
}

/// Aᵀ · v + bias: `load` gives the values at the points, `store` takes the outputs.
@inline(__always)
func winogradOutputLine(
  _ m: Int, _ bias: Vector?, _ load: (Int) -> Vector, _ store: (Int, Vector) -> Void
) {
  switch m {
  case 2: outputLine2(bias, load, store)
  case 4: outputLine4(bias, load, store)
  default: outputLine6(bias, load, store)
  }
}

/// M = x³ − x
@inline(__always)
private func inputLine2(_ load: (Int) -> Vector, _ store: (Int, Vector) -> Void) {
  let d1 = load(1)
  let d2 = load(2)
  store(0, difference(d2, load(0)))
  store(1, sum(d2, d1))
  store(2, difference(d2, d1))
  store(3, difference(load(3), d1))
}

@inline(__always)
private func outputLine2(
  _ bias: Vector?, _ load: (Int) -> Vector, _ store: (Int, Vector) -> Void
) {
  let one = biased(load(1), bias)
  let minusOne = load(2)
  store(0, sum(load(0), sum(one, minusOne)))
  store(1, sum(load(3), difference(one, minusOne)))
}

/// M = x · (x² − 9/16) · (x² − 9/4)
@inline(__always)
private func inputLine4(_ load: (Int) -> Vector, _ store: (Int, Vector) -> Void) {
  let d1 = load(1)
  let d2 = load(2)
  let d3 = load(3)
  let d4 = load(4)
  store(0, multiplyAdd(1.265625, load(0), multiplyAdd(-2.8125, d2, d4)))
  let even1 = multiplyAdd(-2.25, d2, d4)
  let odd1 = multiplyAdd(-1.6875, d1, times(0.75, d3))
  store(1, sum(even1, odd1))
  store(2, difference(even1, odd1))
  let even2 = multiplyAdd(-0.5625, d2, d4)
  let odd2 = multiplyAdd(-0.84375, d1, times(1.5, d3))
  store(3, sum(even2, odd2))
  store(4, difference(even2, odd2))
  store(5, multiplyAdd(1.265625, d1, multiplyAdd(-2.8125, d3, load(5))))
}

@inline(__always)
private func outputLine4(
  _ bias: Vector?, _ load: (Int) -> Vector, _ store: (Int, Vector) -> Void
) {
  let even1 = sum(load(1), load(2))
  let odd1 = difference(load(1), load(2))
  let even2 = sum(load(3), load(4))
  let odd2 = difference(load(3), load(4))
  store(0, sum(biased(load(0), bias), sum(even1, even2)))
  let last = biased(load(5), bias)
  if let bias {
    store(1, multiplyAdd(1.5, odd2, multiplyAdd(0.75, odd1, bias)))
    store(2, multiplyAdd(2.25, even2, multiplyAdd(0.5625, even1, bias)))
  } else {
    store(1, multiplyAdd(1.5, odd2, times(0.75, odd1)))
    store(2, multiplyAdd(2.25, even2, times(0.5625, even1)))
  }
  store(3, multiplyAdd(3.375, odd2, multiplyAdd(0.421875, odd1, last)))
}

/// M = x · (x² − 1) · (x² − 4) · (x² − 1/4)
@inline(__always)
private func inputLine6(_ load: (Int) -> Vector, _ store: (Int, Vector) -> Void) {
  let d1 = load(1)
  let d2 = load(2)
  let d3 = load(3)
  let d4 = load(4)
  let d5 = load(5)
  let d6 = load(6)
  store(0, multiplyAdd(5.25, difference(d2, d4), difference(d6, load(0))))
  let even1 = multiplyAdd(-4.25, d4, sum(d2, d6))
  let odd1 = multiplyAdd(-4.25, d3, sum(d1, d5))
  store(1, sum(even1, odd1))
  store(2, difference(even1, odd1))
  let middle = times(-2.5, d3)
  let even2 = multiplyAdd(0.25, d2, multiplyAdd(-1.25, d4, d6))
  let odd2 = multiplyAdd(0.5, d1, multiplyAdd(2, d5, middle))
  store(3, sum(even2, odd2))
  store(4, difference(even2, odd2))
  let even3 = multiplyAdd(4, d2, multiplyAdd(-5, d4, d6))
  let odd3 = multiplyAdd(2, d1, multiplyAdd(0.5, d5, middle))
  store(5, sum(even3, odd3))
  store(6, difference(even3, odd3))
  store(7, multiplyAdd(5.25, difference(d3, d5), difference(load(7), d1)))
}

@inline(__always)
private func outputLine6(
  _ bias: Vector?, _ load: (Int) -> Vector, _ store: (Int, Vector) -> Void
) {
  let one = biased(load(1), bias)
  let even1 = sum(one, load(2))
  let odd1 = difference(one, load(2))
  let even2 = sum(load(3), load(4))
  let odd2 = difference(load(3), load(4))
  let even3 = sum(load(5), load(6))
  let odd3 = difference(load(5), load(6))
  store(0, sum(sum(load(0), even1), sum(even2, even3)))
  store(1, multiplyAdd(2, odd2, multiplyAdd(0.5, odd3, odd1)))
  store(2, multiplyAdd(4, even2, multiplyAdd(0.25, even3, even1)))
  store(3, multiplyAdd(8, odd2, multiplyAdd(0.125, odd3, odd1)))
  store(4, multiplyAdd(16, even2, multiplyAdd(0.0625, even3, even1)))
  store(5, multiplyAdd(32, odd2, multiplyAdd(0.03125, odd3, sum(load(7), odd1))))
}

/// What is added to the value at the point 1 is added to all outputs of the line.
@inline(__always)
private func biased(_ v: Vector, _ bias: Vector?) -> Vector {
  if let bias { return sum(v, bias) }
  return v
}
