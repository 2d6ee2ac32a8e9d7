/// L-BFGS: a quasi-Newton direction out of the last m steps s and changes of the gradient y,
///
///     q ← g;  newest to oldest:  αᵢ = sᵢ·q / yᵢ·sᵢ,  q ← q − αᵢ yᵢ
///     r ← (s·y / y·y) q;  oldest to newest:  r ← r + sᵢ (αᵢ − yᵢ·r / yᵢ·sᵢ)
///     w ← w − α r
///
/// J. Nocedal, S. J. Wright, "Numerical optimization", 2nd edition, 2006, algorithms 7.4 and 7.5; α
/// meets the strong Wolfe conditions, and 1 is tried first.
public struct LBFGS: SearchRule {
  /// m
  public var memory: Int

  public init(memory: Int = 10) {
    precondition(memory > 0)
    self.memory = memory
  }

  public var name: String { "l-bfgs" }
  /// The steps, then the changes of the gradient, both used in turn.
  public var slotCount: Int { 2 * memory }
  /// How many pairs there are, and which slot the next one takes.
  public var scalarCount: Int { 2 }

  public func step(_ landscape: Landscape, _ state: SearchMemory) throws -> Double {
    let (origin, gradient) = (landscape.point, landscape.gradient)
    var direction = self.direction(gradient, state)
    var slope = dot(gradient, direction)
    if !(slope < 0) {
      state.scalars[0] = 0
      direction = gradient.map { -$0 }
      slope = dot(gradient, direction)
    }
    guard slope < 0 else { return 0 }
    let search = WolfeLineSearch(c2: 0.9)
    // Without a memory there is no measure for a length: the step's norm is 1 at most then.
    var length = try landscape.descend(
      along: direction, slope: slope,
      first: state.scalars[0] > 0 ? 1 : min(1, 1 / (-slope).squareRoot()), search)
    if length == 0, state.scalars[0] > 0 {
      // A memory that leads nowhere is forgotten.
      state.scalars[0] = 0
      direction = gradient.map { -$0 }
      slope = dot(gradient, direction)
      length = try landscape.descend(
        along: direction, slope: slope, first: min(1, 1 / (-slope).squareRoot()), search)
    }
    if length > 0 { remember(landscape, origin, gradient, state) }
    return length
  }

  /// Keeps the step just made, where the gradient grew along it, in place of the oldest.
  private func remember(
    _ landscape: Landscape, _ origin: [Float], _ gradient: [Float], _ state: SearchMemory
  ) {
    let slot = Int(state.scalars[1])
    let (s, y) = (state[slot], state[memory + slot])
    for i in 0..<origin.count {
      s[i] = landscape.point[i] - origin[i]
      y[i] = landscape.gradient[i] - gradient[i]
    }
    let product = dot(UnsafeBufferPointer(s), UnsafeBufferPointer(y))
    guard product > 1e-10 * dot(UnsafeBufferPointer(y), UnsafeBufferPointer(y)) else { return }
    state.scalars[0] = min(state.scalars[0] + 1, Float(memory))
    state.scalars[1] = Float((slot + 1) % memory)
  }

  /// Algorithm 7.4: −H g.
  private func direction(_ gradient: [Float], _ state: SearchMemory) -> [Float] {
    let known = Int(state.scalars[0])
    guard known > 0 else { return gradient.map { -$0 } }
    let next = Int(state.scalars[1])
    let newestFirst = (1...known).map { (next - $0 + memory) % memory }
    var q = gradient.map { Double($0) }
    var alphas: [Double] = []
    for slot in newestFirst {
      let (s, y) = (state[slot], state[memory + slot])
      let alpha = product(s, q) / dot(UnsafeBufferPointer(y), UnsafeBufferPointer(s))
      alphas.append(alpha)
      for i in q.indices { q[i] -= alpha * Double(y[i]) }
    }
    let s = UnsafeBufferPointer(state[newestFirst[0]])
    let y = UnsafeBufferPointer(state[memory + newestFirst[0]])
    let scale = dot(s, y) / dot(y, y)
    for i in q.indices { q[i] *= scale }
    for (slot, alpha) in zip(newestFirst, alphas).reversed() {
      let (s, y) = (state[slot], state[memory + slot])
      let beta = product(y, q) / dot(UnsafeBufferPointer(y), UnsafeBufferPointer(s))
      for i in q.indices { q[i] += (alpha - beta) * Double(s[i]) }
    }
    return q.map { Float(-$0) }
  }

  private func product(_ a: UnsafeMutableBufferPointer<Float>, _ b: [Double]) -> Double {
    var sum = 0.0
    for i in 0..<b.count { sum += Double(a[i]) * b[i] }
    return sum
  }
}
