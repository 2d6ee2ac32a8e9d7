import Graph
import ModelFormat
import Operators
import Quantization
import Runtime

/// The float network with its channels scaled as `quantize` scaled those of the tested model, by
/// the same passes: it computes the same, and its tensors are those that the integers stand for.
enum EqualizedReference {
  /// nil where the tested model was not equalised, or the reference was or is no float network.
  static func make(_ reference: OpenedModel, for tested: OpenedModel) -> OpenedModel? {
    guard isEqualized(tested), !isEqualized(reference),
      reference.file.count(.quantization) == 0,
      let graph = try? Graph(decoding: reference.file)
    else { return nil }
    for weight in graph.weights { weight.isTrainable = false }
    guard (try? graph.applyPassesBeforeRounding(equalizes: true)) != nil,
      let bytes = try? graph.encode()
    else { return nil }
    // The model's for as long as the tool runs.
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(bytes.count, 1), alignment: Format.alignment)
    bytes.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    let set = reference.model.instructionSet
    let opened = try? naming(reference.path) { () throws(ApusError) in
      try Model(bytes: memory, size: bytes.count, instructionSet: set, verifyWeights: false)
    }
    return opened.map { OpenedModel(path: reference.path, model: $0) }
  }

  private static func isEqualized(_ opened: OpenedModel) -> Bool {
    let passes = opened.metadata(Graph.passesKey) ?? ""
    return passes.contains(crossLayerEqualization.name)
  }
}
