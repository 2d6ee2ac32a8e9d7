/// Makes a data set of pictures in CIFAR-10's form: [channels, size, size] of 0 to 255 in ten
/// classes, each picture a handwritten digit in some colour on some background.
///
/// The parts are painted from different digits: one that was trained on is in no other part.
public struct DigitPictureReader {
  /// Pixels either way.
  public var size = 32
  /// 3 (red, green, blue) or 1 (grey).
  public var channels = 3
  /// Pictures, all parts together.
  public var count = 4_000
  /// The digit's size in parts of the picture's.
  public var scale: ClosedRange<Float> = 0.6...0.95
  /// The least difference of brightness between ink and paper, of 255.
  public var contrast: Float = 90
  /// Whether ink is always darker than paper; otherwise either is as likely.
  public var inkIsDarker = false
  public var backgrounds: [Canvas.Background] = Canvas.Background.allCases

  public init() {}

  /// Picture `i` is drawn by a generator of its own, seeded with the split's seed: another count or
  /// size of part leaves its colours and place as they are.
  ///
  /// - Parameter path: the digits' table.
  /// - Returns: The pictures, and which are in which part: the shares are of the digits and of the
  ///   pictures alike.
  public func read(
    _ path: String, validation: Double = 0, test: Double = 0, seed: UInt64 = 1
  ) throws -> (samples: Samples, split: Split) {
    let painter = try DigitPainter(contentsOf: path)
    func parts(_ count: Int) throws -> Split {
      do {
        return try Split(count: count, validation: validation, test: test, seed: seed)
      } catch { throw DataError("\(path): \(error)") }
    }
    let digits = try parts(painter.digits.count)
    let split = try parts(count)
    let size = channels * size * size
    var pixels = [UInt8](repeating: 0, count: count * size)
    var labels = [Int32](repeating: 0, count: count)
    for (pictures, digits) in [
      (split.training, digits.training), (split.validation, digits.validation),
      (split.test, digits.test),
    ] {
      for (position, picture) in pictures.enumerated() {
        // Each digit of the part in turn: every one is used about as often.
        let digit = painter.digits[digits[position % digits.count]]
        var random = SeededRandom(seed: seed, 4, picture)
        let bytes = self.picture(of: digit, painter, &random).bytes
        pixels.replaceSubrange(picture * size..<(picture + 1) * size, with: bytes)
        labels[picture] = Int32(digit.label)
      }
    }
    let samples = Samples(
      storage: .bytes(pixels), shape: [channels, self.size, self.size],
      targets: .classes(labels, names: (0..<10).map(String.init)), count: count)
    return (samples, split)
  }

  private func picture(
    of digit: DigitPainter.Digit, _ painter: DigitPainter, _ random: inout SeededRandom
  ) -> Canvas {
    var canvas = Canvas(width: size, height: size, channels: channels)
    let background = backgrounds[random.integer(below: backgrounds.count)]
    let (paper, ink) = canvas.paperAndInk(
      contrast: contrast, inkIsDarker: inkIsDarker, &random)
    canvas.fill(background, paper, &random)
    let side = Float(size) * random.float(scale.lowerBound, scale.upperBound)
    let room = Float(size) - side
    painter.paint(
      digit, on: &canvas, left: random.float(0, room), top: random.float(0, room), size: side,
      color: ink)
    return canvas
  }
}
