import Graph
import ModelFormat

/// What is known of the integers that shape arithmetic computes: of the shape of an image in a batch
/// of any size, all but the first. Where everything asked for is known, it is a weight: the channels
/// that an exporter reads from a shape, and the condition that tests them.
///
/// By element, since `Shape` gives known and unknown ones together and `Gather` takes them apart.
final class PartialValues {
  private var elements: [ObjectIdentifier: [Dimension]] = [:]
  private static let most = 64

  /// Follows a node whose outputs have their shapes.
  ///
  /// - Returns: Its only output as a weight, where all of it is known.
  func evaluate(_ node: Node) -> Value? {
    guard node.outputs.count == 1, let output = node.outputs[0], output.dataType == .int64,
      let shape = output.fixedShape, !output.isBound, shape.count <= 1,
      let result = result(of: node), result.count == shape.first ?? 1
    else { return nil }
    let known = result.compactMap(\.fixed)
    if known.count == result.count { return Value(output.name, shape, integers: known) }
    elements[ObjectIdentifier(output)] = result
    return nil
  }

  /// The elements of a vector or scalar.
  private func of(_ value: Value?) -> [Dimension]? {
    guard let value else { return nil }
    if let known = integers(value) { return known.map { .fixed($0) } }
    return elements[ObjectIdentifier(value)]
  }

  private func integers(_ value: Value?) -> [Int]? {
    guard let value, value.kind == .weight, value.shape?.count ?? 9 <= 1,
      value.dataType == .int64 || value.dataType == .int32, value.count ?? .max <= PartialValues.most
    else { return nil }
    return value.integers
  }

  private func result(of node: Node) -> [Dimension]? {
    switch node.op {
    case "Shape":
      guard let x = node.input(0), !x.isBound, let shape = x.shape else { return nil }
      return part(shape, node.int("start", default: 0), node.int("end", default: shape.count))
    case "Gather":
      guard let data = of(node.input(0)), let places = integers(node.input(1)),
        places.allSatisfy({ (-data.count..<data.count).contains($0) })
      else { return nil }
      return places.map { data[$0 < 0 ? $0 + data.count : $0] }
    case "Slice":
      guard let data = of(node.input(0)), let start = integers(node.input(1))?.first,
        let end = integers(node.input(2))?.first,
        node.input(4) == nil || integers(node.input(4)) == [1]
      else { return nil }
      return part(data, start, end)
    case "Concat":
      let parts = node.inputs.map(of)
      guard parts.allSatisfy({ $0 != nil }) else { return nil }
      return parts.flatMap { $0! }
    case "Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze":
      return node.input(0)?.dataType == .int64 ? of(node.input(0)) : nil
    default: return nil
    }
  }

  private func part(_ data: [Dimension], _ start: Int, _ end: Int) -> [Dimension] {
    func clamped(_ i: Int) -> Int { min(max(i < 0 ? i + data.count : i, 0), data.count) }
    return Array(data[clamped(start)..<max(clamped(start), clamped(end))])
  }
}
