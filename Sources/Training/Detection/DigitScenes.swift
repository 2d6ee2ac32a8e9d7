import Zoo

/// What scenes of digits look like.
public struct DigitSceneStyle: Equatable, Sendable {
  /// Pixels either way.
  public var size = 64
  /// 1 (grey) or 3 (red, green, blue).
  public var channels = 1
  /// In a scene.
  public var digits: ClosedRange<Int> = 1...4
  /// Of a digit's 8 × 8 table, in parts of the scene's size; its ink is narrower.
  public var scale: ClosedRange<Float> = 0.28...0.5
  /// How much of the smaller of two digits may be covered.
  public var overlap: Float = 0.1
  /// The least difference of brightness between a digit and what is behind, of 255.
  public var contrast: Float = 90

  public init() {}
}

/// Scenes of several handwritten digits on a textured background, painted as they are asked for, with
/// the boxes around the digits' ink.
public final class DigitScenes: BoxedImages {
  public let style: DigitSceneStyle
  private let part: DigitScenePart

  public init(_ part: DigitScenePart, style: DigitSceneStyle) {
    self.part = part
    self.style = style
  }

  public var count: Int { part.count }

  public var shape: [Int] { [style.channels, style.size, style.size] }
  public var classNames: [String] { (0..<10).map(String.init) }

  public func image(
    _ index: Int, epoch: Int, into pixels: UnsafeMutablePointer<Float>
  ) throws -> [LabelledBox] {
    let (canvas, boxes) = scene(index, epoch: epoch)
    // Bytes, as a file of the scene would hold.
    for (i, value) in canvas.bytes.enumerated() { pixels[i] = Float(value) / 255 }
    return boxes
  }

  public func objects(_ index: Int, epoch: Int) -> [LabelledBox] {
    scene(index, epoch: epoch).boxes
  }

  /// The scene as a picture.
  public func scene(_ index: Int, epoch: Int = 0) -> (canvas: Canvas, boxes: [LabelledBox]) {
    var random = part.random(stream: 5, epoch: epoch, index: index)
    var canvas = Canvas(width: style.size, height: style.size, channels: style.channels)
    let paper = canvas.color(&random)
    canvas.fill(.texture, paper, &random)
    let wanted =
      style.digits.lowerBound + random.integer(below: style.digits.count)
    let size = Float(style.size)
    var squares: [Box] = []
    var boxes: [LabelledBox] = []
    for _ in 0..<wanted {
      guard let square = place(among: squares, &random) else { break }
      squares.append(square)
      let digit = part.digit(&random)
      let ink = part.painter.paint(
        digit, on: &canvas, left: square.x1 * size, top: square.y1 * size,
        size: square.width * size,
        color: canvas.color(against: paper, contrast: style.contrast, &random))
      boxes.append(
        LabelledBox(
          Box(ink.left / size, ink.top / size, ink.right / size, ink.bottom / size), digit.label))
    }
    return (canvas, boxes)
  }

  /// A place within the scene that covers little of the others; nil where 50 tries found none.
  private func place(among others: [Box], _ random: inout SeededRandom) -> Box? {
    for _ in 0..<50 {
      let side = random.float(style.scale.lowerBound, style.scale.upperBound)
      let (x, y) = (random.float(0, 1 - side), random.float(0, 1 - side))
      let square = Box(x, y, x + side, y + side)
      let isFree = others.allSatisfy {
        square.intersection($0) <= style.overlap * min(square.area, $0.area)
      }
      if isFree { return square }
    }
    return nil
  }
}

extension DigitScenes {
  /// Scenes to train on, to watch and to test on; each part's are made of digits of its own.
  ///
  /// - Parameters:
  ///   - path: the digits' table.
  ///   - shares: of the digits that are for validation and for the test.
  ///   - counts: of scenes.
  public static func parts(
    _ path: String, style: DigitSceneStyle, shares: (validation: Double, test: Double),
    counts: (training: Int, validation: Int, test: Int), seed: UInt64
  ) throws -> (training: DigitScenes, validation: DigitScenes?, test: DigitScenes?) {
    try DigitScenePart.parts(path, shares: shares, counts: counts, seed: seed) {
      DigitScenes($0, style: style)
    }
  }
}
