// What the recurrent kernels are told: one layer in one direction, and the rows (batch entries) of
// one time step. Included by CKernels.h.
//
// Packed weights. The lanes of a vector run over hidden units; `width` units are a block, the last
// block padded with zeros. A stream holds, for each block and each k of its depth, the gates of
// the block one after the other: [blocks][depth][gates][width]. So one pass over k computes all
// gates of a block in registers.
#ifndef APUS_RECURRENT_KERNELS_H
#define APUS_RECURRENT_KERNELS_H

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
  intptr_t inputs;
  intptr_t units;
  // Streams of depth `inputs` and `units`. LSTM: the gates i, o, f, c. RNN: one gate. GRU with
  // linear_before_reset: z, r, h; without: z, r.
  const float *input_weights;
  const float *recurrent_weights;
  // GRU without linear_before_reset: the gate h, streams of one gate.
  const float *candidate_input_weights;
  const float *candidate_recurrent_weights;
  // [blocks][gates][width], input and recurrent bias added (GRU with linear_before_reset: gate h
  // holds the input's alone).
  const float *bias;
  // GRU with linear_before_reset: the recurrent bias of gate h, [blocks][width].
  const float *recurrent_bias;
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

// One batch entry at one time step. In one call either all rows or none have `projected`, and the
// same holds for `h`.
typedef struct apus_recurrent_row {
  const float *x;          // [inputs]; not read where projected is there
  const float *projected;  // [blocks][gates][width]: bias + W·x, by recurrent_project; or NULL
  const float *h;          // [units], the previous step's; NULL: zeros
  const float *c;          // [units], the previous step's; NULL: zeros (LSTM)
  float *h_out;            // [units], not h
  float *c_out;            // [units], may be c (LSTM)
  float *reset_h;          // [units], room for r⊙h (GRU without linear_before_reset)
} apus_recurrent_row;

#endif
