import Foundation

/// Signs that nobody has seen: each class is a few strokes drawn at random, each sample of it the strokes
/// as another hand would draw them. Like the alphabets of B. M. Lake et al., "Human-level concept learning
/// through probabilistic program induction", 2015, made up rather than collected.
public struct GlyphReader {
  public var classes = 250
  /// Of each class.
  public var count = 20
  /// Rows and columns.
  public var size = 16
  public var seed: UInt64 = 1

  public init() {}

  private typealias Point = (x: Float, y: Float)
  /// A quadratic Bézier curve in the unit square.
  private typealias Stroke = [Point]

  /// Pictures [1, size, size] of 0 to 1, class after class.
  public func read() -> Samples {
    var pixels: [Float] = []
    var numbers: [Int32] = []
    for glyph in 0..<classes {
      var random = SeededRandom(seed: seed, 1, glyph)
      let strokes = (0..<2 + random.integer(below: 3)).map { _ -> Stroke in
        (0..<3).map { _ in (random.float(0.15, 0.85), random.float(0.15, 0.85)) }
      }
      for sample in 0..<count {
        var hand = SeededRandom(seed: seed, 2, glyph, sample)
        pixels += draw(strokes, by: &hand)
        numbers.append(Int32(glyph))
      }
    }
    return Samples(
      storage: .floats(pixels), shape: [1, size, size],
      targets: .classes(numbers, names: (0..<classes).map { "glyph \($0)" }),
      count: numbers.count)
  }

  private func draw(_ strokes: [Stroke], by hand: inout SeededRandom) -> [Float] {
    let angle = hand.float(-0.17, 0.17)
    let scale = hand.float(0.88, 1.1)
    let (dx, dy) = (hand.float(-0.05, 0.05), hand.float(-0.05, 0.05))
    let width = hand.float(0.045, 0.07)
    var points: [Point] = []
    for stroke in strokes {
      let p = stroke.map { point -> Point in
        let x = point.x - 0.5 + 0.03 * hand.normal()
        let y = point.y - 0.5 + 0.03 * hand.normal()
        return (
          0.5 + dx + scale * (cosf(angle) * x - sinf(angle) * y),
          0.5 + dy + scale * (sinf(angle) * x + cosf(angle) * y)
        )
      }
      for i in 0...24 {
        let t = Float(i) / 24
        let (a, b, c) = ((1 - t) * (1 - t), 2 * t * (1 - t), t * t)
        points.append((a * p[0].x + b * p[1].x + c * p[2].x, a * p[0].y + b * p[1].y + c * p[2].y))
      }
    }
    // A pixel is as dark as the stroke is near, with an edge one pixel wide.
    var picture = [Float](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in 0..<size {
        let (x, y) = ((Float(column) + 0.5) / Float(size), (Float(row) + 0.5) / Float(size))
        var nearest = Float.infinity
        for p in points { nearest = min(nearest, (p.x - x) * (p.x - x) + (p.y - y) * (p.y - y)) }
        let edge = (width - nearest.squareRoot()) * Float(size) + 0.5
        picture[row * size + column] = max(0, min(1, edge))
      }
    }
    return picture
  }
}
