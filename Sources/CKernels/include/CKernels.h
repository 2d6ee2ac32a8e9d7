// The kernel table: what the runtime may ask of an instruction set. Every kernel module
// (Sources/Kernels/*) fills one; the runtime picks a table when a model is opened.
//
// Conventions
//   * n, rows, columns … count elements, never bytes. Pointers need element alignment only.
//   * A kernel reads and writes exactly the elements its parameters name, tails included.
//   * y may equal x where a comment says "in place".
//   * A kernel keeps no state, allocates nothing, and uses at most 16 KiB of stack.
//   * The bits of an output element depend on that element's inputs alone, never on where in the
//     range it stands: splitting a range over threads must not change the result.
#ifndef APUS_CKERNELS_H
#define APUS_CKERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "VectorIntrinsics.h"
#include "RecurrentKernels.h"
#include "BlockedKernels.h"
#include "ByteKernels.h"
#include "WinogradKernels.h"

/// A matrix product, row-major: C = clip(start + A·B) with A [rows][depth], B [depth][columns],
/// C [rows][columns]. An element is start + a0·b0 + a1·b1 + …, summed in that order (fused, but for
/// the baseline), so a row has the same bits in every batch, in gemm and in gemv.
///
/// To share the work over threads, give each a range of rows, or a range of columns that starts at
/// a multiple of gemm_columns: then b is `packed + first · depth`, and c and bias are moved by
/// `first`.
typedef struct apus_gemm {
  intptr_t rows, columns, depth;
  const float *a;
  /// Elements from one row of A to the next, and from one column to the next: a transposed A has
  /// the two exchanged.
  intptr_t a_row_stride, a_column_stride;
  /// 0: b was packed by gemm_pack. Otherwise b is [depth][columns] in place, its rows this many
  /// elements apart and its columns adjacent.
  intptr_t b_row_stride;
  const float *b;
  float *c;
  intptr_t c_row_stride;
  /// What each column starts from; NULL: from C as it is where accumulate is set, else from 0.
  const float *bias;
  bool accumulate;
  /// A fused activation: the results are clipped to minimum ... maximum. -INFINITY and INFINITY
  /// for none, 0 and INFINITY for ReLU. NaN stays NaN.
  float minimum, maximum;
} apus_gemm;

/// A product of 8 rows that gemv may work at while it waits for its weights: B packed, with a bias,
/// not clipped. The columns before `column` are done, and of the panel there `terms` of the sums.
typedef struct apus_gemm_ahead {
  apus_gemm product;
  intptr_t column, terms;
} apus_gemm_ahead;

/// Functions of one argument, y[i] = f(x[i]), for apus_kernels.unary. a and b are its parameters.
/// Error bounds: Sources/Kernels/Common/Exponential.swift. The sign of zero and NaN are kept as
/// the formulas say.
enum {
  APUS_UNARY_EXP = 0,
  APUS_UNARY_LOG = 1,
  APUS_UNARY_SIGMOID = 2,
  APUS_UNARY_TANH = 3,
  APUS_UNARY_ERF = 4,
  APUS_UNARY_SQRT = 5,
  APUS_UNARY_RECIPROCAL = 6,
  APUS_UNARY_ABS = 7,
  APUS_UNARY_NEG = 8,
  APUS_UNARY_SIGN = 9,           ///< −1, 0, 1
  APUS_UNARY_FLOOR = 10,
  APUS_UNARY_CEIL = 11,
  APUS_UNARY_ROUND = 12,         ///< halves to even
  APUS_UNARY_AFFINE = 13,        ///< a·x + b
  APUS_UNARY_CLIP = 14,          ///< min(max(x, a), b)
  APUS_UNARY_LEAKY_RELU = 15,    ///< x < 0: a·x, else x
  APUS_UNARY_ELU = 16,           ///< x < 0: a·(e^(b·x) − 1), else x; CELU with a, b = α, 1/α
  APUS_UNARY_SELU = 17,          ///< x > 0: b·x, else b·a·(e^x − 1)
  APUS_UNARY_THRESHOLD = 18,     ///< x > a: x, else 0
  APUS_UNARY_HARD_SIGMOID = 19,  ///< min(max(a·x + b, 0), 1)
  APUS_UNARY_HARD_SWISH = 20,    ///< x · min(max(x/6 + ½, 0), 1)
  APUS_UNARY_SOFTPLUS = 21,      ///< log(1 + e^x)
  APUS_UNARY_SOFTSIGN = 22,      ///< x / (1 + |x|)
  APUS_UNARY_GELU_ERF = 23,      ///< ½x · (1 + erf(x/√2))
  APUS_UNARY_GELU_TANH = 24,     ///< ½x · (1 + tanh(√(2/π) · (x + 0.044715·x³)))
  APUS_UNARY_SWISH = 25,         ///< x · sigmoid(a·x)
  APUS_UNARY_MISH = 26,          ///< x · tanh(log(1 + e^x))
  APUS_UNARY_RELU = 27,          ///< max(x, 0)
  APUS_UNARY_SHRINK = 28,        ///< x < −a: x + b; x > a: x − b; else 0
};

