import CApus
import CRegion
import CSystem
import ModelFormat
import Runtime

/// What an `apus_model *` points to. Lives, with everything that opening the model allocated, in one
/// region that is freed when the last user is gone.
struct ModelHandle {
  var model: Unmanaged<Model>
  var region: OpaquePointer?
  /// The caller's handle and every session. Atomic.
  var users: Int32 = 1
  var defaultFunction: Int
  /// By the tensor's index in the file; nil for interior tensors.
  var tensorNames: UnsafeMutablePointer<UnsafePointer<CChar>?>
  var functionNames: UnsafeMutablePointer<UnsafePointer<CChar>?>
  /// Keys and values in turn.
  var metadata: UnsafeMutablePointer<UnsafePointer<CChar>?>
  var metadataCount: Int

  static func from(_ pointer: OpaquePointer?) -> UnsafeMutablePointer<ModelHandle>? {
    pointer.map { UnsafeMutablePointer<ModelHandle>($0) }
  }

  /// Ends one use; frees the model after the last.
  static func release(_ handle: UnsafeMutablePointer<ModelHandle>) {
    guard apus_sys_add_acq_rel(&handle.pointee.users, -1) == 0 else { return }
    let region = handle.pointee.region
    handle.pointee.model._withUnsafeGuaranteedRef { $0.close() }
    #if !hasFeature(Embedded)
      // There the objects are not in the region.
      handle.pointee.model.release()
    #endif
    apus_sys_region_free(region)
    apus_sys_open_handles(-1)
  }
}

/// A NUL-terminated copy of a name, in the current region.
func copyCString(_ name: Name) throws(ApusError) -> UnsafePointer<CChar> {
  guard let copy = apus_sys_allocate(name.count + 1, 1) else {
    throw ApusError(.outOfMemory, "no memory for a name")
  }
  memcpy(copy, name.start, name.count)
  copy.storeBytes(of: 0, toByteOffset: name.count, as: UInt8.self)
  return UnsafePointer(copy.assumingMemoryBound(to: CChar.self))
}

private func allocateNames(
  _ count: Int
) throws(ApusError) -> UnsafeMutablePointer<UnsafePointer<CChar>?> {
  let size = max(count, 1) * MemoryLayout<UnsafePointer<CChar>?>.stride
  guard let memory = apus_sys_allocate(size, 16) else {
    throw ApusError(.outOfMemory, "no memory for \(count) names")
  }
  memset(memory, 0, size)
  return memory.assumingMemoryBound(to: UnsafePointer<CChar>?.self)
}

/// The arguments and the outcome of opening a model, passed through the region's C frame.
struct OpenRequest {
  var path: UnsafePointer<CChar>?
  var bytes: UnsafeRawPointer?
  var size: Int
  var options: UnsafePointer<apus_model_options>?
  /// Kept here so that it can be unmapped where opening ran out of memory half-way.
  var mapping: FileMapping?
  var failure: ApusError?
  var handle: UnsafeMutablePointer<ModelHandle>?

  mutating func perform() {
    do throws(ApusError) { handle = try open() } catch { failure = error }
  }

  private mutating func open() throws(ApusError) -> UnsafeMutablePointer<ModelHandle> {
    let options = try readOptions(
      options, default: apus_model_options(), named: "options")
    var isaName = Name("")
    if let name = options.isa ?? UnsafePointer(getenv("APUS_ISA")) { isaName = Name(cString: name) }
    let set = try InstructionSet.choose(named: isaName)
    let verify = options.skip_weight_checksum == 0
    let mapping: FileMapping
    if let path {
      mapping = try FileMapping(path: path)
    } else {
      mapping = try FileMapping(bytes: bytes!, size: size)
    }
    self.mapping = mapping
    let model = try Model(mapping: mapping, instructionSet: set, verifyWeights: verify)
    do throws(ApusError) {
      return try makeHandle(model)
    } catch {
      model.close()
      throw error
    }
  }

  private func makeHandle(_ model: Model) throws(ApusError) -> UnsafeMutablePointer<ModelHandle> {
    let file = model.file
    let tensorNames = try allocateNames(file.count(.tensors))
    for t in 0..<file.count(.tensors) {
      let name = file.tensorName(file.tensor(t))
      if !name.isEmpty { tensorNames[t] = try copyCString(name) }
    }
    let functionNames = try allocateNames(file.count(.functions))
    for f in 0..<file.count(.functions) {
      functionNames[f] = try copyCString(file.functionName(file.function(f)))
    }
    let entries = file.count(.metadata)
    let metadata = try allocateNames(entries * 2)
    for i in 0..<entries {
      let entry = file.metadata(i)
      metadata[2 * i] = try copyCString(entry.key)
      metadata[2 * i + 1] = try copyCString(entry.value)
    }
    guard
      let memory = apus_sys_allocate(
        MemoryLayout<ModelHandle>.size, MemoryLayout<ModelHandle>.alignment)
    else { throw ApusError(.outOfMemory, "no memory for the model's handle") }
    let handle = memory.bindMemory(to: ModelHandle.self, capacity: 1)
    handle.initialize(
      to: ModelHandle(
        model: Unmanaged.passRetained(model), region: nil, defaultFunction: model.defaultFunction,
        tensorNames: tensorNames, functionNames: functionNames, metadata: metadata,
        metadataCount: entries))
    return handle
  }
}

/// Opens inside a region of its own and hands the result out.
private func open(
  _ request: inout OpenRequest, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> apus_status {
  guard let model else { return fail(.invalidArgument, "model is NULL", error) }
  var region: OpaquePointer?
  let done = withUnsafeMutablePointer(to: &request) {
    apus_sys_region_run(
      { $0!.assumingMemoryBound(to: OpenRequest.self).pointee.perform() }, $0, &region)
  }
  guard done == 1 else {
    request.mapping?.unmap()
    return fail(.outOfMemory, "the allocator has no memory left to open the model", error)
  }
  guard let handle = request.handle else {
    // The message lies in the region.
    let status = report(request.failure!, to: error)
    request.failure = nil
    apus_sys_region_free(region)
    return status
  }
  handle.pointee.region = region
  apus_sys_open_handles(1)
  model.pointee = OpaquePointer(handle)
  return APUS_OK
}

@c @implementation
public func apus_model_open(
  _ path: UnsafePointer<CChar>!, _ options: UnsafePointer<apus_model_options>!,
  _ model: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let path else { return fail(.invalidArgument, "path is NULL", error) }
  var request = OpenRequest(path: path, bytes: nil, size: 0, options: options)
  return open(&request, model, error)
}

@c @implementation
public func apus_model_open_memory(
  _ bytes: UnsafeRawPointer!, _ size: Int, _ options: UnsafePointer<apus_model_options>!,
  _ model: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let bytes else { return fail(.invalidArgument, "bytes is NULL", error) }
  guard size > 0 else {
    return fail(.notAModel, "size is \(size): that is no model", error)
  }
  var request = OpenRequest(path: nil, bytes: bytes, size: size, options: options)
  return open(&request, model, error)
}

@c @implementation
public func apus_model_close(_ model: OpaquePointer!) {
  if let handle = ModelHandle.from(model) { ModelHandle.release(handle) }
}
