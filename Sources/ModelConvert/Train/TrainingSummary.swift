import Training

/// What `train --json` prints: what the lines for people say, with all digits, and every epoch.
struct TrainingSummary: Encodable {
  /// Of one part of the data.
  struct Figures: Encodable {
    var loss: Double?
    /// Rows (samples, tokens) or elements that the loss is the mean of.
    var count: Double
    /// The recipe's metrics and the task's own measures, by their names; shares are from 0 to 1.
    var figures: [String: Double]

    init(_ evaluation: Evaluation, _ metrics: [Metric]) {
      loss = finite(evaluation.loss)
      count = evaluation.count
      figures = [:]
      for metric in metrics {
        if let value = metric.value(evaluation).flatMap(finite) { figures[metric.rawValue] = value }
      }
      for measure in evaluation.measures {
        if let value = finite(measure.value) { figures[measure.name] = value }
      }
    }
  }

  struct Epoch: Encodable {
    var training: Figures
    var validation: Figures?
    var seconds: Double
  }

  var name: String
  var recipe: String
  var seed: UInt64
  var parameters: Int
  var unit: String
  /// From 1 on.
  var bestEpoch: Int
  /// Of the best epoch's network; of "training" only where the recipe holds nothing out.
  var training: Figures?
  var validation: Figures?
  var test: Figures?
  var history: [Epoch]
  /// The largest max |a − b| / max(1, max |b|) of what libapus and the trainer compute; missing where the
  /// network was trained for int8.
  var exportDifference: Double?

  init(
    _ recipe: Recipe, _ trainer: Trainer, _ result: TrainingResult, _ job: TrainingJob,
    _ check: ExportCheck?
  ) {
    exportDifference = check.flatMap { finite($0.difference) }
    func figures(_ evaluation: Evaluation) -> Figures { Figures(evaluation, job.metrics) }
    func part(_ name: String) -> Figures? {
      result.parts.first { $0.name == name }.map { figures($0.evaluation) }
    }
    name = recipe.name
    self.recipe = recipe.file
    seed = recipe.seed
    parameters = trainer.network.parameters.count
    unit = job.training.unit
    bestEpoch = result.bestEpoch
    (training, validation, test) = (part("training"), part("validation"), part("test"))
    history = trainer.history.map {
      Epoch(
        training: figures($0.training), validation: $0.validation.map(figures), seconds: $0.seconds)
    }
  }
}