/// Functions of two arguments, for apus_kernels.binary. NaN in either gives NaN, but for POW.
enum {
  APUS_BINARY_ADD = 0,
  APUS_BINARY_SUB = 1,
  APUS_BINARY_MUL = 2,
  APUS_BINARY_DIV = 3,
  APUS_BINARY_MIN = 4,
  APUS_BINARY_MAX = 5,
  APUS_BINARY_PRELU = 6,  ///< a < 0: b·a, else a
  APUS_BINARY_POW = 7,    ///< a^b as C99's pow: Kernels/Common/Power.swift
};

/// What a reduction adds up (or multiplies, or picks), for apus_kernels.reduce_…
enum {
  APUS_REDUCE_SUM = 0,
  APUS_REDUCE_ABS_SUM = 1,
  APUS_REDUCE_SQUARE_SUM = 2,
  APUS_REDUCE_EXP_SUM = 3,  ///< Σ e^(x − shift)
  APUS_REDUCE_MAX = 4,      ///< NaN where there is one
  APUS_REDUCE_MIN = 5,
  APUS_REDUCE_PROD = 6,
};

/// A convolution of one batch item and one group, in one, two or three dimensions (those missing
/// have size 1), of any stride, dilation and padding; a transposed convolution is one of these for
/// each position modulo its stride.
///
///     y[row, g] = clip(bias[row] + Σ over channel, tap: w[row, channel, tap]
///                                  · x[channel, step · g + tap_offsets[tap]])
///
/// for all g in the grid; x is 0 outside its bounds. The sum runs over channels, within a channel
/// over taps, in order. The work is cut into tiles of gemm_columns columns; threads share tiles, or
/// rows from a multiple of convolution_rows on (then weights are `packed + row · channels · taps`,
/// and bias and y are moved by `row`).
typedef struct apus_convolution {
  /// Input: [channels][input_depth][input_height][input_width].
  intptr_t channels, input_depth, input_height, input_width;
  intptr_t grid_depth, grid_height, grid_width;
  /// Input elements from one grid point to the next.
  intptr_t step_z, step_y, step_x;
  intptr_t taps;
  /// [taps][3]: z, y, x of the input element under each tap at grid point 0; may be negative.
  const int32_t *tap_offsets;
  intptr_t rows;
  /// Elements of y from one row to the next, and from one grid point to the next.
  intptr_t y_step_row, y_step_z, y_step_y, y_step_x;
  /// Columns to compute: all grid points; with a table see below.
  intptr_t columns;
  /// NULL, or where the input under (channel, tap) starts, in elements, channels · taps of them.
  /// The input is then read in place: columns count adjacent input elements, from the first grid
  /// point to the last, ((grid_depth - 1) · input_height + grid_height - 1) · input_width +
  /// grid_width. Only for steps of 1 and windows that never leave the input, and at least
  /// gemm_columns columns.
  const int32_t *table;
  float minimum, maximum;
} apus_convolution;

/// A window that slides over a plane [input_depth][input_height][input_width] and gives
/// [output_depth][output_height][output_width]. Dimensions that are missing have size, kernel,
/// stride and dilation 1 and pads 0.
typedef struct apus_window {
  intptr_t input_depth, input_height, input_width;
  intptr_t output_depth, output_height, output_width;
  intptr_t kernel_depth, kernel_height, kernel_width;
  intptr_t stride_z, stride_y, stride_x;
  intptr_t dilation_z, dilation_y, dilation_x;
  intptr_t pad_z, pad_y, pad_x;
  intptr_t pad_end_z, pad_end_y, pad_end_x;
} apus_window;

