/// Error numbers, pinned: the same as `apus_status` in apus.h, grouped by hundreds.
public enum Status: Int32 {
  case ok = 0
  // What the caller passed.
  case invalidArgument = 100
  case invalidHandle = 101
  case invalidShape = 102
  case invalidType = 103
  case unknownName = 104
  case arenaTooSmall = 105
  case arenaMisaligned = 106
  // The model's file.
  case fileNotFound = 200
  case fileUnreadable = 201
  case notAModel = 202
  case newerFormat = 203
  case corruptFile = 204
  case invalidModel = 205
  case unsupported = 206
  // The machine.
  case outOfMemory = 300
  case threadFailed = 301
  case unsupportedProcessor = 302
}

/// What went wrong: a pinned number for programs and a sentence for people.
public struct ApusError: Error {
  public let status: Status
  public let message: Message

  @inline(never) public init(_ status: Status, _ message: Message) {
    self.status = status
    self.message = message
  }
}
