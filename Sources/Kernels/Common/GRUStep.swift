import CKernels

// One time step of a gated recurrent unit, names as in ONNX:
//
//     z = f(W_z·x + R_z·h + b_z)                 r = f(W_r·x + R_r·h + b_r)
//     h' = g(W_h·x + R_h·(r⊙h) + b_h)            reset before the matrix (Cho et al. 2014)
//     h' = g(W_h·x + r⊙(R_h·h + Rb_h) + Wb_h)    reset behind it: linear_before_reset (cuDNN)
//     H = (1 − z)⊙h' + z⊙h

@inline(__always)
private func gate(
  _ v: Vector, _ layer: UnsafePointer<apus_recurrent_layer>
) -> Vector {
  layer.pointee.is_standard != 0 ? sigmoid(v) : activate(v, layer.pointee.f, layer.pointee.clip)
}

@inline(__always)
private func candidate(
  _ v: Vector, _ layer: UnsafePointer<apus_recurrent_layer>
) -> Vector {
  layer.pointee.is_standard != 0 ? tanh(v) : activate(v, layer.pointee.g, layer.pointee.clip)
}

@inline(__always)
private func previous(
  _ row: UnsafePointer<apus_recurrent_row>, _ unit: Int, _ valid: Int
) -> Vector {
  guard let h = row.pointee.h else { return Vector(repeating: 0) }
  return loadVector(h + unit, valid: valid)
}

/// (1 − z)⊙h' + z⊙h.
@inline(__always) private func mix(_ z: Vector, _ new: Vector, _ h: Vector) -> Vector {
  multiplyAdd(z, h, (Vector(repeating: 1) - z) * new)
}

// MARK: Reset behind the matrix

/// The units of one block in one row, from its sums [z, r, R_h·h + Rb_h, W_h·x + Wb_h].
@inline(never)
private func linearUnits(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int, _ sums: UnsafePointer<Float>
) {
  let width = Vector.scalarCount
  let unit = block &* width
  let valid = min(width, layer.pointee.units &- unit)
  let z = gate(loadVector(sums), layer)
  let r = gate(loadVector(sums + width), layer)
  let new = candidate(
    multiplyAdd(r, loadVector(sums + 2 &* width), loadVector(sums + 3 &* width)), layer)
  storeVector(mix(z, new, previous(row, unit, valid)), row.pointee.h_out + unit, valid: valid)
}

@inline(__always)
private func linearTile<let n: Int>(
  _: InlineArray<n, Vector>.Type, rows: Int, blocks: Int,
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  let width = Vector.scalarCount
  let offset = block &* 3 &* width
  var sums = InlineArray<n, Vector> { _ in Vector(repeating: 0) }
  if row.pointee.projected != nil {
    loadGates(
      &sums, rows: rows, blocks: blocks, gates: 3, spacing: 4, last: 3,
      rowPointers(rows) { row[$0].projected + offset }, sourceSpacing: 3)
  } else {
    loadGates(
      &sums, rows: rows, blocks: blocks, gates: 3, spacing: 4, last: 3,
      sameRow(layer.pointee.bias + offset), sourceSpacing: 3)
    accumulate(
      &sums, rows: rows, blocks: blocks, gates: 3, spacing: 4, last: 3,
      layer.pointee.input_weights + offset &* layer.pointee.inputs, layer.pointee.inputs,
      rowPointers(rows) { row[$0].x })
  }
  loadGates(
    &sums, rows: rows, blocks: blocks, gates: 1, spacing: 4, last: 2,
    sameRow(layer.pointee.recurrent_bias + block &* width), sourceSpacing: 1)
  if row.pointee.h != nil {
    accumulate(
      &sums, rows: rows, blocks: blocks, gates: 3, spacing: 4, last: 2,
      layer.pointee.recurrent_weights + offset &* layer.pointee.units, layer.pointee.units,
      rowPointers(rows) { row[$0].h })
  }
  var panel = sums
  withUnsafeMutableBytes(of: &panel) { bytes in
    let panel = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    for r in 0..<rows {
      for b in 0..<blocks {
        linearUnits(layer, row + r, block &+ b, panel + (r &* blocks &+ b) &* 4 &* width)
      }
    }
  }
}

// Each tile in a function of its own: small enough for the compiler to inline and unroll all.

@inline(never)
private func linearTile4x1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  linearTile(InlineArray<16, Vector>.self, rows: 4, blocks: 1, layer, row, block)
}

@inline(never)
private func linearTile2x1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  linearTile(InlineArray<8, Vector>.self, rows: 2, blocks: 1, layer, row, block)
}

@inline(never)
private func linearTile1x2(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  linearTile(InlineArray<8, Vector>.self, rows: 1, blocks: 2, layer, row, block)
}

@inline(never)
private func linearTile1x1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  linearTile(InlineArray<4, Vector>.self, rows: 1, blocks: 1, layer, row, block)
}

// MARK: Reset before the matrix

