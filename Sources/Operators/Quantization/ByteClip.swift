import ModelFormat

extension PlanContext {
  /// Plans a Clip of bytes whose limits are constants, by a table.
  func planByteClip() -> Bool {
    let type = node.input(0).dataType
    guard type == .int8 || type == .uint8 else { return false }
    let flip = type.flip
    var limits: (lower: UInt8, upper: UInt8) = (0, 255)
    for i in 1...2 {
      guard let limit = node.optionalInput(i) else { continue }
      guard let value = limit.constant else { return false }
      let byte = value.load(as: UInt8.self) ^ flip
      if i == 1 { limits.lower = byte } else { limits.upper = byte }
    }
    let x = channelsLast(0)
    // What gives a byte no sign, or its sign back.
    let mask = x == nil ? flip : 0
    let table = byteTable(tag: mask == 0 ? 0 : 1) { i in
      let byte = UInt8(truncatingIfNeeded: i) ^ mask
      return min(max(byte, limits.lower), limits.upper) ^ mask
    }
    let count = x?.count ?? node.outputs[0].shape.count
    emit(
      QLinearLookupStep(
        kernels, x == nil ? input(0) : blockedInput(0), x == nil ? output(0) : blockedOutput(0),
        length: count, table: table),
      work: count / 4)
    return true
  }
}
