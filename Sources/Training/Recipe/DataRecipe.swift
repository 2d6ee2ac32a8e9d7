import Foundation

/// The part `data` of a recipe: where samples come from, how they are divided and transformed.
public struct DataRecipe {
  /// The reader and its settings.
  enum Reader {
    case csv(CSVReader)
    case npz(NumPyReader)
    case idx(images: String?, labels: String?)
    case cifar10
    case images(ImageFolderReader)
    case text(TextReader, Vocabulary.Unit, minimumCount: Int)
    case wav(WAVReader)
    case digitPictures(DigitPictureReader)
    case series(SeriesReader)
    case adding(AddingProblem)
    case movingDigits(MovingDigitReader)

    var isText: Bool { if case .text = self { true } else { false } }
    /// Samples come in the order of time: what is held out are the last ones.
    var isOrdered: Bool { if case .series = self { true } else { false } }
  }

  static let readers = [
    "csv", "npz", "idx", "cifar10", "images", "text", "wav", "digit-pictures", "moving-digits",
    "series", "adding-problem",
  ]
  /// Readers that make their data themselves.
  static let generators = ["adding-problem"]

  let reader: Reader
  /// As the recipe gives it.
  public let path: String
  /// Where it is found: relative to the recipe's folder.
  public let resolvedPath: String
  /// Data of their own to test on: another path, another pair of IDX files.
  let test: (path: String, images: String?, labels: String?)?
  public let validationShare: Double
  public let testShare: Double
  public let splitSeed: UInt64
  let transforms: [TransformRecipe]

  init(_ section: RecipeSection) throws {
    let name = try section.required("reader", section.choice("reader", DataRecipe.readers))
    let pictureKeys = ["size", "channels", "count", "scale", "contrast", "ink", "backgrounds"]
    let own: [String: [String]] = [
      "csv": ["label", "target", "ignore", "header", "delimiter"], "npz": ["inputs", "targets"],
      "idx": ["images", "labels"], "cifar10": [], "images": ["size", "channels"],
      "text": ["suffixes", "vocabulary", "minimum_count"], "wav": ["frames", "rate"],
      "digit-pictures": pictureKeys, "moving-digits": pictureKeys + ["frames"],
      "series": ["column", "window", "scale"], "adding-problem": ["length", "count", "seed"],
    ]
    let isGenerated = DataRecipe.generators.contains(name)
    let more =
      switch name {
      case "text", "series": [] as [String]
      case "digit-pictures", "moving-digits", "adding-problem": ["transforms"]
      default: ["test", "transforms"]
      }
    let shared = ["reader", "split"] + (isGenerated ? [] : ["path"]) + more
    try section.allow(shared + own[name]!)
    let given = isGenerated ? name : try section.required("path", section.string("path"))
    path = given
    resolvedPath = isGenerated ? name : section.resolve(path)
    reader = try DataRecipe.reader(name, section)

    let test = try section.section("test")
    try test?.allow(["path"] + (name == "idx" ? ["images", "labels"] : []))
    self.test = try test.map { test in
      let path = try test.string("path")
      guard path != nil || name == "idx" else { throw test.missing("path") }
      return (section.resolve(path ?? given), try test.string("images"), try test.string("labels"))
    }
    let split = try section.section("split")
    try split?.allow(["validation", "test", "seed"])
    func share(_ key: String) throws -> Double {
      try split?.number(key, "a share from 0 to less than 1") { $0 >= 0 && $0 < 1 } ?? 0
    }
    validationShare = try share("validation")
    testShare = try share("test")
    splitSeed = UInt64(try split?.integer("seed", 0...Int(Int32.max)) ?? 1)
    if let split, validationShare + testShare >= 1 {
      throw split.error(nil, "data.split: nothing is left to train on")
    }
    if self.test != nil && testShare > 0 {
      throw section.error("test", "data: give 'test' or 'split.test', not both")
    }
    transforms = try (section.list("transforms") ?? []).map {
      try TransformRecipe($0, file: section.file)
    }
  }

