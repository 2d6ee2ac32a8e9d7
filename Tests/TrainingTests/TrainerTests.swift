import Foundation
import Graph
import Testing
import Training
import Zoo

/// Two classes of points that a small network can tell apart.
func points(_ count: Int, seed: UInt64) -> Samples {
  var source = RandomSource(seed: seed)
  var x: [Float] = []
  var classes: [Int32] = []
  for i in 0..<count {
    let angle = source.float(0, 6.2831853)
    let radius = i % 2 == 0 ? source.float(0, 0.6) : source.float(0.9, 1.4)
    x += [radius * cosf(angle), radius * sinf(angle)]
    classes.append(Int32(i % 2))
  }
  return Samples(
    storage: .floats(x), shape: [2], targets: .classes(classes, names: ["inner", "outer"]),
    count: count)
}

func ringTrainer(
  epochs: Int, batchSize: Int = 16, rule: any UpdateRule = Adam(), dropout: Float = 0,
  _ change: (inout TrainerOptions) -> Void = { _ in }
) throws -> Trainer {
  let samples = points(150, seed: 1)
  let batches = try SampleBatches(
    samples, indices: Array(0..<100), transforms: [], batchSize: batchSize, seed: 7, training: true)
  let validation = try SampleBatches(
    samples, indices: Array(100..<150), transforms: [], batchSize: 50, seed: 7, training: false)
  var net = MLP()
  net.inputShape = [2]
  net.hidden = [16]
  net.outputs = 2
  net.dropout = dropout
  net.seed = 3
  var options = TrainerOptions()
  options.epochs = epochs
  options.rule = rule
  options.learningRate = 0.05
  change(&options)
  return try Trainer(net.graph(), training: batches, validation: validation, options: options)
}

@Test(arguments: [1, 16, 100])
func aRingIsLearnedWithAnyBatchSize(_ batchSize: Int) throws {
  let trainer = try ringTrainer(epochs: batchSize == 100 ? 150 : 20, batchSize: batchSize) {
    if batchSize == 1 { $0.learningRate = 0.005 }
  }
  try trainer.run()
  #expect(trainer.history.last!.validation!.accuracy! > 0.97)
  #expect(trainer.history.last!.training.count == 100)
}

@Test func aRunIsRepeatedAndResumedBitForBit() throws {
  func options(_ o: inout TrainerOptions) {
    o.clipNorm = 1
    o.l2 = 1e-4
    o.schedule = .plateau(factor: 0.5, patience: 0, threshold: 0.1, final: 0)
  }
  let whole = try ringTrainer(epochs: 6, dropout: 0.3, options)
  try whole.run()
  let again = try ringTrainer(epochs: 6, dropout: 0.3, options)
  try again.run()
  #expect(again.network.snapshot() == whole.network.snapshot())

  let half = try ringTrainer(epochs: 3, dropout: 0.3, options)
  try half.run()
  let path = NSTemporaryDirectory() + "apus-\(UUID().uuidString).ckpt"
  defer { try? FileManager.default.removeItem(atPath: path) }
  try half.checkpoint().write(to: path)
  let resumed = try ringTrainer(epochs: 6, dropout: 0.3, options)
  try resumed.resume(Checkpoint(contentsOf: path))
  #expect(resumed.network.snapshot() == half.network.snapshot())
  try resumed.run()
  #expect(resumed.network.snapshot() == whole.network.snapshot())
  #expect(resumed.best == whole.best && resumed.bestEpoch == whole.bestEpoch)
  #expect(resumed.history.map(\.training) == whole.history.map(\.training))
  #expect(resumed.history.map(\.learningRate) == whole.history.map(\.learningRate))

  let other = try ringTrainer(epochs: 6, rule: SGD(), options)
  #expect(throws: TrainingError.self) { try other.resume(Checkpoint(contentsOf: path)) }
}

@Test func trainingStopsWhenItNoLongerHelpsAndKeepsTheBest() throws {
  // A rate that makes every epoch after some early one worse.
  let trainer = try ringTrainer(epochs: 500, rule: SGD()) {
    $0.learningRate = 4
    $0.patience = 3
  }
  try trainer.run()
  let best = trainer.bestEpoch!
  #expect(trainer.epoch == best + 4 && trainer.epoch < 500)
  let losses = trainer.history.map { $0.validation!.loss }
  #expect(losses[best] == losses.min())
  trainer.finish()
  let samples = points(150, seed: 1)
  let validation = try SampleBatches(
    samples, indices: Array(100..<150), transforms: [], batchSize: 50, seed: 7, training: false)
  let e = try trainer.network.evaluate(validation, loss: .crossEntropy, countsConfusion: true)
  #expect(e.loss == losses[best])
  #expect(e.confusion!.flatMap { $0 }.reduce(0, +) == 50)
  #expect(Double(e.confusion![0][0] + e.confusion![1][1]) / 50 == e.accuracy)
}

@Test func aLossThatIsNoNumberIsReported() throws {
  let trainer = try ringTrainer(epochs: 3, rule: SGD()) { $0.learningRate = 3e38 }
  #expect(throws: TrainingError.self) { try trainer.run() }
}

/// A stream of period 3 that only a state carried over windows of one token can tell.
@Test func stateIsCarriedOverTheWindows() throws {
  // a a b a a b …: after one a comes a, after two comes b.
  let text = String(repeating: "aab", count: 400)
  let vocabulary = Vocabulary(charactersOf: text)
  let batches = try TokenBatches(
    vocabulary.tokens(text)[...], vocabulary: vocabulary, batchSize: 2, length: 1, name: "text")
  var net = CharRNN(vocabulary: vocabulary.count)
  (net.embedding, net.hiddenSize, net.layers) = (4, 12, 1)
  var options = TrainerOptions()
  options.epochs = 4
  options.rule = Adam()
  options.learningRate = 0.02
  let trainer = try Trainer(
    net.graph(batch: 2), training: batches, validation: nil, options: options)
  try trainer.run()
  // Without memory the best is 2/3 log(…) = 0.462: after a, a and b are equally likely.
  #expect(trainer.history.last!.training.loss < 0.1)
}

@Test func whatDoesNotFitIsSaid() throws {
  func message(_ work: () throws -> Void) -> String {
    do {
      try work()
      return ""
    } catch { return "\(error)" }
  }
  #expect(
    message { try ringTrainer(epochs: 1) { $0.loss = .mse }.run() }
      == "the loss mse wants numbers; the targets are classes")
}
