/* Every function's error paths. Arguments: the model that test_c_api.py makes, and a folder with
 * files that are no model. */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>

#include "check.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static const char *model_path, *folder;
/* Outputs of failing calls must keep these values. */
static apus_model *const untouched_model = (apus_model *)0x1234;
static apus_session *const untouched_session = (apus_session *)0x1234;

static const char *in_folder(const char *name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void library(void) {
  struct {
    apus_build_info info;
    char beyond[64];
  } b;
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", APUS_VERSION_MAJOR, APUS_VERSION_MINOR,
           APUS_VERSION_PATCH);
  CHECK(!strcmp(apus_version(), text));
  CHECK(apus_version_number() == APUS_VERSION);

  apus_get_build_info(NULL);
  memset(&b, 0x77, sizeof b);
  b.info.struct_size = 0;
  apus_get_build_info(&b.info);
  CHECK(b.info.struct_size == 0 && b.info.operator_count == 0x77777777);
  b.info.struct_size = offsetof(apus_build_info, format_version_max);
  apus_get_build_info(&b.info);
  CHECK(b.info.struct_size == offsetof(apus_build_info, format_version_max));
  CHECK(!strcmp(b.info.version, text) && b.info.format_version_min == 1);
  CHECK(b.info.format_version_max == 0x77777777 && b.info.operator_count == 0x77777777);
  b.info.struct_size = sizeof b;
  apus_get_build_info(&b.info);
  CHECK(b.info.struct_size == sizeof b && b.info.format_version_max == 1);
  CHECK(b.info.operator_count > 0 && strstr(b.info.compiler, "Swift"));
  CHECK(strstr(b.info.instruction_sets, b.info.best_instruction_set));
  CHECK(b.beyond[0] == 0x77 && b.beyond[63] == 0x77);

  CHECK(!strcmp(apus_status_name(APUS_OK), "APUS_OK"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_INVALID_ARGUMENT), "APUS_ERROR_INVALID_ARGUMENT"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_INVALID_HANDLE), "APUS_ERROR_INVALID_HANDLE"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_INVALID_SHAPE), "APUS_ERROR_INVALID_SHAPE"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_INVALID_TYPE), "APUS_ERROR_INVALID_TYPE"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_UNKNOWN_NAME), "APUS_ERROR_UNKNOWN_NAME"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_ARENA_TOO_SMALL), "APUS_ERROR_ARENA_TOO_SMALL"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_ARENA_MISALIGNED), "APUS_ERROR_ARENA_MISALIGNED"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_FILE_NOT_FOUND), "APUS_ERROR_FILE_NOT_FOUND"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_FILE_UNREADABLE), "APUS_ERROR_FILE_UNREADABLE"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_NOT_A_MODEL), "APUS_ERROR_NOT_A_MODEL"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_NEWER_FORMAT), "APUS_ERROR_NEWER_FORMAT"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_CORRUPT_FILE), "APUS_ERROR_CORRUPT_FILE"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_INVALID_MODEL), "APUS_ERROR_INVALID_MODEL"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_UNSUPPORTED), "APUS_ERROR_UNSUPPORTED"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_OUT_OF_MEMORY), "APUS_ERROR_OUT_OF_MEMORY"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_THREAD_FAILED), "APUS_ERROR_THREAD_FAILED"));
  CHECK(!strcmp(apus_status_name(APUS_ERROR_UNSUPPORTED_PROCESSOR),
                "APUS_ERROR_UNSUPPORTED_PROCESSOR"));
  CHECK(!strcmp(apus_status_name((apus_status)1), "unknown status"));
  CHECK(!strcmp(apus_status_name((apus_status)-1), "unknown status"));

  CHECK(!strcmp(apus_dtype_name(APUS_FLOAT32), "float32") && apus_dtype_size(APUS_FLOAT32) == 4);
  CHECK(!strcmp(apus_dtype_name(APUS_FLOAT16), "float16") && apus_dtype_size(APUS_FLOAT16) == 2);
  CHECK(!strcmp(apus_dtype_name(APUS_BFLOAT16), "bfloat16"));
  CHECK(apus_dtype_size(APUS_BFLOAT16) == 2);
  CHECK(!strcmp(apus_dtype_name(APUS_INT8), "int8") && apus_dtype_size(APUS_INT8) == 1);
  CHECK(!strcmp(apus_dtype_name(APUS_UINT8), "uint8") && apus_dtype_size(APUS_UINT8) == 1);
  CHECK(!strcmp(apus_dtype_name(APUS_INT32), "int32") && apus_dtype_size(APUS_INT32) == 4);
  CHECK(!strcmp(apus_dtype_name(APUS_INT64), "int64") && apus_dtype_size(APUS_INT64) == 8);
  CHECK(!strcmp(apus_dtype_name(APUS_BOOL), "bool") && apus_dtype_size(APUS_BOOL) == 1);
  CHECK(!strcmp(apus_dtype_name((apus_dtype)0), "unknown") && !apus_dtype_size((apus_dtype)0));
  CHECK(!strcmp(apus_dtype_name((apus_dtype)257), "unknown"));
  CHECK(!apus_dtype_size((apus_dtype)257));
}

