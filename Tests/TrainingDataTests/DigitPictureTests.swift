import Testing
import Training

/// Forty "digits", no two alike.
private func table() -> [UInt8] {
  var random = SeededRandom(seed: 5)
  var text = "label," + (0..<64).map { "p\($0)" }.joined(separator: ",") + "\n"
  for i in 0..<40 {
    let ink = (0..<64).map { _ in String(random.integer(below: 17)) }
    text += "\(i % 10)," + ink.joined(separator: ",") + "\n"
  }
  return Array(text.utf8)
}

@Test func aDigitIsPaintedAsResizeWouldEnlargeIt() throws {
  try withFiles(["d.csv": table()]) { folder in
    let painter = try DigitPainter(contentsOf: folder + "/d.csv")
    let digit = painter.digits[7]
    #expect(painter.digits.count == 40 && digit.label == 7)
    var canvas = Canvas(width: 8, height: 8, channels: 1)
    painter.paint(digit, on: &canvas, left: 0, top: 0, size: 8, color: [255])
    #expect(zip(canvas.planes, digit.ink).allSatisfy { abs($0 - 255 * $1) < 1e-3 })

    // Enlarged and moved, away from the edge, where `Resize` repeats the last pixel.
    var large = Canvas(width: 40, height: 30, channels: 3)
    let box = painter.paint(digit, on: &large, left: 7, top: 3, size: 24, color: [0, 200, 100])
    let resize = Resize(height: 24, width: 24)
    var wanted = [Float](repeating: 0, count: 24 * 24)
    var random = SeededRandom(seed: 1)
    resize.apply(digit.ink, shape: [8, 8], to: &wanted, random: &random)
    for y in 2..<22 {
      for x in 2..<22 {
        let at = (y + 3) * 40 + x + 7
        #expect(large.planes[at] == 0)
        #expect(abs(large.planes[1200 + at] - 200 * wanted[y * 24 + x]) < 1e-3)
        #expect(abs(large.planes[2400 + at] - 100 * wanted[y * 24 + x]) < 1e-3)
      }
    }
    #expect(box.left >= 7 && box.top >= 3 && box.right <= 31 && box.bottom <= 27)
    #expect(box.right - box.left > 20 && box.bottom - box.top > 20)
    // Half outside: the box ends with the picture.
    let cut = painter.paint(digit, on: &large, left: 28, top: -12, size: 24, color: [0, 0, 0])
    #expect(cut.right == 40 && cut.top == 0 && cut.bottom <= 12)
  }
}

@Test func picturesOfAPartHaveTheDigitsOfThatPart() throws {
  try withFiles(["d.csv": table()]) { folder in
    let path = folder + "/d.csv"
    var reader = DigitPictureReader()
    (reader.size, reader.channels, reader.count, reader.scale) = (8, 1, 200, 1...1)
    reader.backgrounds = [.plain]
    let (samples, split) = try reader.read(path, validation: 0.2, test: 0.3, seed: 9)
    #expect(samples.shape == [1, 8, 8] && samples.count == 200)
    #expect(split.validation.count == 40 && split.test.count == 60 && split.training.count == 100)
    let digits = try DigitPainter(contentsOf: path).digits
    let part = try Split(count: 40, validation: 0.2, test: 0.3, seed: 9)
    let pixels = floats(samples)
    for (pictures, allowed) in [
      (split.training, part.training), (split.validation, part.validation), (split.test, part.test),
    ] {
      var seen: Set<Int> = []
      for picture in pictures {
        // A picture is paper + (ink − paper) · digit: it correlates with that digit alone.
        let p = Array(pixels[picture * 64..<(picture + 1) * 64])
        let likeness = digits.map { abs(correlation(p, $0.ink)) }
        let found = likeness.indices.max { likeness[$0] < likeness[$1] }!
        #expect(likeness[found] > 0.99)
        #expect(classes(samples)?[picture] == Int32(digits[found].label))
        #expect(allowed.contains(found))
        seen.insert(found)
      }
      #expect(seen.count == allowed.count)
    }
    // The same seed, the same pictures; another, others.
    #expect(try floats(reader.read(path, validation: 0.2, test: 0.3, seed: 9).samples) == pixels)
    #expect(try floats(reader.read(path, validation: 0.2, test: 0.3, seed: 8).samples) != pixels)
  }
}

/// The ink's centre goes the way that the class says.
@Test func filmsMoveTheWayOfTheirClass() throws {
  try withFiles(["d.csv": table()]) { folder in
    var reader = MovingDigitReader()
    (reader.count, reader.backgrounds, reader.inkIsDarker) = (64, [.plain], true)
    let (samples, split) = try reader.read(folder + "/d.csv", test: 0.25, seed: 2)
    #expect(samples.shape == [1, 16, 24, 24] && samples.classNames?.count == 8)
    #expect(split.training.count == 48 && split.test.count == 16)
    let pixels = floats(samples)
    func center(_ film: Int, _ frame: Int) -> (x: Float, y: Float) {
      let plane = pixels[(film * 16 + frame) * 576..<(film * 16 + frame + 1) * 576]
      let paper = plane.max()!
      var (sum, x, y): (Float, Float, Float) = (0, 0, 0)
      for (i, p) in plane.enumerated() {
        sum += paper - p
        x += (paper - p) * Float(i % 24)
        y += (paper - p) * Float(i / 24)
      }
      return (x / sum, y / sum)
    }
    let ways: [(Float, Float)] = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]
    for film in 0..<64 {
      let (a, b, c) = (center(film, 0), center(film, 8), center(film, 15))
      let (dx, dy) = (c.x - a.x, c.y - a.y)
      let way = (dx * dx + dy * dy).squareRoot()
      #expect(way > 0.18 * 24 && way < 0.52 * 24)
      let wanted = ways[Int(classes(samples)![film])]
      let length = (wanted.0 * wanted.0 + wanted.1 * wanted.1).squareRoot()
      #expect((dx * wanted.0 + dy * wanted.1) / (way * length) > 0.98)
      #expect(abs(b.x - a.x - dx * 8 / 15) < 0.3 && abs(b.y - a.y - dy * 8 / 15) < 0.3)
    }
  }
}

@Test(arguments: Canvas.Background.allCases)
func backgroundsStayNearTheirColour(_ background: Canvas.Background) {
  var random = SeededRandom(seed: 3)
  var canvas = Canvas(width: 64, height: 48, channels: 3)
  canvas.fill(background, [100, 150, 200], &random)
  let n = 64 * 48
  for (c, wanted) in [Float(100), 150, 200].enumerated() {
    let plane = canvas.planes[c * n..<(c + 1) * n]
    #expect(abs(plane.reduce(0, +) / Float(n) - wanted) < 15)
    #expect((Set(plane).count == 1) == (background == .plain))
  }
  let ink = canvas.color(against: [100, 150, 200], contrast: 90, &random)
  #expect(abs(0.299 * (ink[0] - 100) + 0.587 * (ink[1] - 150) + 0.114 * (ink[2] - 200)) >= 89.9)
}

private func correlation(_ a: [Float], _ b: [Float]) -> Float {
  let (ma, mb) = (a.reduce(0, +) / Float(a.count), b.reduce(0, +) / Float(b.count))
  var (ab, aa, bb): (Float, Float, Float) = (0, 0, 0)
  for (x, y) in zip(a, b) {
    ab += (x - ma) * (y - mb)
    aa += (x - ma) * (x - ma)
    bb += (y - mb) * (y - mb)
  }
  return ab / (aa * bb).squareRoot()
}
