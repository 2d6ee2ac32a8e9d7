/// One tensor that is trained, with the gradient of the loss by it.
public struct Parameter {
  public let values: UnsafeMutableBufferPointer<Float>
  public let gradient: UnsafeMutableBufferPointer<Float>
  /// Weight decay and L2 apply to it: true for matrices and filters, false for biases and the
  /// scales of normalisation layers.
  public let decays: Bool

  public init(
    values: UnsafeMutableBufferPointer<Float>, gradient: UnsafeMutableBufferPointer<Float>,
    decays: Bool
  ) {
    precondition(values.count == gradient.count, "a gradient has another size than its parameter")
    self.values = values
    self.gradient = gradient
    self.decays = decays
  }
}

/// How a parameter is changed by its gradient. In the formulas w is the parameter, g the gradient,
/// η the learning rate, t the number of the update from 1 on; everything is element-wise.
public protocol UpdateRule {
  /// As in recipes: "adam".
  var name: String { get }
  /// Numbers that are remembered for each element of a parameter; they start as 0.
  var slotCount: Int { get }

  /// - Parameters:
  ///   - slots: `slotCount` arrays of `w.count` numbers.
  func update(
    _ parameter: Parameter, learningRate: Float, step: Int,
    slots: UnsafePointer<UnsafeMutablePointer<Float>>)
}

/// Updates all parameters of a network and remembers what the rule needs from update to update.
public final class Optimizer {
  public let rule: any UpdateRule
  /// Updates done.
  public private(set) var step = 0

  private let counts: [Int]
  /// Slot 0 of all parameters, then slot 1 …
  private let slots: UnsafeMutableBufferPointer<Float>

  /// - Parameter counts: The parameters' sizes, in the order in which `update` is given them.
  public init(_ rule: any UpdateRule, counts: [Int]) {
    self.rule = rule
    self.counts = counts
    slots = .allocate(capacity: rule.slotCount * counts.reduce(0, +))
    slots.initialize(repeating: 0)
  }

  deinit {
    slots.deallocate()
  }

  /// Changes every parameter once.
  ///
  /// - Precondition: The parameters are those that `counts` told of.
  public func update(_ parameters: [Parameter], learningRate: Float) {
    precondition(parameters.count == counts.count, "other parameters than the optimiser was made for")
    step += 1
    let total = counts.reduce(0, +)
    var offset = 0
    withUnsafeTemporaryAllocation(
      of: UnsafeMutablePointer<Float>.self, capacity: max(1, rule.slotCount)
    ) { pointers in
      for (parameter, count) in zip(parameters, counts) {
        precondition(parameter.values.count == count, "a parameter has changed its size")
        guard count > 0 else { continue }
        for slot in 0..<rule.slotCount {
          pointers[slot] = slots.baseAddress! + slot * total + offset
        }
        rule.update(
          parameter, learningRate: learningRate, step: step, slots: UnsafePointer(pointers.baseAddress!))
        offset += count
      }
    }
  }

  /// What a checkpoint keeps: with the same parameters and gradients, an optimiser that got this
  /// state goes on bit for bit as the one that it was taken from.
  public struct State: Equatable {
    public var step: Int
    public var slots: [Float]

    public init(step: Int, slots: [Float]) {
      self.step = step
      self.slots = slots
    }
  }

  public var state: State { State(step: step, slots: Array(slots)) }

  /// Returns false, and changes nothing, where the state is not one of this rule and these sizes.
  public func restore(_ state: State) -> Bool {
    guard state.slots.count == slots.count, state.step >= 0 else { return false }
    _ = slots.update(from: state.slots)
    step = state.step
    return true
  }
}
