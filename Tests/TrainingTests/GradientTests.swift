import Graph
import Testing
import Training

/// One node whose rule is compared with central differences.
struct GradientCase: CustomTestStringConvertible {
  let op: String
  var attributes: [String: Attribute] = [:]
  var inputs: [GradientCheck.Input?]
  var outputs = 1
  var isTraining = true

  init(
    _ op: String, _ inputs: [GradientCheck.Input?], _ attributes: [String: Attribute] = [:],
    outputs: Int = 1, isTraining: Bool = true
  ) {
    self.op = op
    self.inputs = inputs
    self.attributes = attributes
    self.outputs = outputs
    self.isTraining = isTraining
  }

  var testDescription: String { "\(op) \(attributes.keys.sorted()) \(inputs.count) inputs" }
}

/// Image, left, top, right, bottom; and the latter alone, between elements and beyond the edges.
private let regions = GradientCheck.Input.constant(
  [3, 5], [1, 0, 0, 4, 5, 0, 2, 1, 3, 2, 1, 3, 3, 9, 8])
private let corners = GradientCheck.Input.constant(
  [3, 4], [0.3, 0.6, 4.2, 5.1, 1.5, 2.25, 3.9, 3.3, -2, -1, 8, 7])

private let gemmCases = [
  GradientCase("Gemm", [.random([3, 4]), .random([4, 5])]),
  GradientCase("Gemm", [.random([4, 3]), .random([5, 4]), .random([5])],
    ["transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0]),
  GradientCase("Gemm", [.random([3, 4]), .random([5, 4]), .random([3, 1])], ["transB": 1]),
  GradientCase("Gemm", [.random([4, 3]), .random([4, 5]), .random([3, 5])], ["transA": 1]),
  GradientCase("Gemm", [.random([3, 4]), .random([4, 5]), .random([1])]),
  GradientCase("Gemm", [.random([3, 4]), .random([4, 5]), .random([5])],
    ["activation_minimum": -0.3, "activation_maximum": 0.4]),
  GradientCase("MatMul", [.random([3, 4]), .random([4, 5])]),
  GradientCase("MatMul", [.random([2, 3, 4]), .random([4, 5])]),
  GradientCase("MatMul", [.random([2, 1, 3, 4]), .random([3, 4, 2])]),
  GradientCase("MatMul", [.random([2, 3, 4]), .random([2, 4, 2])]),
  GradientCase("MatMul", [.random([4]), .random([2, 4, 3])]),
  GradientCase("MatMul", [.random([2, 3, 4]), .random([4])]),
]

private let convCases = [
  GradientCase("Conv", [.random([2, 3, 5, 6]), .random([4, 3, 3, 2]), .random([4])]),
  GradientCase("Conv", [.random([2, 3, 7, 6]), .random([4, 3, 3, 3])],
    ["strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]]),
  GradientCase("Conv", [.random([2, 4, 5, 5]), .random([6, 2, 3, 3]), .random([6])],
    ["group": 2, "auto_pad": "SAME_UPPER", "strides": [2, 2]]),
  GradientCase("Conv", [.random([1, 3, 4, 4]), .random([3, 1, 2, 2])],
    ["group": 3, "auto_pad": "SAME_LOWER"]),
  GradientCase("Conv", [.random([2, 3, 5, 4]), .random([4, 3, 2, 2]), .random([4])],
    ["kernel_shape": [2, 2], "activation_minimum": 0.0]),
  GradientCase("Conv", [.random([3, 2, 4, 3]), .random([5, 2, 4, 3])],
    ["activation_minimum": -0.5, "activation_maximum": 0.5]),
  GradientCase("Conv", [.random([2, 3, 4, 4]), .random([5, 3, 1, 1]), .random([5])]),
  GradientCase("Conv", [.random([3, 2, 4, 3]), .random([5, 2, 4, 3]), .random([5])]),
  GradientCase("Conv", [.random([2, 3, 9]), .random([4, 3, 3]), .random([4])],
    ["strides": [3], "pads": [2, 1]]),
  GradientCase("Conv", [.random([1, 2, 4, 3, 5]), .random([2, 2, 2, 3, 2]), .random([2])],
    ["pads": [1, 1, 0, 0, 1, 1]]),
]

private let convTransposeCases = [
  GradientCase("ConvTranspose", [.random([2, 3, 4, 5]), .random([3, 4, 3, 2]), .random([4])]),
  GradientCase("ConvTranspose", [.random([2, 3, 4, 3]), .random([3, 2, 3, 3])],
    ["strides": [2, 3], "pads": [1, 0, 2, 1], "dilations": [1, 2], "output_padding": [1, 2]]),
  GradientCase("ConvTranspose", [.random([2, 4, 3, 3]), .random([4, 2, 3, 3]), .random([4])],
    ["group": 2, "auto_pad": "SAME_UPPER", "strides": [2, 2]]),
  GradientCase("ConvTranspose", [.random([1, 2, 3, 4]), .random([2, 3, 4, 3])],
    ["output_shape": [6, 8], "strides": [2, 2]]),
  GradientCase("ConvTranspose", [.random([2, 3, 5]), .random([3, 2, 2]), .random([2])],
    ["strides": [4]]),
  GradientCase("ConvTranspose", [.random([1, 2, 2, 3, 2]), .random([2, 2, 2, 3, 2])],
    ["pads": [1, 1, 0, 0, 1, 1], "strides": [2, 1, 2]]),
  GradientCase("ConvTranspose", [.random([2, 2, 3, 3]), .random([2, 2, 2, 2])],
    ["kernel_shape": [2, 2], "activation_minimum": -0.5, "activation_maximum": 0.5]),
]

private let poolCases = [
  GradientCase("MaxPool", [.random([2, 2, 6, 5])], ["kernel_shape": [2, 2], "strides": [2, 2]]),
  GradientCase("MaxPool", [.random([1, 2, 6, 5])],
    ["kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "dilations": [1, 2]]),
  GradientCase("MaxPool", [.random([1, 2, 7])],
    ["kernel_shape": [3], "strides": [2], "ceil_mode": 1]),
  GradientCase("MaxPool", [.random([2, 1, 5, 6])],
    ["kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"]),
  GradientCase("AveragePool", [.random([2, 1, 5, 6])],
    ["kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"]),
  GradientCase("AveragePool", [.random([1, 2, 6, 7])],
    ["kernel_shape": [2, 3], "dilations": [2, 1], "pads": [1, 1, 0, 0]]),
  GradientCase("AveragePool", [.random([2, 2, 6, 5])], ["kernel_shape": [2, 2], "strides": [2, 2]]),
  GradientCase("AveragePool", [.random([1, 2, 6, 5])],
    ["kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1]),
  GradientCase("AveragePool", [.random([1, 2, 6, 5])],
    ["kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "ceil_mode": 1]),
  GradientCase("AveragePool", [.random([1, 2, 3, 4, 4])], ["kernel_shape": [2, 2, 3]]),
  GradientCase("GlobalAveragePool", [.random([2, 3, 4, 5])]),
  GradientCase("GlobalMaxPool", [.random([2, 3, 4, 5])]),
  GradientCase("MaxRoiPool", [.random([2, 2, 6, 7]), regions], ["pooled_shape": [2, 3]]),
  GradientCase("MaxRoiPool", [.random([2, 2, 6, 7]), regions],
    ["pooled_shape": [3, 2], "spatial_scale": 0.5]),
  GradientCase("RoiAlign", [.random([2, 2, 6, 7]), corners, .integers([3], [1, 0, 1])],
    ["output_height": 2, "output_width": 3, "sampling_ratio": 2]),
  GradientCase("RoiAlign", [.random([2, 2, 6, 7]), corners, .integers([3], [0, 0, 1])],
    ["output_height": 3, "output_width": 2, "spatial_scale": 0.75,
      "coordinate_transformation_mode": "output_half_pixel"]),
  GradientCase("BatchNormalization",
    [.random([4, 3, 2, 3]), .random([3]), .random([3]), .constant([3], [0, 0, 0]),
      .constant([3], [1, 1, 1])], ["epsilon": 0.01]),
  GradientCase("BatchNormalization",
    [.random([4, 3]), .random([3]), .random([3]), .constant([3], [0.5, -0.25, 0]),
      .constant([3], [1, 0.5, 2])], isTraining: false),
]

private let simpleCases = [
  GradientCase("Add", [.random([2, 3]), .random([2, 3])]),
  GradientCase("Sub", [.random([2, 3, 4]), .random([4])]),
  GradientCase("Mul", [.random([2, 3, 4]), .random([3, 1])]),
  GradientCase("Div", [.random([3, 1]), .random([2, 1, 4], 0.5...2)]),
  GradientCase("Add", [.random([4]), .random([2, 3, 4])]),
  GradientCase("Mul", [.random([]), .random([2, 2])]),
  GradientCase("Relu", [.random([3, 7])]),
  GradientCase("Tanh", [.random([3, 7], -3...3)]),
  GradientCase("Sigmoid", [.random([3, 7], -5...5)]),
  GradientCase("Softmax", [.random([3, 5], -3...3)]),
  GradientCase("Softmax", [.random([2, 5, 3], -3...3)], ["axis": 1]),
  GradientCase("Dropout", [.random([4, 9])], ["ratio": 0.4]),
  GradientCase("Dropout", [.random([4, 9])], ["ratio": 0.4], isTraining: false),
]

private let movementCases = [
  GradientCase("Reshape", [.random([2, 6]), .integers([2], [3, -1])]),
  GradientCase("Reshape", [.random([2, 6]), .integers([3], [4, 1, 3])], ["allowzero": 1]),
  GradientCase("Flatten", [.random([2, 3, 2])]),
  GradientCase("Flatten", [.random([2, 3, 2])], ["axis": 2]),
  GradientCase("Cast", [.random([2, 3])], ["to": 1, "saturate": 0]),
  GradientCase("Squeeze", [.random([2, 1, 3]), .integers([1], [1])]),
  GradientCase("Unsqueeze", [.random([2, 3]), .integers([1], [0])]),
  GradientCase("Identity", [.random([2, 3])]),
  GradientCase("Transpose", [.random([2, 3, 4])], ["perm": [1, 2, 0]]),
  GradientCase("Transpose", [.random([2, 3])]),
  GradientCase("Concat", [.random([2, 3]), .random([2, 1]), .random([2, 2])], ["axis": 1]),
  GradientCase("Concat", [.random([2, 3]), .random([1, 3])], ["axis": -2]),
  GradientCase("Split", [.random([2, 7]), .integers([3], [2, 4, 1])], ["axis": 1], outputs: 3),
  GradientCase("Split", [.random([7, 2])], ["num_outputs": 2], outputs: 2),
  GradientCase("Gather", [.random([5, 3]), .integers([2, 3], [0, 4, 4, -1, 2, 0])]),
  GradientCase("Gather", [.random([2, 4, 3]), .integers([3], [1, 1, 3])], ["axis": 1]),
  GradientCase("Pad", [.random([2, 3]), .integers([4], [1, 0, 2, 1])]),
  GradientCase("Pad",
    [.random([2, 3, 4]), .integers([4], [2, -1, 0, 1]), .constant([], [1.5]),
      .integers([2], [-1, 1])]),
]

/// Every case of this file.
let layerCases =
  gemmCases + convCases + convTransposeCases + poolCases + simpleCases + movementCases

/// A check that cannot fail is worth nothing: rules that are wrong in small ways.
@Test func theCheckNoticesWrongRules() throws {
  func error(_ wrong: @escaping (Double) -> Double) throws -> Double {
    try GradientCheck.check(operator: "Tanh", inputs: [.random([5])]) { call in
      let (x, y) = (call.input(0), call.output(0))
      return Passes(
        forward: { for i in 0..<x.count { y.data[i] = Double.tanh(x.data[i]) } },
        backward: {
          for i in 0..<x.count {
            x.gradient![i] += wrong(y.gradient![i] * (1 - y.data[i] * y.data[i]))
          }
        })
    }.error
  }
  #expect(try error { $0 } < 1e-6)
  #expect(try error { $0 * 1.00001 } > 1e-6)
  #expect(try error { -$0 } > 0.1)
  #expect(try error { _ in 0 } > 0.1)
  #expect(try error { _ in .nan } == .infinity)
}
