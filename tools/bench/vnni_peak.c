/* The most int8 operations a second that the processor can do: chains of instructions that multiply
 * bytes and add the products to 32-bit sums, enough of them that no one waits for another. */
#include <immintrin.h>

#if defined __AVX512VNNI__
typedef __m512i vector;
enum { CHAINS = 12 };
static inline vector step(vector sum, vector x, vector w) {
  return _mm512_dpbusd_epi32(sum, x, w);
}
#elif defined __AVXVNNI__
typedef __m256i vector;
enum { CHAINS = 12 };
static inline vector step(vector sum, vector x, vector w) {
  return _mm256_dpbusd_avx_epi32(sum, x, w);
}
#else
typedef __m256i vector;
enum { CHAINS = 8 };
static inline vector step(vector sum, vector x, vector w) {
  __m256i pairs = _mm256_maddubs_epi16(x, w);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#endif
enum { STEPS = 20000 };

double vnni_peak_operations(void) { return 2.0 * sizeof(vector) * CHAINS * STEPS; }

void vnni_peak(void) {
  vector sums[CHAINS];
  vector x = {0}, w = {0};
#pragma GCC unroll 12
  for (int i = 0; i < CHAINS; i++) sums[i] = x + i;
  for (int n = 0; n < STEPS; n++)
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) {
      __asm__ volatile("" : "+v"(x)); /* not known: each product is computed */
      sums[i] = step(sums[i], x, w);
    }
#pragma GCC unroll 12
  for (int i = 1; i < CHAINS; i++) sums[0] ^= sums[i];
  __asm__ volatile("" : : "v"(sums[0]));
}
