/// How a weight starts. `fanIn` is the number of inputs that one output sums over, `fanOut` the
/// number of outputs that one input reaches.
public enum Initializer {
  case zeros
  case ones
  case constant(Float)
  /// Uniform in ±limit.
  case uniform(Float)
  case normal(deviation: Float)
  /// Uniform, variance 2 / (fanIn + fanOut): Glorot and Bengio 2010, eq. 16.
  case glorot
  /// Normal, variance 2 / fanIn, for ReLU: He et al. 2015, eq. 10.
  case he
  /// Uniform, variance 1 / fanIn: LeCun et al., "Efficient BackProp", 1998, eq. 16.
  case leCun
  /// Orthonormal rows or columns, whichever are fewer: Saxe et al. 2014. A matrix of `blocks` such
  /// squares below each other (the gates of a recurrent layer) has each drawn on its own.
  case orthogonal(blocks: Int)

  public static var orthogonal: Initializer { .orthogonal(blocks: 1) }

  /// Draws `count` numbers.
  public func fill(
    _ shape: [Int], fanIn: Int, fanOut: Int, random: inout RandomSource
  ) -> [Float] {
    let n = shape.reduce(1, *)
    switch self {
    case .zeros: return [Float](repeating: 0, count: n)
    case .ones: return [Float](repeating: 1, count: n)
    case .constant(let c): return [Float](repeating: c, count: n)
    case .uniform(let limit): return (0..<n).map { _ in random.float(-limit, limit) }
    case .normal(let deviation): return (0..<n).map { _ in deviation * random.normal() }
    case .glorot:
      let limit = (6 / Float(fanIn + fanOut)).squareRoot()
      return (0..<n).map { _ in random.float(-limit, limit) }
    case .he:
      let deviation = (2 / Float(fanIn)).squareRoot()
      return (0..<n).map { _ in deviation * random.normal() }
    case .leCun:
      let limit = (3 / Float(fanIn)).squareRoot()
      return (0..<n).map { _ in random.float(-limit, limit) }
    case .orthogonal(let blocks):
      let columns = shape.last ?? 1
      let rows = n / max(columns, 1) / blocks
      return (0..<blocks).flatMap { _ in
        Initializer.orthogonalMatrix(rows, columns, random: &random)
      }
    }
  }

  /// Gram-Schmidt over random normal vectors, in double precision, row-major.
  private static func orthogonalMatrix(
    _ rows: Int, _ columns: Int, random: inout RandomSource
  ) -> [Float] {
    let transposed = rows > columns
    let count = min(rows, columns)
    let length = max(rows, columns)
    var vectors: [[Double]] = []
    for _ in 0..<count {
      var v = (0..<length).map { _ in Double(random.normal()) }
      // Twice is enough: W. Kahan's rule for Gram-Schmidt in floating point.
      for _ in 0..<2 {
        for u in vectors {
          var dot = 0.0
          for i in 0..<length { dot += u[i] * v[i] }
          for i in 0..<length { v[i] -= dot * u[i] }
        }
      }
      var square = 0.0
      for x in v { square += x * x }
      let norm = square.squareRoot()
      vectors.append(v.map { $0 / norm })
    }
    var result = [Float](repeating: 0, count: rows * columns)
    for i in 0..<count {
      for j in 0..<length {
        result[transposed ? j * columns + i : i * columns + j] = Float(vectors[i][j])
      }
    }
    return result
  }
}
