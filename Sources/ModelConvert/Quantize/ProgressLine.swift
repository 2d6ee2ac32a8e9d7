import Foundation

/// A line on the terminal that says how far work is; nothing where stderr is no terminal.
final class ProgressLine {
  private let isShown = isatty(2) != 0
  private var last = ""

  func show(_ what: String, _ done: Int, of total: Int) {
    guard isShown else { return }
    let text = "\(what): \(done) of \(total)"
    // A new length leaves nothing of the old text behind.
    write("\r" + text + String(repeating: " ", count: max(0, last.count - text.count)))
    last = text
  }

  func clear() {
    guard !last.isEmpty else { return }
    write("\r" + String(repeating: " ", count: last.count) + "\r")
    last = ""
  }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
