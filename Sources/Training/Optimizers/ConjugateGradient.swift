/// Nonlinear conjugate gradients, Polak and Ribière's with β not below 0:
///
///     β = max(0, g·(g − g₋₁) / g₋₁·g₋₁)
///     d ← −g + β d
///     w ← w + α d
///
/// J. Nocedal, S. J. Wright, "Numerical optimization", 2nd edition, 2006, algorithm 5.4 with (5.45); α
/// meets the strong Wolfe conditions with c₂ = 0.1. The first length tried is the one before, scaled
/// so that the loss would change as much as it did then (page 59).
public struct ConjugateGradient: SearchRule {
  public init() {}

  public var name: String { "conjugate-gradient" }
  /// The gradient and the direction before.
  public var slotCount: Int { 2 }
  /// Whether there is one before, and its length times its slope.
  public var scalarCount: Int { 2 }

  public func step(_ landscape: Landscape, _ state: SearchMemory) throws -> Double {
    let gradient = landscape.gradient
    let (before, last) = (state[0], state[1])
    var direction = gradient.map { -$0 }
    if state.scalars[0] > 0 {
      let squares = dot(UnsafeBufferPointer(before), UnsafeBufferPointer(before))
      var product = 0.0
      for i in gradient.indices {
        product += Double(gradient[i]) * (Double(gradient[i]) - Double(before[i]))
      }
      let beta = Float(max(0, product / squares))
      for i in direction.indices { direction[i] += beta * last[i] }
    }
    var slope = dot(gradient, direction)
    if !(slope < 0) {
      state.scalars[0] = 0
      direction = gradient.map { -$0 }
      slope = dot(gradient, direction)
    }
    guard slope < 0 else { return 0 }
    let search = WolfeLineSearch(c2: 0.1)
    let first = state.scalars[0] > 0 ? Double(state.scalars[1]) / slope : 1 / (-slope).squareRoot()
    var length = try landscape.descend(along: direction, slope: slope, first: first, search)
    if length == 0, state.scalars[0] > 0 {
      direction = gradient.map { -$0 }
      slope = dot(gradient, direction)
      length = try landscape.descend(
        along: direction, slope: slope, first: 1 / (-slope).squareRoot(), search)
    }
    state.scalars[0] = length > 0 ? 1 : 0
    guard length > 0 else { return 0 }
    state.scalars[1] = Float(length * slope)
    _ = before.update(from: gradient)
    _ = last.update(from: direction)
    return length
  }
}
