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

#include <stdint.h>

typedef struct apus_kernels {
  /// "baseline", "avx2", "avx512" or "avx512vnni".
  const char *name;
  /// float lanes of a vector register.
  intptr_t vector_width;

  // MARK: Element-wise, one input (in place)
  void (*relu)(const float *x, float *y, intptr_t n);
} apus_kernels;

// One per kernel module; each fills every field.
void kernels_fill_baseline(apus_kernels *table);
void kernels_fill_avx2(apus_kernels *table);
void kernels_fill_avx512(apus_kernels *table);
void kernels_fill_avx512vnni(apus_kernels *table);

#endif
