import Foundation
import Graph
import Quantization

/// Makes the model that is run out of a graph that was trained.
public enum TrainedModel {
  /// Gives `graph` the trained weights, folds what only training needs, and puts softmax or sigmoid
  /// where the loss had it: a classifier's output is "probabilities", in the order of the metadata
  /// entry "labels".
  ///
  /// A character model keeps its logits, which sampling at a temperature wants, and says in
  /// "characters" which ones tokens 1, 2 … stand for, token 0 standing for all others; without that
  /// entry tokens are bytes.
  ///
  /// - Parameter graph: The network built anew, for as many streams as it is to run on.
  public static func export(
    _ trained: Graph, into graph: Graph, loss: Loss, source: any BatchSource,
    vocabulary: Vocabulary? = nil, name: String? = nil
  ) throws -> Graph {
    try export(
      trained, into: graph, loss: vocabulary == nil ? loss : nil, labels: source.classNames,
      vocabulary: vocabulary, name: name)
  }

  /// - Parameters:
  ///   - loss: Whose softmax or sigmoid is put behind the first output; nil: none.
  ///   - labels: What the classes are called.
  ///   - vocabulary: Of the tokens that the network reads.
  static func export(
    _ trained: Graph, into graph: Graph, loss: Loss? = nil, labels: [String]? = nil,
    vocabulary: Vocabulary? = nil, name: String?
  ) throws -> Graph {
    try graph.copyWeights(from: trained)
    try graph.apply()
    if let function = graph.mainFunction, let loss { addProbabilities(function, loss) }
    describe(graph, labels, vocabulary, name)
    try graph.inferShapes()
    return graph
  }

  private static func describe(
    _ graph: Graph, _ labels: [String]?, _ vocabulary: Vocabulary?, _ name: String?
  ) {
    if let name { graph.setMetadata("name", name) }
    graph.setMetadata("producer", "Apus model-convert 0.1.0")
    if let labels { graph.setMetadata("labels", text(labels)) }
    if let vocabulary, vocabulary.unit == .characters {
      graph.setMetadata("characters", String(String.UnicodeScalarView(vocabulary.scalars)))
    }
  }

  /// The same of a run that trained for int8: the float graph, and the int8 file made of it with
  /// the ranges that it was trained with.
  public static func exportQuantized(
    _ trainer: Trainer, into graph: Graph, vocabulary: Vocabulary? = nil, name: String? = nil
  ) throws -> (graph: Graph, int8: (file: [UInt8], report: QuantizationReport)) {
    guard let source = (trainer.training as? SupervisedTask)?.source else {
      throw TrainingError("only networks that learn from samples are trained for int8")
    }
    guard let options = trainer.options.quantization, let weights = trainer.floatWeights,
      let ranges = trainer.network.fakeQuantization?.ranges.ranges
    else { throw TrainingError("the run has not come to the epochs that train for int8") }
    // The passes must see what they saw in training.
    let before = try Network<Float>(graph)
    guard before.snapshotCount == weights.count else {
      throw TrainingError("the network to write is not the one that was trained")
    }
    before.restore(weights)
    before.store()
    let made = try QuantizationAwareGraph(
      graph, loss: vocabulary == nil ? trainer.options.loss : nil, options, forTraining: false)
    guard made.scheme.groups.count == ranges.count else {
      throw TrainingError("the network to write has other tensors than the one that was trained")
    }
    try graph.copyWeights(from: trainer.network.graph)
    describe(graph, source.classNames, vocabulary, name)
    try graph.inferShapes()
    return (graph, try made.scheme.quantized(ranges: ranges, floatBytes: graph.encode().count))
  }

  /// Takes away what `addProbabilities` added, or the like at the end of a model of a file.
  static func removeProbabilities(_ function: Function, _ loss: Loss) {
    guard let op = loss.probabilityOperator,
      let node = function.outputs.first.flatMap({ function.producer(of: $0) }), node.op == op,
      let logits = node.input(0), logits.kind == .activation
    else { return }
    function.outputs[0] = logits
    function.removeUnusedNodes()
  }

  static func addProbabilities(_ function: Function, _ loss: Loss) {
    guard let op = loss.probabilityOperator, let y = function.outputs.first else { return }
    let probabilities = Value("probabilities")
    function.nodes.append(
      Node(
        op, name: op.lowercased(), inputs: [y], outputs: [probabilities],
        attributes: loss == .crossEntropy ? ["axis": -1] : [:]))
    function.outputs[0] = probabilities
  }

  /// One label a line, or a JSON array where a label has a line break or is empty.
  private static func text(_ labels: [String]) -> String {
    let isPlain = labels.allSatisfy { label in
      !label.isEmpty && !label.contains { $0.isNewline || $0 == "," || $0 == "[" }
        && label.trimmingCharacters(in: .whitespaces) == label
    }
    if isPlain && labels.count > 1 { return labels.joined(separator: "\n") }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    return (try? encoder.encode(labels)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }
}
