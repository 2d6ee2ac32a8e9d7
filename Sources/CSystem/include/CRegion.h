// Memory: the process-wide allocator behind everything the library takes, and regions.
//
// A region is the set of blocks that one call from C allocated. It makes two promises possible that
// Swift alone cannot keep: running out of memory is an error instead of a trap (the call is left by
// longjmp and its region freed), and destroying a handle frees every byte that creating it took,
// whatever the reference counts say. In libapus.so the linker redirects the Swift runtime's
// posix_memalign and free here (--wrap); elsewhere Swift's objects stay with libc.
#ifndef APUS_CREGION_H
#define APUS_CREGION_H

#include <stddef.h>

typedef struct apus_sys_region apus_sys_region;

typedef void *(*apus_sys_allocate_function)(void *context, size_t size, size_t alignment);
typedef void (*apus_sys_release_function)(void *context, void *memory, size_t size);

/// Replaces the allocator; NULL functions stand for libc. The caller makes sure that no handle is
/// open.
void apus_sys_set_allocator(void *context, apus_sys_allocate_function allocate,
                            apus_sys_release_function release);

/// `size` bytes aligned to `alignment` (a power of two), in the thread's current region if there is
/// one; NULL where the allocator has none.
void *apus_sys_allocate(size_t size, size_t alignment);

/// Takes the block out of its region: it outlives the call and is freed by hand.
void apus_sys_disown(void *memory);

/// Takes back what either gave. NULL does nothing.
void apus_sys_release(void *memory);

/// Calls body(context) with all its allocations in a new region.
/// Returns 1 and sets *region (to be freed with apus_sys_region_free), or returns 0 where memory
/// ran out: the body was left where it stood and everything it allocated is freed.
int apus_sys_region_run(void (*body)(void *context), void *context, apus_sys_region **region);

/// Calls body(context) with all its allocations in `memory`, `size` bytes aligned to 64 that are
/// unused again afterwards: for work within a run, which must not reach the allocator.
/// Returns 1, or 0 where the memory did not suffice: the body was left where it stood.
int apus_sys_workspace_run(void (*body)(void *context), void *context, void *memory, size_t size);

/// Frees every block of the region and the region itself. NULL does nothing.
void apus_sys_region_free(apus_sys_region *region);

/// Adds to the number of open handles and returns it.
int apus_sys_open_handles(int change);

#endif
