/// Makes a data set of short films, [channels, frames, size, size] of 0 to 255: a handwritten digit
/// that moves in one of eight directions, which is the class, whichever the digit.
///
/// The parts are painted from different digits, as `DigitPictureReader` does.
public struct MovingDigitReader {
  public static let directions = [
    "right", "down right", "down", "down left", "left", "up left", "up", "up right",
  ]

  /// Pixels either way.
  public var size = 24
  public var frames = 16
  /// 3 (red, green, blue) or 1 (grey).
  public var channels = 1
  /// Films, all parts together.
  public var count = 1_200
  /// The digit's size in parts of the picture's.
  public var scale: ClosedRange<Float> = 0.4...0.5
  /// The way it goes, from the first frame to the last, in parts of the picture's size.
  public var way: ClosedRange<Float> = 0.2...0.5
  /// The least difference of brightness between ink and paper, of 255.
  public var contrast: Float = 90
  /// Whether ink is always darker than paper; otherwise either is as likely.
  public var inkIsDarker = false
  public var backgrounds: [Canvas.Background] = Canvas.Background.allCases

  public init() {}

  /// See `DigitPictureReader`.
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
    let length = channels * frames * size * size
    var pixels = [UInt8](repeating: 0, count: count * length)
    var labels = [Int32](repeating: 0, count: count)
    for (films, digits) in [
      (split.training, digits.training), (split.validation, digits.validation),
      (split.test, digits.test),
    ] {
      for (position, film) in films.enumerated() {
        let digit = painter.digits[digits[position % digits.count]]
        let direction = position % MovingDigitReader.directions.count
        var random = SeededRandom(seed: seed, 5, film)
        paint(digit, painter, toward: direction, &random) { channel, frame, plane in
          let at = film * length + (channel * frames + frame) * size * size
          pixels.replaceSubrange(at..<at + size * size, with: plane)
        }
        labels[film] = Int32(direction)
      }
    }
    let samples = Samples(
      storage: .bytes(pixels), shape: [channels, frames, size, size],
      targets: .classes(labels, names: MovingDigitReader.directions), count: count)
    return (samples, split)
  }

  /// Calls `write` with each channel of each frame.
  private func paint(
    _ digit: DigitPainter.Digit, _ painter: DigitPainter, toward direction: Int,
    _ random: inout SeededRandom, _ write: (Int, Int, ArraySlice<UInt8>) -> Void
  ) {
    var empty = Canvas(width: size, height: size, channels: channels)
    let background = backgrounds[random.integer(below: backgrounds.count)]
    let (paper, ink) = empty.paperAndInk(
      contrast: contrast, inkIsDarker: inkIsDarker, &random)
    empty.fill(background, paper, &random)
    let side = Float(size) * random.float(scale.lowerBound, scale.upperBound)
    let turn = Float(direction) * .pi / 4
    let way = Float(size) * random.float(self.way.lowerBound, self.way.upperBound)
    let (dx, dy) = (way * cosine(turn), way * cosine(turn - .pi / 2))
    // The whole way lies inside the picture, where there is room for it.
    func start(_ change: Float, _ random: inout SeededRandom) -> Float {
      let room = max(0, Float(size) - side - abs(change))
      return random.float(0, room) + max(0, -change)
    }
    let (left, top) = (start(dx, &random), start(dy, &random))
    for frame in 0..<frames {
      let share = Float(frame) / Float(max(frames - 1, 1))
      var canvas = empty
      painter.paint(
        digit, on: &canvas, left: left + share * dx, top: top + share * dy, size: side, color: ink)
      let bytes = canvas.bytes
      for channel in 0..<channels {
        write(channel, frame, bytes[channel * size * size..<(channel + 1) * size * size])
      }
    }
  }
}
