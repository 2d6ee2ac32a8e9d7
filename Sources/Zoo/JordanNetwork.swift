import Graph

/// The network of M. I. Jordan, "Serial order: a parallel distributed processing approach", 1986: not
/// what it thought but what it said comes back at the next step. The state units hold its outputs,
/// and a share μ of what they held before:
///
///     s(t) = μ s(t − 1) + y(t − 1)        h(t) = f(W x(t) + U s(t) + b)        y(t) = V h(t) + c
///
/// The steps are laid out one behind the other, with one set of weights, so that training goes back
/// through all of them.
public struct JordanNetwork {
  /// Steps of a sequence.
  public var steps = 1
  public var features = 1
  public var outputs = 1
  public var hiddenSize = 16
  public var activation = Activation.tanh
  /// μ
  public var decay: Float = 0.5
  public var seed: UInt64 = 1

  public init() {}

  /// The network with its initial weights: "x" [N, steps, features] to "y" [N, outputs], what it says
  /// at the last step.
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let x = b.input("x", .float32, [.free("N"), .fixed(steps), .fixed(features)])
    let start = activation.initializer
    let w = b.weight(
      "hidden.input_weight", [hiddenSize, features], start, fanIn: features + outputs,
      fanOut: hiddenSize)
    let u = b.weight(
      "hidden.state_weight", [hiddenSize, outputs], start, fanIn: features + outputs,
      fanOut: hiddenSize)
    let bias = b.weight("hidden.bias", [hiddenSize], .zeros)
    let v = b.weight(
      "output.weight", [outputs, hiddenSize], .glorot, fanIn: hiddenSize, fanOut: outputs)
    let c = b.weight("output.bias", [outputs], .zeros)
    let mu = b.constant("decay", [1], [decay])
    var s: Value?
    var y = x
    for step in 0..<steps {
      let now = b.node("Gather", name: "x\(step)", [x, b.constant(integers: [step])], ["axis": 1])
      var h = b.node("Gemm", [b.reshape(now, [0, features]), w, bias], ["transB": 1])
      if let state = s { h = b.node("Gemm", [state, u, h], ["transB": 1]) }
      h = b.activation(h, activation, name: "hidden\(step)")
      y = b.node("Gemm", name: "y\(step)", [h, v, c], ["transB": 1])
      s = s.map { b.add(b.multiply($0, mu), y) } ?? y
    }
    b.output(y, "y")
    b.setMetadata("name", "Jordan network")
    return try b.build()
  }
}
