/// What one part of the data paints its scenes with.
public struct DigitScenePart {
  let painter: DigitPainter
  /// Which of the painter's digits the scenes are made of.
  let digits: [Int]
  /// Scenes.
  let count: Int
  let seed: UInt64
  /// Whether every epoch has scenes of its own.
  let renews: Bool

  public init(
    _ painter: DigitPainter, digits: [Int], count: Int, seed: UInt64, renews: Bool
  ) {
    self.painter = painter
    self.digits = digits
    self.count = count
    self.seed = seed
    self.renews = renews
  }

  /// Scenes to train on, to watch and to test on; each part's are made of digits of its own, and those
  /// to train on are made anew in every epoch.
  ///
  /// - Parameters:
  ///   - path: the digits' table.
  ///   - shares: of the digits that are for validation and for the test.
  ///   - counts: of scenes.
  static func parts<Scenes>(
    _ path: String, shares: (validation: Double, test: Double),
    counts: (training: Int, validation: Int, test: Int), seed: UInt64,
    make: (DigitScenePart) -> Scenes
  ) throws -> (training: Scenes, validation: Scenes?, test: Scenes?) {
    let painter = try DigitPainter(contentsOf: path)
    let split: Split
    do {
      split = try Split(
        count: painter.digits.count, validation: shares.validation, test: shares.test, seed: seed)
    } catch { throw DataError("\(path): \(error)") }
    func scenes(_ digits: [Int], _ count: Int, _ part: UInt64) -> Scenes? {
      if digits.isEmpty || count == 0 { return nil }
      return make(
        DigitScenePart(
          painter, digits: digits, count: count, seed: seed &* 4 &+ part, renews: part == 1))
    }
    return (
      scenes(split.training, max(counts.training, 1), 1)!,
      scenes(split.validation, counts.validation, 2), scenes(split.test, counts.test, 3)
    )
  }

  /// What a scene is drawn with; kinds of scenes differ in their `stream`.
  func random(stream: Int, epoch: Int, index: Int) -> SeededRandom {
    SeededRandom(seed: seed, stream, renews ? epoch : 0, index)
  }

  /// One of the part's digits.
  func digit(_ random: inout SeededRandom) -> DigitPainter.Digit {
    painter.digits[digits[random.integer(below: digits.count)]]
  }
}
