import Graph
import ModelFormat

extension Node {
  var rule: OperatorRule? { operatorRules[op] }

  /// The tensors that it works on, weights among them where it takes any as such.
  var dataInputs: [Value] {
    inputs.prefix(rule?.dataInputs ?? 0).compactMap { $0 }
  }

  /// The axis of the output channels of a weight.
  func channelAxis(_ axis: WeightAxis, of weight: Value) -> Int {
    switch axis {
    case .at(let axis): axis
    case .last: (weight.shape?.count ?? 1) - 1
    case .units: int("transB", default: 0) != 0 ? 0 : 1
    }
  }

  /// Why it cannot be computed in integers; nil where it can.
  var obstacle: String? {
    guard let rule else { return "the runtime has no integer operator for it" }
    let data = dataInputs
    let wrote = outputs.compactMap { $0 }
    guard !data.isEmpty, (data + wrote).allSatisfy({ $0.logicalType == .float32 }) else {
      return "it does not compute in float32"
    }
    guard data.contains(where: { $0.kind != .weight }) || op == "Gather" else {
      return "it works on constants"
    }
    guard (data + wrote).allSatisfy({ $0.kind == .weight || !$0.isBound }) else {
      return "only a run finds the shape of its tensors"
    }
    guard data.allSatisfy({ $0.kind != .weight || $0.hasRealFloats }) else {
      return "one of its constants is quantised already"
    }
    switch rule.treatment {
    case .layer: return layerObstacle
    case .moves:
      if op == "Pad", let value = input(2), !(value.hasRealFloats && value.count == 1) {
        return "what it pads with is no constant"
      }
      if op == "MaxPool", wrote.count > 1 { return "its indices are wanted" }
      if op == "Resize", !resizesBytes, string("mode", default: "nearest") != "nearest"
        || string("coordinate_transformation_mode", default: "") == "tf_crop_and_resize"
      {
        return "it computes what lies between elements"
      }
      return nil
    case .clips:
      guard let limits, limits.lower <= limits.upper else { return "its limits are no constants" }
      return nil
    case .computes, .bends:
      return op == "ReduceMean" && !isSpatialMean
        ? "it is no mean over all places of a channel" : nil
    case .recurrent:
      let isConstant = [1, 2].allSatisfy { input($0)?.hasRealFloats ?? false }
      return isConstant && (input(3)?.kind ?? .weight) == .weight
        ? nil : "its weights are no constants"
    case .storesWeights: return "its weights are int8, it computes in float32"
    }
  }

  /// Whether a ReduceMean is what GlobalAveragePool is.
  private var isSpatialMean: Bool {
    guard let rank = input(0)?.shape?.count, rank > 2, let axes = input(1), axes.kind == .weight
    else { return false }
    return Set(axes.integers.map { $0 < 0 ? $0 + rank : $0 }) == Set(2..<rank)
  }

  private var layerObstacle: String? {
    guard let w = input(1) else { return "it has no weight" }
    let rank = w.shape?.count ?? 0
    if input(0)?.kind == .weight { return "its first factor is a constant" }
    if op == "MatMul" { return nil }
    guard w.hasRealFloats else { return "its weight is no constant" }
    if let bias = input(2) {
      guard bias.hasRealFloats else { return "its bias is no constant" }
    }
    if op == "Conv" {
      return (3...5).contains(rank) ? nil : "its weight has \(rank) dimensions"
    }
    guard float("alpha", default: 1) == 1, int("transA", default: 0) == 0, rank == 2 else {
      return "it scales or transposes its input"
    }
    guard let bias = input(2) else { return nil }
    let units = w.fixedShape?[channelAxis(.units, of: w)]
    guard float("beta", default: 1) == 1, let units,
      bias.count == 1 || (bias.count == units && bias.fixedShape?.last == units)
    else { return "its bias is not one number for each output" }
    return nil
  }
}
