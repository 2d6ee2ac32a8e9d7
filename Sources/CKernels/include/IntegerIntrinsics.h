// Products of 8-bit integers in registers of N 32-bit lanes. Included by VectorIntrinsics.h.
#ifndef APUS_INTEGER_INTRINSICS_H
#define APUS_INTEGER_INTRINSICS_H

#define APUS_INLINE static inline __attribute__((always_inline))

/// sum + a dot product in each 32-bit lane. With VNNI of four bytes, those of a without a sign and
/// those of b with one; else of two 16-bit integers, exact as long as they are no larger than
/// bytes. The second and third are for a b, or an a, that is the same in all lanes.
#define APUS_INTEGER_DOT(N, EXPRESSION)                                                          \
  APUS_INLINE apus_i32x##N apus_dot_lanes_i32x##N(                                               \
      apus_i32x##N sum, apus_i32x##N a, apus_i32x##N b) {                                        \
    return EXPRESSION;                                                                           \
  }                                                                                              \
  APUS_INLINE apus_i32x##N apus_dot_i32x##N(apus_i32x##N sum, apus_i32x##N a, int32_t b) {       \
    return apus_dot_lanes_i32x##N(sum, a, (apus_i32x##N)b);                                      \
  }                                                                                              \
  APUS_INLINE apus_i32x##N apus_dot_word_i32x##N(                                                \
      apus_i32x##N sum, int32_t a, apus_i32x##N b) {                                             \
    return apus_dot_lanes_i32x##N(sum, (apus_i32x##N)a, b);                                      \
  }

