import CApus
import ModelFormat

/// Fills the caller's error, where there is one, and returns its status. Allocates nothing.
@inline(never)
func report(_ error: ApusError, to target: UnsafeMutablePointer<apus_error>?) -> apus_status {
  let status = apus_status(UInt32(error.status.rawValue))
  guard let target else { return status }
  target.pointee.status = status
  let text = UnsafeMutableRawPointer(target) + MemoryLayout<apus_error>.offset(of: \.message)!
  let message = error.message.storage
  for i in 0..<message.count {
    text.storeBytes(of: message.bytes[i], toByteOffset: i, as: UInt8.self)
  }
  text.storeBytes(of: 0, toByteOffset: wholeCharacters(message), as: UInt8.self)
  return status
}

/// The message's bytes less an incomplete UTF-8 sequence at the end, where a long name was cut.
private func wholeCharacters(_ message: Message.Storage) -> Int {
  var start = message.count
  while start > 0, message.bytes[start - 1] & 0xC0 == 0x80 { start -= 1 }
  guard start > 0, message.bytes[start - 1] >= 0xC0 else { return message.count }
  let lead = message.bytes[start - 1]
  let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
  return start - 1 + length == message.count ? message.count : start - 1
}

@inline(never)
func fail(
  _ status: Status, _ message: Message, _ target: UnsafeMutablePointer<apus_error>?
) -> apus_status {
  report(ApusError(status, message), to: target)
}

/// A string literal as C sees it: literals end with NUL and live for ever.
func cString(_ literal: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self)
}
