import CKernels

// One time step of a simple recurrent layer (Elman 1990): H = f(W·x + R·h + b).

/// See rnn_units in CKernels.h.
func rnnUnits(
  _ layer: UnsafePointer<apus_recurrent_layer>, _ rows: UnsafePointer<apus_recurrent_row>,
  _ count: Int, _ firstBlock: Int, _ lastBlock: Int
) {
  let isStandard = layer.pointee.is_standard != 0
  forEachBlock(rows, count, firstBlock, lastBlock) { row, block in
    let unit = block &* Vector.scalarCount
    let sum = loadVector(row.pointee.sums + unit)
    storeVector(
      isStandard ? tanh(sum) : activate(sum, layer.pointee.f, layer.pointee.clip),
      row.pointee.h_out + unit, valid: layer.pointee.units &- unit)
  }
}
