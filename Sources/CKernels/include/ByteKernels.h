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
/// halves to even; sums wrap around. With byte_word_depth 4 a word is 4 bytes of x; with 2 it is
/// two 16-bit integers, which x must have been widened to.
typedef struct apus_byte_convolution {
  intptr_t taps, words;
  const int32_t *tap_offsets;  ///< all offsets and strides in bytes
  intptr_t x_row, x_position;
  intptr_t rows, width;
  /// Taps of each row of a window. A window's first row is row top + r · row_step of `height` rows
  /// of an input; its rows outside of that are zeros, and need not be read.
  intptr_t row_taps, top, row_step, height;
  /// Whether the first column of the window of a row's first position, and the last of its last's,
  /// are zeros that are not to be read. If one is: width is a multiple of 14, blocks of 2, words
  /// have 4 bytes, and a window has row_taps columns, two at least.
  int32_t skips_first, skips_last;
  intptr_t blocks;  ///< of 16 output channels
  intptr_t y_row, y_position;
  /// [block][16]. |sum · scale| must stay below 2^31.
  const int32_t *start;
  const float *scale;
  int32_t zero, lower, upper;
} apus_byte_convolution;

/// Windows that all lie inside x, each over one channel, of positions that follow one another in x as in
/// y: each row is `length` bytes. Taps stand in words of byte_word_depth, each with room for four;
/// what is left of a word repeats a tap. For a depthwise convolution, byte i of row r:
///
///     sum = start[phase, i] + Σ over word k, tap j of the word:
///         w[phase, k, i, j] · x[r · x_row + tap_offsets[4 k + j] + i]
///     y[r · y_row + i] = clip(round(sum · scale[phase, i]) + zero, lower, upper)
///
/// Numbers of bytes stand in chunks of 4 byte_lanes of a row: chunk c has those of phase
/// c % phases. Of the chunk, byte 16 l + 4 j + i stands at j · byte_lanes + 4 l + i, as it comes out
/// of interleaving bytes in each 128 bits of registers.
///
/// Up to a chunk less one byte is read beyond a row's last.
typedef struct apus_byte_windows {
  intptr_t words;
  const int32_t *tap_offsets;  ///< [words][4]
  intptr_t rows, length, x_row, y_row, phases;
  const int32_t *start;    ///< [phases][chunk]
  const float *scale;      ///< [phases][chunk]
  const int32_t *weights;  ///< [phases][words][chunk]
  int32_t zero, lower, upper;
} apus_byte_windows;

/// A sum of two tensors of bytes alike in shape: with a' = a − zero and b' = b − zero
///
///     y = clip(round(a' · a_ratio + (b' · b_ratio + fixed)) + zero, 0, 255)
///
/// halves to even, each product and sum rounded by itself. zero: 128 where the numbers have a sign.
typedef struct apus_byte_sum {
  float a_ratio, b_ratio, fixed;
  int32_t zero;
} apus_byte_sum;

#endif
