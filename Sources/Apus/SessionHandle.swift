import CApus
import CRegion
import CSystem
import ModelFormat
import Operators
import Runtime

/// What an `apus_session *` points to; in the session's region, as all that making it allocated.
struct SessionHandle {
  var session: Unmanaged<Session>
  var region: OpaquePointer?
  var model: UnsafeMutablePointer<ModelHandle>

  static func from(_ pointer: OpaquePointer?) -> UnsafeMutablePointer<SessionHandle>? {
    pointer.map { UnsafeMutablePointer<SessionHandle>($0) }
  }
}

/// The arguments and the outcome of planning, passed through the region's C frame.
struct SessionRequest {
  var model: UnsafeMutablePointer<ModelHandle>
  var options: UnsafePointer<apus_session_options>?
  /// Whether only the arena's size is wanted.
  var onlySize: Bool
  var failure: ApusError?
  var arenaSize = 0
  var handle: UnsafeMutablePointer<SessionHandle>?

  mutating func perform() {
    do throws(ApusError) { try create() } catch { failure = error }
  }

  private mutating func create() throws(ApusError) {
    let options = try readOptions(options, default: apus_session_options(), named: "options")
    let model = self.model.pointee.model.takeUnretainedValue()
    var function = self.model.pointee.defaultFunction
    if let name = options.function {
      guard let found = model.findFunction(named: Name(cString: name)) else {
        throw ApusError(
          .unknownName, "options.function: the model has no function \(Name(cString: name))")
      }
      function = found
    }
    // A size_t beyond Int's range arrives as a negative number.
    guard options.threads >= 0, options.threads <= 64 else {
      throw ApusError(
        .invalidArgument, "options.threads is \(options.threads); 1 to 64 are possible")
    }
    let number = Int(options.precision.rawValue)
    guard let precision = Precision(rawValue: number) else {
      throw ApusError(
        .invalidArgument,
        "options.precision is \(number); there are 0, float32, and 1, bf16")
    }
    let plan = try Plan(
      model, function: function, inputShapes: SessionRequest.shapes(options),
      threads: max(Int(options.threads), 1),
      options: PlanOptions(precision: precision, usesWinograd: options.no_winograd == 0))
    arenaSize = plan.arenaSize
    if onlySize { return }
    let arenaSize = options.arena_size < 0 ? Int.max : Int(options.arena_size)
    let session = try Session(
      plan, arena: options.arena, arenaSize: arenaSize,
      threadSettings: SessionRequest.threadSettings(options))
    guard
      let memory = apus_sys_allocate(
        MemoryLayout<SessionHandle>.size, MemoryLayout<SessionHandle>.alignment)
    else {
      session.close()
      throw ApusError(.outOfMemory, "no memory for the session's handle")
    }
    let handle = memory.bindMemory(to: SessionHandle.self, capacity: 1)
    handle.initialize(
      to: SessionHandle(
        session: Unmanaged.passRetained(session), region: nil, model: self.model))
    self.handle = handle
  }

  private static func threadSettings(_ options: apus_session_options) -> ThreadSettings {
    var settings = ThreadSettings(
      parallelFor: options.parallel_for, parallelForContext: options.parallel_for_context)
    if options.spin_microseconds == UInt32.max {
      settings.spinMicroseconds = Int.max / 2
    } else if options.spin_microseconds > 0 {
      settings.spinMicroseconds = Int(options.spin_microseconds)
    }
    return settings
  }

  private static func shapes(_ options: apus_session_options) throws(ApusError) -> [InputShape] {
    var shapes: [InputShape] = []
    guard options.input_shape_count != 0 else { return shapes }
    guard options.input_shape_count > 0 else {
      throw ApusError(.invalidArgument, "options.input_shape_count is more than memory can hold")
    }
    guard let list = options.input_shapes else {
      throw ApusError(
        .invalidArgument,
        "options.input_shapes is NULL, but input_shape_count is \(options.input_shape_count)")
    }
    for i in 0..<Int(options.input_shape_count) {
      guard let name = list[i].name else {
        throw ApusError(.invalidArgument, "options.input_shapes[\(i)].name is NULL")
      }
      let rank = Int(list[i].rank)
      guard rank >= 0, rank <= Shape.maximumRank else {
        throw ApusError(
          .invalidShape, "options.input_shapes[\(i)].rank is \(rank); at most 8 is possible")
      }
      guard rank == 0 || list[i].dims != nil else {
        throw ApusError(.invalidArgument, "options.input_shapes[\(i)].dims is NULL")
      }
      var shape = Shape()
      for axis in 0..<rank { shape.append(Int(list[i].dims[axis])) }
      shapes.append(InputShape(Name(cString: name), shape))
    }
    return shapes
  }
}

/// Plans inside a region; on success the region is the caller's.
private func perform(
  _ request: inout SessionRequest, _ error: UnsafeMutablePointer<apus_error>?
) -> (status: apus_status, region: OpaquePointer?) {
  var region: OpaquePointer?
  let done = withUnsafeMutablePointer(to: &request) {
    apus_sys_region_run(
      { $0!.assumingMemoryBound(to: SessionRequest.self).pointee.perform() }, $0, &region)
  }
  guard done == 1 else {
    return (fail(.outOfMemory, "the allocator has no memory left to plan a session", error), nil)
  }
  if request.failure != nil {
    // The message lies in the region.
    let status = report(request.failure!, to: error)
    request.failure = nil
    apus_sys_region_free(region)
    return (status, nil)
  }
  return (APUS_OK, region)
}

@c @implementation
public func apus_session_arena_size(
  _ model: OpaquePointer!, _ options: UnsafePointer<apus_session_options>!,
  _ bytes: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let handle = ModelHandle.from(model) else {
    return fail(.invalidHandle, "model is NULL", error)
  }
  guard let bytes else { return fail(.invalidArgument, "bytes is NULL", error) }
  var request = SessionRequest(model: handle, options: options, onlySize: true)
  let (status, region) = perform(&request, error)
  guard status == APUS_OK else { return status }
  apus_sys_region_free(region)
  bytes.pointee = request.arenaSize
  return APUS_OK
}

@c @implementation
public func apus_session_create(
  _ model: OpaquePointer!, _ options: UnsafePointer<apus_session_options>!,
  _ session: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let handle = ModelHandle.from(model) else {
    return fail(.invalidHandle, "model is NULL", error)
  }
  guard let session else { return fail(.invalidArgument, "session is NULL", error) }
  var request = SessionRequest(model: handle, options: options, onlySize: false)
  let (status, region) = perform(&request, error)
  guard status == APUS_OK, let created = request.handle else { return status }
  created.pointee.region = region
  apus_sys_add_acq_rel(&handle.pointee.users, 1)
  session.pointee = OpaquePointer(created)
  return APUS_OK
}

@c @implementation
public func apus_session_destroy(_ session: OpaquePointer!) {
  guard let handle = SessionHandle.from(session) else { return }
  let model = handle.pointee.model
  let region = handle.pointee.region
  handle.pointee.session._withUnsafeGuaranteedRef { $0.close() }
  #if !hasFeature(Embedded)
    handle.pointee.session.release()
  #endif
  apus_sys_region_free(region)
  ModelHandle.release(model)
}
