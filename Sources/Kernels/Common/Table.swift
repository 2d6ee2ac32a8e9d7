import CKernels

/// Fills the table with this module's kernels, but for those that multiply integers.
@inline(__always) func fill(_ table: UnsafeMutablePointer<apus_kernels>) {
  table.pointee.name = UnsafeRawPointer(isaName.utf8Start).assumingMemoryBound(to: CChar.self)
  table.pointee.vector_width = Vector.scalarCount
  table.pointee.unary = { unary($0, $1!, $2!, $3, $4, $5) }
  table.pointee.binary = { binary($0, $1!, $2, $3!, $4, $5!, $6) }
  table.pointee.reduce_row = { reduceRow($0, $1!, $2, $3) }
  table.pointee.reduce_columns = { reduceColumns($0, $1!, $2, $3, $4, $5, $6, $7!) }
  table.pointee.softmax_row = { softmaxRow($0!, $1!, $2, $3) }
  table.pointee.softmax_columns = { softmaxColumns($0!, $1!, $2, $3, $4, $5) }
  table.pointee.moments = { moments($0!, $1, $2!, $3!) }
  table.pointee.normalize = { normalize($0!, $1!, $2, $3, $4, $5, $6, $7) }
  table.pointee.local_response = { localResponse($0!, $1!, $2, $3, $4, $5, $6, $7, $8, $9) }
  table.pointee.weighted_sum = { weightedSum($0!, $1, $2, $3!, $4, $5!, $6) }
  table.pointee.word_depth = 1
  table.pointee.gemm_columns = tileColumns
  table.pointee.gemm_pack = { gemmPack($0!, $1, $2, $3, $4, $5, $6!) }
  table.pointee.gemm = { gemm($0!) }
  table.pointee.gemv = { gemv($0!, $1, $2) }
  table.pointee.rnn_units = { rnnUnits($0!, $1!, $2, $3, $4) }
  table.pointee.lstm_units = { lstmUnits($0!, $1!, $2, $3, $4) }
  table.pointee.gru_units = { gruUnits($0!, $1!, $2, $3, $4) }
  table.pointee.gru_reset = { gruReset($0!, $1!, $2, $3, $4) }
  table.pointee.convolution_rows = tileRows
  table.pointee.convolution_packed_count = { convolutionPackedCount($0, $1) }
  table.pointee.convolution_pack = { convolutionPack($0!, $1, $2, $3, $4, $5, $6!, $7!) }
  table.pointee.convolve = { convolve($0!, $1!, $2!, $3, $4!, $5, $6) }
  table.pointee.depthwise_convolution = {
    depthwiseConvolution($0!, $1!, $2!, $3, $4, $5, $6!, $7, $8)
  }
  table.pointee.max_pool = { maxPool($0!, $1!, $2!, $3, $4) }
  table.pointee.average_pool = { averagePool($0!, $1, $2!, $3!, $4, $5) }
  table.pointee.blocked_convolve = { blockedConvolve($0!, $1!, $2!, $3, $4, $5!) }
  table.pointee.blocked_packed_count = { blockedPackedCount($0, $1, $2) }
  table.pointee.blocked_pack = { blockedPack($0!, $1, $2, $3, $4, $5, $6!, $7!) }
  table.pointee.blocked_band = { blockedBand($0!, $1!, $2!) }
  table.pointee.blocked_depthwise = {
    blockedDepthwise($0!, $1!, $2!, $3, $4, $5, $6!, $7, $8)
  }
  table.pointee.blocked_max_pool = { blockedMaxPool($0!, $1!, $2!, $3, $4) }
  table.pointee.blocked_average_pool = { blockedAveragePool($0!, $1, $2!, $3!, $4, $5) }
  table.pointee.block_channels = { blockChannels($0!, $1, $2, $3, $4!) }
  table.pointee.unblock_channels = { unblockChannels($0!, $1, $2, $3!, $4) }
  table.pointee.winograd_input = { winogradInput($0!, $1!, $2!) }
  table.pointee.winograd_output = { winogradOutput($0!, $1!, $2, $3, $4, $5, $6!) }
  table.pointee.winograd_weights = { winogradWeights($0, $1!, $2, $3, $4, $5, $6, $7!) }
  table.pointee.quantize = { quantize($0!, $1, $2, $3, $4, $5, $6!) }
  table.pointee.dequantize = { dequantize($0!, $1, $2, $3, $4, $5!) }
}
