import Foundation

/// Paints handwritten digits, each a real one of a table such as data/digits.csv, into pictures: of
/// any size, in any colour, anywhere.
public struct DigitPainter {
  /// Of a digit: rows from top to bottom, 0 is paper, 1 is ink.
  public struct Digit {
    public let label: Int
    public let ink: [Float]
  }

  /// Pixels of a digit in the table, either way.
  public static let side = 8
  public let digits: [Digit]

  /// - Parameter path: a CSV file with a column `label` of 0 to 9 and 64 columns of 0 to 16.
  public init(contentsOf path: String) throws {
    let samples = try CSVReader(label: .name("label")).read(path)
    guard case .floats(let ink) = samples.storage, case .classes(let labels, _) = samples.targets,
      samples.size == DigitPainter.side * DigitPainter.side
    else {
      throw DataError(
        "\(path): a line has \(samples.size) numbers beside its label; a digit has 64")
    }
    guard labels.allSatisfy({ (0..<10).contains($0) }) else {
      throw DataError("\(path): a label is none of the digits 0 to 9")
    }
    digits = labels.enumerated().map { i, label in
      Digit(
        label: Int(label),
        ink: ink[i * samples.size..<(i + 1) * samples.size].map { min(max($0 / 16, 0), 1) })
    }
  }

  /// A rectangle in pixels; right and bottom are where it ends.
  public struct Box: Equatable, Sendable {
    public var left: Float
    public var top: Float
    public var right: Float
    public var bottom: Float
  }

  /// Paints a digit, bilinearly scaled, into the square of `size` pixels whose corner is at (left,
  /// top); what lies outside the picture is cut off.
  ///
  /// - Returns: The box around its ink, which is smaller than the square, cut at the picture's edges.
  @discardableResult
  public func paint(
    _ digit: Digit, on canvas: inout Canvas, left: Float, top: Float, size: Float,
    color: Canvas.Color
  ) -> Box {
    let step = Float(DigitPainter.side) / size
    let rows = max(0, Int(top))..<max(0, min(canvas.height, Int((top + size).rounded(.up))))
    let columns = max(0, Int(left))..<max(0, min(canvas.width, Int((left + size).rounded(.up))))
    var (first, last) = ((x: Int.max, y: Int.max), (x: -1, y: -1))
    for y in rows {
      let v = (Float(y) + 0.5 - top) * step - 0.5
      for x in columns {
        let ink = sample(digit, (Float(x) + 0.5 - left) * step - 0.5, v)
        if ink <= 0 { continue }
        canvas.blend(color, x: x, y: y, opacity: ink)
        // Fainter than this is hardly seen.
        if ink < 0.2 { continue }
        first = (min(first.x, x), min(first.y, y))
        last = (max(last.x, x), max(last.y, y))
      }
    }
    guard last.x >= 0 else { return Box(left: left, top: top, right: left, bottom: top) }
    return Box(
      left: Float(first.x), top: Float(first.y), right: Float(last.x + 1),
      bottom: Float(last.y + 1))
  }

  /// The ink between pixel centres; outside it is 0.
  private func sample(_ digit: Digit, _ u: Float, _ v: Float) -> Float {
    let side = DigitPainter.side
    let (x, y) = (Int(u.rounded(.down)), Int(v.rounded(.down)))
    let (fx, fy) = (u - Float(x), v - Float(y))
    func at(_ x: Int, _ y: Int) -> Float {
      x >= 0 && x < side && y >= 0 && y < side ? digit.ink[y * side + x] : 0
    }
    return (1 - fy) * ((1 - fx) * at(x, y) + fx * at(x + 1, y))
      + fy * ((1 - fx) * at(x, y + 1) + fx * at(x + 1, y + 1))
  }
}

func cosine(_ x: Float) -> Float { Float(cos(Double(x))) }
