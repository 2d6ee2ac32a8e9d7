import Foundation
import Graph
import Testing

@testable import Training

private let (length, batch, inputs, hidden) = (5, 2, 3, 4)

/// Every number of `values` of the sequence, and weights of the outputs in a made-up loss.
private func numbers(_ count: Int, _ seed: UInt64) -> [Double] {
  var random = RandomSource(seed: seed)
  return (0..<count).map { _ in Double(random.normal()) }
}

private func sequence(keepsState: Bool, steps: Int) throws -> Graph {
  let b = GraphBuilder(seed: 3)
  let x = b.input("x", .float32, [.fixed(steps), .fixed(batch), .fixed(inputs)])
  let y = b.recurrent(.lstm, x, hiddenSize: hidden, keepsState: keepsState, name: "lstm")
  b.output(b.dense(y, 2, name: "output"), "y")
  return try b.build()
}

/// A step that is called again and again has the derivatives of the layer that runs over all steps.
@Test func aRolloutIsBackPropagationThroughTime() throws {
  let x = numbers(length * batch * inputs, 1)
  let slopes = numbers(length * batch * 2, 2)
  let layer = try Network<Double>(sequence(keepsState: false, steps: length))
  let program = try layer.program([[length, batch, inputs]], isTraining: true)
  program.inputs[0].values = x
  program.forward()
  program.zeroGradients()
  for i in slopes.indices { program.outputs[0].gradient![i] = slopes[i] }
  program.backward()

  let step = try Network<Double>(sequence(keepsState: true, steps: 1))
  let rollout = Rollout(step, isTraining: true)
  // Twice: the second batch finds the first one's tensors.
  for _ in 0..<2 {
    step.zeroGradients()
    rollout.begin(resetsStates: true)
    let size = batch * inputs
    for t in 0..<length {
      let y = try rollout.call(
        nil, [BatchTensor([1, batch, inputs], x[t * size..<(t + 1) * size].map { Float($0) })])
      for i in 0..<y[0].count {
        #expect(abs(y[0].data[i] - program.outputs[0].data[t * y[0].count + i]) < 1e-6)
        y[0].gradient![i] = slopes[t * y[0].count + i]
      }
    }
    rollout.backward()
    #expect(step.gradients.count == layer.gradients.count)
    for i in 0..<step.gradients.count {
      #expect(abs(step.gradients[i] - layer.gradients[i]) < 1e-6)
    }
  }
}

/// Two functions share a weight and a state: one writes the state that the other reads.
private func pair() throws -> Graph {
  let write = GraphBuilder(seed: 1, function: "write")
  let memory = write.state("memory", [2, 3])
  let x = write.input("x", .float32, [2, 3])
  let w = write.weight("w", [3], .normal(deviation: 1))
  write.update(memory, to: write.tanh(write.multiply(x, w)))
  let read = GraphBuilder(beside: write, function: "read")
  let scale = read.input("scale", .float32, [1])
  read.output(read.multiply(read.multiply(memory, w), scale), "y")
  read.update(memory, to: read.multiply(memory, scale))
  return try GraphBuilder.build([write, read])
}

@Test func functionsShareStatesAndTheirDerivatives() throws {
  let network = try Network<Double>(pair())
  let rollout = Rollout(network, isTraining: true)
  let x: [Float] = [0.3, -0.2, 0.9, 1.1, -0.4, 0.5]

  func loss() throws -> Double {
    rollout.begin(resetsStates: true)
    _ = try rollout.call("write", [BatchTensor([2, 3], x)])
    var sum = 0.0
    for scale: Float in [0.7, -1.3] {
      let y = try rollout.call("read", [BatchTensor([1], [scale])])[0]
      for i in 0..<y.count {
        sum += y.data[i] * y.data[i]
        y.gradient![i] = 2 * y.data[i]
      }
    }
    return sum
  }
  _ = try loss()
  network.zeroGradients()
  rollout.backward()
  let gradients = Array(network.gradients)
  #expect(gradients.count == 3 && gradients.allSatisfy { $0 != 0 })
  for i in 0..<3 {
    let w = network.parameters[i]
    network.parameters[i] = w + 1e-5
    let above = try loss()
    network.parameters[i] = w - 1e-5
    let below = try loss()
    network.parameters[i] = w
    #expect(abs((above - below) / 2e-5 - gradients[i]) < 1e-7)
  }
  // What the calls left is what the next batch starts from.
  _ = try loss()
  rollout.carryStates()
  let kept = network.states[0].tensor.values
  for i in 0..<6 {
    let w = network.parameters[i % 3]
    #expect(abs(kept[i] - Double(Float(0.7)) * Double(Float(-1.3)) * tanh(Double(x[i]) * w)) < 1e-12)
  }
  #expect(throws: TrainingError.self) { try rollout.call("erase", []) }
}
