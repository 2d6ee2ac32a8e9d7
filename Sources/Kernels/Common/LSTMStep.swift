import CKernels

// One time step of an LSTM (Hochreiter & Schmidhuber 1997, peepholes as in Graves 2013, eqs. 7–11;
// names as in ONNX):
//
//     i = f(W_i·x + R_i·h + P_i⊙c + b_i)        f' = f(W_f·x + R_f·h + P_f⊙c + b_f)
//     g = g(W_c·x + R_c·h + b_c)                 C  = f'⊙c + i⊙g
//     o = f(W_o·x + R_o·h + P_o⊙C + b_o)         H  = o⊙h(C)

/// The units of one block in one row.
@inline(__always)
private func lstmBlock(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int, isStandard: Bool
) {
  let width = Vector.scalarCount
  let unit = block &* width
  let valid = layer.pointee.units &- unit
  let gates = row.pointee.sums + 4 &* unit
  var i = loadVector(gates)
  var o = loadVector(gates + width)
  var f = loadVector(gates + 2 &* width)
  let g = loadVector(gates + 3 &* width)
  var c = Vector(repeating: 0)
  if let previous = row.pointee.c { c = loadVector(previous + unit, valid: valid) }
  let peepholes = layer.pointee.peepholes.map { $0 + 3 &* unit }
  if let peepholes {
    i = multiplyAdd(loadVector(peepholes), c, i)
    f = multiplyAdd(loadVector(peepholes + 2 &* width), c, f)
  }
  let limit = layer.pointee.clip
  let new: Vector
  if isStandard {
    // σ(i)·tanh(g), and σ(o)·tanh(C) below, are one quotient each.
    let input = sigmoidQuotient(i)
    new = (input * tanhQuotient(g)).value
    f = layer.pointee.input_forget != 0 ? Vector(repeating: 1) - input.value : sigmoid(f)
  } else {
    i = activate(i, layer.pointee.f, limit)
    f =
      layer.pointee.input_forget != 0
      ? Vector(repeating: 1) - i : activate(f, layer.pointee.f, limit)
    new = i * activate(g, layer.pointee.g, limit)
  }
  c = multiplyAdd(f, c, new)
  if let peepholes { o = multiplyAdd(loadVector(peepholes + width), c, o) }
  let h: Vector
  if isStandard {
    h = (sigmoidQuotient(o) * tanhQuotient(c)).value
  } else {
    // The cell itself is not clipped.
    h = activate(o, layer.pointee.f, limit) * activate(c, layer.pointee.h, .infinity)
  }
  storeVector(c, row.pointee.c_out + unit, valid: valid)
  storeVector(h, row.pointee.h_out + unit, valid: valid)
}

/// See lstm_units in CKernels.h.
func lstmUnits(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ rows: UnsafePointer<apus_recurrent_row>,
  _ count: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  let isStandard = layer.pointee.is_standard != 0
  forEachBlock(rows, count, firstBlock, lastBlock) { row, block in
    lstmBlock(layer, row, block, isStandard: isStandard)
  }
}
