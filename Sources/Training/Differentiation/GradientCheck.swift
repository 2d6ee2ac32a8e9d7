import Graph
import ModelFormat

/// Compares a rule's gradients with central differences, in double precision.
///
/// The loss is Σ wᵢ yᵢ over all elements of all outputs, with fixed random weights wᵢ; for every
/// element x of every input,
///
///     ∂loss/∂x ≈ (loss(x + h) − loss(x − h)) / 2h,    h = 10⁻⁵ max(1, |x|),
///
/// whose error is of the order h² + ε/h ≈ 10⁻¹⁰.
public enum GradientCheck {
  /// An input of the node under test.
  public enum Input {
    /// Differentiated.
    case real([Int], [Double])
    /// Random in (low, high), differentiated.
    case random([Int], ClosedRange<Double>)
    /// A weight that is not differentiated.
    case constant([Int], [Double])
    /// An int64 constant.
    case integers([Int], [Int])
    /// An int32 constant of one dimension.
    case lengths([Int32])
    /// A constant of truth values.
    case booleans([Int], [Bool])

    public static func random(_ shape: [Int]) -> Input { .random(shape, -1...1) }
  }

  /// The largest difference found: |analytic − numeric| / max(1, |analytic|, |numeric|).
  public struct Result {
    public var error = 0.0
    /// Which element of which input, with both numbers.
    public var worst = ""
    public var elements = 0
  }

  /// - Parameters:
  ///   - rule: Instead of the registered one, to test the check itself.
  ///   - isTraining: As in training: batch normalisation uses the batch.
  public static func check(
    operator op: String, attributes: [String: Attribute] = [:], inputs: [Input?], outputs: Int = 1,
    isTraining: Bool = true, seed: UInt64 = 1, rule: GradientRule<Double>? = nil
  ) throws -> Result {
    var random = RandomSource(seed: seed)
    func uniform(_ range: ClosedRange<Double>) -> Double {
      range.lowerBound + (range.upperBound - range.lowerBound) * Double(random.next() >> 11) * 0x1p-53
    }
    let function = Function("main")
    var starts: [[Double]] = []
    for input in inputs {
      switch input {
      case .real(_, let numbers)?: starts.append(numbers)
      case .random(let shape, let range)?:
        starts.append((0..<shape.reduce(1, *)).map { _ in uniform(range) })
      default: break
      }
    }
    let values = inputs.enumerated().map { i, input in input?.value("x\(i)") }
    function.inputs = values.compactMap { $0 }.filter { $0.kind == .activation }
    function.outputs = (0..<outputs).map { Value("y\($0)") }
    function.nodes = [Node(op, inputs: values, outputs: function.outputs, attributes: attributes)]
    let network = try Network<Double>(
      Graph(functions: [function]), differentiatesBoundary: true,
      rules: rule.map { [op: $0] } ?? gradientRules())
    let program = try network.program(
      function.inputs.map { $0.fixedShape! }, isTraining: isTraining)
    let weights = program.outputs.map { output in (0..<output.count).map { _ in uniform(-1...1) } }
    for (tensor, numbers) in zip(program.inputs, starts) { tensor.values = numbers }

    func loss() -> Double {
      network.random.source = RandomSource(seed: seed)
      program.forward()
      var sum = 0.0
      for (output, w) in zip(program.outputs, weights) where output.isReal {
        for i in 0..<output.count { sum += w[i] * output.data[i] }
      }
      return sum
    }

    _ = loss()
    program.zeroGradients()
    for (output, w) in zip(program.outputs, weights) {
      if let gradient = output.gradient { for i in 0..<output.count { gradient[i] += w[i] } }
    }
    program.backward()
    var result = Result()
    for (k, tensor) in program.inputs.enumerated() {
      guard let gradient = tensor.gradient else { continue }
      let analytic = (0..<tensor.count).map { gradient[$0] }
      for i in 0..<tensor.count {
        let x = tensor.data[i]
        let h = 1e-5 * max(1, abs(x))
        tensor.data[i] = x + h
        let above = loss()
        tensor.data[i] = x - h
        let below = loss()
        tensor.data[i] = x
        let numeric = (above - below) / (2 * h)
        let error = abs(analytic[i] - numeric) / max(1, abs(analytic[i]), abs(numeric))
        result.elements += 1
        if !(error <= result.error) {
          result.error = error.isNaN ? .infinity : error
          result.worst =
            "input \(function.inputs[k].name), element \(i): \(analytic[i]), by differences \(numeric)"
        }
      }
    }
    return result
  }
}

extension GradientCheck.Input {
  /// As a value of a graph: an activation where it is differentiated, else a weight.
  public func value(_ name: String) -> Value {
    switch self {
    case .real(let shape, _), .random(let shape, _):
      Value(name, .float32, shape.map { .fixed($0) })
    case .constant(let shape, let numbers):
      Value(name, shape, floats: numbers.map { Float($0) })
    case .integers(let shape, let numbers): Value(name, shape, integers: numbers)
    case .lengths(let numbers):
      Value(
        name, .int32, [.fixed(numbers.count)], kind: .weight,
        bytes: numbers.flatMap { n in withUnsafeBytes(of: n.littleEndian) { Array($0) } })
    case .booleans(let shape, let truths):
      Value(
        name, .bool, shape.map { .fixed($0) }, kind: .weight, bytes: truths.map { $0 ? 1 : 0 })
    }
  }
}
