/// What recipes say of the parts of scenes that are painted with digits: shares of the digits (`split`),
/// and how many scenes are painted with them (`scenes`).
struct ScenePartsRecipe {
  static let keys = ["split", "scenes"]

  let shares: (validation: Double, test: Double)
  /// Of the split.
  let seed: UInt64
  let counts: (training: Int, validation: Int, test: Int)

  init(_ data: RecipeSection) throws {
    let split = try data.section("split")
    try split?.allow(["validation", "test", "seed"])
    func share(_ key: String) throws -> Double {
      try split?.number(key, "a share from 0 to less than 1") { $0 >= 0 && $0 < 1 } ?? 0
    }
    shares = (try share("validation"), try share("test"))
    seed = UInt64(try split?.integer("seed", 0...Int(Int32.max)) ?? 1)
    let scenes = try data.section("scenes")
    try scenes?.allow(["training", "validation", "test"])
    counts = (
      try scenes?.integer("training") ?? 2_000, try scenes?.integer("validation") ?? 200,
      try scenes?.integer("test") ?? 400
    )
  }
}
