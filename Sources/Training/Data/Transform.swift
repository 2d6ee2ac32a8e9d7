/// Something done to every sample before it reaches the network.
public protocol Transform {
  /// The shape of a sample afterwards.
  ///
  /// - Throws: `DataError` where the transform cannot be done to samples of that shape.
  func outputShape(_ shape: [Int]) throws -> [Int]

  /// Whether it draws random numbers.
  var isRandom: Bool { get }

  /// What stands in its place where the network is tested; nil: nothing.
  var whenTested: (any Transform)? { get }

  /// Transforms the sample at `source`, of a shape that `outputShape` took.
  func apply(
    _ source: UnsafePointer<Float>, shape: [Int], to destination: UnsafeMutablePointer<Float>,
    random: inout SeededRandom)
}

extension Transform {
  public var isRandom: Bool { false }
  public var whenTested: (any Transform)? { isRandom ? nil : self }
}

/// Transforms in their order, with the shapes between them.
struct TransformChain {
  let transforms: [any Transform]
  /// `shapes[i]` is what transform i takes; the last is what comes out.
  let shapes: [[Int]]
  /// The most numbers that a sample has on its way.
  let largestSize: Int

  init(_ transforms: [any Transform], inputShape: [Int]) throws {
    self.transforms = transforms
    var shapes = [inputShape]
    for transform in transforms { shapes.append(try transform.outputShape(shapes.last!)) }
    self.shapes = shapes
    largestSize = shapes.map { $0.reduce(1, *) }.max()!
  }

  var outputShape: [Int] { shapes[shapes.count - 1] }

  /// Transforms what is in `a`, with `b` as a second buffer of `largestSize` numbers; returns the
  /// buffer where the result is.
  func apply(
    _ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>, random: inout SeededRandom
  ) -> UnsafeMutablePointer<Float> {
    var (from, to) = (a, b)
    for (i, transform) in transforms.enumerated() {
      transform.apply(from, shape: shapes[i], to: to, random: &random)
      swap(&from, &to)
    }
    return from
  }
}
