// Vector instructions that Swift's SIMD types reach only lane by lane until the last optimiser pass:
// functions with several of them are then too big to be inlined, or do not become vector code at
// all. Always inlined into the kernel module that calls them.
#ifndef APUS_VECTOR_INTRINSICS_H
#define APUS_VECTOR_INTRINSICS_H

#include <stdint.h>

/// For one width: fma(a, b, c) = a·b + c in one rounding; sqrt, correctly rounded; less and equal,
/// whose lanes are −1 where the comparison holds and 0 elsewhere; select, the lanes of a where the
/// mask is −1, of b where it is 0.
#define APUS_VECTOR_INTRINSICS(N)                                                               \
  typedef float apus_f32x##N __attribute__((ext_vector_type(N)));                               \
  typedef int32_t apus_i32x##N __attribute__((ext_vector_type(N)));                             \
  static inline __attribute__((always_inline)) apus_f32x##N apus_fma_f32x##N(                   \
      apus_f32x##N a, apus_f32x##N b, apus_f32x##N c) {                                         \
    return __builtin_elementwise_fma(a, b, c);                                                  \
  }                                                                                             \
  static inline __attribute__((always_inline)) apus_f32x##N apus_sqrt_f32x##N(apus_f32x##N a) { \
    return __builtin_elementwise_sqrt(a);                                                       \
  }                                                                                             \
  static inline __attribute__((always_inline)) apus_i32x##N apus_less_f32x##N(                  \
      apus_f32x##N a, apus_f32x##N b) {                                                         \
    return a < b;                                                                               \
  }                                                                                             \
  static inline __attribute__((always_inline)) apus_i32x##N apus_equal_f32x##N(                 \
      apus_f32x##N a, apus_f32x##N b) {                                                         \
    return a == b;                                                                              \
  }                                                                                             \
  static inline __attribute__((always_inline)) apus_f32x##N apus_select_f32x##N(                \
      apus_i32x##N mask, apus_f32x##N a, apus_f32x##N b) {                                      \
    return mask ? a : b;                                                                        \
  }

/// To an integer: down, up, to the nearest with halves to even. One instruction from SSE 4.1 on;
/// without it a call for each lane, so not for the baseline.
#define APUS_VECTOR_ROUNDING(N)                                                                  \
  static inline __attribute__((always_inline)) apus_f32x##N apus_floor_f32x##N(apus_f32x##N a) { \
    return __builtin_elementwise_floor(a);                                                       \
  }                                                                                              \
  static inline __attribute__((always_inline)) apus_f32x##N apus_ceil_f32x##N(apus_f32x##N a) {  \
    return __builtin_elementwise_ceil(a);                                                        \
  }                                                                                              \
  static inline __attribute__((always_inline)) apus_f32x##N apus_round_f32x##N(apus_f32x##N a) { \
    return __builtin_elementwise_roundeven(a);                                                   \
  }

APUS_VECTOR_INTRINSICS(4)
#ifdef __AVX2__
APUS_VECTOR_INTRINSICS(8)
APUS_VECTOR_ROUNDING(8)
#endif
#ifdef __AVX512F__
APUS_VECTOR_INTRINSICS(16)
APUS_VECTOR_ROUNDING(16)
#endif

#endif
