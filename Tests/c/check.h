/* What the C tests share. */
#ifndef APUS_TEST_CHECK_H
#define APUS_TEST_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus.h"

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
      exit(1);                                                             \
    }                                                                      \
  } while (0)

/* The call, which passes `e` as its last argument, must succeed with and without an error struct. */
#define WORKS(call)                                                             \
  do {                                                                          \
    apus_error found_;                                                          \
    apus_error *e = &found_;                                                    \
    memset(e, 0x5a, sizeof *e);                                                 \
    if ((call) != APUS_OK) {                                                    \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, e->message); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

/* The call must fail with this status, with an error struct (whose sentence must hold `text`) and
 * with NULL in its place. */
#define FAILS(call, wanted, text)                                                            \
  do {                                                                                       \
    apus_error found_;                                                                       \
    apus_error *e = &found_;                                                                 \
    apus_status status_;                                                                     \
    memset(e, 0x5a, sizeof *e);                                                              \
    status_ = (call);                                                                        \
    if (status_ != (wanted) || e->status != (wanted) ||                                      \
        !memchr(e->message, 0, sizeof e->message) || !strstr(e->message, text)) {            \
      fprintf(stderr, "%s:%d: %s\n  gave %s: %.500s\n", __FILE__, __LINE__, #call,           \
              apus_status_name(status_), e->message);                                        \
      exit(1);                                                                               \
    }                                                                                        \
    e = NULL;                                                                                \
    if ((call) != (wanted)) {                                                                \
      fprintf(stderr, "%s:%d: %s: another status without an error\n", __FILE__, __LINE__,    \
              #call);                                                                        \
      exit(1);                                                                               \
    }                                                                                        \
  } while (0)

#endif
