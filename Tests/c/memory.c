/* Where memory comes from and that all of it goes back. Arguments: a model, how often to run, and
 * how many threads. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdint.h>

#include "check.h"
#include "hash_run.h"

/* A counting allocator that can be told to fail. Blocks carry guard bytes; their sizes must come
 * back as they were asked for. */
#define GUARD 64

typedef struct block {
  struct block *next;
  unsigned char *memory; /* what the library was given */
  void *base;
  size_t size;
} block;

static struct {
  pthread_mutex_t lock;
  block *blocks;
  size_t live_bytes, live_blocks, calls;
  size_t fail_at; /* this call and, with `fail_on`, all later ones return NULL; 0: none */
  int fail_on;
} heap = {PTHREAD_MUTEX_INITIALIZER, NULL, 0, 0, 0, 0, 0};

static void *counted_allocate(void *context, size_t size, size_t alignment) {
  block *b;
  CHECK(context == &heap && alignment && !(alignment & (alignment - 1)) && alignment <= 4096);
  pthread_mutex_lock(&heap.lock);
  heap.calls++;
  if (heap.fail_at && (heap.calls == heap.fail_at || (heap.fail_on && heap.calls > heap.fail_at))) {
    pthread_mutex_unlock(&heap.lock);
    return NULL;
  }
  b = malloc(sizeof *b);
  CHECK(b && (b->base = malloc(size + 2 * GUARD + alignment)));
  b->memory = (unsigned char *)b->base + GUARD;
  b->memory += (alignment - (uintptr_t)b->memory % alignment) % alignment;
  b->size = size;
  memset(b->memory - GUARD, 0xc3, size + 2 * GUARD); /* what is not initialised shows */
  b->next = heap.blocks;
  heap.blocks = b;
  heap.live_bytes += size;
  heap.live_blocks++;
  pthread_mutex_unlock(&heap.lock);
  return b->memory;
}

static void counted_release(void *context, void *memory, size_t size) {
  block **at, *b;
  size_t i;
  CHECK(context == &heap && memory);
  pthread_mutex_lock(&heap.lock);
  for (at = &heap.blocks; *at && (*at)->memory != memory; at = &(*at)->next) {}
  CHECK(*at); /* not ours, or released twice */
  b = *at;
  *at = b->next;
  CHECK(b->size == size);
  for (i = 0; i < GUARD; i++) CHECK(b->memory[(ptrdiff_t)i - GUARD] == 0xc3);
  for (i = 0; i < GUARD; i++) CHECK(b->memory[size + i] == 0xc3);
  heap.live_bytes -= size;
  heap.live_blocks--;
  free(b->base);
  free(b);
  pthread_mutex_unlock(&heap.lock);
}

/* FNV-1a over every output after each of `runs` runs. */
static uint64_t digest(apus_session *s, int runs) {
  uint64_t hash = EMPTY_HASH;
  int r;
  apus_session_reset(s);
  for (r = 0; r < runs; r++) hash = hash_run(s, (unsigned)r, hash);
  return hash;
}

/* The caller's arena: exactly the bytes asked for, nothing beyond them touched. */
static uint64_t own_arena(const char *path, size_t threads, int runs) {
  apus_model *m;
  apus_session *s;
  apus_session_options o = APUS_SESSION_OPTIONS_INIT;
  apus_memory_info info = APUS_MEMORY_INFO_INIT;
  size_t bytes, i;
  unsigned char *memory, *arena;
  uint64_t result;
  WORKS(apus_model_open(path, NULL, &m, e));
  o.threads = threads;
  WORKS(apus_session_arena_size(m, &o, &bytes, e));
  memory = malloc(bytes + 3 * 4096);
  CHECK(memory);
  arena = memory + 4096 + (64 - (uintptr_t)memory % 64) % 64;
  memset(memory, 0xa5, bytes + 3 * 4096);
  o.arena = arena;
  o.arena_size = bytes;
  WORKS(apus_session_create(m, &o, &s, e));
  for (i = 0; i < apus_session_input_count(s); i++) {
    apus_tensor t = apus_session_input(s, i);
    CHECK((unsigned char *)t.data >= arena && (unsigned char *)t.data + t.bytes <= arena + bytes);
  }
  result = digest(s, runs);
  apus_session_memory_info(s, &info);
  CHECK(info.arena == bytes && info.arena_lower_bound <= bytes && info.states <= bytes);
  printf("arena %zu lower bound %zu\n", bytes, info.arena_lower_bound);
  apus_session_destroy(s);
  for (i = 0; i < 4096; i++) CHECK(arena[(ptrdiff_t)i - 4096] == 0xa5);
  for (i = 0; i < 4096; i++) CHECK(arena[bytes + i] == 0xa5);
  free(memory);
  apus_model_close(m);
  return result;
}