/// One tile of columns of a product of 8-bit integers, with or without a sign, summed in int32
/// (which wraps around):
///
///     sum[r][c] = start[r] + Σk a[r][k] · b[k][c]
///                 − a_zeros[r] · Σk b[k][c] − a_sums[r] · b_zeros[c]
///
/// a is packed as integers with a sign: one without has its top bit flipped, which takes 128 from
/// it and its zero point. b is packed without a sign: one with it gains 128. So with zero points A
/// and B, Σk (a − A) · (b − B) has a_zeros = A, a_sums = Σk a − depth · A and b_zeros = B; where B
/// is one number, −B · a_sums may be part of start instead.
typedef struct apus_integer_product {
  intptr_t rows, words;
  /// At most integer_columns.
  intptr_t columns;
  const int32_t *a;        ///< integer_pack_rows
  const int32_t *b;        ///< integer_gather
  const int32_t *start;    ///< [rows]
  const int32_t *a_zeros;  ///< [rows], or NULL: all 0
  const int32_t *a_sums;   ///< [rows]; not read where b_zeros is NULL
  const int32_t *b_zeros;  ///< [columns], or NULL: all 0
  /// [rows], or NULL: y is the sum, int32. Else y is one byte,
  /// low byte of (y_zero + clip(round(sum · scale), y_lower, y_upper)), halves to even, where scale
  /// is a_scales[r], or (a_scales[r] · b_scales[c]) / y_scale.
  const float *a_scales;
  const float *b_scales;  ///< [columns], or NULL
  float y_scale;
  int32_t y_zero;
  float y_lower, y_upper;
  void *y;
  /// In elements.
  intptr_t y_row_stride;
} apus_integer_product;

