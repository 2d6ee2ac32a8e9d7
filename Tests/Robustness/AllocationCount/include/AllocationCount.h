// Counts the bytes that are allocated at a time, in a program built with AddressSanitizer.
#ifndef APUS_TEST_ALLOCATION_COUNT_H
#define APUS_TEST_ALLOCATION_COUNT_H

#include <stddef.h>

/// Starts counting. 0 where the program has no AddressSanitizer, so that nothing can be counted.
int allocation_count_start(void);

/// The bytes that are allocated now.
size_t allocation_count_current(void);

/// Makes the present number the peak.
void allocation_count_reset_peak(void);

/// The most bytes that were allocated at a time since then.
size_t allocation_count_peak(void);

#endif
