// CSystem.h is header-only; CRegion.h is implemented here, because Swift has no setjmp.
#include "CSystem.h"
#include "CRegion.h"

#include <setjmp.h>

typedef struct block {
  struct block *previous, *next;  // in the region's list; NULL for unowned blocks
  apus_sys_region *region;
  size_t total;                   // bytes asked of the allocator, from `base`
  void *base;
  size_t padding;                 // to a multiple of 16
} block;

struct apus_sys_region {
  block *first;
  char *next, *end;  // of a workspace: what is left of it; NULL for the others
  jmp_buf escape;
};

#define LOCAL __attribute__((visibility("hidden")))
#define THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

static void *allocator_context;
static apus_sys_allocate_function allocator_allocate;
static apus_sys_release_function allocator_release;

/// The region that this thread's allocations go to.
static THREAD_LOCAL apus_sys_region *current_region;

#if defined(__x86_64__) && defined(__GLIBC__)
__asm__(".symver pthread_create, pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_join, pthread_join@GLIBC_2.2.5");
#ifdef APUS_EMBEDDED
__asm__(".symver exp, exp@GLIBC_2.2.5");
#endif
#endif

LOCAL int apus_sys_thread_create(pthread_t *thread, void *(*start)(void *), void *argument) {
  return pthread_create(thread, NULL, start, argument);
}

LOCAL int apus_sys_thread_join(pthread_t thread) { return pthread_join(thread, NULL); }

LOCAL double apus_sys_exp(double x) { return exp(x); }

#ifdef APUS_EMBEDDED
// Declared under their real names: --wrap turns the plain names into the functions below.
extern int __real_posix_memalign(void **memory, size_t alignment, size_t size);
extern void __real_free(void *memory);
#define libc_memalign __real_posix_memalign
#define libc_free __real_free
#else
#define libc_memalign posix_memalign
#define libc_free free
#endif

LOCAL void apus_sys_set_allocator(void *context, apus_sys_allocate_function allocate,
                                  apus_sys_release_function release) {
  allocator_context = context;
  allocator_allocate = allocate;
  allocator_release = release;
}

enum { HUGE_PAGE = 2 << 20 };

static void *raw_allocate(size_t size, size_t alignment) {
  if (allocator_allocate) return allocator_allocate(allocator_context, size, alignment);
  void *memory = NULL;
#ifdef MADV_HUGEPAGE
  // Weights that stream through the cache need fewer translations of addresses. Only whole pages,
  // so that no more memory becomes resident; a system that has none to give says so to nobody.
  if (size >= HUGE_PAGE) {
    if (libc_memalign(&memory, HUGE_PAGE, size) != 0) return NULL;
    madvise(memory, size & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
    return memory;
  }
#endif
  return libc_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

static void raw_release(void *memory, size_t size) {
  if (allocator_release)
    allocator_release(allocator_context, memory, size);
  else
    libc_free(memory);
}

/// Out of a workspace. Without a base, the block is never released.
static void *allocate_from(apus_sys_region *region, size_t lead, size_t size, size_t alignment) {
  uintptr_t start = ((uintptr_t)region->next + alignment - 1) & ~(uintptr_t)(alignment - 1);
  if (start > (uintptr_t)region->end || lead + size > (uintptr_t)region->end - start) return NULL;
  block *b = (block *)(start + lead) - 1;
  *b = (block){0};
  region->next = (char *)start + lead + size;
  return (char *)start + lead;
}

static void *allocate_in(apus_sys_region *region, size_t size, size_t alignment) {
  if (alignment < 16) alignment = 16;
  size_t lead = (sizeof(block) + alignment - 1) & ~(alignment - 1);
  if (size > SIZE_MAX / 2 - lead) return NULL;
  if (region && region->end) return allocate_from(region, lead, size, alignment);
  char *base = raw_allocate(lead + size, alignment);
  if (!base) return NULL;
  block *b = (block *)(base + lead) - 1;
  b->base = base;
  b->total = lead + size;
  b->region = region;
  b->previous = NULL;
  b->next = NULL;
  if (region) {
    b->next = region->first;
    if (b->next) b->next->previous = b;
    region->first = b;
  }
  return base + lead;
}

LOCAL void *apus_sys_allocate(size_t size, size_t alignment) {
  return allocate_in(current_region, size, alignment);
}

LOCAL void apus_sys_disown(void *memory) {
  block *b = (block *)memory - 1;
  if (!b->region) return;
  if (b->next) b->next->previous = b->previous;
  if (b->previous)
    b->previous->next = b->next;
  else
    b->region->first = b->next;
  b->region = NULL;
}

LOCAL void apus_sys_release(void *memory) {
  if (!memory) return;
  block *b = (block *)memory - 1;
  if (!b->base) return;
  apus_sys_disown(memory);
  raw_release(b->base, b->total);
}

LOCAL int apus_sys_region_run(void (*body)(void *context), void *context,
                              apus_sys_region **result) {
  apus_sys_region *region = allocate_in(NULL, sizeof *region, 16);
  if (!region) return 0;
  region->first = NULL;
  region->next = region->end = NULL;
  apus_sys_region *outer = current_region;
  current_region = region;
  // Nothing that the body changes is read after the jump but through `region`.
  if (_setjmp(region->escape) == 0) {
    body(context);
    current_region = outer;
    *result = region;
    return 1;
  }
  region = current_region;
  current_region = outer;
  apus_sys_region_free(region);
  return 0;
}

LOCAL int apus_sys_workspace_run(void (*body)(void *context), void *context, void *memory,
                                 size_t size) {
  if (size < sizeof(apus_sys_region)) return 0;
  apus_sys_region *region = memory;
  region->first = NULL;
  region->next = (char *)(region + 1);
  region->end = (char *)memory + size;
  apus_sys_region *volatile outer = current_region;
  current_region = region;
  if (_setjmp(region->escape) == 0) {
    body(context);
    current_region = outer;
    return 1;
  }
  current_region = outer;
  return 0;
}

LOCAL void apus_sys_region_free(apus_sys_region *region) {
  if (!region) return;
  while (region->first) apus_sys_release((block *)region->first + 1);
  apus_sys_release(region);
}

LOCAL int apus_sys_open_handles(int change) {
  static int count;
  return __atomic_add_fetch(&count, change, __ATOMIC_ACQ_REL);
}

#ifdef APUS_EMBEDDED
extern void library_initialize(void);
__attribute__((constructor)) static void initialize(void) { library_initialize(); }

// One block for the text of an error, when there is no memory for it and no region to leave.
static _Alignas(16) char reserve[768];
static int32_t reserve_taken;

// What the Swift runtime calls for its objects and arrays. They must not return without memory, so
// inside a region running out of it leaves the call. Outside of one only errors are made.
LOCAL int __wrap_posix_memalign(void **memory, size_t alignment, size_t size) {
  void *p = allocate_in(current_region, size, alignment);
  if (!p) {
    if (current_region) longjmp(current_region->escape, 1);
    if (size > sizeof reserve || __atomic_exchange_n(&reserve_taken, 1, __ATOMIC_ACQUIRE))
      return ENOMEM;
    p = reserve;
  }
  *memory = p;
  return 0;
}

LOCAL void __wrap_free(void *memory) {
  if (memory == reserve)
    __atomic_store_n(&reserve_taken, 0, __ATOMIC_RELEASE);
  else
    apus_sys_release(memory);
}
#endif
