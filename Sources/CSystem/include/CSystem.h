// What the runtime needs of libc and of the processor, and Swift cannot reach by itself: variadic
// functions, intrinsics, atomics and macros. Everything here is static inline; nothing is exported.
#ifndef APUS_CSYSTEM_H
#define APUS_CSYSTEM_H

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

// MARK: Files

/// open(2) is variadic, which Swift cannot call.
static inline int apus_sys_open_read(const char *path) {
  int descriptor;
  do {
    descriptor = open(path, O_RDONLY | O_CLOEXEC);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

static inline int apus_sys_errno(void) { return errno; }

// MARK: Threads

/// pthread_create and pthread_join, bound to their oldest versions (CSystem.c): since glibc 2.34 the
/// plain names ask for that glibc or newer. Same parameters and results.
int apus_sys_thread_create(pthread_t *thread, void *(*start)(void *), void *argument);
int apus_sys_thread_join(pthread_t thread);

/// The processor that the calling thread is on; −1: unknown.
int32_t apus_sys_processor(void);

/// How many processors the calling thread may run on; a large number: unknown.
int32_t apus_sys_processor_count(void);

/// Bytes of a core's second-level cache, 128 KB to 4 MB; 1 MB where it is unknown.
int64_t apus_sys_core_cache(void);

/// Moves the calling thread to another processor than this, where it may run on others.
void apus_sys_leave_processor(int32_t processor);

/// exp, bound to its oldest version in the same way: its newest is of glibc 2.29.
double apus_sys_exp(double x);

// MARK: Atomics (C11 memory model; visible to ThreadSanitizer)

/// Between two accesses another thread may do anything. Tests/Robustness/StressThreads is built with
/// APUS_STALLS, which makes what happens once in a million times happen all the time.
static inline void apus_sys_stall(void) {
#ifdef APUS_STALLS
  if (rand() % 32 == 0) usleep((useconds_t)(rand() % 400));
#endif
}

static inline int32_t apus_sys_load_acquire(const int32_t *p) {
  apus_sys_stall();
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline void apus_sys_store_release(int32_t *p, int32_t value) {
  apus_sys_stall();
  __atomic_store_n(p, value, __ATOMIC_RELEASE);
}
/// Returns the value after the addition.
static inline int32_t apus_sys_add_acq_rel(int32_t *p, int32_t value) {
  apus_sys_stall();
  return __atomic_add_fetch(p, value, __ATOMIC_ACQ_REL);
}
/// In one order with all other `ordered` accesses of all threads.
static inline void apus_sys_add_ordered(int32_t *p, int32_t value) {
  apus_sys_stall();
  __atomic_add_fetch(p, value, __ATOMIC_SEQ_CST);
}
static inline void apus_sys_store_ordered(int32_t *p, int32_t value) {
  apus_sys_stall();
  __atomic_store_n(p, value, __ATOMIC_SEQ_CST);
}
/// Makes `value` of `old`; false where something else stood there.
static inline bool apus_sys_replace(int32_t *p, int32_t old, int32_t value) {
  apus_sys_stall();
  return __atomic_compare_exchange_n(p, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline int32_t apus_sys_load_ordered(const int32_t *p) {
  apus_sys_stall();
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static inline uint64_t apus_sys_load_bits(const uint64_t *p) {
  apus_sys_stall();
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline void apus_sys_store_bits(uint64_t *p, uint64_t value) {
  apus_sys_stall();
  __atomic_store_n(p, value, __ATOMIC_RELEASE);
}
static inline void apus_sys_add_bit(uint64_t *p, int32_t bit) {
  apus_sys_stall();
  __atomic_fetch_or(p, (uint64_t)1 << bit, __ATOMIC_ACQ_REL);
}
/// Clears a bit; false where it was clear.
static inline bool apus_sys_take_bit(uint64_t *p, int32_t bit) {
  apus_sys_stall();
  return __atomic_fetch_and(p, ~((uint64_t)1 << bit), __ATOMIC_ACQ_REL) >> bit & 1;
}

static inline void apus_sys_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// MARK: Time

/// A clock that never goes back.
static inline int64_t apus_sys_microseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

// MARK: Denormals

/// Sets flush-to-zero and denormals-are-zero; returns the control word as it was, for
/// `apus_sys_restore_float_control`.
static inline uint32_t apus_sys_flush_denormals(void) {
#if defined(__x86_64__)
  uint32_t before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);
  return before;
#else
  return 0;
#endif
}
static inline void apus_sys_restore_float_control(uint32_t before) {
#if defined(__x86_64__)
  _mm_setcsr(before);
#else
  (void)before;
#endif
}

// MARK: Processor features

enum {
  APUS_SYS_CPU_BASELINE = 0,
  APUS_SYS_CPU_AVX2 = 1,
  APUS_SYS_CPU_AVX512 = 2,
  APUS_SYS_CPU_AVX512VNNI = 3,
};

/// The best instruction set that both the processor and the operating system (the register state
/// that it saves, XCR0) support.
static inline int apus_sys_cpu_level(void) {
#if defined(__x86_64__)
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return APUS_SYS_CPU_BASELINE;
  const uint32_t fma = 1u << 12, movbe = 1u << 22, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
  if ((c & (fma | movbe | osxsave | avx | f16c)) != (fma | movbe | osxsave | avx | f16c))
    return APUS_SYS_CPU_BASELINE;
  uint32_t xcr0, high;
  __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
  if ((xcr0 & 0x6) != 0x6) return APUS_SYS_CPU_BASELINE;
  uint32_t a8, b8, lzcnt_register, d8;
  if (!__get_cpuid(0x80000001u, &a8, &b8, &lzcnt_register, &d8) || !(lzcnt_register & (1u << 5)))
    return APUS_SYS_CPU_BASELINE;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return APUS_SYS_CPU_BASELINE;
  const uint32_t bmi1 = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8;
  if ((b & (bmi1 | avx2 | bmi2)) != (bmi1 | avx2 | bmi2)) return APUS_SYS_CPU_BASELINE;
  // x86-64-v4: F, DQ, CD, BW, VL, and the opmask and ZMM state saved.
  const uint32_t v4 = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31);
  if ((b & v4) != v4 || (xcr0 & 0xe0) != 0xe0) return APUS_SYS_CPU_AVX2;
  return (c & (1u << 11)) ? APUS_SYS_CPU_AVX512VNNI : APUS_SYS_CPU_AVX512;
#else
  return APUS_SYS_CPU_BASELINE;
#endif
}

/// Whether a processor of the level AVX512VNNI permutes bytes of two registers as well.
static inline int apus_sys_cpu_has_vbmi(void) {
#if defined(__x86_64__)
  uint32_t a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & (1u << 1));
#else
  return 0;
#endif
}

/// Whether a processor of the level AVX512VNNI multiplies bf16 as well.
static inline int apus_sys_cpu_has_bf16(void) {
#if defined(__x86_64__)
  uint32_t a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5));
#else
  return 0;
#endif
}

#endif
