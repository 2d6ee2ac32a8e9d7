import CKernels
import ModelFormat

/// Reads the attributes activations, activation_alpha and activation_beta.
///
/// The names stand in one string, separated by commas: "Sigmoid,Tanh,Tanh". As in ONNX Runtime, the
/// numbers are dealt out in order to the activations that take them; one that gets none has the
/// default of the ONNX operator of its name.
enum RecurrentActivations {
  private struct Known {
    let name: StaticString
    let kind: Int
    var alpha: Float? = nil
    var beta: Float? = nil
  }

  private static func known(_ i: Int) -> Known? {
    switch i {
    case 0: Known(name: "Tanh", kind: APUS_ACTIVATION_TANH)
    case 1: Known(name: "Sigmoid", kind: APUS_ACTIVATION_SIGMOID)
    case 2: Known(name: "Relu", kind: APUS_ACTIVATION_RELU)
    case 3: Known(name: "Affine", kind: APUS_ACTIVATION_AFFINE, alpha: 1, beta: 0)
    case 4: Known(name: "LeakyRelu", kind: APUS_ACTIVATION_LEAKY_RELU, alpha: 0.01)
    case 5: Known(name: "ThresholdedRelu", kind: APUS_ACTIVATION_THRESHOLDED_RELU, alpha: 1)
    case 6: Known(name: "ScaledTanh", kind: APUS_ACTIVATION_SCALED_TANH, alpha: 1, beta: 1)
    case 7: Known(name: "HardSigmoid", kind: APUS_ACTIVATION_HARD_SIGMOID, alpha: 0.2, beta: 0.5)
    case 8: Known(name: "Elu", kind: APUS_ACTIVATION_ELU, alpha: 1)
    case 9: Known(name: "Softsign", kind: APUS_ACTIVATION_SOFTSIGN)
    case 10: Known(name: "Softplus", kind: APUS_ACTIVATION_SOFTPLUS)
    default: nil
    }
  }

  static func standard(_ kind: RecurrentKind) -> StaticString {
    switch kind {
    case .rnn: "Tanh"
    case .lstm: "Sigmoid,Tanh,Tanh"
    case .gru: "Sigmoid,Tanh"
    }
  }

  static func parse(
    _ context: NodeContext, _ kind: RecurrentKind, _ directions: Int
  ) throws(ApusError) -> [apus_activation] {
    let wanted = kind.activationCount * directions
    let stated = context.string("activations")
    let text = stated ?? Name(standard(kind))
    let alphas = context.floats("activation_alpha") ?? []
    let betas = context.floats("activation_beta") ?? []
    var usedAlphas = 0
    var usedBetas = 0
    var result: [apus_activation] = []
    var start = 0
    for i in 0...text.count where i == text.count || text.start[i] == 0x2C {
      let name = Name(start: text.start + start, count: i - start)
      start = i + 1
      var found: Known?
      var k = 0
      while let candidate = known(k) {
        if Name(candidate.name) == name { found = candidate }
        k += 1
      }
      guard let found else {
        throw context.error(.unsupported, "activation \(name) is unknown for recurrent layers")
      }
      var activation = apus_activation(kind: Int32(found.kind), alpha: 0, beta: 0)
      if let alpha = found.alpha {
        activation.alpha = usedAlphas < alphas.count ? alphas[usedAlphas] : alpha
        usedAlphas += 1
      }
      if let beta = found.beta {
        activation.beta = usedBetas < betas.count ? betas[usedBetas] : beta
        usedBetas += 1
      }
      result.append(activation)
    }
    if stated == nil && directions == 2 { result += result }
    try context.require(
      result.count == wanted, .invalidModel, "\(result.count) activations; \(wanted) are needed")
    return result
  }

  /// Whether a direction's activations are the default ones, from `first` on.
  static func isStandard(
    _ activations: [apus_activation], _ first: Int, _ kind: RecurrentKind
  ) -> Bool {
    let tanh = Int32(APUS_ACTIVATION_TANH)
    for i in 0..<kind.activationCount {
      let wanted = i == 0 && kind != .rnn ? Int32(APUS_ACTIVATION_SIGMOID) : tanh
      if activations[first + i].kind != wanted { return false }
    }
    return true
  }
}
