import Graph
import Operators
import Testing
import Training

// Every rule of the registry, two ways: its gradients against central differences in double, and its
// results in float against the runtime's.

let gradientCases = layerCases + elementCases + recurrentCases

private let rules: [String: GradientRule<Double>] = gradientRules()

@Suite struct RuleTests {
  @Test(arguments: gradientCases)
  func gradientsAgreeWithCentralDifferences(_ c: GradientCase) throws {
    let result = try GradientCheck.check(
      operator: c.op, attributes: c.attributes, inputs: c.inputs, outputs: c.outputs,
      isTraining: c.isTraining)
    #expect(result.elements > 0)
    #expect(result.error < 1e-6, "\(result.worst)")
  }

  /// All but Dropout, which no model that is run has.
  @Test(arguments: gradientCases.filter { $0.op != "Dropout" })
  func trainerAndRuntimeAgree(_ c: GradientCase) throws { try expectAgreement(c) }

  @Test(arguments: 0..<60)
  func trainerAndRuntimeAgreeOnRandomShapes(_ seed: Int) throws {
    for c in randomCases(seed: UInt64(seed)) { try expectAgreement(c) }
  }

  @Test(arguments: 0..<8)
  func gradientsAgreeOnRandomShapes(_ seed: Int) throws {
    for c in randomCases(seed: UInt64(seed)) {
      let result = try GradientCheck.check(
        operator: c.op, attributes: c.attributes, inputs: c.inputs, outputs: c.outputs)
      #expect(result.error < 1e-6, "\(c): \(result.worst)")
    }
  }

  @Test func everyRuleHasACase() {
    #expect(Set(rules.keys).subtracting(gradientCases.map(\.op)) == [])
  }

  /// An attribute that no case sets is one that a rule might ignore.
  @Test func everyAttributeHasACase() {
    let exempt: Set<String> = [
      // What memory order indices are counted in; training refuses the indices.
      "MaxPool.storage_order",
      // Only 0 is trained.
      "BatchNormalization.training_mode",
      // Of the running numbers: runningNumbersFollowTheBatches.
      "BatchNormalization.momentum",
      // The precision of the sums, float32 here in any case.
      "LayerNormalization.stash_type", "RMSNormalization.stash_type",
      "GroupNormalization.stash_type",
      // Only "constant" and "avg" are trained: whatARuleCannotDoIsRefused.
      "Pad.mode", "RoiAlign.mode",
    ]
    var missing: Set<String> = []
    for op in operators where rules["\(op.name)"] != nil {
      let set = Set(gradientCases.filter { $0.op == "\(op.name)" }.flatMap { $0.attributes.keys })
      for attribute in op.attributes where !set.contains("\(attribute.name)") {
        missing.insert("\(op.name).\(attribute.name)")
      }
    }
    #expect(missing == exempt)
  }

  /// Rules and operators are two lists; an operator without a rule is one that was thought about.
  @Test func everyOperatorHasARule() {
    // Bodies are run, not trained: recurrent layers are what training unrolls.
    let untrained: Set = [
      "If", "Loop", "Scan",
      // Integers and truth values have no gradient.
      "And", "ArgMax", "ArgMin", "ConstantOfShape", "ConvInteger", "DequantizeLinear",
      "DynamicQuantizeGRU", "DynamicQuantizeLSTM", "DynamicQuantizeLinear", "DynamicQuantizeRNN",
      "Equal", "EyeLike", "Greater", "GreaterOrEqual", "Hardmax", "IsInf", "IsNaN", "Less", "LessOrEqual", "MatMulInteger", "Mod", "NonMaxSuppression", "NonZero", "Not",
      "OneHot", "Or", "QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearConv",
      "QLinearGlobalAveragePool", "QLinearLookup", "QLinearMatMul", "QLinearMul", "QuantizeLinear",
      "Range", "Shape", "Size", "Xor",
      // What no recipe has needed so far.
      "Acos", "Acosh", "AffineGrid", "Asin", "Asinh", "Atan", "Atanh", "Attention",
      "CausalConvWithState", "CenterCropPad", "Col2Im", "Cosh", "CumSum", "DeformConv",
      "DepthToSpace", "Einsum", "GatherElements", "GatherND", "GlobalLpPool", "GridSample",
      "LpNormalization", "LpPool", "MaxUnpool", "MeanVarianceNormalization", "Resize",
      "ReverseSequence", "ScatterElements", "ScatterND", "Shrink", "Sinh",
      "SpaceToDepth", "Tan", "Tile", "TopK", "Trilu",
    ]
    #expect(Set(operators.map { "\($0.name)" }).subtracting(rules.keys) == untrained)
    #expect(Set(rules.keys).subtracting(operators.map { "\($0.name)" }) == ["Dropout"])
  }

