import Foundation
import Graph

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
    try graph.copyWeights(from: trained)
    try graph.apply()
    if let function = graph.mainFunction, vocabulary == nil { addProbabilities(function, loss) }
    if let name { graph.setMetadata("name", name) }
    graph.setMetadata("producer", "Apus model-convert 0.1.0")
    if let labels = source.classNames { graph.setMetadata("labels", text(labels)) }
    if let vocabulary, vocabulary.unit == .characters {
      graph.setMetadata("characters", String(String.UnicodeScalarView(vocabulary.scalars)))
    }
    try graph.inferShapes()
    return graph
  }

  private static func addProbabilities(_ function: Function, _ loss: Loss) {
    guard loss == .crossEntropy || loss == .binaryCrossEntropy,
      let y = function.outputs.first
    else { return }
    let probabilities = Value("probabilities")
    function.nodes.append(
      loss == .crossEntropy
        ? Node("Softmax", name: "softmax", inputs: [y], outputs: [probabilities],
          attributes: ["axis": -1])
        : Node("Sigmoid", name: "sigmoid", inputs: [y], outputs: [probabilities]))
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