static void opening(void) {
  apus_model *m = untouched_model;
  struct {
    apus_model_options options;
    char beyond[64];
  } o = {APUS_MODEL_OPTIONS_INIT, {0}};
  FAILS(apus_model_open(NULL, NULL, &m, e), APUS_ERROR_INVALID_ARGUMENT, "path");
  FAILS(apus_model_open(model_path, NULL, NULL, e), APUS_ERROR_INVALID_ARGUMENT, "model");
  FAILS(apus_model_open("", NULL, &m, e), APUS_ERROR_FILE_NOT_FOUND, "file");
  FAILS(apus_model_open(in_folder("nothing"), NULL, &m, e), APUS_ERROR_FILE_NOT_FOUND, "nothing");
  FAILS(apus_model_open(in_folder("text/below"), NULL, &m, e), APUS_ERROR_FILE_NOT_FOUND, "below");
  FAILS(apus_model_open(folder, NULL, &m, e), APUS_ERROR_FILE_UNREADABLE, "directory");
  FAILS(apus_model_open("/dev/null", NULL, &m, e), APUS_ERROR_NOT_A_MODEL, "/dev/null");
  FAILS(apus_model_open(in_folder("empty"), NULL, &m, e), APUS_ERROR_NOT_A_MODEL, "empty");
  FAILS(apus_model_open(in_folder("text"), NULL, &m, e), APUS_ERROR_NOT_A_MODEL, "");
  FAILS(apus_model_open(in_folder("cut"), NULL, &m, e), APUS_ERROR_CORRUPT_FILE, "bytes");
  FAILS(apus_model_open(in_folder("newer"), NULL, &m, e), APUS_ERROR_NEWER_FORMAT, "version 2");

  o.options.isa = "mmx";
  FAILS(apus_model_open(model_path, &o.options, &m, e), APUS_ERROR_UNKNOWN_NAME, "mmx");
  o.options.struct_size = 0;
  FAILS(apus_model_open(model_path, &o.options, &m, e), APUS_ERROR_INVALID_ARGUMENT,
        "struct_size");
  CHECK(m == untouched_model);
  /* A caller compiled for a header without that field; and one for a header with more. */
  o.options.struct_size = sizeof(size_t);
  WORKS(apus_model_open(model_path, &o.options, &m, e));
  apus_model_close(m);
  o.options.struct_size = sizeof o;
  o.options.isa = "baseline";
  memset(o.beyond, 0x77, sizeof o.beyond);
  WORKS(apus_model_open(model_path, &o.options, &m, e));
  CHECK(!strcmp(apus_model_isa(m), "baseline"));
  apus_model_close(m);

  setenv("APUS_ISA", "baseline", 1);
  WORKS(apus_model_open(model_path, NULL, &m, e));
  CHECK(!strcmp(apus_model_isa(m), "baseline"));
  apus_model_close(m);
  setenv("APUS_ISA", "mmx", 1);
  m = untouched_model;
  FAILS(apus_model_open(model_path, NULL, &m, e), APUS_ERROR_UNKNOWN_NAME, "mmx");
  WORKS(apus_model_open(model_path, &o.options, &m, e)); /* an explicit choice comes first */
  apus_model_close(m);
  unsetenv("APUS_ISA");
  apus_model_close(NULL);
}

