/* For LD_PRELOAD: counts calls that a real-time thread must not make, while counting is on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

int interposed_counting;
unsigned long interposed_calls;
const char *interposed_last = "";

#define COUNT(name)                \
  do {                             \
    if (interposed_counting) {     \
      interposed_calls++;          \
      interposed_last = name;      \
    }                              \
  } while (0)

#define REAL(type, name, ...)                         \
  static type (*real_##name)(__VA_ARGS__);            \
  if (!real_##name) *(void **)&real_##name = dlsym(RTLD_NEXT, #name)

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t n) { COUNT("malloc"); return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { COUNT("calloc"); return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { COUNT("realloc"); return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { COUNT("memalign"); return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { COUNT("aligned_alloc"); return __libc_memalign(a, n); }
void *valloc(size_t n) { COUNT("valloc"); return __libc_memalign(4096, n); }
int posix_memalign(void **p, size_t a, size_t n) {
  COUNT("posix_memalign");
  return (*p = __libc_memalign(a, n)) ? 0 : ENOMEM;
}
void free(void *p) { COUNT("free"); __libc_free(p); }

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset) {
  REAL(void *, mmap, void *, size_t, int, int, int, off_t);
  COUNT("mmap");
  return real_mmap(at, n, prot, flags, fd, offset);
}
int munmap(void *at, size_t n) {
  REAL(int, munmap, void *, size_t);
  COUNT("munmap");
  return real_munmap(at, n);
}
int pthread_mutex_lock(pthread_mutex_t *m) {
  REAL(int, pthread_mutex_lock, pthread_mutex_t *);
  COUNT("pthread_mutex_lock");
  return real_pthread_mutex_lock(m);
}
int pthread_mutex_trylock(pthread_mutex_t *m) {
  REAL(int, pthread_mutex_trylock, pthread_mutex_t *);
  COUNT("pthread_mutex_trylock");
  return real_pthread_mutex_trylock(m);
}
int pthread_mutex_unlock(pthread_mutex_t *m) {
  REAL(int, pthread_mutex_unlock, pthread_mutex_t *);
  COUNT("pthread_mutex_unlock");
  return real_pthread_mutex_unlock(m);
}
int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m) {
  REAL(int, pthread_cond_wait, pthread_cond_t *, pthread_mutex_t *);
  COUNT("pthread_cond_wait");
  return real_pthread_cond_wait(c, m);
}
int pthread_cond_broadcast(pthread_cond_t *c) {
  REAL(int, pthread_cond_broadcast, pthread_cond_t *);
  COUNT("pthread_cond_broadcast");
  return real_pthread_cond_broadcast(c);
}
