// What the kernels over channel blocks are told. Included by CKernels.h.
//
// A tensor [N, C, (D,) H, W] in channel blocks lies as [N][ceil(C / V)][(D)][H][W][V], where V is
// the vector_width of the instruction set: the lanes of a vector are channels of one position.
// Lanes beyond C hold unspecified finite numbers, which never reach a real channel's result.
#ifndef APUS_BLOCKED_KERNELS_H
#define APUS_BLOCKED_KERNELS_H

#include <stdint.h>

/// A convolution over channel blocks whose positions under a tap are adjacent (apus_blocked_band
/// brings those of a stride or a padding together). For output block b, row r, position p, lane l:
///
///     y[b · y_block + r · y_row + p · V + l] = clip(bias[b · V + l]
///         + Σ over channel c, tap t: w[b · V + l, c, t]
///             · x[(c / V) · x_block + r · x_row + tap_offsets[t] + p · V + c % V]
///         + addend[as y])
///
/// The sum runs over blocks of channels, within a block over taps, within a tap over lanes.
typedef struct apus_blocked_convolution {
  intptr_t channels;
  intptr_t first_lane;  ///< where in its block x stands: c above counts on from there
  intptr_t taps;
  const int32_t *tap_offsets;  ///< all offsets and strides in floats
  intptr_t x_block, x_row;
  intptr_t rows, width;
  intptr_t blocks;  ///< output blocks
  intptr_t y_block, y_row;
  float minimum, maximum;
} apus_blocked_convolution;

/// A band of the input of a convolution: `rows` rows from first_row on, zeros where it leaves the
/// input, columns sorted by their phase modulo step_x. For block b, lane l:
///
///     out[b][row][phase][column][l]
///         = x[channel b · V + l][first_row + row][first_column + column · step_x + phase]
typedef struct apus_blocked_band {
  intptr_t channels, input_height, input_width;
  /// Floats from one channel of a plain input to the next; 0: the input is in channel blocks.
  intptr_t x_channel;
  /// Floats from one block of an input in blocks to the next.
  intptr_t x_block;
  intptr_t first_row, rows;
  intptr_t first_column, columns;  ///< columns: those of one phase
  intptr_t step_x;
} apus_blocked_band;

#endif