static unsigned char *read_file(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  unsigned char *bytes;
  long end;
  CHECK(f && fseek(f, 0, SEEK_END) == 0);
  end = ftell(f);
  rewind(f);
  bytes = malloc((size_t)end + 128);
  CHECK(bytes && fread(bytes, 1, (size_t)end, f) == (size_t)end);
  fclose(f);
  *size = (size_t)end;
  return bytes;
}

static void opening_memory(void) {
  size_t size, at;
  unsigned char *bytes = read_file(model_path, &size);
  apus_model *m = untouched_model;
  FAILS(apus_model_open_memory(NULL, size, NULL, &m, e), APUS_ERROR_INVALID_ARGUMENT, "bytes");
  FAILS(apus_model_open_memory(bytes, 0, NULL, &m, e), APUS_ERROR_NOT_A_MODEL, "0");
  FAILS(apus_model_open_memory(bytes, size, NULL, NULL, e), APUS_ERROR_INVALID_ARGUMENT, "model");
  FAILS(apus_model_open_memory(bytes, 7, NULL, &m, e), APUS_ERROR_NOT_A_MODEL, "");
  FAILS(apus_model_open_memory(bytes, size - 1, NULL, &m, e), APUS_ERROR_CORRUPT_FILE, "bytes");
  FAILS(apus_model_open_memory("PK", 2, NULL, &m, e), APUS_ERROR_NOT_A_MODEL, "");
  CHECK(m == untouched_model);
  /* In place and copied: the bytes need no alignment. */
  for (at = 0; at < 65; at += 13) {
    memmove(bytes + at, bytes + (at ? at - 13 : 0), size);
    WORKS(apus_model_open_memory(bytes + at, size, NULL, &m, e));
    CHECK(apus_model_function_count(m) == 2);
    apus_model_close(m);
  }
  free(bytes);
}

static void model_queries(apus_model *m) {
  struct {
    apus_tensor_info info;
    char beyond[64];
  } t;
  CHECK(apus_model_function_count(NULL) == 0 && apus_model_function_count(m) == 2);
  CHECK(!apus_model_function_name(NULL, 0) && !strcmp(apus_model_function_name(m, 0), "main"));
  CHECK(!strcmp(apus_model_function_name(m, 1), "other"));
  CHECK(!apus_model_function_name(m, 2) && !apus_model_function_name(m, SIZE_MAX));
  CHECK(!apus_model_input_count(NULL) && apus_model_input_count(m) == 2);
  CHECK(!apus_model_output_count(NULL) && apus_model_output_count(m) == 3);
  CHECK(!apus_model_isa(NULL));
  CHECK(!apus_model_has_precision(NULL, APUS_PRECISION_FLOAT32));
  CHECK(!apus_model_metadata(NULL, "name") && !apus_model_metadata(m, NULL));
  CHECK(!apus_model_metadata(m, "nam") && !apus_model_metadata(m, "namee"));
  CHECK(!strcmp(apus_model_metadata(m, "name"), "test"));
  CHECK(!strcmp(apus_model_metadata(m, "empty"), ""));

  memset(&t, 0x77, sizeof t);
  t.info.struct_size = sizeof t.info;
  FAILS(apus_model_input_info(NULL, 0, &t.info, e), APUS_ERROR_INVALID_HANDLE, "model");
  FAILS(apus_model_input_info(m, 2, &t.info, e), APUS_ERROR_INVALID_ARGUMENT, "2");
  FAILS(apus_model_input_info(m, SIZE_MAX, &t.info, e), APUS_ERROR_INVALID_ARGUMENT, "");
  FAILS(apus_model_output_info(m, 3, &t.info, e), APUS_ERROR_INVALID_ARGUMENT, "3");
  FAILS(apus_model_output_info(NULL, 0, &t.info, e), APUS_ERROR_INVALID_HANDLE, "model");
  FAILS(apus_model_input_info(m, 0, NULL, e), APUS_ERROR_INVALID_ARGUMENT, "info");
  t.info.struct_size = 0;
  FAILS(apus_model_input_info(m, 0, &t.info, e), APUS_ERROR_INVALID_ARGUMENT, "struct_size");
  CHECK(t.info.rank == (size_t)0x7777777777777777);
  t.info.struct_size = offsetof(apus_tensor_info, rank);
  WORKS(apus_model_input_info(m, 0, &t.info, e));
  CHECK(!strcmp(t.info.name, "a") && t.info.dtype == APUS_FLOAT32);
  CHECK(t.info.rank == (size_t)0x7777777777777777);
  t.info.struct_size = sizeof t;
  WORKS(apus_model_input_info(m, 1, &t.info, e));
  CHECK(t.info.struct_size == sizeof t && t.beyond[0] == 0x77 && t.beyond[63] == 0x77);
  CHECK(!strcmp(t.info.name, "b") && t.info.rank == 2);
  CHECK(t.info.dims[0] == -1 && t.info.dims[1] == 3);
  CHECK(t.info.scale == 0 && t.info.zero_point == 0);
  WORKS(apus_model_output_info(m, 1, &t.info, e));
  CHECK(!strcmp(t.info.name, "rb") && t.info.dims[0] == -1);
}

