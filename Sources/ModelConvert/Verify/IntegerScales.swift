import ModelFormat
import Runtime

/// What the integers of a quantised network stand for: real = scale · (integer − zero point), as the
/// operators that write and read them say.
struct IntegerScales {
  private struct Linear {
    let scale: Double
    let zero: Double
  }

  /// Where a node has the scales of its tensors; the zero point comes behind.
  private struct Places {
    /// Tensors that it reads, and their scales.
    var inputs: [(tensor: Int, scale: Int)] = []
    /// Of its result.
    var output: Int?
  }

  private static let places: [String: Places] = {
    let two = Places(inputs: [(0, 1), (3, 4)], output: 6)
    return [
      "QuantizeLinear": Places(output: 1), "DequantizeLinear": Places(inputs: [(0, 1)]),
      "QLinearConv": two, "QLinearMatMul": two, "QLinearAdd": two, "QLinearMul": two,
      "QLinearAveragePool": Places(inputs: [(0, 1)], output: 3),
      "QLinearGlobalAveragePool": Places(inputs: [(0, 1)], output: 3),
      "QLinearLookup": Places(inputs: [(0, 1)], output: 4), "QLinearConcat": Places(output: 0),
    ]
  }()

  /// What only moves integers, or picks and limits them.
  private static let moving: Set<String> = [
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Concat", "Pad",
    "MaxPool", "Identity", "DepthToSpace", "SpaceToDepth", "Expand", "Tile", "Gather", "Relu", "Clip",
  ]

  private var known: [Int: Linear] = [:]

  init(_ opened: OpenedModel, _ plan: Plan) {
    let file = opened.file
    func list(_ first: UInt32, _ count: UInt16) -> [Int?] {
      (0..<Int(count)).map {
        let t = file.index(Int(first) + $0)
        return t == Format.none ? nil : Int(t)
      }
    }
    func number(_ t: Int?) -> Double? {
      guard let t else { return nil }
      let r = file.tensor(t)
      guard r.kind == TensorKind.weight.rawValue, let type = DataType(rawValue: r.dataType),
        file.declaredShape(r).count == 1, r.quantization == Format.none
      else { return nil }
      return elements(file.weightBytes(r.offset), type, 1)[0]
    }
    func isBytes(_ t: Int) -> Bool {
      let type = plan.tensors[t]?.dataType
      return type == .int8 || type == .uint8
    }
    for node in plan.nodes {
      let record = file.node(node.nodeIndex)
      let inputs = list(record.inputs, record.inputCount)
      let outputs = list(record.outputs, record.outputCount).compactMap { $0 }.filter(isBytes)
      func linear(_ scale: Int) -> Linear? {
        guard scale < inputs.count, let factor = number(inputs[scale]) else { return nil }
        let zero = scale + 1 < inputs.count ? inputs[scale + 1] : nil
        return Linear(scale: factor, zero: number(zero) ?? 0)
      }
      let op = node.definition.name.description
      if let places = IntegerScales.places[op] {
        for (tensor, scale) in places.inputs where tensor < inputs.count {
          if let t = inputs[tensor], known[t] == nil { known[t] = linear(scale) }
        }
        if let scale = places.output, let linear = linear(scale) {
          for t in outputs { known[t] = linear }
        }
      } else if IntegerScales.moving.contains(op), let x = inputs.first ?? nil,
        let linear = known[x]
      {
        for t in outputs { known[t] = linear }
      }
    }
  }

  /// A tensor's numbers as what they stand for.
  func real(_ t: Int, _ values: [Double]) -> [Double] {
    guard let linear = known[t] else { return values }
    return values.map { linear.scale * ($0 - linear.zero) }
  }
}
