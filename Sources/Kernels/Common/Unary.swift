import CKernels

// Functions of one argument over arrays. The numbers of the functions are in CKernels.h.

/// y[i] = f(x[i]) for one of APUS_UNARY_…, with the parameters a and b. In place allowed.
func unary(
  _ f: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ a: Float,
  _ b: Float
) {
  let a = Vector(repeating: a)
  let b = Vector(repeating: b)
  switch f {
  case APUS_UNARY_EXP: mapExp(x, y, n)
  case APUS_UNARY_LOG: mapLog(x, y, n)
  case APUS_UNARY_SIGMOID: mapSigmoid(x, y, n)
  case APUS_UNARY_TANH: mapTanh(x, y, n)
  case APUS_UNARY_ERF: mapErf(x, y, n)
  case APUS_UNARY_ELU: mapElu(x, y, n, a, b)
  case APUS_UNARY_SELU: mapSelu(x, y, n, a, b)
  case APUS_UNARY_SOFTPLUS: mapSoftplus(x, y, n)
  case APUS_UNARY_GELU_ERF: mapGeluErf(x, y, n)
  case APUS_UNARY_GELU_TANH: mapGeluTanh(x, y, n)
  case APUS_UNARY_SWISH: mapSwish(x, y, n, a)
  case APUS_UNARY_MISH: mapMish(x, y, n)
  default: unaryWithoutExponential(f, x, y, n, a, b)
  }
}

// The heavy functions stand alone: the optimiser inlines into small functions only.

@inline(__always) private func all(_ x: Float) -> Vector { Vector(repeating: x) }

@inline(never)
private func mapExp(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  mapVectors(x, y, n) { exp($0) }
}

@inline(never)
private func mapLog(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  mapVectors(x, y, n) { log($0) }
}

@inline(never)
private func mapSigmoid(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  mapVectors(x, y, n) { sigmoid($0) }
}

@inline(never)
private func mapTanh(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  mapVectors(x, y, n) { tanh($0) }
}

@inline(never)
private func mapErf(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  mapVectors(x, y, n) { erf($0) }
}

@inline(never)
private func mapElu(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ a: Vector, _ b: Vector
) {
  mapVectors(x, y, n) { select(less($0, all(0)), a * expm1($0 * b), $0) }
}

@inline(never)
private func mapSelu(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ a: Vector, _ b: Vector
) {
  let scale = a * b
  mapVectors(x, y, n) { select(less($0, all(0)), scale * expm1($0), ($0 * b)) }
}

@inline(never)
private func mapSoftplus(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  mapVectors(x, y, n) { v in
    select(less(v, all(0)), all(0), v) + log1p(exp(negated(magnitude(v))))
  }
}

@inline(never)
private func mapGeluErf(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  mapVectors(x, y, n) { v in
    (v * all(0.5)) * (all(1) + erf(v * all(0.707_106_77)))
  }
}

/// As x · sigmoid(2u), since ½(1 + tanh u) is that without the cancellation.
@inline(never)
private func mapGeluTanh(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  mapVectors(x, y, n) { v in
    let cubic = multiplyAdd(v * v, all(0.044_715), all(1))
    return v * sigmoid((v * cubic) * all(1.595_769_1))
  }
}

@inline(never)
private func mapSwish(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ a: Vector
) {
  mapVectors(x, y, n) { $0 * sigmoid($0 * a) }
}

/// tanh(log(1 + w)) = (w² + 2w) / (w² + 2w + 2) with w = e^x; 1 from x = 20 on.
@inline(never)
private func mapMish(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  mapVectors(x, y, n) { v in
    let w = exp(select(less(all(20), v), all(20), v))
    let p = w * (w + all(2))
    return v * (p / (p + all(2)))
  }
}

@inline(never)
private func unaryWithoutExponential(
  _ f: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ a: Vector,
  _ b: Vector
) {
  let zero = all(0)
  let one = all(1)
  switch f {
  case APUS_UNARY_SQRT: mapVectors(x, y, n) { squareRoot($0) }
  case APUS_UNARY_RECIPROCAL: mapVectors(x, y, n) { one / $0 }
  case APUS_UNARY_ABS: mapVectors(x, y, n) { magnitude($0) }
  case APUS_UNARY_NEG: mapVectors(x, y, n) { negated($0) }
  case APUS_UNARY_SIGN:
    mapVectors(x, y, n) { v in
      let signed = select(equal(v, zero), zero, applySign(of: v, to: one))
      return select(~equal(v, v), v, signed)
    }
  case APUS_UNARY_FLOOR: mapVectors(x, y, n) { roundDown($0) }
  case APUS_UNARY_CEIL: mapVectors(x, y, n) { roundUp($0) }
  case APUS_UNARY_ROUND: mapVectors(x, y, n) { roundToEven($0) }
  case APUS_UNARY_AFFINE: mapVectors(x, y, n) { multiplyAdd($0, a, b) }
  case APUS_UNARY_CLIP: mapVectors(x, y, n) { clip($0, a, b) }
  case APUS_UNARY_RELU: mapVectors(x, y, n) { select(less($0, zero), zero, $0) }
  case APUS_UNARY_LEAKY_RELU:
    mapVectors(x, y, n) { select(less($0, zero), $0 * a, $0) }
  case APUS_UNARY_THRESHOLD:
    mapVectors(x, y, n) { select(less(a, $0), $0, zero) }
  case APUS_UNARY_SHRINK:
    let low = negated(a)
    mapVectors(x, y, n) { select(less($0, low), $0 + b, select(less(a, $0), $0 - b, zero)) }
  case APUS_UNARY_HARD_SIGMOID:
    mapVectors(x, y, n) { clip(multiplyAdd($0, a, b), zero, one) }
  case APUS_UNARY_HARD_SWISH:
    mapVectors(x, y, n) { $0 * clip(multiplyAdd($0, all(1 / 6), all(0.5)), zero, one) }
  case APUS_UNARY_SOFTSIGN: mapVectors(x, y, n) { $0 / (one + magnitude($0)) }
  default: break
  }
}
