/// H_t = f(W x_t + R H_{t−1} + Wb + Rb), f one of Tanh, Sigmoid and Relu for each direction (Elman
/// 1990; ONNX RNN). With δ_t = dH_t ⊙ f′:
///
///     dH_{t−1} += δ_t R,   dW = Σ δ_tᵀ x_t,   dR = Σ δ_tᵀ H_{t−1},   dWb = dRb = Σ δ_t.
func rnnRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let stated = call.node.string("activations", default: "")
  let names = stated.isEmpty ? [] : stated.split(separator: ",").map(String.init)
  for name in names where !["Tanh", "Sigmoid", "Relu"].contains(name) {
    throw call.unsupported("activation \(name)")
  }
  return try recurrentPasses(
    call,
    { index, count, isReverse in
      RNNDirection(
        call, activation: index < names.count ? names[index] : "Tanh", index: index, count: count,
        isReverse: isReverse)
    },
    forward: { $0.forward() }, backward: { $0.backward() })
}

private final class RNNDirection<S: TrainingScalar>: RecurrentDirection<S> {
  private enum Activation { case tanh, sigmoid, relu }
  private let activation: Activation
  /// [T, N, h]: sums, and their gradients.
  private let sums, dz: UnsafeMutablePointer<S>

  init(_ call: NodeCall<S>, activation: String, index: Int, count: Int, isReverse: Bool) {
    self.activation = activation == "Relu" ? .relu : activation == "Sigmoid" ? .sigmoid : .tanh
    let n = call.input(0).shape[0] * call.input(0).shape[1] * call.input(2).shape[2]
    sums = call.buffer(n)
    dz = call.buffer(n)
    super.init(call, gates: 1, index: index, count: count, isReverse: isReverse)
  }

  func forward() {
    guard let r = r.data else { return }
    projectInput(sums, apart: 1)
    forward { t in
      let z = sums + t * state
      S.gemm(false, true, batch, h, h, 1, hidden + previousPlace(t), h, r, h, 1, z, h)
      let out = hidden + place(t)
      switch activation {
      case .tanh: S.tanh(state, z, out)
      case .sigmoid: S.sigmoid(state, z, out)
      case .relu: for i in 0..<state { out[i] = max(z[i], 0) }
      }
    }
  }

  func backward() {
    guard let r = r.data else { return }
    backward { t in
      let out = hidden + place(t)
      let d = dz + t * state
      switch activation {
      case .tanh: for i in 0..<state { d[i] = dh[i] * (1 - out[i] * out[i]) }
      case .sigmoid: for i in 0..<state { d[i] = dh[i] * out[i] * (1 - out[i]) }
      case .relu: for i in 0..<state { d[i] = out[i] > 0 ? dh[i] : 0 }
      }
      S.gemm(false, false, batch, h, h, 1, d, h, r, h, 0, dh, h)
    }
    addInputGradients(dz)
    addRecurrentGradient(0, 1, dz, hidden + previousPlace(0))
    addBiasGradients(dz, dz)
  }
}
