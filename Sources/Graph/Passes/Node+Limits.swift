extension Node {
  /// What Relu, Clip with constant limits, or a clip that is part of a layer clips to; nil where it
  /// is not known.
  public var limits: (lower: Float, upper: Float)? {
    switch op {
    case "Relu": return (0, .infinity)
    case "Clip":
      var result: [Float] = [-.infinity, .infinity]
      for i in 1...2 {
        guard let limit = input(i) else { continue }
        guard let number = limit.scalar, !number.isNaN else { return nil }
        result[i - 1] = number
      }
      return (result[0], result[1])
    default:
      return (
        float("activation_minimum", default: -.infinity),
        float("activation_maximum", default: .infinity)
      )
    }
  }
}
