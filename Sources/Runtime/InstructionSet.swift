import CKernels
import CSystem
import ModelFormat

/// A kernel module, ordered from the one that runs everywhere to the fastest.
public enum InstructionSet: Int, CaseIterable {
  case baseline = 0
  case avx2 = 1
  case avx512 = 2
  case avx512vnni = 3

  public var name: StaticString {
    switch self {
    case .baseline: "baseline"
    case .avx2: "avx2"
    case .avx512: "avx512"
    case .avx512vnni: "avx512vnni"
    }
  }

  /// The best that this processor and its operating system run.
  public static var best: InstructionSet {
    InstructionSet(rawValue: Int(apus_sys_cpu_level())) ?? .baseline
  }

  /// The set that was asked for, by name; the best where the name is empty.
  public static func choose(named name: Name) throws(ApusError) -> InstructionSet {
    let best = InstructionSet.best
    if name.isEmpty { return best }
    var level = 0
    while let set = InstructionSet(rawValue: level) {
      if Name(set.name) == name {
        guard set.rawValue <= best.rawValue else {
          throw ApusError(
            .unsupportedProcessor,
            "instruction set \(name): this processor's best is \(best.name)")
        }
        return set
      }
      level += 1
    }
    throw ApusError(
      .unknownName,
      "instruction set \(name) is unknown; there are baseline, avx2, avx512 and avx512vnni")
  }

  /// Fills the table with the module's kernels.
  public func fill(_ table: UnsafeMutablePointer<apus_kernels>) {
    switch self {
    case .baseline: kernels_fill_baseline(table)
    case .avx2: kernels_fill_avx2(table)
    case .avx512: kernels_fill_avx512(table)
    case .avx512vnni:
      kernels_fill_avx512vnni(table)
      if apus_sys_cpu_has_vbmi() != 0 { kernels_fill_vbmi(table) }
    }
    table.pointee.core_cache = Int(apus_sys_core_cache())
  }
}
