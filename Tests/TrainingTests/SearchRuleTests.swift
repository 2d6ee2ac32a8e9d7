import Foundation
import Graph
import Testing
import Training
import Zoo

/// Parameters over memory that lives as long as this does.
private final class Point {
  let parameters: [Parameter]

  init(_ sizes: [Int], _ values: [Float]) {
    var at = 0
    parameters = sizes.map { size in
      let v = UnsafeMutableBufferPointer<Float>.allocate(capacity: size)
      let g = UnsafeMutableBufferPointer<Float>.allocate(capacity: size)
      _ = v.initialize(from: values[at..<at + size])
      g.initialize(repeating: 0)
      at += size
      return Parameter(values: v, gradient: g, decays: true)
    }
  }

  deinit { for p in parameters { (p.values.deallocate(), p.gradient.deallocate()) } }

  var values: [Float] { parameters.flatMap { Array($0.values) } }

  func set(_ gradient: [Float]) {
    var at = 0
    for p in parameters {
      for i in p.gradient.indices { p.gradient[i] = gradient[at + i] }
      at += p.gradient.count
    }
  }

  /// - Returns: The losses before each step and at the end, and the evaluations.
  func minimize(
    _ rule: any SearchRule, steps: Int, _ f: ([Float]) -> (Double, [Float])
  ) throws -> (losses: [Double], evaluations: Int) {
    let optimizer = Optimizer(rule, counts: parameters.map(\.values.count))
    var losses: [Double] = []
    var evaluations = 0
    func evaluate() -> Double {
      evaluations += 1
      let (loss, gradient) = f(values)
      set(gradient)
      return loss
    }
    for _ in 0..<steps {
      losses.append(evaluate())
      evaluations -= 1
      _ = try optimizer.search(parameters, loss: losses.last!, evaluate: evaluate)
    }
    losses.append(evaluate())
    return (losses, evaluations)
  }
}

/// Σ 100 (x₂ᵢ − x₂ᵢ₋₁²)² + (1 − x₂ᵢ₋₁)²: a bent valley with its minimum 0 at 1.
private func rosenbrock(_ x: [Float]) -> (Double, [Float]) {
  var loss = 0.0
  var gradient = [Float](repeating: 0, count: x.count)
  for i in stride(from: 0, to: x.count, by: 2) {
    let (a, b) = (Double(x[i]), Double(x[i + 1]))
    loss += 100 * (b - a * a) * (b - a * a) + (1 - a) * (1 - a)
    gradient[i] = Float(-400 * a * (b - a * a) - 2 * (1 - a))
    gradient[i + 1] = Float(200 * (b - a * a))
  }
  return (loss, gradient)
}

private let searches: [any SearchRule] = [LBFGS(), LBFGS(memory: 3), ConjugateGradient()]

