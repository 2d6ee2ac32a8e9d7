/// The rule of an operator whose result may be clipped (activation_minimum, activation_maximum, as a
/// fused ReLU leaves them): y = min(max(y, minimum), maximum), and dy = 0 where y is at a bound.
func clipped<S: TrainingScalar>(_ rule: @escaping GradientRule<S>) -> GradientRule<S> {
  { call in
    let passes = try rule(call)
    let minimum = S(call.node.float("activation_minimum", default: -.infinity))
    let maximum = S(call.node.float("activation_maximum", default: .infinity))
    if minimum == -.infinity && maximum == .infinity { return passes }
    let y = call.output(0)
    return Passes(
      forward: {
        passes.forward()
        for i in 0..<y.count { y.data[i] = min(max(y.data[i], minimum), maximum) }
      },
      backward: {
        // Whoever reads y has added to its gradient by now, and nobody else will look at it.
        if let dy = y.gradient {
          for i in 0..<y.count where y.data[i] <= minimum || y.data[i] >= maximum { dy[i] = 0 }
        }
        passes.backward()
      })
  }
}
