import Foundation

/// Shows on stderr where training stands: on a terminal one line that is written over, otherwise a
/// line for each epoch (and now and then one within an epoch that takes long).
public final class ProgressDisplay {
  private let metrics: [Metric]
  private let isTerminal: Bool
  private let unit: String
  private let write: (String) -> Void
  private let now: () -> Double
  private var shown = -Double.infinity

  /// - Parameters:
  ///   - metrics: Shown beside the loss.
  ///   - unit: What is counted in a second: "samples", "characters".
  ///   - isTerminal: By default, whether stderr is one.
  ///   - write, now: Where lines go and where the time comes from, for tests.
  public init(
    metrics: [Metric], unit: String, isTerminal: Bool = isatty(STDERR_FILENO) != 0,
    write: @escaping (String) -> Void = { FileHandle.standardError.write(Data($0.utf8)) },
    now: @escaping () -> Double = { ProcessInfo.processInfo.systemUptime }
  ) {
    self.metrics = metrics
    self.isTerminal = isTerminal
    self.unit = unit
    self.write = write
    self.now = now
  }

  /// After a batch. Shown ten times a second on a terminal, else twice a minute.
  public func show(_ p: TrainingProgress) {
    let time = now()
    if shown == -.infinity && !isTerminal { shown = time }  // the first line after the first pause
    guard time - shown >= (isTerminal ? 0.1 : 30) else { return }
    shown = time
    var soFar = Evaluation()
    soFar.loss = p.loss
    soFar.accuracy = p.accuracy
    let share = Double(p.batch) / Double(max(1, p.batches))
    let numbers =
      "\(describe(soFar))  \(count(p.rate)) \(unit)/s  \(ProgressDisplay.duration(p.secondsLeft)) left"
    if isTerminal {
      let filled = Int((share * 24).rounded(.down))
      let bar = String(repeating: "━", count: filled) + String(repeating: "╌", count: 24 - filled)
      write("\r\(epoch(p.epoch, p.epochs))  \(bar)  \(numbers)\u{1B}[K")
    } else {
      write("\(epoch(p.epoch, p.epochs))  \(Int(100 * share)) %  \(numbers)\n")
    }
  }

  /// After an epoch: a line that stays.
  public func show(_ e: EpochResult, epochs: Int) {
    var line = "\(epoch(e.epoch, epochs))  \(describe(e.training))"
    if let validation = e.validation { line += "  validation \(describe(validation))" }
    line += "  \(count(e.rate)) \(unit)/s"
    if e.isBest { line += "  best" }
    write((isTerminal ? "\r" : "") + line + (isTerminal ? "\u{1B}[K\n" : "\n"))
    shown = isTerminal ? -.infinity : now()
  }

  private func epoch(_ epoch: Int, _ epochs: Int) -> String {
    let total = "\(epochs)"
    let number = "\(epoch + 1)"
    let pad = String(repeating: " ", count: max(0, total.count - number.count))
    return "epoch \(pad)\(number)/\(total)"
  }

  private func describe(_ e: Evaluation) -> String {
    var text = "loss " + String(format: "%.4f", e.loss)
    for metric in metrics {
      if let value = metric.value(e) { text += "  \(metric.rawValue) \(metric.format(value))" }
    }
    for measure in e.measures { text += "  " + measure.text }
    return text
  }

  private func count(_ rate: Double) -> String { ProgressDisplay.grouped(Int(rate.rounded())) }

  /// "12,345".
  static func grouped(_ value: Int) -> String {
    let digits = String(abs(value))
    var result = ""
    for (i, digit) in digits.enumerated() {
      if i > 0 && (digits.count - i) % 3 == 0 { result += "," }
      result.append(digit)
    }
    return (value < 0 ? "−" : "") + result
  }

  /// "0:07", "12:30", "1:02:03".
  static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "?" }
    let total = Int(seconds.rounded())
    let (h, m, s) = (total / 3600, total / 60 % 60, total % 60)
    return h > 0 ? String(format: "%d:%02d:%02d", h, m, s) : String(format: "%d:%02d", m, s)
  }
}
