import ModelFormat
import Operators
import Quantization
import Runtime

/// What the bytes of a quantised tensor stand for: x = scale · (q − zero).
struct TensorQuantization {
  /// One for all, or one for each index of `axis`.
  let scales: [Double]
  let zeros: [Double]
  let axis: Int
  /// The values that the type holds.
  let lower: Double
  let upper: Double

  /// nil where the scale is known only in a run, or is in blocks.
  init?(_ scale: TensorInfo, _ zero: TensorInfo?, axis: Int, _ type: DataType) {
    guard let constant = scale.constant, scale.shape.count > 0 else { return nil }
    scales = elements(constant, scale.dataType, scale.shape.count)
    var zeros = [0.0]
    if let zero {
      guard let constant = zero.constant, zero.shape.count > 0 else { return nil }
      zeros = elements(constant, zero.dataType, zero.shape.count)
    }
    guard zeros.count == 1 || zeros.count == scales.count else { return nil }
    self.zeros = zeros
    self.axis = axis
    (lower, upper) = TensorQuantization.limits(type)
  }

  /// One pair, as the file tells of an input.
  init(scale: Float, zero: Int32, _ type: DataType) {
    scales = [Double(scale)]
    zeros = [Double(zero)]
    axis = 0
    (lower, upper) = TensorQuantization.limits(type)
  }

  private static func limits(_ type: DataType) -> (lower: Double, upper: Double) {
    type == .int8 ? (-128, 127) : (0, 255)
  }

  var isPerTensor: Bool { scales.count == 1 && zeros.count == 1 }

  func scale(_ channel: Int) -> Double { scales[scales.count == 1 ? 0 : channel] }
  func zero(_ channel: Int) -> Double { zeros[zeros.count == 1 ? 0 : channel] }

  /// Whether there are as many scales as a tensor of this shape has channels.
  func fits(_ shape: [Int]) -> Bool {
    isPerTensor || shape.indices.contains(axis) && shape[axis] == scales.count
  }

  func real(_ values: [Double], _ channels: Channels) -> [Double] {
    values.indices.map { i in
      let c = channels.of(i)
      return scale(c) * (values[i] - zero(c))
    }
  }
}

/// Which channel the elements of a tensor belong to; of several runs, one after the other.
struct Channels {
  let count: Int
  private let inner: Int

  init(_ shape: [Int], axis: Int) {
    guard shape.indices.contains(axis) else {
      count = 1
      inner = 1
      return
    }
    count = max(1, shape[axis])
    inner = max(1, shape[(axis + 1)...].reduce(1, *))
  }

  func of(_ i: Int) -> Int { i / inner % count }
}

/// The scales of a plan's quantised tensors. The operator that makes a tensor has them as inputs;
/// one that only moves bytes passes on those of its input; the file tells those of inputs.
struct QuantizedTensors {
  private(set) var parameters: [Int: TensorQuantization] = [:]

  init(_ plan: Plan, _ file: ModelFile) {
    for t in plan.inputTensors {
      guard let type = plan.tensors[t]?.dataType, type == .int8 || type == .uint8,
        let (scale, zero) = file.linearParameters(file.tensor(t))
      else { continue }
      parameters[t] = TensorQuantization(scale: scale, zero: zero, type)
    }
    for node in plan.nodes {
      let inputs = (0..<Int(node.record.inputCount)).map {
        file.index(Int(node.record.inputs) + $0)
      }
      let known = inputs.first { $0 != Format.none }.flatMap { parameters[Int($0)] }
      for k in 0..<node.outputCount {
        let t = file.index(Int(node.record.outputs) + k)
        guard t != Format.none, let info = plan.tensors[Int(t)],
          info.dataType == .int8 || info.dataType == .uint8
        else { continue }
        if let scale = node.definition.scales?.result {
          guard node.hasInput(scale) else { continue }
          var axis = node.int("axis", default: 1)
          if axis < 0 { axis += info.shape.rank }
          parameters[Int(t)] = TensorQuantization(
            node.input(scale), node.optionalInput(scale + 1), axis: axis, info.dataType)
        } else if let known, known.isPerTensor, node.optionalInput(0)?.dataType == info.dataType {
          parameters[Int(t)] = known
        }
      }
    }
  }
}

/// How far the channels of a layer's weights are apart that share a scale.
struct WeightSpread {
  /// The largest weight of the largest channel beside that of the smallest that has any but zeros.
  let ratio: Double
  /// Output channels whose weights are all zero in 8 bits.
  let zeroChannels: Int

  /// nil where the layer has no weights of 8 bits, or a scale for each channel.
  init?(_ node: NodeContext) {
    let isConvolution = node.definition.name.description == "QLinearConv"
    guard isConvolution || node.definition.name.description == "QLinearMatMul",
      node.hasInput(3), node.hasInput(4), node.hasInput(5), node.input(4).shape.count == 1,
      let bytes = node.input(3).constant, let zero = node.input(5).constant
    else { return nil }
    let info = node.input(3)
    let shape = info.shape.dimensions
    let channels = Channels(shape, axis: isConvolution ? 0 : shape.count - 1)
    let middle = elements(zero, node.input(5).dataType, 1)[0]
    var largest = [Double](repeating: 0, count: channels.count)
    for (i, w) in elements(bytes, info.dataType, info.shape.count).enumerated() {
      largest[channels.of(i)] = max(largest[channels.of(i)], abs(w - middle))
    }
    let used = largest.filter { $0 > 0 }
    guard let top = used.max(), let bottom = used.min() else { return nil }
    ratio = top / bottom
    zeroChannels = largest.count - used.count
  }
}
