import Graph

/// The values that names stand for, in a graph and those around it.
final class Scope {
  private var values: [String: Value] = [:]
  /// Graphs in attributes see the names around them; functions do not.
  let outer: (scope: Scope, importer: FunctionImporter)?

  /// The attributes of the call, where the nodes are a function's.
  let arguments: [String: AttributeValue]?

  init(outer: (scope: Scope, importer: FunctionImporter)? = nil) {
    self.outer = outer
    arguments = outer?.scope.arguments
  }

  init(arguments: [String: AttributeValue]) {
    outer = nil
    self.arguments = arguments
  }

  subscript(name: String) -> Value? {
    get { values[name] }
    set { values[name] = newValue }
  }
}
