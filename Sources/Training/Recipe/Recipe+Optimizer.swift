extension Recipe {
  static let optimizers = [
    "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "conjugate-gradient", "l-bfgs",
  ]
  static let schedules = ["constant", "step", "exponential", "cosine", "one-cycle", "plateau"]

  /// The optimiser and its learning rate.
  static func optimizer(
    _ name: String, _ section: RecipeSection
  ) throws -> (any OptimizerRule, Double) {
    let known = try check(name, section, optimizers)
    switch known {
    // These find their own lengths.
    case "conjugate-gradient":
      try section.allow(["name"])
      return (ConjugateGradient(), 1)
    case "l-bfgs":
      try section.allow(["name", "memory"])
      return (LBFGS(memory: try section.integer("memory", 1...1_000) ?? 10), 1)
    default: break
    }
    let own: [String: [String]] = [
      "sgd": [], "momentum": ["momentum"], "nesterov": ["momentum"],
      "rmsprop": ["decay", "momentum", "epsilon"], "adam": ["beta1", "beta2", "epsilon"],
      "adamw": ["beta1", "beta2", "epsilon", "weight_decay"],
    ]
    try section.allow(["name", "learning_rate"] + own[known]!)
    func share(_ key: String) throws -> Float? {
      try section.number(key, "from 0 to less than 1") { $0 >= 0 && $0 < 1 }.map { Float($0) }
    }
    let epsilon = Float(try section.number("epsilon", "greater than 0") { $0 > 0 } ?? 1e-8)
    let rule: any UpdateRule
    switch known {
    case "sgd": rule = SGD()
    case "momentum", "nesterov":
      rule = Momentum(momentum: try share("momentum") ?? 0.9, isNesterov: known == "nesterov")
    case "rmsprop":
      rule = RMSProp(
        decay: try share("decay") ?? 0.99, momentum: try share("momentum") ?? 0, epsilon: epsilon)
    default:
      let (beta1, beta2) = (try share("beta1") ?? 0.9, try share("beta2") ?? 0.999)
      if known == "adam" {
        rule = Adam(beta1: beta1, beta2: beta2, epsilon: epsilon)
      } else {
        let decay = try section.number("weight_decay", "a number from 0 on") { $0 >= 0 } ?? 0.01
        rule = Adam(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: Float(decay))
      }
    }
    let rate = try section.number("learning_rate", "greater than 0") { $0 > 0 }
    return (rule, try section.required("learning_rate", rate))
  }

  /// The schedule and the updates of its warm-up.
  static func schedule(
    _ named: (name: String, section: RecipeSection)?
  ) throws -> (Schedule, warmUp: Int) {
    guard let (name, section) = named else { return (.constant, 0) }
    let known = try check(name, section, schedules)
    let own: [String: [String]] = [
      "constant": [], "step": ["every", "factor"], "exponential": ["factor"], "cosine": ["final"],
      "one-cycle": ["rise", "start", "final"],
      "plateau": ["factor", "patience", "threshold", "final"],
    ]
    try section.allow(["name", "warm_up"] + own[known]!)
    func share(_ key: String) throws -> Double? {
      try section.number(key, "from 0 to 1") { $0 >= 0 && $0 <= 1 }
    }
    func factor() throws -> Double? {
      try section.number("factor", "greater than 0 and at most 1") { $0 > 0 && $0 <= 1 }
    }
    let warmUp = try section.integer("warm_up", 0...Int(Int32.max)) ?? 0
    switch known {
    case "constant": return (.constant, warmUp)
    case "step":
      return (
        .step(
          every: try section.required("every", section.integer("every")), factor: try factor() ?? 0.1),
        warmUp
      )
    case "exponential":
      return (.exponential(factor: try section.required("factor", factor())), warmUp)
    case "cosine": return (.cosine(final: try share("final") ?? 0), warmUp)
    case "one-cycle":
      return (
        .oneCycle(
          warmUp: try share("rise") ?? 0.3, start: try share("start") ?? 1.0 / 25,
          final: try share("final") ?? 1e-4), warmUp
      )
    default:
      return (
        .plateau(
          factor: try factor() ?? 0.1, patience: try section.integer("patience", 0...1_000_000) ?? 10,
          threshold: try share("threshold") ?? 1e-4, final: try share("final") ?? 0), warmUp
      )
    }
  }

  /// The name, where it is one of those known.
  static func check(
    _ name: String, _ section: RecipeSection, _ known: [String]
  ) throws -> String {
    guard !known.contains(name) else { return name }
    let hint =
      suggestion(for: name, among: known).map { "did you mean '\($0)'?" }
      ?? "it must be \(alternatives(known))"
    throw section.error("name", "\(section.name): there is no '\(name)'; \(hint)")
  }
}
