// Vector instructions that Swift's SIMD types reach only lane by lane until the last optimiser pass:
// functions with several of them are then too big to be inlined, or do not become vector code at
// all. Always inlined into the kernel module that calls them.
#ifndef APUS_VECTOR_INTRINSICS_H
#define APUS_VECTOR_INTRINSICS_H

#include <stdbool.h>
#include <stdint.h>
#ifdef __AVX2__
#include <immintrin.h>
#else
#include <emmintrin.h>
#endif

/// `p` itself, of which the compiler knows nothing: it addresses what lies at p + i · step as such,
/// where it would otherwise keep a pointer to each.
static inline __attribute__((always_inline)) const float *apus_opaque(const float *p) {
  __asm__("" : "+r"(p));
  return p;
}

static inline __attribute__((always_inline)) const uint8_t *apus_opaque_bytes(const uint8_t *p) {
  __asm__("" : "+r"(p));
  return p;
}

/// For one width: sum, difference and product; fma(a, b, c) = a·b + c in one rounding; sqrt,
/// correctly rounded; less and equal, whose lanes are −1 where the comparison holds and 0 elsewhere;
/// select, the lanes of a where the mask is −1, of b where it is 0.
#define APUS_VECTOR_INTRINSICS(N)                                                               \
  typedef float apus_f32x##N __attribute__((ext_vector_type(N)));                               \
  typedef int32_t apus_i32x##N __attribute__((ext_vector_type(N)));                             \
  static inline __attribute__((always_inline)) apus_f32x##N apus_sum_f32x##N(                   \
      apus_f32x##N a, apus_f32x##N b) {                                                         \
    return a + b;                                                                               \
  }                                                                                             \
  static inline __attribute__((always_inline)) apus_f32x##N apus_difference_f32x##N(            \
      apus_f32x##N a, apus_f32x##N b) {                                                         \
    return a - b;                                                                               \
  }                                                                                             \
  static inline __attribute__((always_inline)) apus_f32x##N apus_product_f32x##N(               \
      apus_f32x##N a, apus_f32x##N b) {                                                         \
    return a * b;                                                                               \
  }                                                                                             \
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

