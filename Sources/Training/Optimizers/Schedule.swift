import Foundation

/// How the learning rate changes while a network is trained. With the base rate η₀, epoch e and
/// update s (both from 0 on), S updates in all:
public enum Schedule: Equatable {
  /// η₀
  case constant
  /// η₀ · factor^⌊e / every⌋
  case step(every: Int, factor: Double)
  /// η₀ · factor^e
  case exponential(factor: Double)
  /// η₁ + (η₀ − η₁) (1 + cos(π s / S)) / 2, down to η₁ = η₀ · final (I. Loshchilov, F. Hutter,
  /// "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5, one cycle).
  case cosine(final: Double)
  /// Up from η₀ · start to η₀ in the first share `warmUp` of all updates, then down to
  /// η₀ · start · final, both along half a cosine (L. N. Smith, N. Topin, "Super-convergence", 2018;
  /// PyTorch's OneCycleLR with η₀ as its maximum).
  case oneCycle(warmUp: Double, start: Double, final: Double)
  /// Multiplied by `factor` whenever the watched loss has not fallen by a share of `threshold` for
  /// more than `patience` epochs; not below η₀ · final.
  case plateau(factor: Double, patience: Int, threshold: Double, final: Double)
}

/// The learning rate of each update.
public struct LearningRate {
  /// η₀
  public var base: Double
  public var schedule: Schedule
  /// The first so many updates rise in a line: update s has (s + 1) / warmUp of its rate.
  public var warmUp: Int
  public var updatesPerEpoch: Int
  public var epochs: Int
  /// What `Schedule.plateau` has seen: part of a checkpoint.
  public var plateau = Plateau()

  /// The memory of `Schedule.plateau`.
  public struct Plateau: Equatable {
    public var factor = 1.0
    public var best = Double.infinity
    public var badEpochs = 0

    public init() {}
  }

  public init(
    base: Double, schedule: Schedule, warmUp: Int = 0, updatesPerEpoch: Int, epochs: Int
  ) {
    self.base = base
    self.schedule = schedule
    self.warmUp = warmUp
    self.updatesPerEpoch = updatesPerEpoch
    self.epochs = epochs
  }

  /// The rate of update `update`, counted from 0 on over all epochs.
  public func value(update: Int) -> Float {
    let epoch = update / max(1, updatesPerEpoch)
    let total = max(1, updatesPerEpoch * epochs)
    var rate = base * scheduled(update: update, epoch: epoch, total: total)
    if update < warmUp { rate *= Double(update + 1) / Double(warmUp) }
    return Float(rate)
  }

  private func scheduled(update: Int, epoch: Int, total: Int) -> Double {
    switch schedule {
    case .constant: return 1
    case .step(let every, let factor): return pow(factor, Double(epoch / max(1, every)))
    case .exponential(let factor): return pow(factor, Double(epoch))
    case .cosine(let final):
      return cosine(from: 1, to: final, at: Double(min(update, total)) / Double(total))
    case .oneCycle(let warmUp, let start, let final):
      let top = warmUp * Double(total) - 1
      let last = Double(total - 1)
      let s = min(Double(update), last)
      if s <= top { return cosine(from: start, to: 1, at: top > 0 ? s / top : 1) }
      return cosine(from: 1, to: start * final, at: (s - top) / max(1, last - top))
    case .plateau: return plateau.factor
    }
  }

  private func cosine(from a: Double, to b: Double, at t: Double) -> Double {
    b + (a - b) * (1 + cos(.pi * t)) / 2
  }

  /// Tells `Schedule.plateau` the watched loss at the end of an epoch.
  public mutating func observe(loss: Double) {
    guard case .plateau(let factor, let patience, let threshold, let final) = schedule else { return }
    if loss < plateau.best * (1 - threshold) || plateau.best == .infinity && loss < .infinity {
      plateau.best = loss
      plateau.badEpochs = 0
    } else {
      plateau.badEpochs += 1
    }
    if plateau.badEpochs > patience {
      plateau.factor = max(final, plateau.factor * factor)
      plateau.badEpochs = 0
    }
  }
}
