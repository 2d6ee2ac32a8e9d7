import Graph
import Quantization

/// A graph made ready to be trained for int8: it is the graph that is deployed, batch normalisation
/// folded and activations fused, so that what training rounds is what the int8 network rounds.
struct QuantizationAwareGraph {
  let scheme: TrainableScheme
  /// What training puts behind tensors that are still there.
  let dropouts: [(Value, Node)]

  /// - Parameters:
  ///   - graph: It is changed; its weights are those that training has reached.
  ///   - loss: Whose softmax or sigmoid will stand at the end; nil: none will.
  ///   - forTraining: Whether it is left out again, since the loss has it.
  init(
    _ graph: Graph, loss: Loss?, _ options: QuantizationTraining, forTraining: Bool
  ) throws {
    guard let function = graph.mainFunction else {
      throw TrainingError("the network has no function")
    }
    if let loss { TrainedModel.addProbabilities(function, loss) }
    var dropouts = QuantizationAwareGraph.takeDropouts(function)
    let trains = Set(graph.weights.filter(\.isTrainable).map(ObjectIdentifier.init))
    scheme = try TrainableScheme(graph, options.options)
    guard scheme.roundedLayers > 0 else {
      throw TrainingError("quantization: the network has no layer that int8 would compute")
    }
    if !trains.isEmpty { function.markBiases() }
    let present = Set(graph.values.map(ObjectIdentifier.init))
    dropouts.removeAll { !present.contains(ObjectIdentifier($0.0)) }
    self.dropouts = dropouts
    if forTraining, let loss { TrainedModel.removeProbabilities(function, loss) }
  }

  /// The graph's passes take Dropout away; training goes on with it.
  private static func takeDropouts(_ function: Function) -> [(Value, Node)] {
    var result: [(Value, Node)] = []
    for node in function.nodes where node.op == "Dropout" {
      guard let x = node.input(0), let y = node.outputs[0], !function.isResult(y),
        function.consumers(of: x).count == 1, !function.isResult(x)
      else { continue }
      function.nodes.removeAll { $0 === node }
      function.replace(y, with: x)
      result.append((x, node))
    }
    return result
  }
}

extension Function {
  /// A bias that a pass has made, of a normalisation's shift, is trained as that was.
  fileprivate func markBiases() {
    for node in nodes {
      guard let weight = node.input(1), weight.kind == .weight, weight.isTrainable,
        ["Conv", "Gemm", "ConvTranspose"].contains(node.op), let bias = node.input(2),
        bias.kind == .weight, bias.dataType == .float32
      else { continue }
      bias.isTrainable = true
    }
  }
}
