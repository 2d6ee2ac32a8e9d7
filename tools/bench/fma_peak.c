/* The most floating-point operations a second that the processor can do: chains of fused
 * multiply-adds on whole vectors, enough of them that no one waits for another. */
#ifdef __AVX512F__
enum { LANES = 16, CHAINS = 24 };
#else
enum { LANES = 8, CHAINS = 12 };
#endif
enum { STEPS = 20000 };

typedef float vector __attribute__((vector_size(LANES * sizeof(float))));

static void chains(void) {
  vector sums[CHAINS];
  float start = 1;
  __asm__ volatile("" : "+x"(start)); /* not known to the compiler */
  vector factor = (vector){0} + 0.5f * start, term = (vector){0} + start;
#pragma GCC unroll 24
  for (int i = 0; i < CHAINS; i++) sums[i] = term * (float)i;
  for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) sums[i] = sums[i] * factor + term;
#pragma GCC unroll 24
  for (int i = 1; i < CHAINS; i++) sums[0] += sums[i];
  __asm__ volatile("" : : "x"(sums[0]));
}

double fma_peak_operations(void) { return 2.0 * LANES * CHAINS * STEPS; }

void fma_peak(void) { chains(); }
