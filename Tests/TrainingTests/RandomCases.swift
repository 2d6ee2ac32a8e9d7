import Graph
import Training

/// One case of each operator whose shapes and attributes have much room, drawn by a seed.
func randomCases(seed: UInt64) -> [GradientCase] {
  var random = RandomSource(seed: seed, 77)
  func draw(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(random.next() % UInt64(range.count))
  }
  func flip() -> Bool { draw(0...1) == 1 }
  func attributes(_ pairs: [(String, Attribute?)]) -> [String: Attribute] {
    Dictionary(uniqueKeysWithValues: pairs.compactMap { name, a in a.map { (name, $0) } })
  }

  func convolution(isTransposed: Bool) -> GradientCase {
    let rank = draw(1...3)
    let group = draw(1...3)
    let (ins, outs) = (draw(1...2), draw(1...3))
    let kernel = (0..<rank).map { _ in draw(1...3) }
    let dilations = (0..<rank).map { _ in draw(1...2) }
    let size = (0..<rank).map { d in draw(1...4) + dilations[d] * (kernel[d] - 1) }
    let strides = (0..<rank).map { _ in draw(1...3) }
    let pads = (0..<2 * rank).map { _ in isTransposed ? 0 : draw(0...1) }
    let autoPad = ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"][draw(0...3)]
    let filters = isTransposed ? [group * ins, outs] : [group * outs, ins]
    return GradientCase(
      isTransposed ? "ConvTranspose" : "Conv",
      [.random([draw(1...3), group * ins] + size), .random(filters + kernel)]
        + (flip() ? [.random([group * outs])] : []),
      attributes([
        ("group", .int(group)), ("dilations", .ints(dilations)), ("strides", .ints(strides)),
        ("auto_pad", .string(autoPad)), ("pads", autoPad == "NOTSET" ? .ints(pads) : nil),
        ("activation_minimum", flip() ? .float(-0.2) : nil),
        ("activation_maximum", flip() ? .float(0.6) : nil),
      ]))
  }

  func pooling(_ op: String) -> GradientCase {
    let rank = draw(1...3)
    let kernel = (0..<rank).map { _ in draw(1...3) }
    let dilations = (0..<rank).map { _ in draw(1...2) }
    let size = (0..<rank).map { d in draw(1...4) + dilations[d] * (kernel[d] - 1) }
    let pads = (0..<2).flatMap { _ in kernel.map { draw(0...$0 - 1) } }
    let autoPad = ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"][draw(0...3)]
    return GradientCase(
      op, [.random([draw(1...2), draw(1...3)] + size)],
      attributes([
        ("kernel_shape", .ints(kernel)), ("dilations", .ints(dilations)),
        ("strides", .ints(kernel.map { _ in draw(1...3) })), ("auto_pad", .string(autoPad)),
        ("pads", autoPad == "NOTSET" ? .ints(pads) : nil), ("ceil_mode", flip() ? 1 : 0),
        ("count_include_pad", op == "AveragePool" && flip() ? 1 : nil),
      ]))
  }

  func gemm() -> GradientCase {
    let (m, n, k) = (draw(1...5), draw(1...40), draw(1...20))
    let (a, b) = (flip(), flip())
    let shapes = [[n], [1, n], [m, 1], [m, n], [1], []]
    return GradientCase(
      "Gemm",
      [.random(a ? [k, m] : [m, k]), .random(b ? [n, k] : [k, n])]
        + (flip() ? [.random(shapes[draw(0...5)])] : []),
      ["transA": a ? 1 : 0, "transB": b ? 1 : 0, "alpha": 0.5, "beta": 1.5])
  }

  func matMul() -> GradientCase {
    let (m, n, k) = (draw(1...4), draw(1...9), draw(1...9))
    let outer = (0..<draw(0...2)).map { _ in draw(1...3) }
    let repeated = outer.map { flip() ? 1 : $0 }
    return GradientCase("MatMul", [.random(outer + [m, k]), .random(repeated + [k, n])])
  }

  func recurrent(_ op: String) -> GradientCase {
    let (steps, batch, n, h) = (draw(1...4), draw(1...3), draw(1...5), draw(1...20))
    let direction = ["forward", "reverse", "bidirectional"][draw(0...2)]
    let d = direction == "bidirectional" ? 2 : 1
    let gates = op == "GRU" ? 3 : op == "LSTM" ? 4 : 1
    let isBatchFirst = flip()
    func state() -> GradientCheck.Input? {
      flip() ? .random(isBatchFirst ? [batch, d, h] : [d, batch, h]) : nil
    }
    var inputs: [GradientCheck.Input?] = [
      .random(isBatchFirst ? [batch, steps, n] : [steps, batch, n]),
      .random([d, gates * h, n], -0.5...0.5), .random([d, gates * h, h], -0.5...0.5),
      flip() ? .random([d, 2 * gates * h]) : nil,
      flip() ? .lengths((0..<batch).map { _ in Int32(draw(0...steps)) }) : nil, state(),
    ]
    if op == "LSTM" { inputs += [state(), flip() ? .random([d, 3 * h]) : nil] }
    return GradientCase(
      op, inputs,
      attributes([
        ("direction", .string(direction)), ("layout", isBatchFirst ? 1 : 0),
        ("clip", flip() ? .float(0.7) : nil),
        ("input_forget", op == "LSTM" && flip() ? 1 : nil),
        ("linear_before_reset", op == "GRU" && flip() ? 1 : nil),
      ]), outputs: op == "LSTM" ? 3 : 2)
  }

  func broadcast(_ op: String) -> GradientCase {
    let shape = (0..<draw(1...4)).map { _ in draw(1...4) }
    let other = Array(shape.map { flip() ? 1 : $0 }.suffix(draw(1...shape.count)))
    return GradientCase(op, [.random(shape), .random(other, 0.5...2)])
  }

  return [
    convolution(isTransposed: false), convolution(isTransposed: true), pooling("MaxPool"),
    pooling("AveragePool"), gemm(), matMul(), recurrent("RNN"), recurrent("LSTM"),
    recurrent("GRU"), broadcast(["Add", "Sub", "Mul", "Div", "Max", "PRelu"][draw(0...4)]),
  ]
}
