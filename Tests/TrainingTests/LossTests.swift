import Graph
import Testing
import Training

/// A network that passes its input on, so that its output can be set.
private func identity(_ shape: [Int]) throws -> (Network<Double>, Program<Double>) {
  let b = GraphBuilder()
  let x = b.input("x", .float32, shape.map { .fixed($0) })
  b.output(b.node("Identity", [x]), "y")
  let network = try Network<Double>(b.build(), differentiatesBoundary: true)
  return (network, try network.program([shape], isTraining: true))
}

/// The gradient of a loss by its output against central differences.
@Test(arguments: Loss.allCases, [false, true])
func lossGradientsAgreeWithDifferences(_ loss: Loss, masked: Bool) throws {
  let shape = [2, 3, 4]
  let (network, program) = try identity(shape)
  var source = RandomSource(seed: 8)
  program.inputs[0].values = (0..<24).map { _ in Double(source.float(-2, 2)) }
  let values = (0..<24).map { _ in source.float() }
  let classes: [Int32] = [0, 3, 1, 1, 2, 0]
  let mask: [Float] = (0..<24).map { Float($0 % 3 == 1 ? 0 : 1) }
  func evaluate() -> Double {
    program.forward()
    return values.withUnsafeBufferPointer { v in
      classes.withUnsafeBufferPointer { c in
        mask.withUnsafeBufferPointer { m in
          loss.evaluate(
            program.outputs[0],
            LossTargets(
              values: v.baseAddress, classes: c.baseAddress, mask: masked ? m.baseAddress : nil)
          ).loss
        }
      }
    }
  }
  program.zeroGradients()
  _ = evaluate()
  let gradient = (0..<24).map { program.outputs[0].gradient![$0] }
  for i in 0..<24 {
    let x = program.inputs[0].data[i]
    program.inputs[0].data[i] = x + 1e-5
    let above = evaluate()
    program.inputs[0].data[i] = x - 1e-5
    let below = evaluate()
    program.inputs[0].data[i] = x
    #expect(abs((above - below) / 2e-5 - gradient[i]) < 1e-7)
  }
  withExtendedLifetime(network) {}
}

/// Numbers worked out by hand from the formulas.
@Test func lossesHaveTheirValues() throws {
  let (_, program) = try identity([1, 3])
  func value(_ loss: Loss, _ y: [Double], _ t: [Float], _ c: Int32 = 0) -> Double {
    program.inputs[0].values = y
    program.forward()
    return t.withUnsafeBufferPointer { values in
      withUnsafePointer(to: c) {
        loss.evaluate(program.outputs[0], LossTargets(values: values.baseAddress, classes: $0)).loss
      }
    }
  }
  #expect(abs(value(.mse, [1, 2, 3], [0, 4, 3]) - 5.0 / 3) < 1e-12)
  #expect(abs(value(.l1, [1, 2, 3], [0, 4, 3]) - 1) < 1e-12)
  // log(e⁰ + e⁰ + e⁰) − 0 = log 3; log(1 + e + e²) − 2.
  #expect(abs(value(.crossEntropy, [0, 0, 0], [], 1) - 1.0986122886681098) < 1e-9)
  #expect(abs(value(.crossEntropy, [0, 1, 2], [], 2) - 0.40760596444438) < 1e-9)
  // log 2, and no overflow far out.
  #expect(abs(value(.binaryCrossEntropy, [0, 0, 0], [0, 1, 0.5]) - 0.6931471805599453) < 1e-12)
  #expect(abs(value(.binaryCrossEntropy, [1000, -1000, 0], [1, 0, 0]) - 0.23104906) < 1e-8)
  #expect(abs(value(.crossEntropy, [1000, 0, -1000], [], 1) - 1000) < 1e-9)
}
