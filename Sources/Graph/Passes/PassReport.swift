/// What passes did to a graph.
public struct PassReport: CustomStringConvertible {
  /// Passes that changed something, in the order of the list, with how many things.
  public private(set) var changes: [(pass: String, count: Int)] = []

  public init() {}

  /// A report as `description` writes it.
  public init(_ text: String) {
    for part in text.split(separator: ",") {
      let words = part.split(separator: " ")
      if words.count == 2, let count = Int(words[1]) { add(String(words[0]), count) }
    }
  }

  /// "fold-constants 3, fuse-activations 12"
  public var description: String {
    changes.map { "\($0.pass) \($0.count)" }.joined(separator: ", ")
  }

  mutating func add(_ pass: String, _ count: Int) {
    if let i = changes.firstIndex(where: { $0.pass == pass }) {
      changes[i].count += count
    } else {
      changes.append((pass, count))
    }
  }

  mutating func sort(like passes: [GraphPass]) {
    let order = passes.map(\.name)
    changes.sort { order.firstIndex(of: $0.pass)! < order.firstIndex(of: $1.pass)! }
  }
}
