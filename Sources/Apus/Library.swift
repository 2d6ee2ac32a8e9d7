import CApus
import CSystem
import ModelFormat
import Operators
import Runtime

@c @implementation
public func apus_version() -> UnsafePointer<CChar>! { cString("0.1.0") }

@c @implementation
public func apus_version_number() -> UInt32 {
  UInt32(APUS_VERSION_MAJOR * 1_000_000 + APUS_VERSION_MINOR * 1_000 + APUS_VERSION_PATCH)
}

@c @implementation
public func apus_get_build_info(_ info: UnsafeMutablePointer<apus_build_info>!) {
  guard let info else { return }
  var value = apus_build_info()
  value.version = apus_version()
  value.format_version_min = UInt32(Format.majorVersion)
  value.format_version_max = UInt32(Format.majorVersion)
  #if hasFeature(Embedded)
    value.compiler = cString("Swift 6.3 (Embedded)")
  #else
    value.compiler = cString("Swift 6.3")
  #endif
  value.instruction_sets = cString("baseline avx2 avx512 avx512vnni")
  value.best_instruction_set = cString(InstructionSet.best.name)
  value.operator_count = UInt32(operators.count)
  _ = writeStruct(value, to: info)
}

@c @implementation
public func apus_status_name(_ status: apus_status) -> UnsafePointer<CChar>! {
  guard let known = Status(rawValue: Int32(truncatingIfNeeded: status.rawValue)) else {
    return cString("unknown status")
  }
  return switch known {
  case .ok: cString("APUS_OK")
  case .invalidArgument: cString("APUS_ERROR_INVALID_ARGUMENT")
  case .invalidHandle: cString("APUS_ERROR_INVALID_HANDLE")
  case .invalidShape: cString("APUS_ERROR_INVALID_SHAPE")
  case .invalidType: cString("APUS_ERROR_INVALID_TYPE")
  case .unknownName: cString("APUS_ERROR_UNKNOWN_NAME")
  case .arenaTooSmall: cString("APUS_ERROR_ARENA_TOO_SMALL")
  case .arenaMisaligned: cString("APUS_ERROR_ARENA_MISALIGNED")
  case .fileNotFound: cString("APUS_ERROR_FILE_NOT_FOUND")
  case .fileUnreadable: cString("APUS_ERROR_FILE_UNREADABLE")
  case .notAModel: cString("APUS_ERROR_NOT_A_MODEL")
  case .newerFormat: cString("APUS_ERROR_NEWER_FORMAT")
  case .corruptFile: cString("APUS_ERROR_CORRUPT_FILE")
  case .invalidModel: cString("APUS_ERROR_INVALID_MODEL")
  case .unsupported: cString("APUS_ERROR_UNSUPPORTED")
  case .outOfMemory: cString("APUS_ERROR_OUT_OF_MEMORY")
  case .threadFailed: cString("APUS_ERROR_THREAD_FAILED")
  case .unsupportedProcessor: cString("APUS_ERROR_UNSUPPORTED_PROCESSOR")
  }
}

@c @implementation
public func apus_dtype_name(_ dtype: apus_dtype) -> UnsafePointer<CChar>! {
  guard let type = DataType(rawValue: UInt8(truncatingIfNeeded: dtype.rawValue)),
    dtype.rawValue == UInt32(type.rawValue)
  else { return cString("unknown") }
  return cString(type.name)
}

@c @implementation
public func apus_dtype_size(_ dtype: apus_dtype) -> Int {
  guard let type = DataType(rawValue: UInt8(truncatingIfNeeded: dtype.rawValue)),
    dtype.rawValue == UInt32(type.rawValue)
  else { return 0 }
  return type.size
}

/// Called once when the library is loaded: the registry is made before any call can be inside a
/// region, because it must outlive them all.
@c(library_initialize)
public func initializeLibrary() { _ = operators.count }
