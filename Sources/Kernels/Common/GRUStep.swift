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
  withPanel(sums) { panel in
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

/// z, kept in h_out until the second pass, and r⊙h, from the sums [z, r].
@inline(never)
private func resetUnits(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int, _ sums: UnsafePointer<Float>
) {
  let unit = block &* Vector.scalarCount
  let valid = layer.pointee.units &- unit
  let z = gate(loadVector(sums), layer)
  let r = gate(loadVector(sums + Vector.scalarCount), layer)
  storeVector(z, row.pointee.h_out + unit, valid: valid)
  storeVector(r * previous(row, unit, valid), row.pointee.reset_h + unit, valid: valid)
}

/// The new h over z, from the candidate's sum.
@inline(never)
private func candidateUnits(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int, _ sum: UnsafePointer<Float>
) {
  let unit = block &* Vector.scalarCount
  let valid = layer.pointee.units &- unit
  let z = loadVector(UnsafePointer(row.pointee.h_out) + unit, valid: valid)
  let new = candidate(loadVector(sum), layer)
  storeVector(mix(z, new, previous(row, unit, valid)), row.pointee.h_out + unit, valid: valid)
}

/// First pass over a block.
@inline(__always)
private func resetTile<let n: Int>(
  _: InlineArray<n, Vector>.Type, rows: Int,
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  let width = Vector.scalarCount
  let unit = block &* width
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
  withPanel(sums) { panel in
    for r in 0..<rows {
      resetUnits(layer, row + r, block, panel + 2 &* r &* width)
    }
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

/// Second pass over a block: the candidate from r⊙h.
@inline(__always)
private func candidateTile<let n: Int>(
  _: InlineArray<n, Vector>.Type, rows: Int,
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  let width = Vector.scalarCount
  let unit = block &* width
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
  withPanel(sums) { panel in
    for r in 0..<rows {
      candidateUnits(layer, row + r, block, panel + r &* width)
    }
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
  if layer.pointee.linear_before_reset != 0 {
    linearStep(layer, rows, count, firstBlock, lastBlock)
  } else {
    resetStep(layer, rows, count, firstBlock, lastBlock)
  }
}

private func linearStep(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ rows: UnsafePointer<apus_recurrent_row>,
  _ count: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  // Blocks outside, rows inside: the weights of a block are near when the next rows need them.
  var block = firstBlock
  while block < lastBlock {
    let n = min(2, lastBlock &- block)
    var r = 0
    while r < count {
      let tile = recurrentTile(count &- r)
      let row = rows + r
      if recurrentRows == 4 && tile == 4 {
        linearTile4x1(layer, row, block)
        if n == 2 { linearTile4x1(layer, row, block &+ 1) }
      } else if tile == 2 {
        linearTile2x1(layer, row, block)
        if n == 2 { linearTile2x1(layer, row, block &+ 1) }
      } else if n == 2 {
        linearTile1x2(layer, row, block)
      } else {
        linearTile1x1(layer, row, block)
      }
      r &+= tile
    }
    block &+= n
  }
}

private func resetStep(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ rows: UnsafePointer<apus_recurrent_row>,
  _ count: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  var block = firstBlock
  while block < lastBlock {
    var r = 0
    while r < count {
      let tile = recurrentTile(count &- r)
      if recurrentRows == 4 && tile == 4 {
        resetTile4(layer, rows + r, block)
      } else if tile == 2 {
        resetTile2(layer, rows + r, block)
      } else {
        resetTile1(layer, rows + r, block)
      }
      r &+= tile
    }
    block &+= 1
  }
  block = firstBlock
  while block < lastBlock {
    var r = 0
    while r < count {
      let tile = recurrentTile(count &- r)
      if recurrentRows == 4 && tile == 4 {
        candidateTile4(layer, rows + r, block)
      } else if tile == 2 {
        candidateTile2(layer, rows + r, block)
      } else {
        candidateTile1(layer, rows + r, block)
      }
      r &+= tile
    }
    block &+= 1
  }
}
