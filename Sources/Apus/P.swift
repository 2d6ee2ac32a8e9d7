import CKernels
import Operators
@c(apus_version) public func v() -> Int { operators.count }
