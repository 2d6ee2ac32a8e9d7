/// What a data reader gives: samples of one shape and what each is to become.
///
/// Everything lies in memory. Bytes stay bytes (an image set as float32 would be four times as
/// large); they are turned into floats when a batch is made.
public struct Samples {
  /// The numbers of all samples, one sample after the other.
  public enum Storage {
    case bytes([UInt8])
    case floats([Float])
  }

  /// What the network is to learn.
  public enum Targets {
    /// A class number for each sample, 0..<names.count.
    case classes([Int32], names: [String])
    /// A tensor of `shape` for each sample.
    case values([Float], shape: [Int])
    /// The sample itself (autoencoders).
    case inputs
  }

  public var storage: Storage
  /// Of one sample: [64], [1, 28, 28] (channels first), [channels, frames].
  public var shape: [Int]
  public var targets: Targets
  public let count: Int

  /// - Precondition: `storage` has `count` samples of `shape`, `targets` `count` targets.
  public init(storage: Storage, shape: [Int], targets: Targets, count: Int) {
    let size = shape.reduce(1, *)
    switch storage {
    case .bytes(let bytes): precondition(bytes.count == count * size)
    case .floats(let floats): precondition(floats.count == count * size)
    }
    switch targets {
    case .classes(let classes, _): precondition(classes.count == count)
    case .values(let values, let shape): precondition(values.count == count * shape.reduce(1, *))
    case .inputs: break
    }
    self.storage = storage
    self.shape = shape
    self.targets = targets
    self.count = count
  }

  /// Numbers in one sample.
  public var size: Int { shape.reduce(1, *) }

  /// The names of the classes, where the targets are classes.
  public var classNames: [String]? {
    if case .classes(_, let names) = targets { names } else { nil }
  }

  /// Copies a sample's numbers.
  func copyInput(_ index: Int, to destination: UnsafeMutablePointer<Float>) {
    let size = size
    switch storage {
    case .bytes(let bytes):
      bytes.withUnsafeBufferPointer { source in
        let start = index * size
        for i in 0..<size { destination[i] = Float(source[start + i]) }
      }
    case .floats(let floats):
      floats.withUnsafeBufferPointer {
        destination.update(from: $0.baseAddress! + index * size, count: size)
      }
    }
  }
}

/// Why data could not be read: one sentence that starts with the file's name, and its line where
/// it has lines.
public struct DataError: Error, CustomStringConvertible, Equatable {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }
}
