/// What a function of the network is given for one of its inputs, or says.
public struct BatchTensor {
  public enum Numbers {
    case floats([Float])
    case integers([Int32])
  }

  public var shape: [Int]
  public var numbers: Numbers

  /// - Precondition: as many numbers as `shape` has elements.
  public init(_ shape: [Int], _ floats: [Float]) {
    precondition(floats.count == shape.reduce(1, *))
    self.shape = shape
    numbers = .floats(floats)
  }

  /// - Precondition: as many numbers as `shape` has elements.
  public init(_ shape: [Int], integers: [Int32]) {
    precondition(integers.count == shape.reduce(1, *))
    self.shape = shape
    numbers = .integers(integers)
  }

  init<Scalar>(_ tensor: Tensor<Scalar>) {
    shape = tensor.shape
    numbers =
      tensor.isReal
      ? .floats((0..<tensor.count).map { Float(tensor.data[$0]) })
      : .integers((0..<tensor.count).map { Int32(clamping: tensor.integers[$0]) })
  }

  /// Integers become real numbers where the input is real.
  func copy<Scalar>(into tensor: Tensor<Scalar>) throws {
    switch numbers {
    case .floats(let floats):
      guard tensor.isReal else {
        throw TrainingError("the network's input takes integers; the data are numbers")
      }
      for i in 0..<tensor.count { tensor.data[i] = Scalar(floats[i]) }
    case .integers(let integers):
      for i in 0..<tensor.count {
        if tensor.isReal {
          tensor.data[i] = Scalar(integers[i])
        } else {
          tensor.integers[i] = Int64(integers[i])
        }
      }
    }
  }
}