/* Opens, plans, runs, frees. Returns what failed first, or APUS_OK; nothing may be left over. */
static apus_status life(const char *path, const unsigned char *bytes, size_t size, size_t threads,
                        int runs, uint64_t *result) {
  apus_model *m = NULL;
  apus_session *s = NULL;
  apus_session_options o = APUS_SESSION_OPTIONS_INIT;
  apus_error error;
  size_t before = heap.live_blocks;
  apus_status status;
  o.threads = threads;
  status = bytes ? apus_model_open_memory(bytes, size, NULL, &m, &error)
                 : apus_model_open(path, NULL, &m, &error);
  if (status == APUS_OK) {
    size_t in_model = heap.live_blocks;
    status = apus_session_create(m, &o, &s, &error);
    if (status == APUS_OK) {
      *result = digest(s, runs);
      apus_session_destroy(s);
    } else {
      CHECK(!s);
    }
    /* Packed weights are the model's and may stay until it is closed. */
    CHECK(heap.live_blocks >= in_model);
    apus_model_close(m);
  } else {
    CHECK(!m);
  }
  if (status != APUS_OK) {
    CHECK(error.status == status && status == APUS_ERROR_OUT_OF_MEMORY);
    CHECK(strlen(error.message) > 10);
  }
  if (heap.live_blocks != before) {
    fprintf(stderr, "%zu blocks, %zu bytes are left after call %zu of the allocator failed\n",
            heap.live_blocks - before, heap.live_bytes, heap.fail_at);
    exit(1);
  }
  return status;
}

int main(int argc, char **argv) {
  const char *path;
  apus_allocator a = {sizeof(apus_allocator), &heap, counted_allocate, counted_release};
  uint64_t wanted, result = 0;
  int runs;
  size_t threads, total, i, size, failures = 0;
  unsigned char *bytes;
  FILE *f;
  CHECK(argc == 4);
  path = argv[1];
  runs = atoi(argv[2]);
  threads = (size_t)atoi(argv[3]);
  wanted = own_arena(path, threads, runs);

  WORKS(apus_set_allocator(&a, e));
  CHECK(own_arena(path, threads, runs) == wanted && heap.live_blocks == 0);
  heap.calls = 0;
  CHECK(life(path, NULL, 0, threads, runs, &result) == APUS_OK && result == wanted);
  total = heap.calls;
  CHECK(total > 0 && heap.live_blocks == 0 && heap.live_bytes == 0);

  /* The same from memory that is not aligned, so that the model keeps a copy. */
  f = fopen(path, "rb");
  CHECK(f && fseek(f, 0, SEEK_END) == 0);
  size = (size_t)ftell(f);
  rewind(f);
  bytes = malloc(size + 1);
  CHECK(bytes && fread(bytes + 1, 1, size, f) == size);
  fclose(f);
  CHECK(life(NULL, bytes + 1, size, threads, runs, &result) == APUS_OK && result == wanted);

  /* Every allocation fails once: alone, and with all that follow. */
  for (i = 1; i <= total; i++) {
    for (heap.fail_on = 0; heap.fail_on < 2; heap.fail_on++) {
      heap.calls = 0;
      heap.fail_at = i;
      failures += life(path, NULL, 0, threads, 1, &result) != APUS_OK;
      heap.calls = 0;
      failures += life(NULL, bytes + 1, size, threads, 1, &result) != APUS_OK;
    }
  }
  heap.fail_at = 0;
  CHECK(failures == 4 * total);
  CHECK(life(path, NULL, 0, threads, runs, &result) == APUS_OK && result == wanted);
  CHECK(heap.live_blocks == 0);
  free(bytes);
  WORKS(apus_set_allocator(NULL, e));
  printf("allocations %zu digest %016llx\n", total, (unsigned long long)wanted);
  return 0;
}
