/// Why a file could not be read or written: one sentence that starts with the file's name.
public struct NumPyError: Error, CustomStringConvertible, Equatable {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }
}
