/// The arrays of an .npz file, by name and in the file's order.
public struct NumPyArchive {
  public private(set) var entries: [(name: String, array: NumPyArray)] = []

  public init() {}

  /// Reads an .npz file as `np.savez` and `np.savez_compressed` write it.
  public init(contentsOf path: String) throws {
    try self.init(npz: readBytes(ofFile: path), file: path)
  }

  /// Reads the bytes of an .npz file. Members that are no .npy files are skipped.
  ///
  /// - Parameter file: What errors call it.
  public init(npz bytes: [UInt8], file: String) throws {
    let zip = try ZipReader(bytes, file: file)
    for member in zip.members where member.name.hasSuffix(".npy") {
      let name = String(member.name.dropLast(4))
      let contents = try zip.contents(member)
      guard self[name] == nil else { throw NumPyError("\(file): two arrays are named '\(name)'") }
      append(name, try NumPyArray(npy: contents[...], file: "\(file): array '\(name)'"))
    }
  }

  public var names: [String] { entries.map(\.name) }

  /// The array with that name, or nil.
  public subscript(_ name: String) -> NumPyArray? {
    entries.first { $0.name == name }?.array
  }

  public mutating func append(_ name: String, _ array: NumPyArray) {
    entries.append((name, array))
  }

  /// Writes an .npz file that `np.load` reads.
  ///
  /// - Parameter compressed: Deflate the members, as `np.savez_compressed` does.
  public func write(to path: String, compressed: Bool = false) throws {
    try writeBytes(npz(compressed: compressed, file: path), toFile: path)
  }

  /// The bytes of an .npz file.
  public func npz(compressed: Bool = false, file: String) throws -> [UInt8] {
    var zip = ZipWriter(file: file)
    for (name, array) in entries { try zip.add(name + ".npy", array.npy(), compressed: compressed) }
    return try zip.finish()
  }
}
