import Graph
import Zoo

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

    public init(
      inputShape: [Int], hasTokens: Bool, outputs: Int, batch: Int, seed: UInt64, loss: Loss
    ) {
      self.inputShape = inputShape
      self.hasTokens = hasTokens
      self.outputs = outputs
      self.batch = batch
      self.seed = seed
      self.loss = loss
    }
  }

  public let name: String
  private let make: (Task) throws -> Graph

  static let names = ["lenet5", "resnet", "mlp", "char-rnn", "file"]

  init(_ name: String, _ section: RecipeSection) throws {
    self.name = try Recipe.check(name, section, ModelRecipe.names)
    func fits(_ task: Task, _ wanted: String, _ isRight: Bool) throws {
      guard isRight else {
        let found = task.hasTokens ? "text" : "samples of shape \(task.inputShape)"
        throw section.error("name", "model: '\(name)' takes \(wanted); the data are \(found)")
      }
    }
    func dropout() throws -> Float {
      Float(try section.number("dropout", "from 0 to less than 1") { $0 >= 0 && $0 < 1 } ?? 0)
    }
    switch name {
    case "lenet5":
      try section.allow(["name", "activation", "subsampling", "connections", "dropout"])
      var net = LeNet5()
      net.activation = try section.choice("activation", Activation.self) ?? net.activation
      net.subsampling = try section.choice("subsampling", LeNet5.Subsampling.self) ?? net.subsampling
      net.connections = try section.choice("connections", LeNet5.Connections.self) ?? net.connections
      net.dropout = try dropout()
      make = { [net] task in
        var net = net
        try fits(task, "images of shape [1, 32, 32]", task.inputShape == [1, 32, 32])
        net.classes = task.outputs
        net.seed = task.seed
        return try net.graph()
      }
    case "resnet":
      try section.allow(["name", "blocks", "shortcut"])
      var net = ResNet20()
      net.blocks = try section.integer("blocks", 1...200) ?? net.blocks
      net.shortcut = try section.choice("shortcut", ResNet20.Shortcut.self) ?? net.shortcut
      make = { [net] task in
        var net = net
        try fits(
          task, "images of shape [channels, 32, 32]",
          task.inputShape.count == 3 && task.inputShape.dropFirst() == [32, 32])
        net.channels = task.inputShape[0]
        net.classes = task.outputs
        net.seed = task.seed
        return try net.graph()
      }
    case "mlp":
      try section.allow(["name", "hidden", "activation", "dropout"])
      var net = MLP()
      net.hidden = try section.integers("hidden", count: 0...64, 1...65_536) ?? net.hidden
      net.activation = try section.choice("activation", Activation.self) ?? net.activation
      net.dropout = try dropout()
      make = { [net] task in
        var net = net
        try fits(task, "numbers", !task.hasTokens)
        net.inputShape = task.inputShape
        net.outputs = task.outputs
        net.seed = task.seed
        return try net.graph()
      }
    case "file":
      try section.allow(["name", "path"])
      let path = section.resolve(try section.required("path", section.string("path")))
      make = { try FileNetwork.graph(path, $0, $0.loss) }
    default:
      try section.allow(["name", "cell", "embedding", "hidden_size", "layers", "dropout"])
      var net = CharRNN(vocabulary: 1)
      let cells = RecurrentCell.allCases.map { $0.rawValue.lowercased() }
      if let cell = try section.choice("cell", cells) {
        net.cell = RecurrentCell.allCases.first { $0.rawValue.lowercased() == cell }!
      }
      net.embedding = try section.integer("embedding", 1...8_192) ?? net.embedding
      net.hiddenSize = try section.integer("hidden_size", 1...8_192) ?? net.hiddenSize
      net.layers = try section.integer("layers", 1...64) ?? net.layers
      net.dropout = try dropout()
      make = { [net] task in
        var net = net
        try fits(task, "text", task.hasTokens)
        net.vocabulary = task.outputs
        net.seed = task.seed
        return try net.graph(batch: task.batch)
      }
    }
  }

  /// The network with its initial weights.
  public func graph(_ task: Task) throws -> Graph { try make(task) }
}

extension Recipe {
  /// The network for the data.
  ///
  /// - Parameter batch: Streams side by side, of a network that keeps state; by default as many as
  ///   it is trained on.
  public func graph(_ data: LoadedData, batch: Int? = nil) throws -> Graph {
    let source = data.training
    let outputs: Int =
      switch source.target {
      case .classes(let n), .nextTokens(let n, _): n
      case .values(let shape): shape.reduce(1, *)
      }
    return try model.graph(
      ModelRecipe.Task(
        inputShape: source.inputShape, hasTokens: source.hasTokens, outputs: outputs,
        batch: batch ?? source.batchSize, seed: seed, loss: loss))
  }
}