/* Both ways to plan with these options must fail alike and leave their outputs as they were. */
#define REFUSES(m, o, wanted, text)                                             \
  do {                                                                          \
    size_t bytes_ = 77;                                                         \
    apus_session *made_ = untouched_session;                                    \
    FAILS(apus_session_arena_size(m, o, &bytes_, e), wanted, text);             \
    FAILS(apus_session_create(m, o, &made_, e), wanted, text);                  \
    CHECK(bytes_ == 77 && made_ == untouched_session);                          \
  } while (0)

static void planning(apus_model *m) {
  apus_session_options o = APUS_SESSION_OPTIONS_INIT;
  int64_t dims[9] = {2, 3, 1, 1, 1, 1, 1, 1, 1};
  apus_input_shape shapes[2] = {{"b", 2, NULL}, {"c", 1, NULL}};
  size_t bytes = 77;
  apus_session *s = untouched_session;
  shapes[0].dims = dims;
  shapes[1].dims = dims;

  FAILS(apus_session_arena_size(m, NULL, NULL, e), APUS_ERROR_INVALID_ARGUMENT, "bytes");
  FAILS(apus_session_create(m, NULL, NULL, e), APUS_ERROR_INVALID_ARGUMENT, "session");
  REFUSES(NULL, NULL, APUS_ERROR_INVALID_HANDLE, "model");
  REFUSES(NULL, &o, APUS_ERROR_INVALID_HANDLE, "model");
  o.function = "nothing";
  REFUSES(m, &o, APUS_ERROR_UNKNOWN_NAME, "nothing");
  o.function = "";
  REFUSES(m, &o, APUS_ERROR_UNKNOWN_NAME, "function");
  o.function = NULL;
  o.threads = 65;
  REFUSES(m, &o, APUS_ERROR_INVALID_ARGUMENT, "threads");
  o.threads = SIZE_MAX;
  REFUSES(m, &o, APUS_ERROR_INVALID_ARGUMENT, "threads");
  o.threads = 1;
  o.precision = (apus_precision)2;
  REFUSES(m, &o, APUS_ERROR_INVALID_ARGUMENT, "precision");
  CHECK(!apus_model_has_precision(m, o.precision));
  o.precision = APUS_PRECISION_FLOAT32;
  CHECK(apus_model_has_precision(m, APUS_PRECISION_FLOAT32));

  o.input_shape_count = 1;
  REFUSES(m, &o, APUS_ERROR_INVALID_ARGUMENT, "input_shapes");
  o.input_shape_count = SIZE_MAX;
  REFUSES(m, &o, APUS_ERROR_INVALID_ARGUMENT, "input_shape_count");
  o.input_shape_count = 1;
  o.input_shapes = shapes;
  shapes[0].name = NULL;
  REFUSES(m, &o, APUS_ERROR_INVALID_ARGUMENT, "name");
  shapes[0].name = "z";
  REFUSES(m, &o, APUS_ERROR_UNKNOWN_NAME, "z");
  shapes[0].name = "b";
  shapes[0].dims = NULL;
  REFUSES(m, &o, APUS_ERROR_INVALID_ARGUMENT, "dims");
  shapes[0].dims = dims;
  shapes[0].rank = 1;
  REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "input b");
  shapes[0].rank = 0;
  REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "");
  shapes[0].rank = 9;
  REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "");
  shapes[0].rank = SIZE_MAX;
  REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "");
  shapes[0].rank = 2;
  dims[0] = 0;
  REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "input b");
  dims[0] = -1;
  REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "input b");
  dims[0] = INT64_MIN;
  REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "input b");
  dims[0] = INT64_MAX;
  REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "input b");
  dims[0] = 2;
  dims[1] = 4;
  REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "[2, 4]");
  dims[1] = 3;
  /* The same input twice, with two shapes. */
  {
    int64_t other[2] = {5, 3};
    apus_input_shape twice[2] = {{"b", 2, NULL}, {"b", 2, NULL}};
    twice[0].dims = dims;
    twice[1].dims = other;
    o.input_shapes = twice;
    o.input_shape_count = 2;
    REFUSES(m, &o, APUS_ERROR_INVALID_SHAPE, "b");
    o.input_shapes = shapes;
    o.input_shape_count = 1;
  }
  o.struct_size = 0;
  REFUSES(m, &o, APUS_ERROR_INVALID_ARGUMENT, "struct_size");
  o.struct_size = 7;
  REFUSES(m, &o, APUS_ERROR_INVALID_ARGUMENT, "struct_size");
  /* An older header's struct: the shapes are not looked at. */
  o.struct_size = offsetof(apus_session_options, input_shapes);
  WORKS(apus_session_arena_size(m, &o, &bytes, e));
  CHECK(bytes > 0 && bytes != 77);
  o.struct_size = sizeof o;

  /* The caller's arena. */
  WORKS(apus_session_arena_size(m, &o, &bytes, e));
  {
    unsigned char *memory = malloc(bytes + 128);
    unsigned char *aligned = memory + (64 - (uintptr_t)memory % 64) % 64;
    CHECK(memory);
    o.arena = aligned + 1;
    o.arena_size = bytes;
    FAILS(apus_session_create(m, &o, &s, e), APUS_ERROR_ARENA_MISALIGNED, "64");
    o.arena = aligned + 32;
    FAILS(apus_session_create(m, &o, &s, e), APUS_ERROR_ARENA_MISALIGNED, "64");
    o.arena = aligned;
    o.arena_size = bytes - 1;
    FAILS(apus_session_create(m, &o, &s, e), APUS_ERROR_ARENA_TOO_SMALL, "are needed");
    o.arena_size = 0;
    FAILS(apus_session_create(m, &o, &s, e), APUS_ERROR_ARENA_TOO_SMALL, "are needed");
    CHECK(s == untouched_session);
    o.arena_size = SIZE_MAX;
    WORKS(apus_session_create(m, &o, &s, e));
    apus_session_destroy(s);
    o.arena_size = bytes;
    WORKS(apus_session_create(m, &o, &s, e));
    apus_session_destroy(s);
    free(memory);
  }
}

