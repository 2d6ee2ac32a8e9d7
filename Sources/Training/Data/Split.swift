/// The parts of a data set: which samples are trained on, which are watched while training, and
/// which are held out until the end.
public struct Split: Equatable {
  public var training: [Int]
  public var validation: [Int]
  public var test: [Int]

  /// Divides samples at random; the same seed gives the same parts. The test part depends on its
  /// own share alone, so that another validation share leaves it as it was.
  ///
  /// - Parameters:
  ///   - validation, test: Shares in 0..<1, together below 1; a part has its share of `count`
  ///     rounded to nearest, and at least one sample where the share is not 0.
  public init(count: Int, validation: Double, test: Double, seed: UInt64) throws {
    var random = SeededRandom(seed: seed, 3)
    let order = random.permutation(count)
    func size(_ share: Double) -> Int {
      share == 0 ? 0 : max(1, Int((Double(count) * share).rounded()))
    }
    let (tests, validations) = (size(test), size(validation))
    guard tests + validations < count else {
      throw DataError("\(count) samples are too few to split: none would be left to train on")
    }
    self.test = order[..<tests].sorted()
    self.validation = order[tests..<tests + validations].sorted()
    training = order[(tests + validations)...].sorted()
  }

  /// Divides samples that are in the order of time: the first are trained on, then come the
  /// validation part and, at the end, the test part.
  public init(inOrder count: Int, validation: Double, test: Double) throws {
    try self.init(count: count, validation: validation, test: test, seed: 1)
    let (trainings, validations) = (training.count, self.validation.count)
    training = Array(0..<trainings)
    self.validation = Array(trainings..<trainings + validations)
    self.test = Array(trainings + validations..<count)
  }
}
