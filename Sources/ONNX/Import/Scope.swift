import Graph

/// The values that names stand for, in a graph and those around it.
final class Scope {
  private var values: [String: Value] = [:]
  /// Graphs in attributes see the names around them; functions do not.
  let outer: (scope: Scope, importer: FunctionImporter)?

  init(outer: (scope: Scope, importer: FunctionImporter)? = nil) { self.outer = outer }

  subscript(name: String) -> Value? {
    get { values[name] }
    set { values[name] = newValue }
  }
}
