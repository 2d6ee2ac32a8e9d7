import Graph
import ModelFormat

/// Stores weights as int8 with a quantisation of their own, a scale for each output channel:
/// operators see them as float32 and compute as before.
final class WeightStore {
  private var stored: [ObjectIdentifier: Value] = [:]
  /// Keeps what the table knows by identity.
  private var kept: [Value] = []

  /// - Returns: The scales of the weights that became int8.
  @discardableResult
  func store(_ node: Node, _ rule: OperatorRule) -> [Float] {
    var scales: [Float] = []
    for (k, axis) in rule.weights {
      guard let weight = node.input(k), weight.kind == .weight, weight.hasRealFloats else {
        continue
      }
      let id = ObjectIdentifier(weight)
      guard let made = stored[id] ?? weight.stored(axis: node.channelAxis(axis, of: weight)) else {
        continue
      }
      kept.append(weight)
      stored[id] = made
      node.inputs[k] = made
      scales += made.quantization?.scales ?? []
    }
    return scales
  }
}

extension Value {
  /// The smallest weight that is worth a scale for each channel.
  private static let smallestStored = 256

  /// Whether storing the weight as int8 saves anything.
  func isWorthStoring(axis: Int) -> Bool {
    guard let shape = fixedShape, let count, axis < shape.count else { return false }
    return count >= Value.smallestStored && shape[axis] * 8 <= count
  }

  /// The weight as int8; nil where that saves nothing.
  fileprivate func stored(axis: Int) -> Value? {
    guard isWorthStoring(axis: axis), let shape = fixedShape else { return nil }
    let quantized = QuantizedWeight(realFloats, shape: shape, axis: axis)
    let result = quantized.value(name)
    result.quantization = Quantization(axis: axis, scales: quantized.scales)
    return result
  }
}