/// First pass over a block: z, kept in h_out until the second, and r⊙h.
@inline(__always)
private func resetTile<let n: Int>(
  _: InlineArray<n, Vector>.Type, rows: Int,
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  let width = Vector.scalarCount
  let unit = block &* width
  let valid = min(width, layer.pointee.units &- unit)
  var sums = InlineArray<n, Vector> { _ in Vector(repeating: 0) }
  if row.pointee.projected != nil {
    loadGates(
      &sums, rows: rows, blocks: 1, gates: 2, spacing: 2, last: 1,
      rowPointers(rows) { row[$0].projected + 3 &* unit }, sourceSpacing: 3)
  } else {
    loadGates(
      &sums, rows: rows, blocks: 1, gates: 2, spacing: 2, last: 1,
      sameRow(layer.pointee.bias + 3 &* unit), sourceSpacing: 3)
    accumulate(
      &sums, rows: rows, blocks: 1, gates: 2, spacing: 2, last: 1,
      layer.pointee.input_weights + 2 &* unit &* layer.pointee.inputs, layer.pointee.inputs,
      rowPointers(rows) { row[$0].x })
  }
  if row.pointee.h != nil {
    accumulate(
      &sums, rows: rows, blocks: 1, gates: 2, spacing: 2, last: 1,
      layer.pointee.recurrent_weights + 2 &* unit &* layer.pointee.units, layer.pointee.units,
      rowPointers(rows) { row[$0].h })
  }
  for r in 0..<rows {
    storeVector(gate(sums[2 &* r], layer), row[r].h_out + unit, valid: valid)
    storeVector(
      gate(sums[2 &* r &+ 1], layer) * previous(row + r, unit, valid), row[r].reset_h + unit,
      valid: valid)
  }
}

// Each tile in a function of its own: small enough for the compiler to inline and unroll all.

@inline(never)
private func resetTile4(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  resetTile(InlineArray<8, Vector>.self, rows: 4, layer, row, block)
}

@inline(never)
private func resetTile2(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  resetTile(InlineArray<4, Vector>.self, rows: 2, layer, row, block)
}

@inline(never)
private func resetTile1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  resetTile(InlineArray<2, Vector>.self, rows: 1, layer, row, block)
}

/// Second pass: the candidate from r⊙h, and the new h over z.
@inline(__always)
private func candidateTile<let n: Int>(
  _: InlineArray<n, Vector>.Type, rows: Int,
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  let width = Vector.scalarCount
  let unit = block &* width
  let valid = min(width, layer.pointee.units &- unit)
  let place = 3 &* unit &+ 2 &* width
  var sums = InlineArray<n, Vector> { _ in Vector(repeating: 0) }
  if row.pointee.projected != nil {
    loadGates(
      &sums, rows: rows, blocks: 1, gates: 1, spacing: 1, last: 0,
      rowPointers(rows) { row[$0].projected + place }, sourceSpacing: 3)
  } else {
    loadGates(
      &sums, rows: rows, blocks: 1, gates: 1, spacing: 1, last: 0,
      sameRow(layer.pointee.bias + place), sourceSpacing: 3)
    accumulate(
      &sums, rows: rows, blocks: 1, gates: 1, spacing: 1, last: 0,
      layer.pointee.candidate_input_weights + unit &* layer.pointee.inputs, layer.pointee.inputs,
      rowPointers(rows) { row[$0].x })
  }
  if row.pointee.h != nil {
    accumulate(
      &sums, rows: rows, blocks: 1, gates: 1, spacing: 1, last: 0,
      layer.pointee.candidate_recurrent_weights + unit &* layer.pointee.units,
      layer.pointee.units, rowPointers(rows) { UnsafePointer(row[$0].reset_h) })
  }
  for r in 0..<rows {
    let z = loadVector(UnsafePointer(row[r].h_out) + unit, valid: valid)
    storeVector(
      mix(z, candidate(sums[r], layer), previous(row + r, unit, valid)), row[r].h_out + unit,
      valid: valid)
  }
}

// Each tile in a function of its own: small enough for the compiler to inline and unroll all.

@inline(never)
private func candidateTile4(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  candidateTile(InlineArray<4, Vector>.self, rows: 4, layer, row, block)
}

@inline(never)
private func candidateTile2(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  candidateTile(InlineArray<2, Vector>.self, rows: 2, layer, row, block)
}

@inline(never)
private func candidateTile1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  candidateTile(InlineArray<1, Vector>.self, rows: 1, layer, row, block)
}

/// See gru_step in CKernels.h.
func gruStep(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ rows: UnsafePointer<apus_recurrent_row>,
  _ count: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  var r = 0
  while r < count {
    let tile = count &- r >= recurrentRows ? recurrentRows : count &- r >= 2 ? 2 : 1
    if layer.pointee.linear_before_reset != 0 {
      linearStep(layer, rows + r, tile, firstBlock, lastBlock)
    } else {
      resetStep(layer, rows + r, tile, firstBlock, lastBlock)
    }
    r &+= tile
  }
}

@inline(__always)
private func linearStep(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ tile: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  var block = firstBlock
  while block < lastBlock {
    if recurrentRows == 4 && tile == 4 {
      linearTile4x1(layer, row, block)
      block &+= 1
    } else if tile == 2 {
      linearTile2x1(layer, row, block)
      block &+= 1
    } else if block &+ 2 <= lastBlock {
      linearTile1x2(layer, row, block)
      block &+= 2
    } else {
      linearTile1x1(layer, row, block)
      block &+= 1
    }
  }
}

@inline(__always)
private func resetStep(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ tile: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  var block = firstBlock
  while block < lastBlock {
    if recurrentRows == 4 && tile == 4 {
      resetTile4(layer, row, block)
    } else if tile == 2 {
      resetTile2(layer, row, block)
    } else {
      resetTile1(layer, row, block)
    }
    block &+= 1
  }
  block = firstBlock
  while block < lastBlock {
    if recurrentRows == 4 && tile == 4 {
      candidateTile4(layer, row, block)
    } else if tile == 2 {
      candidateTile2(layer, row, block)
    } else {
      candidateTile1(layer, row, block)
    }
    block &+= 1
  }
}
