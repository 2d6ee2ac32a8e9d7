import NumPyFile

/// Reads samples from an .npz file: one array of inputs, one of targets, samples along axis 0.
public struct NumPyReader {
  /// Name of the inputs, shape [samples, …].
  public var inputs = "x"
  /// Name of the targets: integers of shape [samples] are classes, anything else is numbers. Nil
  /// where the inputs themselves are the targets.
  public var targets: String? = "y"

  public init() {}

  public func read(_ path: String) throws -> Samples {
    let archive: NumPyArchive
    do {
      archive = try NumPyArchive(contentsOf: path)
    } catch {
      throw DataError("\(error)")
    }
    func array(_ name: String) throws -> NumPyArray {
      guard let array = archive[name] else {
        throw DataError(
          "\(path): there is no array '\(name)'; there are "
            + archive.names.map { "'\($0)'" }.joined(separator: ", "))
      }
      guard let count = array.shape.first, count > 0 else {
        throw DataError(
          "\(path): array '\(name)' must have samples along its first axis and is \(array.shape)")
      }
      return array
    }
    let x = try array(inputs)
    let count = x.shape[0]
    let storage: Samples.Storage =
      x.type == .uint8 ? .bytes(x.bytes) : .floats(x.floats())
    if case .floats(let values) = storage, let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw DataError("\(path): array '\(inputs)' has \(values[bad]) in sample \(bad * count / values.count)")
    }
    return Samples(
      storage: storage, shape: Array(x.shape.dropFirst()),
      targets: try targets.map { try readTargets(array($0), $0, count: count, path: path) } ?? .inputs,
      count: count)
  }

  private func readTargets(
    _ y: NumPyArray, _ name: String, count: Int, path: String
  ) throws -> Samples.Targets {
    guard y.shape[0] == count else {
      throw DataError(
        "\(path): '\(inputs)' has \(count) samples, and '\(name)' has \(y.shape[0])")
    }
    if !y.type.isFloatingPoint, y.count == count {
      guard let labels = y.integers(), labels.allSatisfy({ $0 >= 0 && $0 < 1 << 31 }) else {
        throw DataError("\(path): array '\(name)' must hold class numbers from 0 on")
      }
      return try classes(
        ofNumbers: labels.map { Int32($0) }, highest: Int32(labels.max()!), file: path)
    }
    let values = y.floats()
    guard values.allSatisfy(\.isFinite) else {
      throw DataError("\(path): array '\(name)' has a value that is not finite")
    }
    return .values(values, shape: Array(y.shape.dropFirst()))
  }
}
