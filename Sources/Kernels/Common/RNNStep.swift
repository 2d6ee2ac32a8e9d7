import CKernels

// One time step of a simple recurrent layer (Elman 1990): H = f(W·x + R·h + b).

/// The units of one block in one row, from their sums.
@inline(never)
private func rnnUnits(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int, _ sums: UnsafePointer<Float>
) {
  let unit = block &* Vector.scalarCount
  let h: Vector
  if layer.pointee.is_standard != 0 {
    h = tanh(loadVector(sums))
  } else {
    h = activate(loadVector(sums), layer.pointee.f, layer.pointee.clip)
  }
  storeVector(h, row.pointee.h_out + unit, valid: layer.pointee.units &- unit)
}

@inline(__always)
private func rnnTile<let n: Int>(
  _: InlineArray<n, Vector>.Type, rows: Int, blocks: Int,
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  let width = Vector.scalarCount
  let offset = block &* width
  var sums = InlineArray<n, Vector> { _ in Vector(repeating: 0) }
  if row.pointee.projected != nil {
    loadGates(
      &sums, rows: rows, blocks: blocks, gates: 1, spacing: 1, last: 0,
      rowPointers(rows) { row[$0].projected + offset }, sourceSpacing: 1)
  } else {
    loadGates(
      &sums, rows: rows, blocks: blocks, gates: 1, spacing: 1, last: 0,
      sameRow(layer.pointee.bias + offset), sourceSpacing: 1)
    accumulate(
      &sums, rows: rows, blocks: blocks, gates: 1, spacing: 1, last: 0,
      layer.pointee.input_weights + offset &* layer.pointee.inputs, layer.pointee.inputs,
      rowPointers(rows) { row[$0].x })
  }
  if row.pointee.h != nil {
    accumulate(
      &sums, rows: rows, blocks: blocks, gates: 1, spacing: 1, last: 0,
      layer.pointee.recurrent_weights + offset &* layer.pointee.units, layer.pointee.units,
      rowPointers(rows) { row[$0].h })
  }
  withPanel(sums) { panel in
    for r in 0..<rows {
      for b in 0..<blocks {
        rnnUnits(layer, row + r, block &+ b, panel + (r &* blocks &+ b) &* width)
      }
    }
  }
}

// Each tile in a function of its own: small enough for the compiler to inline and unroll all.

@inline(never)
private func rnnTile4x4(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  rnnTile(InlineArray<16, Vector>.self, rows: 4, blocks: 4, layer, row, block)
}

@inline(never)
private func rnnTile4x1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  rnnTile(InlineArray<4, Vector>.self, rows: 4, blocks: 1, layer, row, block)
}

@inline(never)
private func rnnTile2x4(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  rnnTile(InlineArray<8, Vector>.self, rows: 2, blocks: 4, layer, row, block)
}

@inline(never)
private func rnnTile2x1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  rnnTile(InlineArray<2, Vector>.self, rows: 2, blocks: 1, layer, row, block)
}

@inline(never)
private func rnnTile1x4(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  rnnTile(InlineArray<4, Vector>.self, rows: 1, blocks: 4, layer, row, block)
}

@inline(never)
private func rnnTile1x1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  rnnTile(InlineArray<1, Vector>.self, rows: 1, blocks: 1, layer, row, block)
}

/// See rnn_step in CKernels.h.
func rnnStep(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ rows: UnsafePointer<apus_recurrent_row>,
  _ count: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  // Several blocks at once hide the latency of the chains of sums.
  var block = firstBlock
  while block < lastBlock {
    let isWide = block &+ 4 <= lastBlock
    var r = 0
    while r < count {
      let tile = recurrentTile(count &- r)
      let row = rows + r
      if recurrentRows == 4 && tile == 4 {
        if isWide { rnnTile4x4(layer, row, block) } else { rnnTile4x1(layer, row, block) }
      } else if tile == 2 {
        if isWide { rnnTile2x4(layer, row, block) } else { rnnTile2x1(layer, row, block) }
      } else {
        if isWide { rnnTile1x4(layer, row, block) } else { rnnTile1x1(layer, row, block) }
      }
      r &+= tile
    }
    block &+= isWide ? 4 : 1
  }
}
