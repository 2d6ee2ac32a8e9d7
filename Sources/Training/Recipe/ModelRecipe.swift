import Graph

/// The part `model` of a recipe: a network of the zoo and its parameters. What the data decide (the
/// number of classes, of channels, of tokens) is not said twice.
public struct ModelRecipe {
  /// What a network must fit.
  public struct Task {
    /// Of one sample; tokens: [length].
    public var inputShape: [Int]
    public var hasTokens: Bool
    /// Numbers that come out for each sample: classes, or the target's size.
    public var outputs: Int
    /// Streams side by side, of networks that keep state.
    public var batch: Int
    public var seed: UInt64
    public var loss: Loss
    /// Whether the network is to be run, not trained: without what only training wants, such as
    /// auxiliary outputs.
    public var isDeployed: Bool

    public init(
      inputShape: [Int], hasTokens: Bool, outputs: Int, batch: Int, seed: UInt64, loss: Loss,
      isDeployed: Bool = false
    ) {
      self.inputShape = inputShape
      self.hasTokens = hasTokens
      self.outputs = outputs
      self.batch = batch
      self.seed = seed
      self.loss = loss
      self.isDeployed = isDeployed
    }
  }

  public let name: String
  private let section: RecipeSection
  private let model: any RecipeModel

  init(_ name: String, _ section: RecipeSection) throws {
    self.name = try Recipe.check(name, section, recipeModels.map { $0.recipeName })
    self.section = section
    let kind = recipeModels.first { $0.recipeName == name }!
    try section.allow(["name"] + kind.recipeKeys)
    model = try kind.init(section)
  }

  /// The network with its initial weights.
  public func graph(_ task: Task) throws -> Graph {
    do { return try model.graph(task) } catch let mismatch as Mismatch {
      let found = task.hasTokens ? "text" : "samples of shape \(task.inputShape)"
      throw section.error(
        "name", "model: '\(name)' takes \(mismatch.wanted); the data are \(found)")
    }
  }

  /// See `RecipeModel`.
  public var lossWeights: [Float] { model.lossWeights }

  /// The data are not what the network takes.
  fileprivate struct Mismatch: Error {
    let wanted: String
  }
}

extension ModelRecipe.Task {
  /// - Parameter wanted: In words, what data `isRight` is true of.
  func require(_ wanted: String, _ isRight: Bool) throws {
    guard isRight else { throw ModelRecipe.Mismatch(wanted: wanted) }
  }
}

extension Recipe {
  /// The network for the data.
  ///
  /// - Parameter isDeployed: Whether it is to be run: one stream then, of a network that keeps state.
  public func graph(_ data: LoadedData, isDeployed: Bool = false) throws -> Graph {
    let samples = try sampleRecipe()
    let source = data.training
    let outputs: Int =
      switch source.target {
      case .classes(let n), .nextTokens(let n, _): n
      case .values(let shape): shape.reduce(1, *)
      }
    return try samples.model.graph(
      ModelRecipe.Task(
        inputShape: source.inputShape, hasTokens: source.hasTokens, outputs: outputs,
        batch: isDeployed ? 1 : source.batchSize, seed: seed, loss: samples.loss,
        isDeployed: isDeployed))
  }
}
