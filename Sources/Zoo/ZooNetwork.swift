import Graph

/// A network of the zoo: as its paper has it, or, where that gives no numbers, as its recipe does.
public struct ZooNetwork {
  public enum Family: String, CaseIterable, Sendable {
    case classifier, detector, perceptron, embedding, sequence, speech, memory
  }

  /// What `model-convert zoo` calls it.
  public let name: String
  public let family: Family
  /// Authors and year.
  public let paper: String
  /// The recipe that trains it, maybe narrower and for smaller pictures; "" where there is none.
  public let recipe: String
  /// Classes (of a character model: tokens) of the network; 0 where there is nothing to choose.
  public let classes: Int
  /// The network that is run, for so many classes.
  public let graph: (_ classes: Int, _ seed: UInt64) throws -> Graph
  /// What its work is counted on: sizes of the free dimensions, which else are 1, and the network
  /// that is trained, where the one that is run also searches or sorts.
  let counted: Counted

  struct Counted {
    var sizes: [String: Int] = [:]
    var graph: ((_ classes: Int, _ seed: UInt64) throws -> Graph)?

    init(
      sizes: [String: Int] = [:],
      graph: ((_ classes: Int, _ seed: UInt64) throws -> Graph)? = nil
    ) {
      (self.sizes, self.graph) = (sizes, graph)
    }
  }

  /// - Parameter change: makes the variant of it.
  init<Network: ImageClassifier>(
    _ name: String, _: Network.Type, _ paper: String, recipe: String,
    _ change: @escaping (inout Network) -> Void = { _ in }
  ) {
    self.init(name, paper, recipe: recipe, classes: Network().classes) { classes, seed in
      var net = Network()
      change(&net)
      (net.classes, net.seed) = (classes, seed)
      return try net.graph(isDeployed: true)
    }
  }

  init(
    _ name: String, _ paper: String, recipe: String, classes: Int,
    _ graph: @escaping (_ classes: Int, _ seed: UInt64) throws -> Graph
  ) {
    self.init(name, .classifier, paper, recipe: recipe, classes: classes, graph)
  }

  init(
    _ name: String, _ family: Family, _ paper: String, recipe: String, classes: Int = 0,
    counted: Counted = Counted(),
    _ graph: @escaping (_ classes: Int, _ seed: UInt64) throws -> Graph
  ) {
    (self.name, self.family, self.paper) = (name, family, paper)
    (self.recipe, self.classes, self.graph, self.counted) = (recipe, classes, graph, counted)
  }

  /// What its recipe reached (docs/results.md); nil where that is not known.
  public var reached: String? { zooResults[recipe] }

  /// The recipes that train it on something else, or otherwise, with what they reached.
  public var otherRecipes: [(name: String, reached: String?)] {
    (ZooNetwork.others[name] ?? []).map { ($0, zooResults[$0]) }
  }

  private static let others = [
    "lenet-5": ["lenet5-int8"],
    "perceptron": ["perceptron-xor"],
    "xor": ["xor-sigmoid", "xor-relu"],
    "elman": ["adding-problem-rnn"],
    "seq2seq-additive": ["numbers"],
    "ntm": ["ntm-recall", "ntm-repeat-copy"],
    "dnc": ["dnc-recall", "dnc-questions", "dnc-shortest-path"],
  ]

  public struct Size {
    /// Of the first input.
    public let input: [Dimension]
    public let parameters: Int
    /// Of one run: one sample, or one step of a sequence.
    public let multiplyAccumulates: Int
  }

  /// How large it is; no weights are drawn for that.
  ///
  /// - Parameter classes: nil: its own.
  public func size(classes: Int? = nil) throws -> Size {
    let classes = classes ?? self.classes
    return try GraphBuilder.$drawsWeights.withValue(false) {
      let run = try graph(classes, 1)
      let measured = try counted.graph?(classes, 1) ?? run
      guard let main = run.mainFunction, let function = measured.mainFunction else {
        return Size(input: [], parameters: run.parameterCount, multiplyAccumulates: 0)
      }
      let shape = main.inputs.first?.shape ?? []
      for input in function.inputs {
        input.shape = input.shape?.map { dimension in
          guard case .free(let name) = dimension, let size = counted.sizes[name] else {
            return dimension
          }
          return .fixed(size)
        }
      }
      return Size(
        input: shape, parameters: run.parameterCount,
        multiplyAccumulates: try measured.multiplyAccumulates(function))
    }
  }
}
