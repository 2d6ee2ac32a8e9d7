import Graph

/// What the user says about an import.
public struct ImportOptions {
  /// Shapes of inputs, by name; "" is the only input's.
  public var inputShapes: [(name: String, dimensions: [Int])] = []
  /// Inputs that become constants of the model.
  public var constants: [(name: String, value: Value)] = []
  /// Inputs and the outputs whose values they take after each run.
  public var states: [(input: String, output: String)] = []
  /// The tensors that become the outputs, in place of the model's own, where there are any; what only
  /// other outputs need is left out.
  public var outputs: [String] = []
  /// Large float weights are stored as float16.
  public var halfWeights = false
  /// What rewrites the graph once it is imported.
  public var passes = graphPasses

  public init() {}
}
