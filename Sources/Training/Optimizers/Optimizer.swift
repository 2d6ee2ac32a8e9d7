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

/// What all rules have in common: a name, and numbers that they remember for each element.
public protocol OptimizerRule {
  /// As in recipes: "adam".
  var name: String { get }
  /// Numbers that are remembered for each element of a parameter; they start as 0.
  var slotCount: Int { get }
}

/// How a parameter is changed by its gradient. In the formulas w is the parameter, g the gradient,
/// η the learning rate, t the number of the update from 1 on; everything is element-wise.
///
/// `SearchRule` is the other kind of rule.
public protocol UpdateRule: OptimizerRule {
  /// - Parameters:
  ///   - slots: `slotCount` arrays of `w.count` numbers.
  func update(
    _ parameter: Parameter, learningRate: Float, step: Int,
    slots: UnsafePointer<UnsafeMutablePointer<Float>>)
}

/// Updates all parameters of a network and remembers what the rule needs from update to update.
public final class Optimizer {
  public let rule: any OptimizerRule
  /// Updates done.
  public private(set) var step = 0

  private let counts: [Int]
  private let total: Int
  /// Slot 0 of all parameters, then slot 1 …; behind them a search rule's `scalarCount` numbers.
  private let slots: UnsafeMutableBufferPointer<Float>

  /// - Parameter counts: The parameters' sizes, in the order in which they are given later.
  public init(_ rule: any OptimizerRule, counts: [Int]) {
    self.rule = rule
    self.counts = counts
    total = counts.reduce(0, +)
    let scalars = (rule as? any SearchRule)?.scalarCount ?? 0
    slots = .allocate(capacity: rule.slotCount * total + scalars)
    slots.initialize(repeating: 0)
  }

  deinit {
    slots.deallocate()
  }

  /// Whether the rule searches: it wants `search` instead of `update`.
  public var searches: Bool { rule is any SearchRule }

  /// Changes every parameter once.
  ///
  /// - Precondition: The parameters are those that `counts` told of, and the rule is an `UpdateRule`.
  public func update(_ parameters: [Parameter], learningRate: Float) {
    guard let rule = rule as? any UpdateRule else {
      preconditionFailure("\(rule.name) searches: it needs the loss at other points")
    }
    check(parameters)
    step += 1
    var offset = 0
    withUnsafeTemporaryAllocation(
      of: UnsafeMutablePointer<Float>.self, capacity: max(1, rule.slotCount)
    ) { pointers in
      for (parameter, count) in zip(parameters, counts) {
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

  /// Moves all parameters to a point with a lower loss, where the rule finds one. Their gradients are
  /// those at the point where they stand.
  ///
  /// - Parameters:
  ///   - loss: where the parameters stand.
  ///   - evaluate: gives the loss for the values that the parameters have when it is called, and
  ///     puts its derivatives into their gradients.
  /// - Returns: The length of the step; 0 where no lower loss was found, and the parameters are as
  ///   they were.
  /// - Precondition: The rule is a `SearchRule`.
  public func search(
    _ parameters: [Parameter], loss: Double, evaluate: () throws -> Double
  ) throws -> Double {
    guard let rule = rule as? any SearchRule else {
      preconditionFailure("\(rule.name) does not search")
    }
    check(parameters)
    step += 1
    let memory = SearchMemory(
      slots: UnsafeMutableBufferPointer(rebasing: slots[..<(rule.slotCount * total)]), count: total,
      scalars: UnsafeMutableBufferPointer(rebasing: slots[(rule.slotCount * total)...]))
    return try withoutActuallyEscaping(evaluate) {
      try rule.step(Landscape(parameters, count: total, loss: loss, evaluate: $0), memory)
    }
  }

  private func check(_ parameters: [Parameter]) {
    precondition(parameters.count == counts.count, "other parameters than the optimiser was made for")
    for (parameter, count) in zip(parameters, counts) {
      precondition(parameter.values.count == count, "a parameter has changed its size")
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
