import CKernels

// One time step of a gated recurrent unit, names as in ONNX:
//
//     z = f(W_z·x + R_z·h + b_z)                 r = f(W_r·x + R_r·h + b_r)
//     h' = g(W_h·x + R_h·(r⊙h) + b_h)            reset before the matrix (Cho et al. 2014)
//     h' = g(W_h·x + r⊙(R_h·h + Rb_h) + Wb_h)    reset behind it: linear_before_reset (cuDNN)
//     H = (1 − z)⊙h' + z⊙h

@inline(__always)
private func gate(_ v: Vector, _ layer: UnsafePointer<apus_recurrent_layer>) -> Vector {
  layer.pointee.is_standard != 0 ? sigmoid(v) : activate(v, layer.pointee.f, layer.pointee.clip)
}

@inline(__always)
private func previous(
  _ row: UnsafePointer<apus_recurrent_row>, _ unit: Int, _ valid: Int
) -> Vector {
  guard let h = row.pointee.h else { return Vector(repeating: 0) }
  return loadVector(h + unit, valid: valid)
}

/// See gru_reset in CKernels.h.
func gruReset(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ rows: UnsafePointer<apus_recurrent_row>,
  _ count: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  let width = Vector.scalarCount
  forEachBlock(rows, count, firstBlock, lastBlock) { row, block in
    let unit = block &* width
    let valid = layer.pointee.units &- unit
    let reset = gate(loadVector(row.pointee.sums + (2 &* unit &+ width)), layer)
    storeVector(reset * previous(row, unit, valid), row.pointee.reset_h + unit, valid: valid)
  }
}

/// See gru_units in CKernels.h.
func gruUnits(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ rows: UnsafePointer<apus_recurrent_row>,
  _ count: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  let width = Vector.scalarCount
  let lanes = (layer.pointee.units &+ width &- 1) / width &* width
  forEachBlock(rows, count, firstBlock, lastBlock) { row, block in
    let unit = block &* width
    let valid = layer.pointee.units &- unit
    let gates = row.pointee.sums + 2 &* unit
    var new = loadVector(row.pointee.sums + (2 &* lanes &+ unit))
    if let candidate = row.pointee.candidate {
      new = multiplyAdd(gate(loadVector(gates + width), layer), loadVector(candidate + unit), new)
    }
    new =
      layer.pointee.is_standard != 0
      ? tanh(new) : activate(new, layer.pointee.g, layer.pointee.clip)
    let z = gate(loadVector(gates), layer)
    // (1 − z)⊙h' + z⊙h
    let h = multiplyAdd(z, previous(row, unit, valid), (Vector(repeating: 1) - z) * new)
    storeVector(h, row.pointee.h_out + unit, valid: valid)
  }
}