static void run_checked(apus_session *s, const float *a, const float *b) {
  apus_tensor ra, rb;
  size_t i;
  WORKS(apus_session_run(s, e));
  ra = apus_session_output(s, 0);
  rb = apus_session_output(s, 1);
  for (i = 0; i < 6; i++) CHECK(((float *)ra.data)[i] == (a[i] > 0 ? a[i] : 0));
  for (i = 0; i < 3; i++) CHECK(((float *)rb.data)[i] == (b[i] > 0 ? b[i] : 0));
}

static void session_calls(apus_model *m) {
  apus_session *s, *t;
  apus_tensor_info info;
  apus_tensor x;
  struct {
    apus_memory_info info;
    char beyond[64];
  } u;
  float a[6] = {-1, 2, -3, 4, -5, 6}, b[3] = {7, -8, 9}, c[7] = {0};
  const float *h;

  CHECK(!apus_session_input_count(NULL) && !apus_session_output_count(NULL));
  CHECK(!apus_session_input(NULL, 0).data && !apus_session_output(NULL, 0).data);
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  FAILS(apus_session_input_info(NULL, 0, &info, e), APUS_ERROR_INVALID_HANDLE, "session");
  FAILS(apus_session_output_info(NULL, 0, &info, e), APUS_ERROR_INVALID_HANDLE, "session");
  FAILS(apus_session_bind_input(NULL, 0, a, sizeof a, e), APUS_ERROR_INVALID_HANDLE, "session");
  FAILS(apus_session_run(NULL, e), APUS_ERROR_INVALID_HANDLE, "session");
  apus_session_reset(NULL);
  apus_session_destroy(NULL);
  apus_session_memory_info(NULL, NULL);

  WORKS(apus_session_create(m, NULL, &s, e));
  CHECK(apus_session_input_count(s) == 2 && apus_session_output_count(s) == 3);
  FAILS(apus_session_input_info(s, 2, &info, e), APUS_ERROR_INVALID_ARGUMENT, "2");
  FAILS(apus_session_output_info(s, SIZE_MAX, &info, e), APUS_ERROR_INVALID_ARGUMENT, "");
  FAILS(apus_session_input_info(s, 0, NULL, e), APUS_ERROR_INVALID_ARGUMENT, "info");
  info.struct_size = 0;
  FAILS(apus_session_input_info(s, 0, &info, e), APUS_ERROR_INVALID_ARGUMENT, "struct_size");
  info.struct_size = sizeof info;
  WORKS(apus_session_input_info(s, 1, &info, e));
  CHECK(!strcmp(info.name, "b") && info.rank == 2 && info.dims[0] == 1 && info.dims[1] == 3);
  CHECK(!apus_session_input(s, 2).data && !apus_session_output(s, SIZE_MAX).data);
  x = apus_session_input(s, 0);
  CHECK(x.data && x.bytes == 24 && x.dtype == APUS_FLOAT32 && x.rank == 2);
  CHECK(x.dims[0] == 2 && x.dims[1] == 3);

  /* An input keeps what was written; binding it to other memory and back. */
  memcpy(x.data, a, sizeof a);
  memcpy(apus_session_input(s, 1).data, b, sizeof b);
  run_checked(s, a, b);
  run_checked(s, a, b);
  FAILS(apus_session_bind_input(s, 2, a, sizeof a, e), APUS_ERROR_INVALID_ARGUMENT, "2");
  FAILS(apus_session_bind_input(s, 0, a, sizeof a - 1, e), APUS_ERROR_INVALID_SHAPE, "24");
  FAILS(apus_session_bind_input(s, 0, a, sizeof a + 4, e), APUS_ERROR_INVALID_SHAPE, "24");
  FAILS(apus_session_bind_input(s, 0, (char *)c + 1, sizeof a, e), APUS_ERROR_INVALID_ARGUMENT,
        "aligned");
  run_checked(s, a, b);
  WORKS(apus_session_bind_input(s, 0, c, 24, e));
  CHECK(apus_session_input(s, 0).data == c);
  run_checked(s, c, b);
  WORKS(apus_session_bind_input(s, 0, NULL, 0, e));
  CHECK(apus_session_input(s, 0).data == x.data);
  run_checked(s, a, b);

  /* The state counts runs: h starts at (10, -1) and takes relu(h), then b's first two. */
  apus_session_reset(s);
  WORKS(apus_session_run(s, e));
  h = apus_session_output(s, 2).data;
  CHECK(h[0] == 10 && h[1] == -1);
  WORKS(apus_session_run(s, e));
  CHECK(h[0] == 10 && h[1] == 0);
  WORKS(apus_session_create(m, NULL, &t, e)); /* a state belongs to one session */
  WORKS(apus_session_run(t, e));
  CHECK(((const float *)apus_session_output(t, 2).data)[1] == -1 && h[1] == 0);
  apus_session_destroy(t);
  apus_session_reset(s);
  WORKS(apus_session_run(s, e));
  CHECK(h[1] == -1);

  memset(&u, 0x77, sizeof u);
  u.info.struct_size = 0;
  apus_session_memory_info(s, &u.info);
  CHECK(u.info.arena == (size_t)0x7777777777777777);
  u.info.struct_size = offsetof(apus_memory_info, states);
  apus_session_memory_info(s, &u.info);
  CHECK(u.info.arena > 0 && u.info.arena_lower_bound <= u.info.arena);
  CHECK(u.info.states == (size_t)0x7777777777777777);
  u.info.struct_size = sizeof u;
  apus_session_memory_info(s, &u.info);
  CHECK(u.info.states >= 8 && u.info.states <= u.info.arena && u.beyond[0] == 0x77);

#if defined(__x86_64__)
  {
    /* The caller's rounding and denormal mode come back. */
    unsigned before = _mm_getcsr(), mode = (before & ~0xffc0u) | 0x1f80u | 0x2000u;
    _mm_setcsr(mode);
    apus_session_run(s, NULL);
    CHECK((_mm_getcsr() & 0xffc0u) == (mode & 0xffc0u));
    _mm_setcsr(before);
  }
#endif
  apus_session_destroy(s);
}

