#include "AllocationCount.h"

// Of sanitizer/allocator_interface.h; not there in a program without AddressSanitizer.
extern int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void *, size_t), void (*on_free)(const volatile void *))
    __attribute__((weak));
extern size_t __sanitizer_get_allocated_size(const volatile void *) __attribute__((weak));

static size_t current;
static size_t peak;

static void on_malloc(const volatile void *pointer, size_t size) {
  (void)pointer;
  const size_t now = __atomic_add_fetch(&current, size, __ATOMIC_RELAXED);
  if (now > __atomic_load_n(&peak, __ATOMIC_RELAXED)) {
    __atomic_store_n(&peak, now, __ATOMIC_RELAXED);
  }
}

static void on_free(const volatile void *pointer) {
  __atomic_sub_fetch(&current, __sanitizer_get_allocated_size(pointer), __ATOMIC_RELAXED);
}

int allocation_count_start(void) {
  return __sanitizer_install_malloc_and_free_hooks &&
         __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) != 0;
}

// What was allocated before counting began is freed later and makes the number wrap around, which
// differences do not notice.
size_t allocation_count_current(void) { return __atomic_load_n(&current, __ATOMIC_RELAXED); }

void allocation_count_reset_peak(void) {
  __atomic_store_n(&peak, __atomic_load_n(&current, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

size_t allocation_count_peak(void) { return __atomic_load_n(&peak, __ATOMIC_RELAXED); }
