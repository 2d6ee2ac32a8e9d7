// What the kernels over channels-last bytes are told. Included by CKernels.h.
//
// A quantised tensor [N, C, (D,) H, W] with channels last lies as [N][(D)][H][W][P], P being C rounded
// up to whole blocks of 16. Its bytes have no sign: an int8 tensor has 128 added to each. What stands
// beyond C means nothing, and reaches no real channel's result.
#ifndef APUS_BYTE_KERNELS_H
#define APUS_BYTE_KERNELS_H

#include <stdint.h>

/// Channels of a block.
#define APUS_BYTE_BLOCK 16

/// A convolution of bytes whose windows all lie inside x. Row r, position p, output channel c:
///
///     sum = start[c] + Σ over tap t, word k, byte i of the word:
///         w[c, t, k, i] · x[r · x_row + p · x_position + tap_offsets[t] + k words + i]
///     y[r · y_row + p · y_position + c] = clip(round(sum · scale[c]) + zero, lower, upper)
///
/// halves to even; sums wrap around. With integer_word_depth 4 a word is 4 bytes of x; with 2 it is
/// two 16-bit integers, which x must have been widened to.
typedef struct apus_byte_convolution {
  intptr_t taps, words;
  const int32_t *tap_offsets;  ///< all offsets and strides in bytes
  intptr_t x_row, x_position;
  intptr_t rows, width;
  intptr_t blocks;  ///< of 16 output channels
  intptr_t y_row, y_position;
  /// [block][16]. |sum · scale| must stay below 2^31.
  const int32_t *start;
  const float *scale;
  int32_t zero, lower, upper;
} apus_byte_convolution;

#endif
