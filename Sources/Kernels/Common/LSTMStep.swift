import CKernels

// One time step of an LSTM (Hochreiter & Schmidhuber 1997, peepholes as in Graves 2013, eqs. 7–11;
// names as in ONNX):
//
//     i = f(W_i·x + R_i·h + P_i⊙c + b_i)        f' = f(W_f·x + R_f·h + P_f⊙c + b_f)
//     g = g(W_c·x + R_c·h + b_c)                 C  = f'⊙c + i⊙g
//     o = f(W_o·x + R_o·h + P_o⊙C + b_o)         H  = o⊙h(C)

/// The units of one block in one row, from the sums of its gates [i, o, f, c].
@inline(never)
private func lstmUnits(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int, _ gates: UnsafePointer<Float>
) {
  let width = Vector.scalarCount
  let unit = block &* width
  let valid = min(width, layer.pointee.units &- unit)
  var i = loadVector(gates)
  var o = loadVector(gates + width)
  var f = loadVector(gates + 2 &* width)
  var g = loadVector(gates + 3 &* width)
  var c = Vector(repeating: 0)
  if let previous = row.pointee.c { c = loadVector(previous + unit, valid: valid) }
  let peepholes = layer.pointee.peepholes.map { $0 + 3 &* unit }
  if let peepholes {
    i = multiplyAdd(loadVector(peepholes), c, i)
    f = multiplyAdd(loadVector(peepholes + 2 &* width), c, f)
  }
  let isStandard = layer.pointee.is_standard != 0
  let limit = layer.pointee.clip
  if isStandard {
    i = sigmoid(i)
    f = sigmoid(f)
    g = tanh(g)
  } else {
    i = activate(i, layer.pointee.f, limit)
    f = activate(f, layer.pointee.f, limit)
    g = activate(g, layer.pointee.g, limit)
  }
  if layer.pointee.input_forget != 0 { f = Vector(repeating: 1) - i }
  c = multiplyAdd(f, c, i * g)
  if let peepholes { o = multiplyAdd(loadVector(peepholes + width), c, o) }
  let h: Vector
  if isStandard {
    h = sigmoid(o) * tanh(c)
  } else {
    // The cell itself is not clipped.
    h = activate(o, layer.pointee.f, limit) * activate(c, layer.pointee.h, .infinity)
  }
  storeVector(c, row.pointee.c_out + unit, valid: valid)
  storeVector(h, row.pointee.h_out + unit, valid: valid)
}

@inline(__always)
private func lstmTile<let n: Int>(
  _: InlineArray<n, Vector>.Type, rows: Int, blocks: Int,
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  let width = Vector.scalarCount
  let offset = block &* 4 &* width
  var sums = InlineArray<n, Vector> { _ in Vector(repeating: 0) }
  if row.pointee.projected != nil {
    loadGates(
      &sums, rows: rows, blocks: blocks, gates: 4, spacing: 4, last: 3,
      rowPointers(rows) { row[$0].projected + offset }, sourceSpacing: 4)
  } else {
    loadGates(
      &sums, rows: rows, blocks: blocks, gates: 4, spacing: 4, last: 3,
      sameRow(layer.pointee.bias + offset), sourceSpacing: 4)
    accumulate(
      &sums, rows: rows, blocks: blocks, gates: 4, spacing: 4, last: 3,
      layer.pointee.input_weights + offset &* layer.pointee.inputs, layer.pointee.inputs,
      rowPointers(rows) { row[$0].x })
  }
  if row.pointee.h != nil {
    accumulate(
      &sums, rows: rows, blocks: blocks, gates: 4, spacing: 4, last: 3,
      layer.pointee.recurrent_weights + offset &* layer.pointee.units, layer.pointee.units,
      rowPointers(rows) { row[$0].h })
  }
  withPanel(sums) { panel in
    for r in 0..<rows {
      for b in 0..<blocks {
        lstmUnits(layer, row + r, block &+ b, panel + (r &* blocks &+ b) &* 4 &* width)
      }
    }
  }
}

// Each tile in a function of its own: small enough for the compiler to inline and unroll all.

@inline(never)
private func lstmTile4x1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  lstmTile(InlineArray<16, Vector>.self, rows: 4, blocks: 1, layer, row, block)
}

@inline(never)
private func lstmTile2x1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  lstmTile(InlineArray<8, Vector>.self, rows: 2, blocks: 1, layer, row, block)
}

@inline(never)
private func lstmTile1x2(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  lstmTile(InlineArray<8, Vector>.self, rows: 1, blocks: 2, layer, row, block)
}

@inline(never)
private func lstmTile1x1(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ row: UnsafePointer<apus_recurrent_row>,
  _ block: Int
) {
  lstmTile(InlineArray<4, Vector>.self, rows: 1, blocks: 1, layer, row, block)
}

/// See lstm_step in CKernels.h.
func lstmStep(
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
        lstmTile4x1(layer, row, block)
        if n == 2 { lstmTile4x1(layer, row, block &+ 1) }
      } else if tile == 2 {
        lstmTile2x1(layer, row, block)
        if n == 2 { lstmTile2x1(layer, row, block &+ 1) }
      } else if n == 2 {
        lstmTile1x2(layer, row, block)
      } else {
        lstmTile1x1(layer, row, block)
      }
      r &+= tile
    }
    block &+= n
  }
}
