import Foundation
import Training

/// How good the best epoch's network is.
struct TrainingResult {
  let bestEpoch: Int
  let epochs: Int
  let parts: [(name: String, evaluation: Evaluation)]

  init(_ trainer: Trainer, _ job: TrainingJob) throws {
    bestEpoch = (trainer.bestEpoch ?? 0) + 1
    epochs = trainer.epoch
    var parts: [(String, Evaluation)] = []
    for (name, task) in [("validation", job.validation), ("test", job.test)] {
      if let task { parts.append((name, try trainer.network.evaluate(task))) }
    }
    if parts.isEmpty, let best = trainer.bestEpoch {
      parts.append(("training", trainer.history[best].training))
    }
    self.parts = parts
  }

  /// "validation: loss 0.0412, accuracy 98.89 % (epoch 24 of 30)".
  func text(_ metrics: [Metric]) -> String {
    parts.map { name, e in
      let values = metrics.compactMap { m in m.value(e).map { ", \(m.rawValue) \(m.format($0))" } }
      let measures = e.measures.map { ", " + $0.text }
      return "\(name): loss \(String(format: "%.4g", e.loss))\((values + measures).joined())"
        + " (epoch \(bestEpoch) of \(epochs))"
    }.joined(separator: "\n")
  }
}
