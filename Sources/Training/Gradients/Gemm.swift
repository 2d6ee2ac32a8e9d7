/// Y = α op(A) op(B) + β C, C broadcast to Y. With G = dY:
///
///     d op(A) = α G op(B)ᵀ,   d op(B) = α op(A)ᵀ G,   dC = β G summed over the repeated dimensions.
func gemmRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let a = call.input(0)
  let b = call.input(1)
  let c = call.optionalInput(2)
  let y = call.output(0)
  let alpha = S(call.node.float("alpha", default: 1))
  let beta = S(call.node.float("beta", default: 1))
  let transposeA = call.node.int("transA", default: 0) != 0
  let transposeB = call.node.int("transB", default: 0) != 0
  let (m, n) = (y.shape[0], y.shape[1])
  let k = transposeA ? a.shape[0] : a.shape[1]
  let lda = a.shape[1]
  let ldb = b.shape[1]
  // C's strides over the rows and columns of Y; 0 where it is repeated.
  let shapeC = c.map { [Int](repeating: 1, count: 2 - $0.shape.count) + $0.shape } ?? [1, 1]
  let rowC = shapeC[0] == 1 ? 0 : shapeC[1]
  let columnC = shapeC[1] == 1 ? 0 : 1
  return Passes(
    forward: {
      if let c {
        for i in 0..<m {
          let row = y.data + i * n
          let from = c.data + i * rowC
          for j in 0..<n { row[j] = beta * from[j * columnC] }
        }
      }
      S.gemm(
        transposeA, transposeB, m, n, k, alpha, a.data, lda, b.data, ldb, c == nil ? 0 : 1, y.data,
        n)
    },
    backward: {
      guard let g = y.gradient else { return }
      if let da = a.gradient {
        if transposeA {
          S.gemm(transposeB, true, k, m, n, alpha, b.data, ldb, g, n, 1, da, lda)
        } else {
          S.gemm(false, !transposeB, m, k, n, alpha, g, n, b.data, ldb, 1, da, lda)
        }
      }
      if let db = b.gradient {
        if transposeB {
          S.gemm(true, transposeA, n, k, m, alpha, g, n, a.data, lda, 1, db, ldb)
        } else {
          S.gemm(!transposeA, false, k, n, m, alpha, a.data, lda, g, n, 1, db, ldb)
        }
      }
      if let dc = c?.gradient {
        for i in 0..<m {
          let row = g + i * n
          let to = dc + i * rowC
          for j in 0..<n { to[j * columnC] += beta * row[j] }
        }
      }
    })
}

/// Y = A B over the last two dimensions, those before broadcast; a vector is a matrix of one row
/// (left) or one column (right).
func matMulRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let a = call.input(0)
  let b = call.input(1)
  let y = call.output(0)
  let shapeA = a.shape.count == 1 ? [1] + a.shape : a.shape
  let shapeB = b.shape.count == 1 ? b.shape + [1] : b.shape
  let m = shapeA[shapeA.count - 2]
  let k = shapeA[shapeA.count - 1]
  let n = shapeB[shapeB.count - 1]
  let batchA = Array(shapeA.dropLast(2))
  let batchB = Array(shapeB.dropLast(2))
  let rank = max(batchA.count, batchB.count)
  func padded(_ shape: [Int]) -> [Int] { [Int](repeating: 1, count: rank - shape.count) + shape }
  let (fullA, fullB) = (padded(batchA), padded(batchB))
  // For each product which matrix of A and which of B it takes.
  var pairs: [(a: Int, b: Int)] = [(0, 0)]
  for d in 0..<rank {
    let length = max(fullA[d], fullB[d])
    pairs = pairs.flatMap { pair in
      (0..<length).map { i in
        (
          pair.a * fullA[d] + (fullA[d] == 1 ? 0 : i),
          pair.b * fullB[d] + (fullB[d] == 1 ? 0 : i)
        )
      }
    }
  }
  // One matrix on the right for all: one large product instead of many small ones.
  let isOne = batchB.allSatisfy { $0 == 1 } && pairs.count == batchA.reduce(1, *)
  let products = isOne ? [(a: 0, b: 0)] : pairs
  let rows = isOne ? m * pairs.count : m
  return Passes(
    forward: {
      for (i, pair) in products.enumerated() {
        S.gemm(
          false, false, rows, n, k, 1, a.data + pair.a * m * k, k, b.data + pair.b * k * n, n, 0,
          y.data + i * m * n, n)
      }
    },
    backward: {
      guard let g = y.gradient else { return }
      for (i, pair) in products.enumerated() {
        let gi = g + i * m * n
        if let da = a.gradient {
          S.gemm(
            false, true, rows, k, n, 1, gi, n, b.data + pair.b * k * n, n, 1, da + pair.a * m * k, k)
        }
        if let db = b.gradient {
          S.gemm(
            true, false, k, n, rows, 1, a.data + pair.a * m * k, k, gi, n, 1, db + pair.b * k * n, n)
        }
      }
    })
}
