import ModelFormat

/// Gives values numbers; equal weights get the same.
struct WeightContents {
  private struct Content: Hashable {
    let type: UInt8
    let shape: [Int]
    let bytes: [UInt8]
    let scales: [Float]
    let zeroPoints: [Int32]
    let axis: Int

    init(_ value: Value) {
      type = value.dataType.rawValue
      shape = value.fixedShape ?? []
      bytes = value.bytes
      scales = value.quantization?.scales ?? []
      zeroPoints = value.quantization?.zeroPoints ?? []
      axis = value.quantization?.axis ?? -1
    }

    /// Large weights differ early or late or in size: of those few are compared byte by byte.
    func hash(into hasher: inout Hasher) {
      hasher.combine(type)
      hasher.combine(shape)
      hasher.combine(bytes.count)
      bytes.withUnsafeBytes { all in
        if all.count <= Content.hashedWhole { return hasher.combine(bytes: all) }
        hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: all.prefix(Content.hashedPart)))
        hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: all.suffix(Content.hashedPart)))
      }
    }

    private static let hashedWhole = 1 << 16
    private static let hashedPart = 1 << 12
  }

  private var numbers: [ObjectIdentifier: Int] = [:]
  private var contents: [Content: Int] = [:]
  private var kept: [Value] = []
  private let limit: Int
  private let mergesTrainable: Bool

  /// - Parameters:
  ///   - limit: Weights of more bytes are equal only to themselves.
  ///   - mergesTrainable: Whether weights that training may change can be equal to others.
  init(limit: Int, mergesTrainable: Bool = false) {
    self.limit = limit
    self.mergesTrainable = mergesTrainable
  }

  mutating func number(_ value: Value) -> Int {
    if let number = numbers[ObjectIdentifier(value)] { return number }
    var number = kept.count
    if value.kind == .weight, mergesTrainable || !value.isTrainable, value.bytes.count <= limit {
      let content = Content(value)
      if let known = contents[content] { number = known } else { contents[content] = number }
    }
    numbers[ObjectIdentifier(value)] = number
    kept.append(value)
    return number
  }

  /// Of all values of one number the first.
  mutating func first(_ value: Value) -> Value { kept[number(value)] }
}
