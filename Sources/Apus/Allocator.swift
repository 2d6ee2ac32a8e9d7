import CApus
import CRegion
import ModelFormat

@c @implementation
public func apus_set_allocator(
  _ allocator: UnsafePointer<apus_allocator>!, _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard apus_sys_open_handles(0) == 0 else {
    return fail(.invalidArgument, "the allocator cannot be changed while a model is open", error)
  }
  guard let allocator else {
    apus_sys_set_allocator(nil, nil, nil)
    return APUS_OK
  }
  do throws(ApusError) {
    let value = try readOptions(allocator, default: apus_allocator(), named: "allocator")
    guard value.allocate != nil, value.release != nil else {
      throw ApusError(.invalidArgument, "allocator.allocate and allocator.release must both be set")
    }
    apus_sys_set_allocator(value.context, value.allocate, value.release)
    return APUS_OK
  } catch let problem { return report(problem, to: error) }
}
