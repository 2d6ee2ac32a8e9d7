import Foundation
import NumPyFile
import Testing
import Training

/// Fixtures come from make_fixtures.py: the published formulas in NumPy's float64.
private func fixture(_ name: String) throws -> NumPyArchive {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
  return try NumPyArchive(contentsOf: "\(folder)/Fixtures/\(name).npz")
}

private let rules: [(String, any UpdateRule)] = [
  ("sgd", SGD()),
  ("momentum", Momentum(momentum: 0.9)),
  ("nesterov", Momentum(momentum: 0.8, isNesterov: true)),
  ("rmsprop", RMSProp(decay: 0.9, epsilon: 1e-6)),
  ("rmsprop-momentum", RMSProp(momentum: 0.5)),
  ("adam", Adam()),
  ("adam-other", Adam(beta1: 0.5, beta2: 0.9, epsilon: 1e-3)),
  ("adamw", Adam(weightDecay: 0.1)),
]

/// Parameters over memory that lives as long as this does.
private final class Network {
  let parameters: [Parameter]

  init(_ tensors: [[Float]], decays: [Bool]? = nil) {
    parameters = tensors.enumerated().map { index, tensor in
      let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.count)
      _ = values.initialize(from: tensor)
      let gradient = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.count)
      gradient.initialize(repeating: 0)
      return Parameter(values: values, gradient: gradient, decays: decays?[index] ?? true)
    }
  }

  deinit {
    for parameter in parameters {
      parameter.values.deallocate()
      parameter.gradient.deallocate()
    }
  }

  /// All numbers, one tensor after the other.
  var values: [Float] { parameters.flatMap { Array($0.values) } }

  func set(gradient: [Float]) {
    var at = 0
    for parameter in parameters {
      for i in parameter.gradient.indices { parameter.gradient[i] = gradient[at + i] }
      at += parameter.gradient.count
    }
  }

  var gradient: [Float] { parameters.flatMap { Array($0.gradient) } }
}

@Test(arguments: rules.indices)
func updatesFollowTheFormulas(_ index: Int) throws {
  let (name, rule) = rules[index]
  let archive = try fixture("optimizers")
  let start = archive["start"]!.floats()
  let gradients = archive["gradients"]!.floats()
  let expected = archive[name]!.doubles()
  // Two tensors: a rule that mixes their slots up would show.
  let network = Network([Array(start[..<3]), Array(start[3...])])
  let optimizer = Optimizer(rule, counts: [3, 4])
  for step in 0..<12 {
    network.set(gradient: Array(gradients[7 * step..<7 * step + 7]))
    optimizer.update(network.parameters, learningRate: 0.01 / Float(step + 1).squareRoot())
    for (i, value) in network.values.enumerated() {
      let wanted = expected[7 * step + i]
      #expect(abs(Double(value) - wanted) <= 4e-6 * max(1, abs(wanted)), "\(name), update \(step)")
    }
  }
}

/// An optimiser that is stopped and started again goes on bit for bit.
@Test(arguments: rules.indices)
func stateResumes(_ index: Int) throws {
  let rule = rules[index].1
  let gradients = try fixture("optimizers")["gradients"]!.floats()
  func run(_ network: Network, _ optimizer: Optimizer, _ steps: Range<Int>) {
    for step in steps {
      network.set(gradient: Array(gradients[7 * step..<7 * step + 7]))
      optimizer.update(network.parameters, learningRate: 0.01)
    }
  }
  let whole = Network([[1, 2, 3, 4, 5, 6, 7]])
  let optimizer = Optimizer(rule, counts: [7])
  run(whole, optimizer, 0..<5)
  let resumed = Network([whole.values])
  let other = Optimizer(rule, counts: [7])
  #expect(other.restore(optimizer.state))
  run(whole, optimizer, 5..<12)
  run(resumed, other, 5..<12)
  #expect(whole.values == resumed.values && optimizer.state == other.state)
  #expect(!other.restore(Optimizer.State(step: 1, slots: [1])))
}

@Test func decayLeavesBiasesAlone() {
  let network = Network([[2], [2]], decays: [true, false])
  Optimizer(Adam(weightDecay: 0.5), counts: [1, 1]).update(network.parameters, learningRate: 0.1)
  #expect(network.values == [1.9, 2])
  addL2(network.parameters, strength: 0.1)
  #expect(network.gradient == [0.1 * 1.9, 0])
}

@Test func gradientsAreClipped() {
  let network = Network([[0, 0], [0]])
  network.set(gradient: [3, -4, 12])
  #expect(clipByNorm(network.parameters, limit: 13) == 13 && network.gradient == [3, -4, 12])
  #expect(clipByNorm(network.parameters, limit: 1) == 13)
  for (a, b) in zip(network.gradient, [3, -4, 12] as [Float]) { #expect(abs(a - b / 13) < 1e-7) }
  network.set(gradient: [3, -4, 0.5])
  clipByValue(network.parameters, limit: 1)
  #expect(network.gradient == [1, -1, 0.5])
  network.set(gradient: [.infinity, 1, 1])
  #expect(clipByNorm(network.parameters, limit: 1) == .infinity && network.gradient[1] == 1)
}

@Test(arguments: [
  ("constant", Schedule.constant, 0), ("step", .step(every: 2, factor: 0.5), 0),
  ("exponential", .exponential(factor: 0.9), 0), ("cosine", .cosine(final: 0.01), 0),
  ("one-cycle", .oneCycle(warmUp: 0.3, start: 1.0 / 25, final: 1e-4), 0),
  ("warm-up", .constant, 10),
])
func schedulesFollowTheFormulas(_ name: String, _ schedule: Schedule, _ warmUp: Int) throws {
  let rate = LearningRate(
    base: 0.1, schedule: schedule, warmUp: warmUp, updatesPerEpoch: 8, epochs: 5)
  for (update, expected) in try fixture("schedules")[name]!.doubles().enumerated() {
    #expect(abs(Double(rate.value(update: update)) - expected) < 1e-8, "update \(update)")
  }
}

@Test func plateauReducesTheRate() throws {
  let archive = try fixture("schedules")
  var rate = LearningRate(
    base: 0.1, schedule: .plateau(factor: 0.5, patience: 1, threshold: 0.01, final: 0.2),
    updatesPerEpoch: 1, epochs: 14)
  let expected = archive["plateau"]!.doubles()
  #expect(expected.last! == 0.02)
  for (loss, wanted) in zip(archive["losses"]!.doubles(), expected) {
    #expect(abs(Double(rate.value(update: 0)) - wanted) < 1e-8)
    rate.observe(loss: loss)
  }
}
