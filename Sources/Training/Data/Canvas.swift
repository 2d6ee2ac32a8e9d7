/// A picture that is painted on: floats of 0 to 255, channels first, 1 channel (grey) or 3 (red,
/// green, blue).
public struct Canvas {
  public let width: Int
  public let height: Int
  public let channels: Int
  public private(set) var planes: [Float]

  /// A colour: a number of 0 to 255 for each channel.
  public typealias Color = [Float]

  public init(width: Int, height: Int, channels: Int) {
    self.width = width
    self.height = height
    self.channels = channels
    planes = [Float](repeating: 0, count: channels * width * height)
  }

  /// What lies behind the things in a picture.
  public enum Background: String, CaseIterable, Sendable {
    /// One colour.
    case plain
    /// From one colour to another across the picture.
    case gradient
    /// A colour and normal noise of its own for each pixel and channel.
    case noise
    /// Waves of brightness in two directions, as cloth has.
    case texture
  }

  /// A colour, each channel uniform.
  public func color(_ random: inout SeededRandom) -> Color {
    (0..<channels).map { _ in random.float(0, 255) }
  }

  /// A colour whose brightness is at least `contrast` off that of another.
  public func color(against other: Color, contrast: Float, _ random: inout SeededRandom) -> Color {
    while true {
      let result = color(&random)
      if abs(Canvas.brightness(result) - Canvas.brightness(other)) >= contrast { return result }
    }
  }

  /// Colours of paper and ink, `contrast` apart; ink that is lighter than paper only where both may
  /// change places.
  func paperAndInk(
    contrast: Float, inkIsDarker: Bool, _ random: inout SeededRandom
  ) -> (paper: Color, ink: Color) {
    let paper = color(&random)
    let ink = color(against: paper, contrast: contrast, &random)
    let isDarker = Canvas.brightness(ink) < Canvas.brightness(paper)
    return inkIsDarker && !isDarker ? (ink, paper) : (paper, ink)
  }

  /// ITU-R BT.601's luma.
  static func brightness(_ color: Color) -> Float {
    color.count == 3 ? 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] : color[0]
  }

  /// Covers all of it. Whatever the kind, brightness stays within about 40 of the colour's.
  public mutating func fill(_ background: Background, _ color: Color, _ random: inout SeededRandom) {
    switch background {
    case .plain: paint { c, _, _ in color[c] }
    case .noise:
      for c in 0..<channels {
        for i in 0..<width * height { set(c, i, color[c] + 20 * random.normal()) }
      }
    case .gradient:
      let turn = random.float(0, 2 * .pi)
      let (dx, dy) = (cosine(turn), cosine(turn - .pi / 2))
      let rise = color.map { _ in random.float(-40, 40) }
      let (w, h) = (Float(max(width - 1, 1)), Float(max(height - 1, 1)))
      paint { c, x, y in
        color[c] + rise[c] * (dx * (2 * Float(x) / w - 1) + dy * (2 * Float(y) / h - 1)) / 1.5
      }
    case .texture:
      let waves = (0..<2).map { _ in
        // Waves of 3 to 10 pixels.
        let (turn, step) = (random.float(0, 2 * .pi), 2 * .pi / random.float(3, 10))
        return (cosine(turn) * step, cosine(turn - .pi / 2) * step, random.float(8, 20))
      }
      paint { c, x, y in
        waves.reduce(color[c]) { $0 + $1.2 * cosine($1.0 * Float(x) + $1.1 * Float(y)) }
      }
    }
  }

  /// Lays `color` over a pixel: 1 hides what is there, 0 leaves it.
  public mutating func blend(_ color: Color, x: Int, y: Int, opacity: Float) {
    for c in 0..<channels {
      let i = (c * height + y) * width + x
      planes[i] += opacity * (color[c] - planes[i])
    }
  }

  /// The numbers rounded to bytes.
  public var bytes: [UInt8] { planes.map { UInt8(min(max($0, 0), 255).rounded()) } }

  private mutating func paint(_ color: (Int, Int, Int) -> Float) {
    for c in 0..<channels {
      for y in 0..<height {
        for x in 0..<width { set(c, y * width + x, color(c, x, y)) }
      }
    }
  }

  private mutating func set(_ channel: Int, _ place: Int, _ value: Float) {
    planes[channel * width * height + place] = min(max(value, 0), 255)
  }
}