/// What follows requantises sums:
///
///     clip(round(sum · scale) + zero, lower, upper), halves to even, as bytes without a sign.
///
/// |sum · scale| must be less than 2^31.
///
/// apus_narrow_i32xN: two vectors as 16-bit integers, interleaved in fours in each 128 bits.
///
/// apus_requantize_i32xN: two positions p and q, each of two vectors of channels, those of p first.
///
/// apus_requantize_taps_i32xN: 4 N channels side by side, as they come out of interleaving bytes: lane
/// 4 l + i of vector j is channel 16 l + 4 j + i.
#define APUS_REQUANTIZE(N, REGISTER, PREFIX, ROUND, ...)                                         \
  APUS_INLINE REGISTER apus_pack_sums_i32x##N(                                                   \
      apus_i32x##N a, apus_i32x##N b, apus_f32x##N scale0, apus_f32x##N scale1) {                \
    return PREFIX##packs_epi32(                                                                  \
        ROUND(__builtin_convertvector(a, apus_f32x##N) * scale0),                                \
        ROUND(__builtin_convertvector(b, apus_f32x##N) * scale1));                               \
  }                                                                                              \
  APUS_INLINE REGISTER apus_narrow_sums_i32x##N(                                                 \
      apus_i32x##N a, apus_i32x##N b, apus_f32x##N scale0, apus_f32x##N scale1, int16_t zero) {  \
    return PREFIX##adds_epi16(                                                                   \
        apus_pack_sums_i32x##N(a, b, scale0, scale1), PREFIX##set1_epi16(zero));                 \
  }                                                                                              \
  /* Numbers that are rounded first, four vectors as they come out of interleaving bytes. */        \
  APUS_INLINE apus_i32x##N apus_round_bytes_f32x##N(                                             \
      apus_f32x##N v0, apus_f32x##N v1, apus_f32x##N v2, apus_f32x##N v3, int16_t zero) {        \
    const REGISTER zeros = PREFIX##set1_epi16(zero);                                             \
    return (apus_i32x##N)PREFIX##packus_epi16(                                                   \
        PREFIX##adds_epi16(PREFIX##packs_epi32(ROUND(v0), ROUND(v1)), zeros),                    \
        PREFIX##adds_epi16(PREFIX##packs_epi32(ROUND(v2), ROUND(v3)), zeros));                   \
  }                                                                                              \
  APUS_INLINE REGISTER apus_clip_bytes_i32x##N(REGISTER v, uint8_t lower, uint8_t upper) {       \
    return PREFIX##min_epu8(                                                                     \
        PREFIX##max_epu8(v, PREFIX##set1_epi8((char)lower)), PREFIX##set1_epi8((char)upper));    \
  }                                                                                              \
  APUS_INLINE apus_i32x##N apus_requantize_i32x##N(                                              \
      apus_i32x##N p0, apus_i32x##N p1, apus_i32x##N q0, apus_i32x##N q1, apus_f32x##N scale0,   \
      apus_f32x##N scale1, int16_t zero, uint8_t lower, uint8_t upper) {                         \
    const REGISTER p = apus_pack_sums_i32x##N(p0, p1, scale0, scale1);                           \
    const REGISTER q = apus_pack_sums_i32x##N(q0, q1, scale0, scale1);                           \
    REGISTER bytes;                                                                              \
    /* As behind ReLU: the smallest and the largest byte are the limits. */                      \
    if (__builtin_expect((zero | lower) == 0 && upper == 255, 1)) {                              \
      bytes = PREFIX##packus_epi16(p, q);                                                        \
    } else {                                                                                     \
      const REGISTER zeros = PREFIX##set1_epi16(zero);                                           \
      bytes = apus_clip_bytes_i32x##N(                                                           \
          PREFIX##packus_epi16(PREFIX##adds_epi16(p, zeros), PREFIX##adds_epi16(q, zeros)),      \
          lower, upper);                                                                         \
    }                                                                                            \
    const apus_i32x##N groups = (apus_i32x##N)bytes;                                             \
    return __builtin_shufflevector(groups, groups, __VA_ARGS__);                                 \
  }                                                                                              \
  APUS_INLINE void apus_store_halves_i32x##N(apus_i32x##N v, uint8_t *p, uint8_t *q) {           \
    __builtin_memcpy(p, &v, 2 * N);                                                              \
    __builtin_memcpy(q, (const uint8_t *)&v + 2 * N, 2 * N);                                     \
  }                                                                                              \
  APUS_INLINE void apus_store_quarters_i32x##N(                                                  \
      apus_i32x##N v, uint8_t *p, uint8_t *q, uint8_t *r, uint8_t *s) {                          \
    __builtin_memcpy(p, &v, N);                                                                  \
    __builtin_memcpy(q, (const uint8_t *)&v + N, N);                                             \
    __builtin_memcpy(r, (const uint8_t *)&v + 2 * N, N);                                         \
    __builtin_memcpy(s, (const uint8_t *)&v + 3 * N, N);                                         \
  }                                                                                              \
  APUS_INLINE apus_i32x##N apus_requantize_taps_i32x##N(                                         \
      apus_i32x##N v0, apus_i32x##N v1, apus_i32x##N v2, apus_i32x##N v3, const float *scales,   \
      int16_t zero, uint8_t lower, uint8_t upper) {                                              \
    apus_f32x##N scale[4];                                                                       \
    __builtin_memcpy(scale, scales, sizeof scale);                                               \
    const REGISTER bytes = PREFIX##packus_epi16(                                                 \
        apus_narrow_sums_i32x##N(v0, v1, scale[0], scale[1], zero),                              \
        apus_narrow_sums_i32x##N(v2, v3, scale[2], scale[3], zero));                             \
    return (apus_i32x##N)apus_clip_bytes_i32x##N(bytes, lower, upper);                           \
  }

/// Bytes of a and b in turns, those of the first or the second half of each 128 bits; and the same of
/// 16-bit integers. The larger bytes without a sign.
#define APUS_INTERLEAVE(N, REGISTER, PREFIX)                                                     \
  APUS_INLINE apus_i32x##N apus_low_bytes_i32x##N(apus_i32x##N a, apus_i32x##N b) {              \
    return (apus_i32x##N)PREFIX##unpacklo_epi8((REGISTER)a, (REGISTER)b);                        \
  }                                                                                              \
  APUS_INLINE apus_i32x##N apus_high_bytes_i32x##N(apus_i32x##N a, apus_i32x##N b) {             \
    return (apus_i32x##N)PREFIX##unpackhi_epi8((REGISTER)a, (REGISTER)b);                        \
  }                                                                                              \
  APUS_INLINE apus_i32x##N apus_low_pairs_i32x##N(apus_i32x##N a, apus_i32x##N b) {              \
    return (apus_i32x##N)PREFIX##unpacklo_epi16((REGISTER)a, (REGISTER)b);                       \
  }                                                                                              \
  APUS_INLINE apus_i32x##N apus_high_pairs_i32x##N(apus_i32x##N a, apus_i32x##N b) {             \
    return (apus_i32x##N)PREFIX##unpackhi_epi16((REGISTER)a, (REGISTER)b);                       \
  }                                                                                              \
  APUS_INLINE apus_i32x##N apus_larger_bytes_i32x##N(apus_i32x##N a, apus_i32x##N b) {           \
    return (apus_i32x##N)PREFIX##max_epu8((REGISTER)a, (REGISTER)b);                             \
  }

APUS_INTEGER_DOT(4, sum + (apus_i32x4)_mm_madd_epi16((__m128i)a, (__m128i)b))
APUS_REQUANTIZE(4, __m128i, _mm_, _mm_cvtps_epi32, 0, 1, 2, 3)
APUS_INTERLEAVE(4, __m128i, _mm_)

#ifdef __AVX2__
APUS_INTEGER_DOT(8, sum + (apus_i32x8)_mm256_madd_epi16((__m256i)a, (__m256i)b))
APUS_REQUANTIZE(8, __m256i, _mm256_, _mm256_cvtps_epi32, 0, 4, 1, 5, 2, 6, 3, 7)
APUS_INTERLEAVE(8, __m256i, _mm256_)
#endif

#ifdef __AVX512F__
#ifdef __AVX512VNNI__
APUS_INTEGER_DOT(16, (apus_i32x16)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b))
#else
APUS_INTEGER_DOT(16, sum + (apus_i32x16)_mm512_madd_epi16((__m512i)a, (__m512i)b))
#endif
APUS_REQUANTIZE(
    16, __m512i, _mm512_, _mm512_cvtps_epi32, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
APUS_INTERLEAVE(16, __m512i, _mm512_)
#endif

#endif
