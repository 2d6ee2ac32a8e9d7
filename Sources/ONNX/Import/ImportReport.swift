/// Why a model cannot be imported: everything that stands in the way, at once.
public struct ImportReport: Error, CustomStringConvertible {
  public var problems: [ImportProblem] = []
  /// Nodes of the model that were looked at.
  public var nodeCount = 0

  public var description: String {
    let nodes = problems.filter { $0.op != nil }.count
    let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
    var text = nodes == 0 ? "\(count):" : "\(count), \(nodes) of its \(nodeCount) nodes cannot be imported:"
    for problem in problems { text += "\n  " + problem.description }
    return text
  }
}

public struct ImportProblem: CustomStringConvertible {
  /// The ONNX operator, or nil where the trouble is not a node's.
  public var op: String?
  /// The node's name, or else its first output's; the tensor's where it is no node.
  public var name: String
  public var what: String
  /// What would work; "" where nobody knows.
  public var instead: String

  public init(op: String? = nil, name: String, what: String, instead: String = "") {
    self.op = op
    self.name = name
    self.what = what
    self.instead = instead
  }

  public var description: String {
    var text = op.map { "node \($0) \(name): \(what)" } ?? "\(name): \(what)"
    if !instead.isEmpty { text += "; \(instead)" }
    return text
  }
}