typedef struct apus_kernels {
  /// "baseline", "avx2", "avx512" or "avx512vnni".
  const char *name;
  /// float lanes of a vector register.
  intptr_t vector_width;
  /// Bytes of the core's own (second-level) cache, which blocks are fitted to. No bit of a result
  /// depends on it.
  intptr_t core_cache;

  // MARK: Element-wise, one input (in place)
  /// y[i] = f(x[i]), f one of APUS_UNARY_…
  void (*unary)(intptr_t f, const float *x, float *y, intptr_t n, float a, float b);

  // MARK: Element-wise, two inputs (in place with either)

  /// y[i] = f(a[i · a_step], b[i · b_step]), f one of APUS_BINARY_…; the steps are 0 or 1.
  void (*binary)(intptr_t f, const float *a, intptr_t a_step, const float *b, intptr_t b_step,
                 float *y, intptr_t n);

  // MARK: Reductions
  // Sums are taken in a fixed order in blocks: their error is at most (80 + n / 256) · 2^-24 · Σ|x|
  // for n elements of a row, (65 + n / 64) · 2^-24 · Σ|x| for n rows.

  /// Reduces n adjacent elements with one of APUS_REDUCE_…; the identity where n is 0.
  float (*reduce_row)(intptr_t f, const float *x, intptr_t n, float shift);
  /// Reduces `rows` rows into one: y[c] = f over r of x[r · row_stride + c]; with `accumulate` y[c]
  /// is combined with the result. shift[c] for EXP_SUM; else NULL.
  void (*reduce_columns)(intptr_t f, const float *x, intptr_t rows, intptr_t row_stride,
                         intptr_t columns, const float *shift, bool accumulate, float *y);

  // MARK: Softmax and normalisation (in place)

  /// y = e^(x − max) / Σ e^(x − max) over n adjacent elements, or its logarithm.
  void (*softmax_row)(const float *x, float *y, intptr_t n, bool logarithm);
  /// The same down each of `columns` columns of n elements, row_stride apart in x and y.
  void (*softmax_columns)(const float *x, float *y, intptr_t n, intptr_t row_stride,
                          intptr_t columns, bool logarithm);
  /// The mean of n > 0 elements and that of their squared distances from it.
  void (*moments)(const float *x, intptr_t n, float *mean, float *variance);
  /// y[i] = (x[i] − mean) · factor · scale[i · step] + bias[i · step]. A NULL scale counts as 1, a
  /// NULL bias as 0; step is 0 or 1.
  void (*normalize)(const float *x, float *y, intptr_t n, float mean, float factor,
                    const float *scale, const float *bias, intptr_t step);
  /// Local response normalisation down `channels` channels of `columns` adjacent columns (not in
  /// place): y[c] = x[c] / (bias + alpha · Σ x[k]²)^beta, the sum over before + 1 + after channels
  /// around c as far as they exist.
  void (*local_response)(const float *x, float *y, intptr_t channels, intptr_t channel_stride,
                         intptr_t columns, intptr_t before, intptr_t after, float alpha, float beta,
                         float bias);
  /// y[i] = factor · Σk w[k] · x[i + k · stride], k < taps (not in place).
  void (*weighted_sum)(const float *x, intptr_t taps, intptr_t stride, const float *w, float factor,
                       float *y, intptr_t n);

  // MARK: Matrix product

  /// Neighbours of the depth (in channel blocks: channels) that packed weights have in each 32-bit
  /// word: 1, or 2 after kernels_fill_bf16. Half of a last word may be empty.
  intptr_t word_depth;
  /// Columns of a packed panel. A packed matrix takes
  /// (columns rounded up to a multiple of this) · (words of the depth) floats.
  intptr_t gemm_columns;
  /// Packs scale · B, element (k, n) at b[k · row_stride + n · column_stride], for gemm and gemv.
  void (*gemm_pack)(const float *b, intptr_t row_stride, intptr_t column_stride, intptr_t depth,
                    intptr_t columns, float scale, float *packed);
  /// C must not overlap A, B or bias.
  void (*gemm)(const apus_gemm *g);
  /// gemm of one row, with a_column_stride 1 and a packed B; backwards over the columns where that
  /// finds more of B in the cache. Does some of `ahead` where that is not NULL and the instruction
  /// set has registers for it. C may be bias, but not A.
  void (*gemv)(const apus_gemm *g, apus_gemm_ahead *ahead, bool backwards);

  // MARK: Recurrent layers (RecurrentKernels.h)

  /// h and c of `count` rows, for the units of blocks first_block to last_block (exclusive).
  void (*rnn_units)(const apus_recurrent_layer *layer, const apus_recurrent_row *rows,
                    intptr_t count, intptr_t first_block, intptr_t last_block);
  void (*lstm_units)(const apus_recurrent_layer *layer, const apus_recurrent_row *rows,
                     intptr_t count, intptr_t first_block, intptr_t last_block);
  void (*gru_units)(const apus_recurrent_layer *layer, const apus_recurrent_row *rows,
                    intptr_t count, intptr_t first_block, intptr_t last_block);
  /// Before that, without linear_before_reset: r⊙h into reset_h, for R_h·(r⊙h).
  void (*gru_reset)(const apus_recurrent_layer *layer, const apus_recurrent_row *rows,
                    intptr_t count, intptr_t first_block, intptr_t last_block);
  /// At most four rows from `row` on, 2 byte_lanes columns from a multiple of that on. tile: room
  /// for four rows of as many columns.
  void (*integer_gemv)(const apus_integer_gemv *p, intptr_t row, intptr_t column, int32_t *tile);

  // MARK: Convolution and pooling

  /// Rows of a full panel of packed convolution weights.
  intptr_t convolution_rows;
  /// Floats of packed weights; depth is channels · taps.
  intptr_t (*convolution_packed_count)(intptr_t rows, intptr_t depth);
  /// Packs w[row · row_stride + channel · channel_stride + tap_offsets[tap]].
  void (*convolution_pack)(const float *w, intptr_t rows, intptr_t row_stride, intptr_t channels,
                           intptr_t channel_stride, intptr_t taps, const int32_t *tap_offsets,
                           float *packed);
  /// Computes the tiles first_tile ... end_tile - 1 of ceil(columns / gemm_columns).
  void (*convolve)(const apus_convolution *c, const float *x, const float *packed,
                   const float *bias, float *y, intptr_t first_tile, intptr_t end_tile);
  /// One channel, output rows first_row ... end_row - 1 of output_depth · output_height:
  /// y = clip(bias + Σ weights[tap] · x[under tap]), x being 0 in the padding.
  void (*depthwise_convolution)(const apus_window *w, const float *x, const float *weights,
                                float bias, float minimum, float maximum, float *y,
                                intptr_t first_row, intptr_t end_row);
  /// One plane, output rows first_row ... end_row - 1. The padding counts as -INFINITY.
  void (*max_pool)(const apus_window *w, const float *x, float *y, intptr_t first_row,
                   intptr_t end_row);
  /// One plane, output rows first_row ... end_row - 1. Divides by the elements of the window that
  /// lie in the input, or in the padded input (pads and pad_ends) where includes_padding is set.
  void (*average_pool)(const apus_window *w, bool includes_padding, const float *x, float *y,
                       intptr_t first_row, intptr_t end_row);

  // MARK: Channel blocks (BlockedKernels.h)

  /// Packed as [pair of output blocks][channel][tap][2V], but channels and taps in the order of the
  /// sum; a last odd block is [channel][tap][V]. bias is NULL or [blocks · V], addend NULL or laid
  /// out like y. To share the work, give each thread rows, or a range of blocks from an even one on.
  void (*blocked_convolve)(const apus_blocked_convolution *c, const float *x, const float *weights,
                           const float *bias, const float *addend, float *y);
  /// Floats of packed weights: V · channels · taps for each output block.
  intptr_t (*blocked_packed_count)(intptr_t rows, intptr_t channels, intptr_t taps);
  /// Packs w[row · row_stride + channel · channel_stride + tap_index[tap]]; lanes beyond `rows`
  /// are 0.
  void (*blocked_pack)(const float *w, intptr_t rows, intptr_t row_stride, intptr_t channels,
                       intptr_t channel_stride, intptr_t taps, const int32_t *tap_index,
                       float *packed);
  /// Copies a band.
  void (*blocked_band)(const apus_blocked_band *b, const float *x, float *out);
  /// One channel block, output rows first_row ... end_row - 1 of output_depth · output_height:
  /// y = clip(bias + Σ weights[tap] · x[under tap]), weights [taps][V], bias [V] or NULL; x is 0 in
  /// the padding.
  void (*blocked_depthwise)(const apus_window *w, const float *x, const float *weights,
                            const float *bias, float minimum, float maximum, float *y,
                            intptr_t first_row, intptr_t end_row);
  /// One channel block; as max_pool and average_pool.
  void (*blocked_max_pool)(const apus_window *w, const float *x, float *y, intptr_t first_row,
                           intptr_t end_row);
  void (*blocked_average_pool)(const apus_window *w, bool includes_padding, const float *x,
                               float *y, intptr_t first_row, intptr_t end_row);
  /// `lanes` ≤ V channels of `count` positions, x_channel floats apart, to one block; lanes beyond
  /// are 0.
  void (*block_channels)(const float *x, intptr_t x_channel, intptr_t lanes, intptr_t count,
                         float *y);
  /// And back.
  void (*unblock_channels)(const float *x, intptr_t lanes, intptr_t count, float *y,
                           intptr_t y_channel);

  // MARK: Winograd (WinogradKernels.h)
  /// One channel block: v[point · point_stride + (tile − first_tile) · vector_width + lane].
  void (*winograd_input)(const apus_winograd *w, const float *x, float *v);
  /// One output block: y = clip(bias + Aᵀ · v · A (+ addend)), v laid out as winograd_input's. bias:
  /// NULL or one vector; addend: NULL or laid out like y. Only positions inside the output are read
  /// and written.
  void (*winograd_output)(const apus_winograd *w, const float *v, const float *bias,
                          const float *addend, float minimum, float maximum, float *y);
  /// u[point · point_stride + row · channels + channel] = G · g · Gᵀ of
  /// g = w[row · row_stride + channel · channel_stride + tap], taps [3][3]; computed in double.
  void (*winograd_weights)(intptr_t m, const float *w, intptr_t rows, intptr_t row_stride,
                           intptr_t channels, intptr_t channel_stride, intptr_t point_stride,
                           float *u);

  // MARK: Integers of 8 bits

  /// Columns of a tile, and rows of a full panel. Panels hold `words` 32-bit words for each row or
  /// column: for each tap, integer_word_depth channels in a word, the last of them filled up.
  intptr_t integer_columns, integer_rows, integer_word_depth;
  /// Packs `rows` rows of [channels][taps] bytes and writes the sum of each, as packed (see
  /// apus_integer_product). Takes (rows rounded up to integer_rows) · words; threads may share rows
  /// from multiples of integer_rows on. flip: 0x80 for bytes without a sign, 0 for those with one.
  void (*integer_pack_rows)(const uint8_t *a, intptr_t rows, intptr_t channels, intptr_t taps,
                            intptr_t flip, int32_t *packed, int32_t *sums);
  /// Packs the tile of columns from `first` on of the matrix that a convolution multiplies its
  /// weights with, and writes their sums behind it (where wanted): integer_columns · (words + 1) in
  /// all. flip: 0 for bytes without a sign, 0x80 for those with one. The padding counts as `fill`,
  /// a byte as in x. Of c, rows, y_step_…, table, minimum and maximum are not read.
  void (*integer_gather)(const apus_convolution *c, const uint8_t *x, intptr_t flip, intptr_t fill,
                         intptr_t first, bool sums, int32_t *panel);
  void (*integer_product)(const apus_integer_product *p);
  /// y[i] = low byte of (zero + clip(round(x[i] / scale), lower, upper)), halves to even.
  void (*quantize)(const float *x, intptr_t n, float scale, int32_t zero, float lower, float upper,
                   uint8_t *y);
  /// y[i] = ((x[i] ^ flip) − zero) · scale, x[i] a byte without a sign.
  void (*dequantize)(const uint8_t *x, intptr_t n, intptr_t flip, int32_t zero, float scale,
                     float *y);

  // MARK: Bytes with channels last (ByteKernels.h)

  /// 32-bit lanes of a vector, and numbers in a 32-bit word: 4 bytes, or 2 that are widened.
  intptr_t byte_lanes, byte_word_depth;
  /// weights: [pair of vectors of byte_lanes output channels][tap][word][channel], a last odd
  /// vector alone. To share the work, give each thread rows, or a range of blocks from an even one on.
  void (*byte_convolve)(const apus_byte_convolution *c, const uint8_t *x, const int32_t *weights,
                        uint8_t *y);
  void (*byte_depthwise)(const apus_byte_windows *w, const uint8_t *x, uint8_t *y);
  /// The largest byte of each window; only words, tap_offsets and the strides are read. Nothing is read
  /// beyond a row, of 16 bytes or more.
  void (*byte_max_pool)(const apus_byte_windows *w, const uint8_t *x, uint8_t *y);
  /// y may be a or b; n bytes. |round(…)| must stay below 2^31.
  void (*byte_add)(const apus_byte_sum *s, const uint8_t *a, const uint8_t *b, uint8_t *y,
                   intptr_t n);
  /// y[i] = table[x[i]], of 256; in place.
  void (*byte_lookup)(const uint8_t *table, const uint8_t *x, uint8_t *y, intptr_t n);
} apus_kernels;

// One per kernel module; each fills every field.
void kernels_fill_baseline(apus_kernels *table);
void kernels_fill_avx2(apus_kernels *table);
void kernels_fill_avx512(apus_kernels *table);
void kernels_fill_avx512vnni(apus_kernels *table);

/// Replaces, in a table of avx512vnni, the kernels of packed matrices by those that multiply in bf16:
/// gemm_pack, gemm and gemv (only with B packed; without `ahead`), blocked_convolve, blocked_pack,
/// blocked_packed_count and blocked_band. Numbers are rounded to the nearest bf16, halves to even;
/// products are exact, sums float32. Weights are rounded as they are packed, A as it is read. What a
/// convolution reads are words of two channels that blocked_band makes of channel blocks: its
/// channels, first_lane and strides of x count words, V / 2 of them to a block. Denormal numbers
/// count as zero.
void kernels_fill_bf16(apus_kernels *table);

/// Replaces byte_lookup, in a table of avx512vnni.
void kernels_fill_vbmi(apus_kernels *table);

#endif
