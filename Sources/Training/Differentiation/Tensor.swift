/// A tensor of a network in training: its numbers and, where somebody asks for it, the derivative of
/// the loss by each of them.
public final class Tensor<Scalar: TrainingScalar> {
  public let shape: [Int]
  public let count: Int
  /// float32 in the model. Where it is not, the numbers are in `integers`.
  public let isReal: Bool
  public private(set) var data: UnsafeMutablePointer<Scalar>
  /// nil: nobody needs it. Rules add to it, since a tensor may have many readers.
  public private(set) var gradient: UnsafeMutablePointer<Scalar>?
  /// The elements of a tensor of integers or truth values.
  public let integers: UnsafeMutablePointer<Int64>
  /// Whose memory this is, where it is another tensor's.
  private var owner: Tensor<Scalar>?
  private let borrowsMemory: Bool

  public init(_ shape: [Int], isReal: Bool = true, needsGradient: Bool = false) {
    self.shape = shape
    count = shape.reduce(1, *)
    self.isReal = isReal
    borrowsMemory = false
    let n = max(count, 1)
    data = .allocate(capacity: isReal ? n : 1)
    data.initialize(repeating: 0, count: isReal ? n : 1)
    integers = .allocate(capacity: isReal ? 1 : n)
    integers.initialize(repeating: 0, count: isReal ? 1 : n)
    if isReal, needsGradient {
      gradient = .allocate(capacity: n)
      gradient!.initialize(repeating: 0, count: n)
    }
  }

  /// A tensor in memory that somebody else keeps.
  init(
    _ shape: [Int], data: UnsafeMutablePointer<Scalar>, gradient: UnsafeMutablePointer<Scalar>?
  ) {
    self.shape = shape
    count = shape.reduce(1, *)
    isReal = true
    borrowsMemory = true
    self.data = data
    self.gradient = gradient
    integers = .allocate(capacity: 1)
  }

  deinit {
    integers.deallocate()
    if owner == nil, !borrowsMemory { release() }
  }

  private func release() {
    data.deallocate()
    gradient?.deallocate()
  }

  /// Becomes another name for `other`'s numbers and gradient: for operators that only change the
  /// shape. Only while a rule is prepared, and only where both have as many elements.
  public func share(_ other: Tensor<Scalar>) {
    precondition(other.count == count && other.isReal && isReal && owner == nil && !borrowsMemory)
    release()
    owner = other
    data = other.data
    gradient = other.gradient
  }

  public func zeroGradient() {
    if owner == nil { gradient?.update(repeating: 0, count: count) }
  }

  /// For messages and tests.
  public var values: [Scalar] {
    get { (0..<count).map { data[$0] } }
    set { for i in 0..<count { data[i] = newValue[i] } }
  }

  /// The product of the dimensions in `range`.
  public func product(_ range: Range<Int>) -> Int { shape[range].reduce(1, *) }
}
