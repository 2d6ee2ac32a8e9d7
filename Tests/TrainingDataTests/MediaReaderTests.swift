import NumPyFile
import Testing
import Training

@Test(arguments: ["rgb", "grey", "palette", "alpha", "bits", "grey16"])
func pngGivesPillowsPixels(_ name: String) throws {
  let image = try Image(contentsOf: "\(fixtures)/png/\(name).png")
  let expected = try array("png-\(name)")
  #expect([image.height, image.width, image.channels] == expected.shape)
  #expect(image.pixels == expected.bytes)
}

@Test(arguments: ["rgb", "grey"])
func jpegGivesPillowsPixels(_ name: String) throws {
  let image = try Image(contentsOf: "\(fixtures)/jpeg-\(name).jpg")
  let expected = try array("jpeg-\(name)")
  #expect([image.height, image.width, image.channels] == expected.shape)
  // Builds of libjpeg differ in the last bit.
  let off = zip(image.pixels, expected.bytes).map { abs(Int($0) - Int($1)) }.max()!
  #expect(off <= 2)
}

@Test func damagedImagesAreRefused() throws {
  for name in ["png/rgb.png", "png/palette.png", "jpeg-rgb.jpg", "jpeg-grey.jpg"] {
    let whole = try readBytes(ofFile: "\(fixtures)/\(name)")
    #expect(damage(whole) { _ = try Image($0, file: "x") } >= min(400, whole.count) / 2)
  }
  #expect(
    message { _ = try Image(contentsOf: "\(fixtures)/cmyk.jpg") }
      == "cmyk.jpg: the image cannot be decoded: only grey and colour JPEGs can be read, not CMYK")
  let png = try readBytes(ofFile: "\(fixtures)/png/rgb.png")
  #expect(
    message { _ = try Image(Array(png.dropLast(20)), file: "x.png") }
      == "x.png: the image cannot be decoded: the file is cut off")
  let jpeg = try readBytes(ofFile: "\(fixtures)/jpeg-rgb.jpg")
  #expect(
    message { _ = try Image(Array(jpeg.dropLast(60)), file: "x.jpg") }
      == "x.jpg: the image cannot be decoded: Premature end of JPEG file")
  #expect(
    message { _ = try Image(contentsOf: "\(fixtures)/classes.npz") }
      == "classes.npz: neither a PNG nor a JPEG")
}

@Test func imageFolderReadsClasses() throws {
  var reader = ImageFolderReader()
  #expect(
    message { _ = try reader.read("\(fixtures)/images") }
      == "images/dogs/a.png: 14 × 9 pixels, and the images before it have 10 × 12; "
      + "give the size that all shall be resized to")
  reader.size = (12, 10)
  let samples = try reader.read("\(fixtures)/images")
  #expect(samples.shape == [3, 12, 10] && samples.count == 6)
  #expect(classes(samples) == [0, 0, 0, 1, 1, 1] && samples.classNames == ["cats", "dogs"])
  // The first image has the wanted size: its pixels, channels first.
  let pixels = try array("png-rgb").bytes
  let expected = (0..<360).map { Float(pixels[$0 % 120 * 3 + $0 / 120]) }
  #expect(floats(samples)[..<360].elementsEqual(expected))

  reader.channels = 1
  let grey = try reader.read("\(fixtures)/png")
  guard case .inputs = grey.targets else {
    Issue.record("a folder without classes must be its own target")
    return
  }
  #expect(grey.shape == [1, 12, 10] && grey.count == 6)
  #expect(
    message { _ = try reader.read("\(fixtures)/cifar") }
      == "cifar: neither sub-folders with images nor images in here")
  #expect(message { _ = try reader.read("\(fixtures)/x") } == "x: no such file or directory")
}

@Test(arguments: [8, 16, 24, 32])
func wavReadsPCM(_ bits: Int) throws {
  let sound = try Sound(contentsOf: "\(fixtures)/wav-\(bits).wav")
  let expected = try array("wav-\(bits)").floats()
  #expect(sound.rate == 8000 && sound.samples.count == 50)
  for (a, b) in zip(sound.samples, expected) { #expect(abs(a - b) <= 0x1p-24) }
}

@Test func wavReadsFloatsAndFolders() throws {
  let sound = try Sound(contentsOf: "\(fixtures)/wav-float.wav")
  let expected = try array("wav-float").floats()
  #expect(sound.rate == 16000 && sound.samples == expected)

  let samples = try WAVReader(frames: 40).read("\(fixtures)/sounds")
  #expect(samples.shape == [1, 40] && classes(samples) == [0, 1])
  #expect(samples.classNames == ["no", "yes"])
  let values = floats(samples)
  #expect(values[30..<40].allSatisfy { $0 == 0 } && values[..<30].elementsEqual(values[40..<70]))
  #expect(values[1] == 6509.0 / 32768)  // sin(1/5) · 32767, cut to a whole number

  let pieces = try WAVReader(frames: 20).read("\(fixtures)/wav-float.wav")
  #expect(pieces.count == 2 && floats(pieces).elementsEqual(sound.samples[..<40]))
  var strict = WAVReader(frames: 10)
  strict.rate = 44100
  #expect(
    message { _ = try strict.read("\(fixtures)/sounds") }
      == "sounds/no/a.wav: 8000 frames a second, and 44100 are wanted")
  #expect(
    message { _ = try WAVReader(frames: 90).read("\(fixtures)/wav-8.wav") }
      == "wav-8.wav: 50 frames are fewer than one piece of 90")
}

@Test func damagedSoundsAreRefused() throws {
  for name in ["wav-24.wav", "wav-float.wav"] {
    let whole = try readBytes(ofFile: "\(fixtures)/\(name)")
    #expect(damage(whole) { _ = try Sound(wav: $0, file: "x") } >= 340)
  }
}

@Test func textReadsFilesAndFolders() throws {
  let files: [String: [UInt8]] = [
    "b/two.swift": Array("zwei".utf8), "a.swift": Array("één\n".utf8), "c.txt": Array("no".utf8),
    ".hidden.swift": Array("no".utf8), "bad.bin": Array("ok\nhm\n".utf8) + [0xFF, 0x41],
  ]
  try withFiles(files) { folder in
    var reader = TextReader()
    reader.suffixes = ["swift"]
    let (folderText, fileText) = (try reader.read(folder), try reader.read(folder + "/c.txt"))
    #expect(folderText == "één\n\nzwei" && fileText == "no")
    reader.suffixes = [".md", ".c"]
    #expect(
      message { _ = try reader.read(folder) }
        == "\(folder): there are no files that end in .md, .c in this folder")
    #expect(
      message { _ = try reader.read(folder + "/bad.bin") }
        == "\(folder)/bad.bin:3: not UTF-8 text (byte 6)")
  }
}

@Test func vocabularyNumbersCharacters() {
  let vocabulary = Vocabulary(charactersOf: "beabe\u{301}", minimumCount: 1)
  #expect(vocabulary.count == 5 && vocabulary.names == ["", "a", "b", "e", "\u{301}"])
  #expect(vocabulary.tokens("abz") == [1, 2, 0])
  #expect(Vocabulary(charactersOf: "aab", minimumCount: 2).tokens("ab") == [1, 0])
  #expect(Vocabulary.bytes.tokens("é\n") == [0xC3, 0xA9, 10] && Vocabulary.bytes.count == 256)
}
