import ModelFormat

/// The remainder of a/b. With fmod 1 it has the sign of a, as C's; with fmod 0 the sign of b, as
/// Python's. The remainder of a division by 0 is 0 in integers, NaN in float32. ONNX Mod.
let modOperator = Operator(
  opcode: 160, name: "Mod", attributes: [AttributeSpec("fmod", .int)], inputs: 2...2,
  notes: "float32 and any integer type.",
  infer: { (context) throws(ApusError) in
    try context.requireSameType(.numbers)
    try context.setOutput(context.input(0).dataType, try context.broadcastShape())
  },
  plan: { (context) throws(ApusError) in
    context.allowInPlaceWhereShapesEqual(2)
    let node = context.node
    let takesSignOfDivisor = node.int("fmod", default: 0) != 1
    if node.input(0).dataType == .float32 {
      let layout = Broadcast(node.input(0).shape, node.input(1).shape, to: node.outputs[0].shape)
      if layout.total == 0 { return }
      context.emit(
        RemainderStep(
          context.input(0), context.input(1), context.output(0), layout,
          takesSignOfDivisor: takesSignOfDivisor),
        work: layout.total * 16)
    } else {
      context.emitBinary(
        takesSignOfDivisor ? .modulo : .remainder, context.input(0), node.input(0).shape,
        context.input(1), node.input(1).shape, cost: 4)
    }
  })

private final class RemainderStep: Step {
  let a: Slot
  let b: Slot
  let y: Slot
  let layout: Broadcast
  let takesSignOfDivisor: Bool

  init(_ a: Slot, _ b: Slot, _ y: Slot, _ layout: Broadcast, takesSignOfDivisor: Bool) {
    self.takesSignOfDivisor = takesSignOfDivisor
    self.a = a
    self.b = b
    self.y = y
    self.layout = layout
  }

  override func run(_ memory: Memory, _ share: Share) {
    let a = memory.floats(a)
    let b = memory.floats(b)
    let y = memory.mutableFloats(y)
    layout.forEachRun(in: share.part(of: layout.total, grain: 64)) { i, j, k, n in
      for c in 0..<n {
        let m = b[j &+ c &* layout.bStep]
        var r = remainder(a[i &+ c &* layout.aStep], m)
        if takesSignOfDivisor && r.sign != m.sign { r = r == 0 ? -r : r + m }
        y[k &+ c] = r
      }
    }
  }
}

/// C's fmod, exact: long division of the significands, 40 bits at a time.
@inline(never) private func remainder(_ a: Float, _ b: Float) -> Float {
  let x = a.magnitude
  let m = b.magnitude
  if !(x < .infinity) || !(m > 0) { return .nan }
  if x < m { return a }
  // x ≥ m > 0. As 24-bit integers times powers of two; a run has no denormal numbers, and where one
  // gets here its exponent is that of the smallest normal number.
  let (p, e) = parts(x)
  let (q, f) = parts(m)
  var rest = UInt64(p)
  var shift = e - f
  while shift > 0 && rest > 0 {
    let step = min(shift, 40)
    rest = (rest << UInt64(step)) % UInt64(q)
    shift -= step
  }
  rest %= UInt64(q)
  // rest · 2^(f − 150), in two factors, the small one first: neither leaves the range.
  let result = Float(rest) * 0x1p-23 * Float(bitPattern: UInt32(f) << 23)
  return a.sign == .minus ? -result : result
}

/// |x| = significand · 2^(exponent − 150).
private func parts(_ x: Float) -> (significand: UInt32, exponent: Int) {
  let field = Int(x.bitPattern >> 23)
  let fraction = x.bitPattern & 0x7F_FFFF
  return field == 0 ? (fraction, 1) : (fraction | 0x80_0000, field)
}