  private static func reader(_ name: String, _ section: RecipeSection) throws -> Reader {
    switch name {
    case "csv": return .csv(try csv(section))
    case "npz":
      var reader = NumPyReader()
      reader.inputs = try section.string("inputs") ?? "x"
      reader.targets = try section.string("targets") ?? "y"
      if reader.targets == "inputs" { reader.targets = nil }
      return .npz(reader)
    case "idx":
      return .idx(images: try section.string("images"), labels: try section.string("labels"))
    case "cifar10": return .cifar10
    case "images":
      var reader = ImageFolderReader()
      if let size = try section.integers("size", count: 2...2, 1...4_096) {
        reader.size = (size[0], size[1])
      }
      let channels = try section.choice("channels", ["1", "3"])
      reader.channels = channels == "1" ? 1 : 3
      return .images(reader)
    case "text":
      var reader = TextReader()
      reader.suffixes = try section.strings("suffixes") ?? []
      return .text(
        reader, try section.choice("vocabulary", Vocabulary.Unit.self) ?? .characters,
        minimumCount: try section.integer("minimum_count") ?? 1)
    case "digit-pictures": return .digitPictures(try digitPictures(section))
    case "series":
      let column = try section.required("column", section.string("column"))
      let window = try section.required("window", section.integer("window", 1...65_536))
      var reader = SeriesReader(
        column: Int(column).map { .index($0) } ?? .name(column), window: window)
      reader.scale = Float(try section.number("scale") ?? 1)
      return .series(reader)
    case "adding-problem":
      var problem = AddingProblem()
      problem.length = try section.integer("length", 2...65_536) ?? problem.length
      problem.count = try section.integer("count") ?? problem.count
      problem.seed = UInt64(try section.integer("seed", 0...Int(Int32.max)) ?? 1)
      return .adding(problem)
    case "moving-digits": return .movingDigits(try movingDigits(section))
    default:
      let frames = try section.integer("frames", 1...1 << 24)
      var reader = WAVReader(frames: try section.required("frames", frames))
      reader.rate = try section.integer("rate")
      return .wav(reader)
    }
  }

  private static func csv(_ section: RecipeSection) throws -> CSVReader {
    func column(_ word: String) -> CSVReader.Column {
      Int(word).map { .index($0) } ?? .name(word)
    }
    var reader = CSVReader(label: try section.string("label").map(column))
    reader.values = try (section.strings("target") ?? []).map(column)
    reader.ignored = try (section.strings("ignore") ?? []).map(column)
    if reader.label != nil && !reader.values.isEmpty {
      throw section.error("target", "data: give 'label' for classes or 'target' for numbers, not both")
    }
    if section.has("header"), (try? section.string("header")) != "auto" {
      reader.header = try section.bool("header")! ? .yes : .no
    }
    if let delimiter = try section.string("delimiter") {
      guard let byte = delimiter == "tab" ? 9 : delimiter.utf8.first, delimiter == "tab" || delimiter.utf8.count == 1
      else { throw section.error("delimiter", "data.delimiter must be one character, or 'tab'") }
      reader.delimiter = byte
    }
    return reader
  }

  private static func digitPictures(_ section: RecipeSection) throws -> DigitPictureReader {
    var reader = DigitPictureReader()
    reader.size = try section.integer("size", 8...1_024) ?? reader.size
    reader.channels = try channels(section) ?? reader.channels
    reader.count = try section.integer("count", 1...1 << 20) ?? reader.count
    reader.scale = try section.scale() ?? reader.scale
    reader.contrast = try contrast(section) ?? reader.contrast
    reader.inkIsDarker = try inkIsDarker(section) ?? reader.inkIsDarker
    reader.backgrounds = try backgrounds(section) ?? reader.backgrounds
    return reader
  }

  private static func movingDigits(_ section: RecipeSection) throws -> MovingDigitReader {
    var reader = MovingDigitReader()
    reader.size = try section.integer("size", 8...1_024) ?? reader.size
    reader.frames = try section.integer("frames", 2...256) ?? reader.frames
    reader.channels = try channels(section) ?? reader.channels
    reader.count = try section.integer("count", 1...1 << 20) ?? reader.count
    reader.scale = try section.scale() ?? reader.scale
    reader.contrast = try contrast(section) ?? reader.contrast
    reader.inkIsDarker = try inkIsDarker(section) ?? reader.inkIsDarker
    reader.backgrounds = try backgrounds(section) ?? reader.backgrounds
    return reader
  }

  // MARK: What pictures made of digits look like

  private static func channels(_ section: RecipeSection) throws -> Int? {
    try section.choice("channels", ["1", "3"]).flatMap { Int($0) }
  }

  private static func inkIsDarker(_ section: RecipeSection) throws -> Bool? {
    try section.choice("ink", ["any", "darker"]).map { $0 == "darker" }
  }

  /// Of an unlucky paper nothing is further off than 127.
  private static func contrast(_ section: RecipeSection) throws -> Float? {
    try section.number("contrast", "from 0 to 120") { $0 >= 0 && $0 <= 120 }.map(Float.init)
  }

  private static func backgrounds(_ section: RecipeSection) throws -> [Canvas.Background]? {
    try section.strings("backgrounds")?.map { word in
      guard let background = Canvas.Background(rawValue: word) else {
        throw section.error(
          "backgrounds",
          "data.backgrounds: there is no '\(word)'; there are "
            + Canvas.Background.allCases.map(\.rawValue).joined(separator: ", "))
      }
      return background
    }
  }
}

extension RecipeSection {
  /// The least and the greatest size of a digit, in parts of the picture's.
  func scale() throws -> ClosedRange<Float>? {
    guard let scale = try numbers("scale") else { return nil }
    guard scale.count == 2, scale[0] > 0, scale[0] <= scale[1], scale[1] <= 1 else {
      throw error("scale", "data.scale must be two shares: least and most, up to 1")
    }
    return Float(scale[0])...Float(scale[1])
  }
}
