import CKernels
import Runtime

/// The kernels of every instruction set that this processor has.
let tables: [apus_kernels] = InstructionSet.allCases
  .filter { $0.rawValue <= InstructionSet.best.rawValue }
  .map { set in
    var table = apus_kernels()
    set.fill(&table)
    return table
  }