  @Test(arguments: [
    (GradientCase("Cast", [.random([2])], ["to": 7]), "a Cast of float32 to another type"),
    (GradientCase("Cast", [.random([2])], ["to": 10]), "a Cast of float32 to another type"),
    (GradientCase("Pad", [.random([3]), .integers([2], [1, 1])], ["mode": "reflect"]),
      "mode reflect"),
    (GradientCase("RoiAlign",
      [.random([1, 1, 4, 4]), .constant([1, 4], [0, 0, 2, 2]), .integers([1], [0])],
      ["mode": "max"]), "mode max"),
    (GradientCase("MaxPool", [.random([1, 1, 4])], ["kernel_shape": [2]], outputs: 2),
      "the indices of MaxPool"),
    (GradientCase("Add", [.integers([2], [1, 2]), .integers([2], [3, 4])]), "integers here"),
  ])
  func whatARuleCannotDoIsRefused(_ c: GradientCase, _ what: String) {
    let error = #expect(throws: GraphError.self) {
      try GradientCheck.check(
        operator: c.op, attributes: c.attributes, inputs: c.inputs, outputs: c.outputs)
    }
    #expect(error?.description.hasSuffix("training does not support \(what)") == true)
  }

  /// running = momentum · running + (1 − momentum) · batch, the variance over n as in ONNX.
  @Test func runningNumbersFollowTheBatches() throws {
    let (mean, variance) = (
      Value("mean", [1], floats: [0.5]), Value("variance", [1], floats: [2])
    )
    let x = Value("x", .float32, [4, 1])
    let y = Value("y")
    let function = Function("main")
    function.inputs = [x]
    function.outputs = [y]
    function.nodes = [
      Node(
        "BatchNormalization",
        inputs: [x, Value("s", [1], floats: [1]), Value("b", [1], floats: [0]), mean, variance],
        outputs: [y], attributes: ["momentum": 0.75])
    ]
    let network = try Network<Double>(Graph(functions: [function]))
    let program = try network.program([[4, 1]], isTraining: true)
    program.inputs[0].values = [1, 2, 3, 6]
    program.forward()
    network.store()
    // The batch's mean is 3, its variance (4 + 1 + 0 + 9) / 4 = 3.5.
    #expect(mean.floats == [0.75 * 0.5 + 0.25 * 3])
    #expect(variance.floats == [0.75 * 2 + 0.25 * 3.5])
  }

  /// A channel of 262,144 numbers far from zero, the mean 5: sums in float32 of one number after the
  /// other lose digits that the layers behind make worse.
  @Test func largeBatchesKeepThePrecisionOfFloat32() throws {
    let shape = [64, 1, 64, 64]
    let variance = Value("variance", [1], floats: [0])
    let x = Value("x", .float32, shape.map { .fixed($0) })
    let y = Value("y")
    let mean = Value("mean", [1], floats: [0])
    let function = Function("main")
    function.inputs = [x]
    function.outputs = [y]
    function.nodes = [
      Node(
        "BatchNormalization",
        inputs: [x, Value("s", [1], floats: [1]), Value("b", [1], floats: [0]), mean, variance],
        outputs: [y], attributes: ["momentum": 0, "epsilon": 0])
    ]
    let network = try Network<Float>(Graph(functions: [function]))
    let program = try network.program([shape], isTraining: true)
    let input = program.inputs[0]
    // Drawn, then each with its mirror image.
    var random = RandomSource(seed: 1)
    for i in stride(from: 0, to: input.count, by: 2) {
      let d = random.float(-1, 1)
      input.data[i] = 5 + d
      input.data[i + 1] = 5 - d
    }
    var square = 0.0
    for i in 0..<input.count { square += (Double(input.data[i]) - 5) * (Double(input.data[i]) - 5) }
    program.forward()
    network.store()
    #expect(abs(mean.floats[0] - 5) < 1e-6)
    #expect(abs(Double(variance.floats[0]) / (square / Double(input.count)) - 1) < 1e-6)
  }
}
