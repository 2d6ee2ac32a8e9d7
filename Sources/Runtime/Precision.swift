import CKernels
import CSystem
import ModelFormat

/// What a session multiplies its matrices in.
public enum Precision: Int {
  case float32 = 0
  /// Weights and what meets them, rounded to bf16; sums in float32.
  case bf16 = 1
}

extension Model {
  /// Whether sessions may ask for it.
  public func has(_ precision: Precision) -> Bool {
    precision == .float32
      || instructionSet == .avx512vnni && apus_sys_cpu_has_bf16() != 0
  }

  /// The kernels of products with constant matrices.
  func matrixKernels(_ precision: Precision) throws(ApusError) -> UnsafePointer<apus_kernels> {
    if precision == .float32 { return UnsafePointer(kernels) }
    guard has(precision) else {
      guard instructionSet == .avx512vnni else {
        throw ApusError(
          .unsupportedProcessor,
          "precision bf16 needs a model that is open for avx512vnni; this one is for \(instructionSet.name)"
        )
      }
      throw ApusError(
        .unsupportedProcessor, "precision bf16: this processor has no AVX-512-BF16")
    }
    return UnsafePointer(kernels + 1)
  }
}
