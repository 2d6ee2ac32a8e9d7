import Zoo

/// What scenes with captions look like. Lengths are parts of the picture's size.
public struct CaptionSceneStyle: Equatable, Sendable {
  /// Pixels either way.
  public var size = 48
  /// In a scene.
  public var digits: ClosedRange<Int> = 1...3
  /// Of a digit's 8 × 8 table; its ink is narrower.
  public var scale: ClosedRange<Float> = 0.28...0.4
  /// How much of the smaller of two digits' squares may be covered.
  public var overlap: Float = 0.05
  /// The least distance from left to right between the middles of two digits.
  public var gap: Float = 0.16
  /// By how much one of the distances, from left to right and from top to bottom, exceeds the other
  /// between digits that are named one after the other.
  public var margin: Float = 0.1

  public init() {}
}

/// Pictures in colour of several handwritten digits, and what is in them in words: "a red three left of
/// a blue seven above a green one".
///
/// A scene has one right caption. Each digit is named by its colour and its number, from left to right by
/// the middle of its ink. Between two of them stands where the first is, seen from the second: "left of"
/// where their distance from left to right is greater than that from top to bottom, else "above" or
/// "below". Scenes where that would be a matter of a few pixels are not painted: see `CaptionSceneStyle`.
public final class CaptionScenes {
  public let style: CaptionSceneStyle
  private let part: DigitScenePart

  public init(_ part: DigitScenePart, style: CaptionSceneStyle) {
    self.part = part
    self.style = style
  }

  public var count: Int { part.count }

  // MARK: Words

  /// What ink may be called, and how it looks, give or take `tint` in each channel.
  static let colors: [(name: String, color: Canvas.Color)] = [
    ("red", [220, 40, 40]), ("green", [50, 190, 60]), ("blue", [50, 80, 235]),
    ("yellow", [235, 215, 50]), ("purple", [175, 60, 205]), ("white", [230, 230, 230]),
  ]
  private static let tint: Float = 25
  private static let names = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
  ]

  /// All words of captions; word i is token i + 2.
  public static let words = ["a", "left", "of", "above", "below"] + colors.map(\.name) + names

  /// Of a caption, without start and end.
  public static func tokens(_ caption: String) -> [Int32] {
    caption.split(separator: " ").compactMap { word in
      words.firstIndex { $0 == word }.map { Int32($0 + 2) }
    }
  }

  /// The words of tokens, to the end.
  static func caption(_ tokens: [Int32]) -> String {
    tokens.prefix { $0 != DecoderToken.end }
      .map { words.indices.contains(Int($0) - 2) ? words[Int($0) - 2] : "?" }
      .joined(separator: " ")
  }

  /// Words of a caption of so many digits, at most.
  static func longest(_ digits: Int) -> Int { 3 * digits + 2 * (digits - 1) }

  // MARK: Scenes

  public struct Scene {
    /// [3, size, size] of 0 to 1, in 256 steps as a file of the picture has them.
    public let pixels: [Float]
    public let caption: String
  }

  /// A digit with its place.
  private struct Thing {
    var digit: DigitPainter.Digit
    var color: Int
    var square: Box
    /// Of its ink.
    var middle: (x: Float, y: Float)
  }

  public func scene(_ index: Int, epoch: Int = 0) -> Scene {
    var random = part.random(stream: 10, epoch: epoch, index: index)
    var canvas = Canvas(width: style.size, height: style.size, channels: 3)
    canvas.fill(.texture, (0..<3).map { _ in random.float(0, 50) }, &random)
    let things = things(&random)
    let size = Float(style.size)
    for thing in things {
      let color = CaptionScenes.colors[thing.color].color.map {
        min(255, $0 + random.float(-CaptionScenes.tint, CaptionScenes.tint))
      }
      part.painter.paint(
        thing.digit, on: &canvas, left: thing.square.x1 * size, top: thing.square.y1 * size,
        size: thing.square.width * size, color: color)
    }
    return Scene(pixels: canvas.bytes.map { Float($0) / 255 }, caption: caption(things))
  }

  /// Digits from left to right. Where many tries found no place for all of them, there are fewer.
  private func things(_ random: inout SeededRandom) -> [Thing] {
    var wanted = style.digits.lowerBound + random.integer(below: style.digits.count)
    while wanted > 1 {
      for _ in 0..<1_000 {
        let things = (0..<wanted).map { _ in thing(&random) }.sorted { $0.middle.x < $1.middle.x }
        if isClear(things) { return things }
      }
      wanted -= 1
    }
    return [thing(&random)]
  }

  private func thing(_ random: inout SeededRandom) -> Thing {
    let digit = part.digit(&random)
    let side = random.float(style.scale.lowerBound, style.scale.upperBound)
    let (x, y) = (random.float(0, 1 - side), random.float(0, 1 - side))
    let middle = digit.middle
    return Thing(
      digit: digit, color: random.integer(below: CaptionScenes.colors.count),
      square: Box(x, y, x + side, y + side),
      middle: (x + side * middle.x, y + side * middle.y))
  }

  /// Whether digits from left to right have one right caption and hardly cover each other.
  private func isClear(_ things: [Thing]) -> Bool {
    for (i, a) in things.enumerated() {
      for b in things[..<i]
      where a.square.intersection(b.square) > style.overlap * min(a.square.area, b.square.area) {
        return false
      }
    }
    return zip(things, things.dropFirst()).allSatisfy { a, b in
      let (dx, dy) = (b.middle.x - a.middle.x, abs(b.middle.y - a.middle.y))
      return dx >= style.gap && abs(dx - dy) >= style.margin
    }
  }

  private func caption(_ things: [Thing]) -> String {
    var words: [String] = []
    for (i, thing) in things.enumerated() {
      if i > 0 {
        let last = things[i - 1].middle
        let (dx, dy) = (thing.middle.x - last.x, thing.middle.y - last.y)
        words += dx > abs(dy) ? ["left", "of"] : [dy > 0 ? "above" : "below"]
      }
      words += [
        "a", CaptionScenes.colors[thing.color].name, CaptionScenes.names[thing.digit.label],
      ]
    }
    return words.joined(separator: " ")
  }
}

extension DigitPainter.Digit {
  /// The middle of the box around its ink, in parts of its square.
  var middle: (x: Float, y: Float) {
    let side = DigitPainter.side
    let inked = ink.indices.filter { ink[$0] >= 0.2 }
    func middle(_ places: [Int]) -> Float {
      Float((places.min() ?? 0) + (places.max() ?? side - 1) + 1) / Float(2 * side)
    }
    return (middle(inked.map { $0 % side }), middle(inked.map { $0 / side }))
  }
}

/// Scenes to train on, to watch and to test on; each part's are made of digits of its own.
public struct CaptionParts {
  public let training: CaptionScenes
  public let validation: CaptionScenes?
  public let test: CaptionScenes?

  /// See `DigitScenePart.parts`.
  init(
    _ path: String, style: CaptionSceneStyle, shares: (validation: Double, test: Double),
    counts: (training: Int, validation: Int, test: Int), seed: UInt64
  ) throws {
    (training, validation, test) = try DigitScenePart.parts(
      path, shares: shares, counts: counts, seed: seed
    ) { CaptionScenes($0, style: style) }
  }
}