/// For one width: widen, N bytes of memory to 32 bits each; narrow, the low bytes of the lanes to
/// memory; real, the nearest float; quantize, an integer whose low byte is that of the nearest with
/// halves to even, after clipping to lower ... upper, which lie within ±2^21 (NaN becomes lower).
#define APUS_INTEGER_INTRINSICS(N)                                                               \
  typedef uint8_t apus_u8x##N __attribute__((ext_vector_type(N)));                               \
  static inline __attribute__((always_inline)) apus_i32x##N apus_widen_u8x##N(                   \
      const uint8_t *p) {                                                                        \
    apus_u8x##N v;                                                                               \
    __builtin_memcpy(&v, p, N);                                                                  \
    return __builtin_convertvector(v, apus_i32x##N);                                             \
  }                                                                                              \
  static inline __attribute__((always_inline)) void apus_narrow_i32x##N(                         \
      apus_i32x##N v, uint8_t *p) {                                                              \
    apus_u8x##N bytes = __builtin_convertvector(v, apus_u8x##N);                                 \
    __builtin_memcpy(p, &bytes, N);                                                              \
  }                                                                                              \
  static inline __attribute__((always_inline)) apus_f32x##N apus_real_i32x##N(apus_i32x##N v) {  \
    return __builtin_convertvector(v, apus_f32x##N);                                             \
  }                                                                                              \
  static inline __attribute__((always_inline)) apus_i32x##N apus_quantize_f32x##N(               \
      apus_f32x##N v, float lower, float upper) {                                                \
    v = v > lower ? v : (apus_f32x##N)lower;                                                     \
    v = v < upper ? v : (apus_f32x##N)upper;                                                     \
    /* 1.5 · 2^23, whose low byte is 0: the sum's last place is 1. */                            \
    return (apus_i32x##N)(v + 12582912.0f);                                                      \
  }

/// A step of a transposition, on groups of lanes: those of a and b with an even number in turns, or
/// those with an odd number.
#define APUS_GROUPS(NAME, N, ...)                                                                \
  static inline __attribute__((always_inline)) apus_f32x##N apus_##NAME##_f32x##N(               \
      apus_f32x##N a, apus_f32x##N b) {                                                          \
    return __builtin_shufflevector(a, b, __VA_ARGS__);                                           \
  }

/// Eight floats of memory, to double and back.
typedef float apus_f32x8_memory __attribute__((ext_vector_type(8), aligned(4)));
typedef double apus_f64x8 __attribute__((ext_vector_type(8)));
static inline __attribute__((always_inline)) apus_f64x8 apus_widen_f32x8(const float *p) {
  return __builtin_convertvector(*(const apus_f32x8_memory *)p, apus_f64x8);
}
/// a·x + b·y + c·z, each operation rounded.
static inline __attribute__((always_inline)) apus_f64x8 apus_combine_f64x8(
    apus_f64x8 a, double x, apus_f64x8 b, double y, apus_f64x8 c, double z) {
#pragma clang fp contract(off)
  return a * x + b * y + c * z;
}
static inline __attribute__((always_inline)) void apus_narrow_f64x8(apus_f64x8 v, float *p) {
  *(apus_f32x8_memory *)p = __builtin_convertvector(v, apus_f32x8_memory);
}

APUS_VECTOR_INTRINSICS(4)
APUS_INTEGER_INTRINSICS(4)
/// Every second of eight bytes, to 32 bits each.
static inline __attribute__((always_inline)) apus_i32x4 apus_even_u8x4(const uint8_t *p) {
  uint16_t v __attribute__((ext_vector_type(4)));
  __builtin_memcpy(&v, p, 8);
  return __builtin_convertvector(v, apus_i32x4) & 0xFF;
}
/// Lane i of v where 0 <= first + i · step < width, else fill.
static inline __attribute__((always_inline)) apus_i32x4 apus_inside_i32x4(
    apus_i32x4 v, int32_t first, int32_t step, uint32_t width, apus_i32x4 fill) {
  typedef uint32_t apus_u32x4 __attribute__((ext_vector_type(4)));
  const apus_i32x4 position = (apus_i32x4){0, 1, 2, 3} * step + first;
  return (apus_u32x4)position < width ? v : fill;
}
APUS_GROUPS(even_1, 4, 0, 4, 2, 6)
APUS_GROUPS(odd_1, 4, 1, 5, 3, 7)
APUS_GROUPS(even_2, 4, 0, 1, 4, 5)
APUS_GROUPS(odd_2, 4, 2, 3, 6, 7)
#ifdef __AVX2__
APUS_VECTOR_INTRINSICS(8)
APUS_VECTOR_ROUNDING(8)
APUS_INTEGER_INTRINSICS(8)
/// The first n < 8 lanes from memory, the rest from fill; the first n lanes to memory.
static inline __attribute__((always_inline)) __m256i apus_first_lanes_x8(intptr_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline __attribute__((always_inline)) apus_f32x8 apus_load_part_f32x8(
    const float *p, intptr_t n, apus_f32x8 fill) {
  const __m256i lanes = apus_first_lanes_x8(n);
  return _mm256_blendv_ps(fill, _mm256_maskload_ps(p, lanes), _mm256_castsi256_ps(lanes));
}
static inline __attribute__((always_inline)) void apus_store_part_f32x8(
    apus_f32x8 v, float *p, intptr_t n) {
  _mm256_maskstore_ps(p, apus_first_lanes_x8(n), v);
}
APUS_GROUPS(even_1, 8, 0, 8, 2, 10, 4, 12, 6, 14)
APUS_GROUPS(odd_1, 8, 1, 9, 3, 11, 5, 13, 7, 15)
APUS_GROUPS(even_2, 8, 0, 1, 8, 9, 4, 5, 12, 13)
APUS_GROUPS(odd_2, 8, 2, 3, 10, 11, 6, 7, 14, 15)
APUS_GROUPS(even_4, 8, 0, 1, 2, 3, 8, 9, 10, 11)
APUS_GROUPS(odd_4, 8, 4, 5, 6, 7, 12, 13, 14, 15)
#endif
#ifdef __AVX512F__
APUS_VECTOR_INTRINSICS(16)
/// The vector as it is; what is loaded behind this is loaded after the vector is computed. Else the
/// compiler may begin a loop with all of its loads, and then lacks registers for the sums.
static inline __attribute__((always_inline)) apus_f32x16 apus_in_order_f32x16(apus_f32x16 v) {
  __asm__ volatile("" : "+v"(v) : : "memory");
  return v;
}
/// The first n < 16 lanes from memory, the rest from fill; the first n lanes to memory.
static inline __attribute__((always_inline)) apus_f32x16 apus_load_part_f32x16(
    const float *p, intptr_t n, apus_f32x16 fill) {
  return _mm512_mask_loadu_ps(fill, (__mmask16)((1u << n) - 1), p);
}
static inline __attribute__((always_inline)) void apus_store_part_f32x16(
    apus_f32x16 v, float *p, intptr_t n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}
#ifdef __AVX512VBMI__
/// 64 bytes of a table of four vectors. The first n < 64 bytes from memory, and to memory.
static inline __attribute__((always_inline)) apus_i32x16 apus_lookup_u8x64(
    apus_i32x16 x, apus_i32x16 table0, apus_i32x16 table1, apus_i32x16 table2,
    apus_i32x16 table3) {
  const __m512i v = (__m512i)x;
  return (apus_i32x16)_mm512_mask_blend_epi8(
      _mm512_movepi8_mask(v), _mm512_permutex2var_epi8((__m512i)table0, v, (__m512i)table1),
      _mm512_permutex2var_epi8((__m512i)table2, v, (__m512i)table3));
}
static inline __attribute__((always_inline)) apus_i32x16 apus_load_part_u8x64(
    const uint8_t *p, intptr_t n) {
  return (apus_i32x16)_mm512_maskz_loadu_epi8(((__mmask64)1 << n) - 1, p);
}
static inline __attribute__((always_inline)) void apus_store_part_u8x64(
    apus_i32x16 v, uint8_t *p, intptr_t n) {
  _mm512_mask_storeu_epi8(p, ((__mmask64)1 << n) - 1, (__m512i)v);
}
#endif
#ifdef __AVX512BF16__
/// A word is two bf16: sum + the products of a's and b's lower halves and of their upper halves. The
/// compiler takes the intrinsic for a costly call and then spills sums of tiles.
static inline __attribute__((always_inline)) apus_f32x16 apus_dot_bf16x32(
    apus_f32x16 a, apus_f32x16 b, apus_f32x16 sum) {
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}
/// The 32 numbers of low and high, one after the other, as words.
static inline __attribute__((always_inline)) apus_f32x16 apus_round_bf16x32(
    apus_f32x16 low, apus_f32x16 high) {
  return (apus_f32x16)_mm512_cvtne2ps_pbh(high, low);
}
/// Lane by lane: the words of which low and high are the halves.
static inline __attribute__((always_inline)) apus_f32x16 apus_pair_bf16x32(
    apus_f32x16 low, apus_f32x16 high) {
  const __m512i l = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low));
  const __m512i h = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(high));
  return (apus_f32x16)_mm512_or_si512(l, _mm512_slli_epi32(h, 16));
}
/// The word of p[0] and p[1] in all lanes.
static inline __attribute__((always_inline)) apus_f32x16 apus_broadcast_bf16x2(const float *p) {
  double both;
  __builtin_memcpy(&both, p, 8);
  const __m512 v = _mm512_castpd_ps(_mm512_set1_pd(both));
  return (apus_f32x16)_mm512_cvtne2ps_pbh(v, v);
}
#endif
APUS_VECTOR_ROUNDING(16)
APUS_INTEGER_INTRINSICS(16)
APUS_GROUPS(even_1, 16, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
APUS_GROUPS(odd_1, 16, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
APUS_GROUPS(even_2, 16, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
APUS_GROUPS(odd_2, 16, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
APUS_GROUPS(even_4, 16, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
APUS_GROUPS(odd_4, 16, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
APUS_GROUPS(even_8, 16, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
APUS_GROUPS(odd_8, 16, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#endif

#include "IntegerIntrinsics.h"

#endif