static void lifetimes(void) {
  apus_model *m;
  apus_session *s;
  apus_session_options o = APUS_SESSION_OPTIONS_INIT;
  WORKS(apus_model_open(model_path, NULL, &m, e));
  o.function = "other";
  WORKS(apus_session_create(m, &o, &s, e));
  apus_model_close(m); /* the session goes on working */
  WORKS(apus_session_run(s, e));
  CHECK(apus_session_output_count(s) == 1);
  apus_session_destroy(s);
}

static void *no_memory(void *context, size_t size, size_t alignment) {
  (void)context, (void)size, (void)alignment;
  return NULL;
}
static void no_release(void *context, void *memory, size_t size) {
  (void)context, (void)memory, (void)size;
}

static void allocator(apus_model *open) {
  apus_allocator a = {sizeof(apus_allocator), NULL, no_memory, no_release};
  apus_model *m = untouched_model;
  FAILS(apus_set_allocator(&a, e), APUS_ERROR_INVALID_ARGUMENT, "open");
  FAILS(apus_set_allocator(NULL, e), APUS_ERROR_INVALID_ARGUMENT, "open");
  apus_model_close(open);
  a.struct_size = 0;
  FAILS(apus_set_allocator(&a, e), APUS_ERROR_INVALID_ARGUMENT, "struct_size");
  a.struct_size = sizeof(size_t);
  FAILS(apus_set_allocator(&a, e), APUS_ERROR_INVALID_ARGUMENT, "allocate");
  a.struct_size = sizeof a;
  a.allocate = NULL;
  FAILS(apus_set_allocator(&a, e), APUS_ERROR_INVALID_ARGUMENT, "allocate");
  a.allocate = no_memory;
  a.release = NULL;
  FAILS(apus_set_allocator(&a, e), APUS_ERROR_INVALID_ARGUMENT, "release");
  WORKS(apus_model_open(model_path, NULL, &m, e)); /* none of these was taken */
  apus_model_close(m);
  a.release = no_release;
  m = untouched_model;
  WORKS(apus_set_allocator(&a, e));
  FAILS(apus_model_open(model_path, NULL, &m, e), APUS_ERROR_OUT_OF_MEMORY, "memory");
  CHECK(m == untouched_model);
  WORKS(apus_set_allocator(NULL, e));
  WORKS(apus_model_open(model_path, NULL, &m, e));
  apus_model_close(m);
}

int main(int argc, char **argv) {
  apus_model *m;
  CHECK(argc == 3);
  model_path = argv[1];
  folder = argv[2];
  library();
  opening();
  opening_memory();
  WORKS(apus_model_open(model_path, NULL, &m, e));
  model_queries(m);
  planning(m);
  session_calls(m);
  lifetimes();
  allocator(m);
  puts("fine");
  return 0;
}
