// What the recurrent kernels are told: one layer in one direction, and the rows (batch entries) of
// one time step. Included by CKernels.h.
//
// A step is a matrix product and then its units: the sums b + W·x, which gemm has made for several
// steps at once, get R·h added by gemm or gemv; these kernels turn the sums into h and c. So sums
// and packed weights have the columns in one order. The lanes of a vector run over hidden units;
// `width` units are a block, the last block padded with zeros. RNN: [blocks][width]. LSTM:
// [blocks][i, o, f, c][width]. GRU: [blocks][z, r][width], and behind all of them [blocks][width]
// for the gate h.
#ifndef APUS_RECURRENT_KERNELS_H
#define APUS_RECURRENT_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

enum {
  APUS_ACTIVATION_TANH = 0,
  APUS_ACTIVATION_SIGMOID = 1,
  APUS_ACTIVATION_RELU = 2,
  APUS_ACTIVATION_AFFINE = 3,            // alpha·x + beta
  APUS_ACTIVATION_LEAKY_RELU = 4,        // x < 0 ? alpha·x : x
  APUS_ACTIVATION_THRESHOLDED_RELU = 5,  // x > alpha ? x : 0
  APUS_ACTIVATION_SCALED_TANH = 6,       // alpha·tanh(beta·x)
  APUS_ACTIVATION_HARD_SIGMOID = 7,      // min(max(alpha·x + beta, 0), 1)
  APUS_ACTIVATION_ELU = 8,               // x < 0 ? alpha·(eˣ − 1) : x
  APUS_ACTIVATION_SOFTSIGN = 9,          // x / (1 + |x|)
  APUS_ACTIVATION_SOFTPLUS = 10,         // log(1 + eˣ)
};

typedef struct apus_activation {
  int32_t kind;
  float alpha;
  float beta;
} apus_activation;

typedef struct apus_recurrent_layer {
  intptr_t units;
  // LSTM: [blocks][3][width], for i, o, f; NULL without peepholes.
  const float *peepholes;
  // Inputs of activations are kept within ±clip; infinity: as they are.
  float clip;
  // LSTM: the forget gate is 1 − i.
  int32_t input_forget;
  int32_t linear_before_reset;
  // Whether f, g and h are the default ones and nothing is clipped.
  int32_t is_standard;
  apus_activation f, g, h;
} apus_recurrent_layer;

// One batch entry at one time step.
typedef struct apus_recurrent_row {
  const float *sums;       // b + W·x + R·h (GRU: without R·h for the gate h)
  const float *candidate;  // [units], R_h·h + Rb_h (GRU with linear_before_reset)
  const float *h;          // [units], the previous step's; NULL: zeros (GRU)
  const float *c;          // [units], the previous step's; NULL: zeros (LSTM)
  float *h_out;            // [units], may be h
  float *c_out;            // [units], may be c (LSTM)
  float *reset_h;          // [units], room for r⊙h (GRU without linear_before_reset)
} apus_recurrent_row;

// A row of floats as integers with a sign: x = (integer − zero) · scale.
typedef struct apus_integer_row {
  float scale;
  int32_t zero;
  int32_t sum;  // of the integers
} apus_integer_row;

// Rows of integers times packed weights of integers:
//
//     y[r][c] = start[c] + float(Σk (a[r][k] − zero[r]) · (b[k][c] − zero[c])) · (scale[r] · scale[c])
//
// start being the bias or y itself. The sum is exact as long as 32 bits hold it; then the product of
// the scales, the one with the sum, and the addition round, in this order.
typedef struct apus_integer_gemv {
  // 32-bit words of a row, a multiple of 4; what is left of them is zeros.
  intptr_t rows, words;
  // A multiple of vector_width.
  intptr_t columns;
  const int32_t *a;                 // [rows rounded up to a multiple of 4][words]
  const apus_integer_row *numbers;  // [rows]
  // [panels of 2 byte_lanes][words][2 byte_lanes], without a sign: those with one gain 128.
  // Behind the words of each panel its columns' scales (float32), zero points (as packed), and sums
  // Σk (b[k][c] − zero[c]).
  const int32_t *b;
  const float *bias;  // [columns], or NULL: adds to y
  float *y;
  intptr_t y_row_stride;
} apus_integer_gemv;

#endif
