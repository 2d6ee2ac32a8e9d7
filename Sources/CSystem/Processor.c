// Where a thread runs.
#define _GNU_SOURCE
#include <sched.h>

#include "CSystem.h"

#define LOCAL __attribute__((visibility("hidden")))

LOCAL int32_t apus_sys_processor(void) { return sched_getcpu(); }

LOCAL int32_t apus_sys_processor_count(void) {
#ifndef APUS_STALLS  // There more threads are wanted than processors.
  cpu_set_t all;
  if (sched_getaffinity(0, sizeof all, &all) == 0) return CPU_COUNT(&all);
#endif
  return INT32_MAX;
}

LOCAL int64_t apus_sys_core_cache(void) {
  int64_t bytes = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
  bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
  if (bytes <= 0) return 1 << 20;
  return bytes < 128 << 10 ? 128 << 10 : bytes > 4 << 20 ? 4 << 20 : bytes;
}

LOCAL void apus_sys_leave_processor(int32_t processor) {
  cpu_set_t all, others;
  if (sched_getaffinity(0, sizeof all, &all) != 0) return;
  others = all;
  CPU_CLR(processor, &others);
  if (CPU_COUNT(&others) == 0) return;
  if (sched_setaffinity(0, sizeof others, &others) == 0) sched_setaffinity(0, sizeof all, &all);
}
