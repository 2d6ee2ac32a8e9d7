/// Why an ONNX file cannot be read or written: one sentence.
public struct ONNXError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
