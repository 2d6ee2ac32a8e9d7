import Yams

/// One entry of `data.transforms`.
enum TransformRecipe {
  case transform(any Transform)
  /// Normalise with what the training part has.
  case standardize

  static let names = [
    "reshape", "scale", "normalize", "standardize", "resize", "crop", "random_shift", "random_crop",
    "random_flip", "random_affine", "random_noise",
  ]

  /// An entry is a name with its value, `resize: [32, 32]`, or a name alone, `random_flip`.
  init(_ node: Node, file: String) throws {
    if let word = node.scalar?.string {
      self = try TransformRecipe.parse(
        word, try RecipeSection("\(word): null", file: file, line: node.mark?.line ?? 1))
      return
    }
    let entry = try RecipeSection(node, file: file, name: "data.transforms")
    guard entry.keys.count == 1 else {
      throw entry.error(nil, "data.transforms: each entry '- name: value' has one name")
    }
    self = try TransformRecipe.parse(entry.keys[0], entry)
  }

  private static func parse(_ name: String, _ entry: RecipeSection) throws -> TransformRecipe {
    guard names.contains(name) else {
      let hint =
        suggestion(for: name, among: names).map { "did you mean '\($0)'?" }
        ?? "there are \(names.joined(separator: ", "))"
      throw entry.error(name, "data.transforms: there is no '\(name)'; \(hint)")
    }
    func pair() throws -> (Int, Int) {
      let values = try entry.required(name, entry.integers(name, count: 2...2, 1...16_384))
      return (values[0], values[1])
    }
    func group(_ keys: [String]) throws -> RecipeSection {
      let section = try entry.required(name, entry.section(name))
      try section.allow(keys)
      return section
    }
    func positive(_ section: RecipeSection, _ key: String) throws -> Float {
      Float(try section.number(key, "a number from 0 on") { $0 >= 0 } ?? 0)
    }
    switch name {
    case "reshape":
      return .transform(Reshape(try entry.required(name, entry.integers(name))))
    case "scale":
      // `scale: 0.0625`, or with an offset.
      if let factor = try? entry.number(name, "", { $0 != 0 }) {
        return .transform(Normalize.scale(factor: Float(factor)))
      }
      let section = try group(["factor", "offset"])
      let factor = try section.number("factor", "a number other than 0") { $0 != 0 } ?? 1
      return .transform(
        Normalize.scale(factor: Float(factor), offset: Float(try section.number("offset") ?? 0)))
    case "normalize":
      let section = try group(["mean", "deviation"])
      let mean = try section.required("mean", section.numbers("mean"))
      let deviation = try section.required("deviation", section.numbers("deviation"))
      guard mean.count == deviation.count, deviation.allSatisfy({ $0 > 0 }) else {
        throw section.error(
          "deviation", "\(section.name): as many deviations as means are needed, each greater than 0")
      }
      return .transform(
        Normalize(mean: mean.map { Float($0) }, deviation: deviation.map { Float($0) }))
    case "standardize": return .standardize
    case "resize":
      let (height, width) = try pair()
      return .transform(Resize(height: height, width: width))
    case "crop":
      let (height, width) = try pair()
      return .transform(CenterCrop(height: height, width: width))
    case "random_shift":
      return .transform(
        RandomShift(pixels: try entry.required(name, entry.integer(name, 0...4_096))))
    case "random_crop":
      let section = try group(["size", "padding"])
      let size = try section.required("size", section.integers("size", count: 2...2, 1...16_384))
      return .transform(
        RandomCrop(
          height: size[0], width: size[1], padding: try section.integer("padding", 0...4_096) ?? 0))
    case "random_flip": return .transform(RandomFlip())
    case "random_affine":
      let section = try group(["rotation", "scale", "shift"])
      let scale = try section.number("scale", "from 0 to less than 1") { $0 >= 0 && $0 < 1 } ?? 0
      return .transform(
        RandomAffine(
          rotation: try positive(section, "rotation"), scale: Float(scale),
          shift: try positive(section, "shift")))
    default:
      return .transform(RandomNoise(deviation: try positive(entry, name)))
    }
  }
}

extension RecipeSection {
  /// A single key without a value, as if it stood at `line`.
  fileprivate init(_ yaml: String, file: String, line: Int) throws {
    // Lines before it move the mark.
    let text = String(repeating: "\n", count: max(0, line - 1)) + yaml
    guard let node = try? Yams.compose(yaml: text) else {
      throw RecipeError(file: file, line: line, "data.transforms: a name is needed here")
    }
    try self.init(node, file: file, name: "data.transforms")
  }
}
