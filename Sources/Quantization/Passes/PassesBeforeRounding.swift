import Graph

extension Graph {
  /// What is done to a float network before anything is rounded. Whoever compares a quantised network
  /// with a float one, or trains one for int8, does the same.
  public func applyPassesBeforeRounding(equalizes: Bool) throws {
    try apply()
    // Then again: a clip behind it becomes part of it.
    if try !apply([normalizationAsConvolution]).changes.isEmpty { try apply() }
    if equalizes { try apply([crossLayerEqualization]) }
  }
}
