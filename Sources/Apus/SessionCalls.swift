import CApus
import ModelFormat
import Operators
import Runtime

@c @implementation
public func apus_session_input_count(_ session: OpaquePointer!) -> Int {
  with(session, orElse: 0) { $0.plan.inputTensors.count }
}

@c @implementation
public func apus_session_output_count(_ session: OpaquePointer!) -> Int {
  with(session, orElse: 0) { $0.plan.outputTensors.count }
}

@c @implementation
public func apus_session_input_info(
  _ session: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<apus_tensor_info>!,
  _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let handle = SessionHandle.from(session) else {
    return fail(.invalidHandle, "session is NULL", error)
  }
  return handle.pointee.session._withUnsafeGuaranteedRef {
    describe(handle, $0.plan.inputTensors, index, "input", $0.plan, info, error)
  }
}

@c @implementation
public func apus_session_output_info(
  _ session: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<apus_tensor_info>!,
  _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let handle = SessionHandle.from(session) else {
    return fail(.invalidHandle, "session is NULL", error)
  }
  return handle.pointee.session._withUnsafeGuaranteedRef {
    describe(handle, $0.plan.outputTensors, index, "output", $0.plan, info, error)
  }
}

@c @implementation
public func apus_session_input(_ session: OpaquePointer!, _ index: Int) -> apus_tensor {
  with(session, orElse: apus_tensor()) {
    guard index >= 0, index < $0.plan.inputTensors.count else { return apus_tensor() }
    return view($0.info(input: index), $0.data(input: index))
  }
}

@c @implementation
public func apus_session_output(_ session: OpaquePointer!, _ index: Int) -> apus_tensor {
  with(session, orElse: apus_tensor()) {
    guard index >= 0, index < $0.plan.outputTensors.count else { return apus_tensor() }
    return view($0.info(output: index), $0.data(output: index))
  }
}

@c @implementation
public func apus_session_bind_input(
  _ session: OpaquePointer!, _ index: Int, _ data: UnsafeRawPointer!, _ bytes: Int,
  _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let handle = SessionHandle.from(session) else {
    return fail(.invalidHandle, "session is NULL", error)
  }
  return handle.pointee.session._withUnsafeGuaranteedRef { session in
    guard index >= 0, index < session.plan.inputTensors.count else {
      return fail(
        .invalidArgument,
        "input \(index) does not exist: the function has \(session.plan.inputTensors.count)", error)
    }
    let info = session.info(input: index)
    if let data {
      guard bytes == info.byteCount else {
        return fail(
          .invalidShape,
          "input \(index): \(bytes) bytes; \(info.shape) of \(info.dataType) takes \(info.byteCount)",
          error)
      }
      guard Int(bitPattern: data) % info.dataType.size == 0 else {
        return fail(
          .invalidArgument, "input \(index): the data is not aligned to its elements", error)
      }
    }
    session.bind(input: index, to: data)
    return APUS_OK
  }
}

@c @implementation
public func apus_session_run(
  _ session: OpaquePointer!, _ errorTarget: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let handle = SessionHandle.from(session) else {
    return fail(.invalidHandle, "session is NULL", errorTarget)
  }
  return handle.pointee.session._withUnsafeGuaranteedRef { session in
    do throws(ApusError) {
      try session.run()
      return APUS_OK
    } catch {
      return report(error, to: errorTarget)
    }
  }
}

@c @implementation
public func apus_session_reset(_ session: OpaquePointer!) {
  SessionHandle.from(session)?.pointee.session._withUnsafeGuaranteedRef { $0.reset() }
}

@c @implementation
public func apus_session_memory_info(
  _ session: OpaquePointer!, _ info: UnsafeMutablePointer<apus_memory_info>!
) {
  guard let info else { return }
  with(session, orElse: ()) {
    var value = apus_memory_info()
    value.arena = $0.plan.arenaSize
    value.arena_lower_bound = $0.plan.lowerBound
    value.states = $0.plan.stateBytes
    value.packed_weights = $0.model.packedWeightBytes
    _ = writeStruct(value, to: info)
  }
}

private func with<Result>(
  _ session: OpaquePointer?, orElse fallback: Result, _ body: (Session) -> Result
) -> Result {
  guard let handle = SessionHandle.from(session) else { return fallback }
  return handle.pointee.session._withUnsafeGuaranteedRef(body)
}

private func view(_ info: TensorInfo, _ data: UnsafeMutableRawPointer) -> apus_tensor {
  var tensor = apus_tensor()
  tensor.data = data
  tensor.bytes = info.byteCount
  tensor.dtype = apus_dtype(UInt32(info.dataType.rawValue))
  tensor.rank = info.shape.rank
  setDimensions(&tensor.dims, info.shape)
  return tensor
}

private func describe(
  _ handle: UnsafeMutablePointer<SessionHandle>, _ tensors: [Int], _ index: Int,
  _ what: StaticString, _ plan: Plan, _ info: UnsafeMutablePointer<apus_tensor_info>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> apus_status {
  guard index >= 0, index < tensors.count else {
    return fail(
      .invalidArgument, "\(what) \(index) does not exist: the function has \(tensors.count)",
      error)
  }
  let t = tensors[index]
  let tensor = plan.tensors[t]!
  return fill(
    info, handle.pointee.model, t, tensor.dataType.rawValue, tensor.shape, error)
}
