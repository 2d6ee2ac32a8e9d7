/// H_t = f(W x_t + R H_{t−1} + Wb + Rb) (Elman 1990; ONNX RNN). With δ_t = dH_t ⊙ f′:
///
///     dH_{t−1} += δ_t R,   dW = Σ δ_tᵀ x_t,   dR = Σ δ_tᵀ H_{t−1},   dWb = dRb = Σ δ_t.
func rnnRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  try recurrentPasses(
    call, standard: [.tanh],
    { RNNDirection(call, activations: $0, index: $1, count: $2) },
    forward: { $0.forward() }, backward: { $0.backward() })
}

private final class RNNDirection<S: TrainingScalar>: RecurrentDirection<S> {
  /// [T, N, h]: sums, the slopes of f there, and the sums' gradients.
  private let sums, slopes, dz: UnsafeMutablePointer<S>

  init(_ call: NodeCall<S>, activations: [RecurrentActivation], index: Int, count: Int) {
    let n = call.input(0).shape[0] * call.input(0).shape[1] * call.input(2).shape[2]
    sums = call.buffer(n)
    slopes = call.buffer(n)
    dz = call.buffer(n)
    super.init(call, gates: 1, activations: activations, index: index, count: count)
  }

  func forward() {
    guard let r = r.data else { return }
    projectInput(sums, apart: 1)
    forward { t in
      let z = sums + t * state
      S.gemm(false, true, batch, h, h, 1, factor(t), h, r, h, 1, z, h)
      let out = hidden + place(t)
      out.update(from: z, count: state)
      activations[0].apply(state, out, slope: slopes + t * state, limit: limit)
    }
  }

  func backward() {
    guard let r = r.data else { return }
    backward { t in
      let d = dz + t * state
      let slope = slopes + t * state
      for i in 0..<state { d[i] = dh[i] * slope[i] }
      S.gemm(false, false, batch, h, h, 1, d, h, r, h, 0, dh, h)
    }
    addInputGradients(dz)
    addRecurrentGradient(0, 1, dz, factors)
    addBiasGradients(dz, dz)
  }
}
