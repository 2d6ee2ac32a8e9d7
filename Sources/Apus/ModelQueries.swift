import CApus
import ModelFormat
import Operators
import Runtime

@c @implementation
public func apus_model_function_count(_ model: OpaquePointer!) -> Int {
  guard let handle = ModelHandle.from(model) else { return 0 }
  return handle.pointee.model._withUnsafeGuaranteedRef { $0.file.count(.functions) }
}

@c @implementation
public func apus_model_function_name(
  _ model: OpaquePointer!, _ index: Int
) -> UnsafePointer<CChar>! {
  guard let handle = ModelHandle.from(model), index >= 0, index < apus_model_function_count(model)
  else { return nil }
  return handle.pointee.functionNames[index]
}

@c @implementation
public func apus_model_input_count(_ model: OpaquePointer!) -> Int {
  ModelHandle.from(model).map { Int(defaultFunction($0).inputCount) } ?? 0
}

@c @implementation
public func apus_model_output_count(_ model: OpaquePointer!) -> Int {
  ModelHandle.from(model).map { Int(defaultFunction($0).outputCount) } ?? 0
}

@c @implementation
public func apus_model_input_info(
  _ model: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<apus_tensor_info>!,
  _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let handle = ModelHandle.from(model) else {
    return fail(.invalidHandle, "model is NULL", error)
  }
  let function = defaultFunction(handle)
  return describe(
    handle, index, Int(function.inputCount), Int(function.inputs), "input", info, error)
}

@c @implementation
public func apus_model_output_info(
  _ model: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<apus_tensor_info>!,
  _ error: UnsafeMutablePointer<apus_error>!
) -> apus_status {
  guard let handle = ModelHandle.from(model) else {
    return fail(.invalidHandle, "model is NULL", error)
  }
  let function = defaultFunction(handle)
  return describe(
    handle, index, Int(function.outputCount), Int(function.outputs), "output", info, error)
}

@c @implementation
public func apus_model_metadata(
  _ model: OpaquePointer!, _ key: UnsafePointer<CChar>!
) -> UnsafePointer<CChar>! {
  guard let handle = ModelHandle.from(model), let key else { return nil }
  let wanted = Name(cString: key)
  for i in 0..<handle.pointee.metadataCount {
    if let name = handle.pointee.metadata[2 * i], Name(cString: name) == wanted {
      return handle.pointee.metadata[2 * i + 1]
    }
  }
  return nil
}

@c @implementation
public func apus_model_isa(_ model: OpaquePointer!) -> UnsafePointer<CChar>! {
  guard let handle = ModelHandle.from(model) else { return nil }
  return handle.pointee.model._withUnsafeGuaranteedRef { cString($0.instructionSet.name) }
}

@c @implementation
public func apus_model_has_precision(
  _ model: OpaquePointer!, _ precision: apus_precision
) -> Int32 {
  guard let handle = ModelHandle.from(model),
    let precision = Precision(rawValue: Int(precision.rawValue))
  else { return 0 }
  return handle.pointee.model._withUnsafeGuaranteedRef { $0.has(precision) } ? 1 : 0
}

private func defaultFunction(_ handle: UnsafeMutablePointer<ModelHandle>) -> FunctionRecord {
  handle.pointee.model._withUnsafeGuaranteedRef {
    $0.file.function(handle.pointee.defaultFunction)
  }
}

/// Fills `info` with the `index`-th of the `count` tensors whose indices start at `first`.
private func describe(
  _ handle: UnsafeMutablePointer<ModelHandle>, _ index: Int, _ count: Int, _ first: Int,
  _ what: StaticString, _ info: UnsafeMutablePointer<apus_tensor_info>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> apus_status {
  guard index >= 0, index < count else {
    return fail(
      .invalidArgument, "\(what) \(index) does not exist: the model has \(count)", error)
  }
  return handle.pointee.model._withUnsafeGuaranteedRef { model in
    let t = Int(model.file.index(first + index))
    let record = model.file.tensor(t)
    return fill(
      info, handle, t, record.dataType, model.file.declaredShape(record), error)
  }
}

/// Describes tensor `t`, whose type and shape are as declared or as planned.
func fill(
  _ info: UnsafeMutablePointer<apus_tensor_info>?, _ handle: UnsafeMutablePointer<ModelHandle>,
  _ t: Int, _ dataType: UInt8, _ shape: Shape, _ error: UnsafeMutablePointer<apus_error>?
) -> apus_status {
  guard let info else { return fail(.invalidArgument, "info is NULL", error) }
  var value = apus_tensor_info()
  value.name = handle.pointee.tensorNames[t]
  value.dtype = apus_dtype(UInt32(dataType))
  handle.pointee.model._withUnsafeGuaranteedRef {
    if let parameters = $0.file.linearParameters($0.file.tensor(t)) {
      (value.scale, value.zero_point) = parameters
    }
  }
  value.rank = shape.rank
  setDimensions(&value.dims, shape)
  guard writeStruct(value, to: info) else {
    return fail(
      .invalidArgument, "info.struct_size is not set; start from APUS_TENSOR_INFO_INIT", error)
  }
  return APUS_OK
}

/// A C array of APUS_MAX_RANK dimensions, as Swift sees it.
typealias Dimensions = (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64)

func setDimensions(_ dims: inout Dimensions, _ shape: Shape) {
  withUnsafeMutableBytes(of: &dims) {
    for i in 0..<shape.rank {
      // Every kind of free dimension reads −1 outside.
      $0.storeBytes(of: Int64(max(shape[i], -1)), toByteOffset: i * 8, as: Int64.self)
    }
  }
}
