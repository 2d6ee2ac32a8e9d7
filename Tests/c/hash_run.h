/* One run on inputs made of a seed, and a hash of what comes out. */
#ifndef APUS_TEST_HASH_RUN_H
#define APUS_TEST_HASH_RUN_H

#include <stdint.h>

#include "check.h"

#define EMPTY_HASH 14695981039346656037u

static void fill_inputs(apus_session *s, unsigned seed) {
  size_t i, k;
  for (i = 0; i < apus_session_input_count(s); i++) {
    apus_tensor t = apus_session_input(s, i);
    for (k = 0; k < t.bytes / apus_dtype_size(t.dtype); k++) {
      seed = seed * 1664525u + 1013904223u;
      if (t.dtype == APUS_FLOAT32) ((float *)t.data)[k] = (float)(seed >> 8) * 0x1p-23f - 1.0f;
      if (t.dtype == APUS_INT32) ((int32_t *)t.data)[k] = (int32_t)(seed >> 28);
    }
  }
}

/* FNV-1a over every output of the run, behind what is hashed already. */
static uint64_t hash_run(apus_session *s, unsigned seed, uint64_t hash) {
  size_t i, k;
  fill_inputs(s, seed);
  WORKS(apus_session_run(s, e));
  for (i = 0; i < apus_session_output_count(s); i++) {
    apus_tensor t = apus_session_output(s, i);
    for (k = 0; k < t.bytes; k++) hash = (hash ^ ((unsigned char *)t.data)[k]) * 1099511628211u;
  }
  return hash;
}

#endif
