import Graph
import Testing
import Training
import Zoo

@Suite struct ExportCheckTests {
  private func exportedRing(_ trainer: Trainer) throws -> Graph {
    var net = MLP()
    net.inputShape = [2]
    net.hidden = [16]
    net.outputs = 2
    let source = try #require(trainer.validation as? SupervisedTask).source
    return try TrainedModel.export(
      trainer.network.graph, into: net.graph(), loss: .crossEntropy, source: source)
  }

  /// The trainer's logits become the exported model's probabilities.
  @Test func anExportedClassifierComputesWhatTheTrainerDoes() throws {
    let trainer = try ringTrainer(epochs: 2)
    try trainer.run()
    trainer.finish()
    let check = try ExportCheck(
      trainer, try #require(trainer.validation), exported: exportedRing(trainer))
    #expect(check.asksExported && check.calls == 1 && check.driftedDifference == nil)
    #expect(check.difference < 1e-6)
    try check.require("ring.apus")
  }

  @Test func aWrongWeightIsFound() throws {
    let trainer = try ringTrainer(epochs: 2)
    try trainer.run()
    trainer.finish()
    let exported = try exportedRing(trainer)
    let weight = try #require(exported.weights.first { $0.fixedShape?.count == 2 })
    weight.floats[3] += 0.01
    let check = try ExportCheck(trainer, try #require(trainer.validation), exported: exported)
    #expect(check.difference > ExportCheck.tolerance)
    let error = #expect(throws: TrainingError.self) { try check.require("ring.apus") }
    #expect(error?.description.contains("ring.apus: written, but libapus does not compute") == true)
  }

  /// Three windows of two texts: the first from the beginning.
  private final class Windows: TrainingTask {
    let batchCount = 1
    let sampleCount = 3

    func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
      var random = RandomSource(seed: 5)
      rollout.begin(resetsStates: true)
      for _ in 0..<3 {
        let tokens = (0..<8).map { _ in Int32(random.next() % 11) }
        _ = try rollout.call(nil, [BatchTensor([4, 2], integers: tokens)])
      }
      return BatchResult(loss: 0, count: 3)
    }
  }

  private var characters: CharRNN {
    var net = CharRNN(vocabulary: 11)
    (net.embedding, net.hiddenSize) = (7, 12)
    return net
  }

  /// The exported model reads one text at a time: the trained network is asked in its place.
  @Test func statesAreComparedAndGoOn() throws {
    let task = Windows()
    let trainer = try Trainer(
      characters.graph(batch: 2), training: task, validation: nil, options: TrainerOptions())
    let check = try ExportCheck(trainer, task, exported: characters.graph(batch: 1))
    #expect(!check.asksExported && check.calls == 3)
    #expect(check.difference > 0 && check.difference < 1e-5)
    #expect(try #require(check.driftedDifference) < 1e-5)
  }

  /// What only the recurrent weights compute shows in outputs and in states.
  @Test func aWrongRecurrentWeightIsFound() throws {
    let task = Windows()
    let trainer = try Trainer(
      characters.graph(batch: 2), training: task, validation: nil, options: TrainerOptions())
    let exported = try characters.graph(batch: 2)
    let weight = try #require(exported.weights.first { $0.name.contains("recurrent_weight") })
    for i in weight.floats.indices { weight.floats[i] += 0.01 }
    let check = try ExportCheck(trainer, task, exported: exported)
    #expect(check.asksExported)
    #expect(check.difference > ExportCheck.tolerance)
  }
}
