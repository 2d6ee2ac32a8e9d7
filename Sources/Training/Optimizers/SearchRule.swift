/// A rule that updates all parameters at once and, before it decides, looks at the loss elsewhere:
/// conjugate gradients, L-BFGS. What it searches must stand still, so that all samples are one batch.
public protocol SearchRule: OptimizerRule {
  /// Numbers that are remembered beside the slots; they start as 0.
  var scalarCount: Int { get }

  /// Moves the point to a lower loss.
  ///
  /// - Returns: The length of the step along the direction; 0 where there is no lower loss that
  ///   float32 can tell, and the point is where it was.
  func step(_ landscape: Landscape, _ memory: SearchMemory) throws -> Double
}

/// What a search rule remembers from update to update.
public struct SearchMemory {
  let slots: UnsafeMutableBufferPointer<Float>
  let count: Int
  let scalars: UnsafeMutableBufferPointer<Float>

  init(
    slots: UnsafeMutableBufferPointer<Float>, count: Int, scalars: UnsafeMutableBufferPointer<Float>
  ) {
    self.slots = slots
    self.count = count
    self.scalars = scalars
  }

  /// One number for each parameter's element.
  subscript(slot: Int) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: slots[slot * count..<(slot + 1) * count])
  }
}

/// The loss as a function of all parameters, and the point where it was computed last.
public final class Landscape {
  private let parameters: [Parameter]
  private let evaluate: () throws -> Double
  let count: Int
  /// All parameters' values, their gradients, and the loss at this point.
  private(set) var point: [Float]
  private(set) var gradient: [Float]
  private(set) var loss: Double

  init(
    _ parameters: [Parameter], count: Int, loss: Double, evaluate: @escaping () throws -> Double
  ) {
    self.parameters = parameters
    self.count = count
    self.loss = loss
    self.evaluate = evaluate
    point = parameters.flatMap { Array($0.values) }
    gradient = parameters.flatMap { Array($0.gradient) }
  }

  /// Goes to origin + length · direction.
  func move(from origin: [Float], along direction: [Float], by length: Double) throws {
    let step = Float(length)
    for i in 0..<count { point[i] = origin[i] + step * direction[i] }
    write(point)
    loss = try evaluate()
    if loss.isNaN { loss = .infinity }
    var at = 0
    for parameter in parameters {
      for i in parameter.gradient.indices { gradient[at + i] = parameter.gradient[i] }
      at += parameter.gradient.count
    }
  }

  /// Goes back to where the loss and gradient are known.
  func moveBack(to origin: [Float], loss: Double, gradient: [Float]) {
    (point, self.loss, self.gradient) = (origin, loss, gradient)
    write(point)
  }

  private func write(_ point: [Float]) {
    var at = 0
    for parameter in parameters {
      for i in parameter.values.indices { parameter.values[i] = point[at + i] }
      at += parameter.values.count
    }
  }
}

extension Landscape {
  /// A line search along `direction`. Where it finds nothing, or so near a minimum that the loss would
  /// fall by less than float32 can tell, the point is where it was.
  ///
  /// - Returns: The length of the step, 0 where it finds nothing.
  func descend(
    along direction: [Float], slope: Double, first: Double, _ search: WolfeLineSearch
  ) throws -> Double {
    let (origin, start, startGradient) = (point, loss, gradient)
    let length = try search.length(loss: start, slope: slope, first: first) { length in
      try move(from: origin, along: direction, by: length)
      return (loss, dot(gradient, direction))
    }
    guard let length, -length * slope > 0x1p-29 * abs(start) else {
      moveBack(to: origin, loss: start, gradient: startGradient)
      return 0
    }
    return length
  }
}

/// Σ aᵢ bᵢ in float64.
func dot(_ a: [Float], _ b: [Float]) -> Double {
  a.withUnsafeBufferPointer { a in b.withUnsafeBufferPointer { dot($0, a) } }
}

func dot(_ a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>) -> Double {
  var sum = 0.0
  for i in 0..<a.count { sum += Double(a[i]) * Double(b[i]) }
  return sum
}