@Test(arguments: searches.indices)
func aBentValleyIsFollowedToItsMinimum(_ index: Int) throws {
  let start: [Float] = [-1.2, 1, 2, -1, 0, 0]
  let point = Point([2, 3, 1], start)
  // SciPy's L-BFGS-B takes 75 steps here, its conjugate gradients 131.
  let (losses, evaluations) = try point.minimize(searches[index], steps: 220, rosenbrock)
  #expect(losses.last! < 1e-8, "\(losses.suffix(3))")
  for (before, after) in zip(losses, losses.dropFirst()) { #expect(after <= before * (1 + 1e-6)) }
  for x in point.values { #expect(abs(x - 1) < 5e-4) }
  #expect(evaluations < 5_000)
}

/// On a quadratic with exact arithmetic conjugate gradients need as many steps as there are numbers.
@Test func aQuadraticTakesFewSteps() throws {
  let diagonal: [Double] = [1, 3, 10, 30, 100]
  func f(_ x: [Float]) -> (Double, [Float]) {
    var loss = 0.0
    for (d, v) in zip(diagonal, x) { loss += d * Double(v) * Double(v) / 2 }
    return (loss, zip(diagonal, x).map { Float($0 * Double($1)) })
  }
  for rule in [LBFGS(memory: 5), ConjugateGradient()] as [any SearchRule] {
    let point = Point([5], [1, 1, 1, 1, 1])
    let (losses, _) = try point.minimize(rule, steps: 30, f)
    #expect(losses.last! < 1e-8 * losses[0], "\(rule.name): \(losses.last!)")
  }
}

/// A function that does not exist everywhere: steps that leave its domain are shortened.
@Test(arguments: searches.indices)
func stepsOutOfTheDomainAreShortened(_ index: Int) throws {
  // x − log x, minimum 1 at 1, from far below.
  let point = Point([1], [1e-3])
  let (losses, _) = try point.minimize(searches[index], steps: 40) { x in
    (Double(x[0]) - log(Double(x[0])), [1 - 1 / x[0]])
  }
  #expect(abs(losses.last! - 1) < 1e-6 && abs(point.values[0] - 1) < 2e-3)
}

/// At the minimum nothing moves.
@Test(arguments: searches.indices)
func theMinimumIsLeftAlone(_ index: Int) throws {
  let point = Point([2, 2], [1, 1, 1, 1])
  let optimizer = Optimizer(searches[index], counts: [2, 2])
  let length = try optimizer.search(point.parameters, loss: 0) { rosenbrock(point.values).0 }
  #expect(length == 0 && point.values == [1, 1, 1, 1])
}

// MARK: In training

private func trainer(
  _ rule: any OptimizerRule, epochs: Int, batchSize: Int = 60, dropout: Float = 0,
  _ change: (inout TrainerOptions) -> Void = { _ in }
) throws -> Trainer {
  var source = RandomSource(seed: 5)
  let x = (0..<240).map { _ in source.float(-1, 1) }
  let classes = (0..<60).map { Int32(x[4 * $0] * x[4 * $0 + 1] > 0 ? 1 : 0) }
  let samples = Samples(
    storage: .floats(x), shape: [4], targets: .classes(classes, names: ["-", "+"]), count: 60)
  let batches = try SampleBatches(
    samples, indices: Array(0..<60), transforms: [], batchSize: batchSize, seed: 7, training: true)
  var net = MLP()
  net.inputShape = [4]
  net.hidden = [8]
  net.outputs = 2
  net.dropout = dropout
  net.seed = 3
  var options = TrainerOptions()
  options.epochs = epochs
  options.rule = rule
  options.l2 = 1e-3
  change(&options)
  return try Trainer(net.graph(), training: batches, validation: nil, options: options)
}

@Test(arguments: searches.indices)
func aSearchIsResumedBitForBit(_ index: Int) throws {
  let rule = searches[index]
  let whole = try trainer(rule, epochs: 20, dropout: 0.2)
  try whole.run()
  let half = try trainer(rule, epochs: 9, dropout: 0.2)
  try half.run()
  let path = NSTemporaryDirectory() + "search-\(UUID().uuidString).ckpt"
  defer { try? FileManager.default.removeItem(atPath: path) }
  try half.checkpoint().write(to: path)
  let resumed = try trainer(rule, epochs: 20, dropout: 0.2)
  try resumed.resume(Checkpoint(contentsOf: path))
  try resumed.run()
  #expect(resumed.network.snapshot() == whole.network.snapshot())
  #expect(resumed.history.map(\.training) == whole.history.map(\.training))
  #expect(resumed.history.map(\.learningRate) == whole.history.map(\.learningRate))
  let other = try trainer(SGD(), epochs: 20)
  #expect(throws: TrainingError.self) { try other.resume(Checkpoint(contentsOf: path)) }
}

@Test func aSearchStopsAtTheMinimum() throws {
  let run = try trainer(LBFGS(), epochs: 5_000) { $0.l2 = 0.01 }
  try run.run()
  #expect(run.epoch < 2_000 && run.history.last!.learningRate == 0)
  // Resumed, it is still at the minimum.
  let again = try trainer(LBFGS(), epochs: 5_000) { $0.l2 = 0.01 }
  try again.resume(run.checkpoint())
  try again.run()
  #expect(again.epoch == run.epoch)
}

@Test func aSearchRefusesWhatItCannotUse() throws {
  func message(_ work: () throws -> Void) -> String {
    do {
      try work()
      return ""
    } catch { return "\(error)" }
  }
  #expect(
    message { _ = try trainer(LBFGS(), epochs: 1, batchSize: 16) }
      == "l-bfgs needs all samples in one batch, and there are 4 batches")
  #expect(
    message { _ = try trainer(ConjugateGradient(), epochs: 1) { $0.clipNorm = 1 } }
      == "conjugate-gradient needs the loss's own gradient; it cannot be clipped")
}
