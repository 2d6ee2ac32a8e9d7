import Zoo

/// A picture in colour on which boxes with short texts are drawn.
public struct BoxDrawing {
  public private(set) var image: Image

  /// - Parameter least: the longer side's pixels; a smaller image is enlarged by a whole number.
  public init(_ image: Image, least: Int = 1) {
    let scale = max(1, (least + max(image.width, image.height) - 1) / max(image.width, image.height))
    let (width, height) = (image.width * scale, image.height * scale)
    var pixels = [UInt8](repeating: 0, count: 3 * width * height)
    for y in 0..<height {
      for x in 0..<width {
        let from = ((y / scale) * image.width + x / scale) * image.channels
        for c in 0..<3 {
          pixels[(y * width + x) * 3 + c] = image.pixels[from + (image.channels == 3 ? c : 0)]
        }
      }
    }
    self.image = Image(width: width, height: height, channels: 3, pixels: pixels)
  }

  /// Pictures of one size side by side, `columns` in a row.
  public init(sheet: [BoxDrawing], columns: Int) {
    let columns = min(columns, sheet.count)
    let rows = (sheet.count + columns - 1) / columns
    let (width, height) = (sheet[0].image.width + 4, sheet[0].image.height + 4)
    var pixels = [UInt8](repeating: 255, count: 3 * columns * width * rows * height)
    for (i, drawing) in sheet.enumerated() {
      let own = drawing.image
      for y in 0..<own.height {
        let to = ((i / columns * height + 2 + y) * columns * width + i % columns * width + 2) * 3
        let from = y * own.width * 3
        pixels.replaceSubrange(to..<to + own.width * 3, with: own.pixels[from..<from + own.width * 3])
      }
    }
    image = Image(width: columns * width, height: rows * height, channels: 3, pixels: pixels)
  }

  /// Colours that are far from each other, one for a class.
  static let colors: [[UInt8]] = [
    [230, 25, 75], [60, 180, 75], [255, 225, 25], [0, 130, 200], [245, 130, 48], [145, 30, 180],
    [70, 240, 240], [240, 50, 230], [210, 245, 60], [250, 190, 212],
  ]

  public mutating func draw(_ box: Box, label: Int, text: String) {
    let color = BoxDrawing.colors[label % BoxDrawing.colors.count]
    let (w, h) = (Float(image.width), Float(image.height))
    let (left, top) = (Int((box.x1 * w).rounded()), Int((box.y1 * h).rounded()))
    let (right, bottom) = (Int((box.x2 * w).rounded()) - 1, Int((box.y2 * h).rounded()) - 1)
    for thickness in 0..<2 {
      let t = thickness
      if left + t > right - t || top + t > bottom - t { break }
      for x in left...max(left, right) {
        set(x, top + t, color)
        set(x, bottom - t, color)
      }
      for y in top...max(top, bottom) {
        set(left + t, y, color)
        set(right - t, y, color)
      }
    }
    // Above the box, or in it where there is no room.
    write(text, x: left, y: top >= 12 ? top - 12 : top + 1, color)
  }

  /// Black on a stripe of the colour, letters of 3 × 5 dots of 2 pixels.
  private mutating func write(_ text: String, x: Int, y: Int, _ color: [UInt8]) {
    let letters = Array(text.uppercased().unicodeScalars)
    let width = 8 * letters.count + 2
    let x = max(0, min(x, image.width - width))
    for row in 0..<12 { for column in 0..<width { set(x + column, y + row, color) } }
    for (i, letter) in letters.enumerated() {
      guard let dots = BoxDrawing.font[letter] else { continue }
      for row in 0..<10 {
        for column in 0..<6 where dots >> (14 - (row / 2 * 3 + column / 2)) & 1 == 1 {
          set(x + 2 + 8 * i + column, y + 1 + row, [0, 0, 0])
        }
      }
    }
  }

  private mutating func set(_ x: Int, _ y: Int, _ color: [UInt8]) {
    guard x >= 0, y >= 0, x < image.width, y < image.height else { return }
    for c in 0..<3 { image.pixels[(y * image.width + x) * 3 + c] = color[c] }
  }

  /// Five rows of three dots, the first one in bit 14.
  private static let font: [UnicodeScalar: UInt16] = [
    "0": 0b111_101_101_101_111, "1": 0b010_110_010_010_111, "2": 0b111_001_111_100_111,
    "3": 0b111_001_111_001_111, "4": 0b101_101_111_001_001, "5": 0b111_100_111_001_111,
    "6": 0b111_100_111_101_111, "7": 0b111_001_001_001_001, "8": 0b111_101_111_101_111,
    "9": 0b111_101_111_001_111, "A": 0b010_101_111_101_101, "B": 0b110_101_110_101_110,
    "C": 0b011_100_100_100_011, "D": 0b110_101_101_101_110, "E": 0b111_100_110_100_111,
    "F": 0b111_100_110_100_100, "G": 0b011_100_101_101_011, "H": 0b101_101_111_101_101,
    "I": 0b111_010_010_010_111, "J": 0b001_001_001_101_010, "K": 0b101_101_110_101_101,
    "L": 0b100_100_100_100_111, "M": 0b101_111_111_101_101, "N": 0b111_101_101_101_101,
    "O": 0b010_101_101_101_010, "P": 0b110_101_110_100_100, "Q": 0b010_101_101_010_001,
    "R": 0b110_101_110_101_101, "S": 0b011_100_010_001_110, "T": 0b111_010_010_010_010,
    "U": 0b101_101_101_101_111, "V": 0b101_101_101_101_010, "W": 0b101_101_111_111_101,
    "X": 0b101_101_010_101_101, "Y": 0b101_101_010_010_010, "Z": 0b111_001_010_100_111,
    ".": 0b000_000_000_000_010, "%": 0b101_001_010_100_101, "-": 0b000_000_111_000_000,
  ]
}
