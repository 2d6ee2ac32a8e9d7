import Foundation

/// What is shown beside the loss, computed from an evaluation.
public enum Metric: String, CaseIterable, Sendable {
  /// Share of samples (of yes or no: of answers) that are classified right.
  case accuracy
  /// 1 − accuracy.
  case error
  /// Cross-entropy in bits: of a character model bits per character.
  case bits
  /// exp(cross-entropy): among how many equally likely tokens the network hesitates.
  case perplexity
  /// √MSE.
  case rmse

  /// nil where the metric does not apply.
  public func value(_ e: Evaluation) -> Double? {
    switch self {
    case .accuracy: e.accuracy
    case .error: e.accuracy.map { 1 - $0 }
    case .bits: e.bits
    case .perplexity: exp(e.loss)
    case .rmse: e.loss.squareRoot()
    }
  }

  /// As people read it: "98.61 %", "1.923".
  public func format(_ value: Double) -> String {
    switch self {
    case .accuracy, .error: String(format: "%.2f %%", 100 * value)
    case .bits, .rmse: String(format: "%.4g", value)
    case .perplexity: String(format: "%.4g", value)
    }
  }

  /// What is shown where a recipe does not say.
  public static func standard(_ target: TargetKind, _ loss: Loss) -> [Metric] {
    switch target {
    case .classes: [.accuracy]
    case .nextTokens: [.bits]
    case .values: loss == .mse ? [.rmse] : loss == .perceptron || loss == .hinge ? [.accuracy] : []
    }
  }
}
