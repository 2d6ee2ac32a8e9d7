// What the kernels over channel blocks are told. Included by CKernels.h.
//
// A tensor [N, C, (D,) H, W] in channel blocks lies as [N][ceil(C / V)][(D)][H][W][V], where V is
// the vector_width of the instruction set: the lanes of a vector are channels of one position.
// Lanes beyond C hold unspecified finite numbers, which never reach a real channel's result.
#ifndef APUS_BLOCKED_KERNELS_H
#define APUS_BLOCKED_KERNELS_H

#include <stdint.h>

/// A convolution into channel blocks whose windows all lie inside x (apus_blocked_band brings the
/// padding). For output block b, row r, position p, lane l:
///
///     y[b · y_block + r · y_row + p · V + l] = clip(bias[b · V + l]
///         + Σ over channel c, tap t: w[b · V + l, c, t] · x[(c / V) · x_block + (c % V) · x_channel
///             + r · x_row + tap_offsets[t] + p · x_position]
///         + addend[as y])
///
/// With x in channel blocks x_channel is 1 and x_position is V times the stride; a plain x has its
/// channels x_channel apart.
///
/// The sum runs over blocks of channels, within a block over taps, within a tap over lanes.
typedef struct apus_blocked_convolution {
  intptr_t channels;
  intptr_t first_lane;  ///< where in its block x stands: c above counts on from there
  intptr_t taps;
  const int32_t *tap_offsets;  ///< all offsets and strides in floats
  intptr_t x_block, x_channel, x_row, x_position;
  intptr_t rows, width;
  intptr_t blocks;      ///< output blocks
  intptr_t last_lanes;  ///< lanes of the last one that have weights other than 0
  intptr_t y_block, y_row;
  float minimum, maximum;
} apus_blocked_convolution;

/// A band of the input of a convolution: some rows, zeros where they leave the input. Planes are
/// channel blocks, of V lanes, or channels, of a single one. For plane i, lane l:
///
///     out[i · out_plane + (row · columns + column) · lanes + l]
///         = x[i · x_plane + ((first_row + row) · input_width + first_column + column) · lanes + l]
typedef struct apus_blocked_band {
  intptr_t planes, lanes, input_height, input_width;
  intptr_t x_plane, out_plane;  ///< floats from one plane to the next
  intptr_t first_row, rows;
  intptr_t first_column, columns;
} apus_blocked_band;

#endif
