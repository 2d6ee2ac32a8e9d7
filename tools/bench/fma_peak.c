/* The most floating-point operations a second that the processor can do: chains of fused
 * multiply-adds on whole vectors, enough of them that no one waits for another. */
#include <pthread.h>
#include <stddef.h>

#ifdef __AVX512F__
enum { LANES = 16, CHAINS = 24 };
#else
enum { LANES = 8, CHAINS = 12 };
#endif
enum { STEPS = 20000, MAX_THREADS = 64 };

typedef float vector __attribute__((vector_size(LANES * sizeof(float))));

static void *chains(void *unused) {
  (void)unused;
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
  return NULL;
}

double fma_peak_operations(int threads) { return 2.0 * LANES * CHAINS * STEPS * threads; }

int fma_peak(int threads) {
  pthread_t others[MAX_THREADS];
  if (threads < 1 || threads > MAX_THREADS) return 1;
  for (int i = 1; i < threads; i++)
    if (pthread_create(&others[i], NULL, chains, NULL)) return 1;
  chains(NULL);
  for (int i = 1; i < threads; i++) pthread_join(others[i], NULL);
  return 0;
}
