import Foundation
import NumPyFile

/// A run of training between two epochs.
///
/// The file is a NumPy archive: `weights`, `best`, `optimizer` (its slots), `history` (one row for
/// each epoch, the columns those of `EpochColumn`) and `counters`; once training for int8 has begun
/// also `float_weights`, and `weights` and `best` then end with the ranges of activations. What is
/// drawn at random depends on the seed, the epoch and the update alone, so that no generator's
/// state is needed.
public struct Checkpoint {
  public var weights: [Float]
  public var best: [Float]
  public var optimizer: Optimizer.State
  public var plateau: LearningRate.Plateau
  /// Updates done.
  public var update: Int
  public var bestEpoch: Int?
  public var history: [EpochResult]
  /// With which training for int8 began; nil where it has not.
  public var floatWeights: [Float]?

  public init(
    weights: [Float], best: [Float], optimizer: Optimizer.State, plateau: LearningRate.Plateau,
    update: Int, bestEpoch: Int?, history: [EpochResult], floatWeights: [Float]? = nil
  ) {
    self.weights = weights
    self.best = best
    self.optimizer = optimizer
    self.plateau = plateau
    self.update = update
    self.bestEpoch = bestEpoch
    self.history = history
    self.floatWeights = floatWeights
  }

  private static let columns = 13
  private static let version = 2

  /// Writes the file under another name first, so that an interruption leaves the old one.
  public func write(to path: String) throws {
    var archive = NumPyArchive()
    archive.append("weights", NumPyArray(weights, shape: [weights.count]))
    archive.append("best", NumPyArray(best, shape: [best.count]))
    archive.append("optimizer", NumPyArray(optimizer.slots, shape: [optimizer.slots.count]))
    let rows = history.flatMap { e -> [Double] in
      let v = e.validation
      return [
        e.training.loss, e.training.count, e.training.accuracy ?? .nan, v == nil ? 0 : 1,
        v?.loss ?? .nan, v?.count ?? .nan, v?.accuracy ?? .nan, Double(e.learningRate),
        e.gradientNorm ?? .nan, e.seconds, e.isBest ? 1 : 0, Double(e.epoch),
        v?.measures.first?.value ?? .nan,
      ]
    }
    archive.append("history", NumPyArray(rows, shape: [history.count, Checkpoint.columns]))
    archive.append(
      "counters",
      NumPyArray(
        [
          Int64(Checkpoint.version), Int64(update), Int64(optimizer.step), Int64(bestEpoch ?? -1),
          Int64(plateau.badEpochs),
        ], shape: [5]))
    archive.append("plateau", NumPyArray([plateau.factor, plateau.best], shape: [2]))
    if let floatWeights {
      archive.append("float_weights", NumPyArray(floatWeights, shape: [floatWeights.count]))
    }
    let temporary = path + ".tmp"
    try archive.write(to: temporary)
    guard rename(temporary, path) == 0 else {
      throw TrainingError("\(path): it cannot be written")
    }
  }

  public init(contentsOf path: String) throws {
    let archive = try NumPyArchive(contentsOf: path)
    func array(_ name: String) throws -> NumPyArray {
      guard let array = archive[name] else {
        throw TrainingError("\(path): not a checkpoint of training (it has no '\(name)')")
      }
      return array
    }
    let counters = try array("counters").integers() ?? []
    guard counters.count == 5, counters[0] == Checkpoint.version else {
      throw TrainingError("\(path): a checkpoint of another version")
    }
    weights = try array("weights").floats()
    best = try array("best").floats()
    optimizer = Optimizer.State(step: counters[2], slots: try array("optimizer").floats())
    floatWeights = archive["float_weights"]?.floats()
    update = counters[1]
    bestEpoch = counters[3] < 0 ? nil : counters[3]
    let factors = try array("plateau").doubles()
    let rows = try array("history").doubles()
    guard factors.count == 2, rows.count % Checkpoint.columns == 0,
      (bestEpoch ?? 0) <= max(rows.count / Checkpoint.columns - 1, 0), update >= 0
    else {
      throw TrainingError("\(path): a damaged checkpoint")
    }
    plateau = LearningRate.Plateau()
    plateau.factor = factors[0]
    plateau.best = factors[1]
    plateau.badEpochs = counters[4]
    history = (0..<rows.count / Checkpoint.columns).map { i in
      Checkpoint.result(Array(rows[i * Checkpoint.columns..<(i + 1) * Checkpoint.columns]))
    }
  }

  private static func result(_ row: [Double]) -> EpochResult {
    func evaluation(_ at: Int, _ accuracy: Double) -> Evaluation {
      var e = Evaluation()
      e.loss = row[at]
      e.count = row[at + 1]
      e.accuracy = accuracy.isNaN ? nil : accuracy
      return e
    }
    var validation = row[3] == 0 ? nil : evaluation(4, row[6])
    // All that is asked of an epoch past is whether a later one is better.
    if !row[12].isNaN { validation?.measures = [Measure("", row[12])] }
    return EpochResult(
      epoch: Int(row[11]), training: evaluation(0, row[2]),
      validation: validation, learningRate: Float(row[7]),
      gradientNorm: row[8].isNaN ? nil : row[8], seconds: row[9], isBest: row[10] != 0)
  }
}
