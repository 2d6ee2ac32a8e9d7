/* Who does the shares of a run: the session's threads, however long they spin, or the caller's; the
 * outputs are the same bits. Argument: a model with work for several threads. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "check.h"
#include "hash_run.h"

#define SHARES 64

/* A caller's own threads, in the forms that a program may have them. */
typedef struct pool {
  enum { IN_ORDER, BACKWARDS, AT_ONCE } how;
  size_t calls, most;
} pool;

typedef struct piece {
  apus_task task;
  void *argument;
  size_t index;
} piece;

static void *do_piece(void *p) {
  piece *w = p;
  w->task(w->argument, w->index);
  return NULL;
}

static void parallel_for(void *context, size_t count, apus_task task, void *argument) {
  pool *p = context;
  piece pieces[SHARES];
  pthread_t threads[SHARES];
  size_t i;
  CHECK(count > 1 && count <= SHARES);
  p->calls++;
  if (count > p->most) p->most = count;
  for (i = 0; i < count; i++) {
    pieces[i].task = task;
    pieces[i].argument = argument;
    pieces[i].index = p->how == BACKWARDS ? count - 1 - i : i;
    if (p->how == AT_ONCE) {
      CHECK(!pthread_create(&threads[i], NULL, do_piece, &pieces[i]));
    } else {
      do_piece(&pieces[i]);
    }
  }
  if (p->how == AT_ONCE)
    for (i = 0; i < count; i++) CHECK(!pthread_join(threads[i], NULL));
}

/* Three runs, with `pause` milliseconds between them. */
static uint64_t digest(apus_session *s, int pause) {
  uint64_t hash = EMPTY_HASH;
  struct timespec rest;
  unsigned r;
  rest.tv_sec = 0;
  rest.tv_nsec = pause * 1000000L;
  apus_session_reset(s);
  for (r = 0; r < 3; r++) {
    hash = hash_run(s, r, hash);
    if (pause) nanosleep(&rest, NULL);
  }
  return hash;
}

static uint64_t session_digest(const apus_model *m, size_t threads, uint32_t spin, pool *p,
                               int pause) {
  apus_session *s;
  apus_session_options o = APUS_SESSION_OPTIONS_INIT;
  uint64_t result;
  o.threads = threads;
  o.spin_microseconds = spin;
  if (p) {
    o.parallel_for = parallel_for;
    o.parallel_for_context = p;
  }
  WORKS(apus_session_create(m, &o, &s, e));
  result = digest(s, pause);
  apus_session_destroy(s);
  return result;
}

static int64_t processor_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The processor time that a session's waiting thread takes from 300 ms. */
static int64_t idle_nanoseconds(const apus_model *m, uint32_t spin) {
  apus_session *s;
  apus_session_options o = APUS_SESSION_OPTIONS_INIT;
  struct timespec rest = {0, 300000000};
  int64_t before;
  o.threads = 2;
  o.spin_microseconds = spin;
  WORKS(apus_session_create(m, &o, &s, e));
  WORKS(apus_session_run(s, e));
  before = processor_nanoseconds();
  nanosleep(&rest, NULL);
  before = processor_nanoseconds() - before;
  apus_session_destroy(s);
  return before;
}

int main(int argc, char **argv) {
  static const uint32_t spins[] = {0, 1, 50000, UINT32_MAX};
  apus_model *m;
  uint64_t wanted;
  size_t i, threads;
  CHECK(argc == 2);
  WORKS(apus_model_open(argv[1], NULL, &m, e));
  wanted = session_digest(m, 1, 0, NULL, 0);
  for (threads = 2; threads <= 5; threads++) {
    for (i = 0; i < sizeof spins / sizeof *spins; i++) {
      CHECK(session_digest(m, threads, spins[i], NULL, 0) == wanted);
      CHECK(session_digest(m, threads, spins[i], NULL, 2) == wanted);
    }
    for (i = 0; i < 3; i++) {
      pool p = {IN_ORDER, 0, 0};
      if (i == 1) p.how = BACKWARDS;
      if (i == 2) p.how = AT_ONCE;
      CHECK(session_digest(m, threads, 0, &p, 0) == wanted);
      CHECK(p.calls >= 3 && p.most == threads);
    }
  }
  {
    /* With one thread there is nothing to share. */
    pool p = {IN_ORDER, 0, 0};
    CHECK(session_digest(m, 1, 0, &p, 0) == wanted && p.calls == 0);
  }
  /* A machine with other work gives a spinning thread little, but more than a parked one takes. */
  CHECK(idle_nanoseconds(m, UINT32_MAX) > 2 * idle_nanoseconds(m, 1));
  apus_model_close(m);
  puts("fine");
  return 0;
}
