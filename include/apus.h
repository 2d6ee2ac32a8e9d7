/*
 * apus.h - run convolutional and recurrent networks from C
 * SPDX-License-Identifier: Apache-2.0
 *
 * The shortest way from a file to an answer:
 *
 *     apus_model *model;
 *     apus_session *session;
 *     apus_error error;
 *     if (apus_model_open("net.apus", NULL, &model, &error) != APUS_OK) puts(error.message);
 *     if (apus_session_create(model, NULL, &session, &error) != APUS_OK) puts(error.message);
 *     apus_tensor x = apus_session_input(session, 0), y = apus_session_output(session, 0);
 *     memcpy(x.data, pixels, x.bytes);
 *     apus_session_run(session, NULL);
 *     use((const float *)y.data);
 *     apus_session_destroy(session);
 *     apus_model_close(model);
 *
 * Three ideas carry the rest:
 *
 *   A MODEL is a file, mapped and checked. It never changes once it is open; any number of threads
 *   and sessions may share it.
 *   A SESSION is one arena of memory and everything prepared to run one of the model's functions in
 *   it. One thread at a time may use a session; different sessions never disturb each other.
 *   STATE is part of the model. What a recurrent layer remembers stays in the session from run to
 *   run; apus_session_reset() starts over.
 *
 * Errors. Every function that can fail returns an apus_status and takes, last, an apus_error that
 * may be NULL. A call that fails leaves its outputs as they were and nothing to clean up. Bad files
 * and bad arguments are reported, never a crash.
 *
 * Structs. Every struct that the caller fills starts with struct_size; set it with the struct's
 * initialiser (APUS_MODEL_OPTIONS_INIT ...). Fields that a later version adds are then taken as
 * zero, which always means the default. NULL in place of options means all defaults.
 *
 * Bits. The same model, inputs, library, instruction set and precision give the same bits on every
 * run, for every number of threads.
 *
 * Each function says when it may be called:
 *   Real-time: yes  it neither allocates, locks, waits nor makes a system call (where it succeeds:
 *                   a call that fails may allocate while it makes its sentence).
 *   Threads:        what may happen at the same time.
 *
 * C99 and C++98 or newer.
 */
#ifndef APUS_H
#define APUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define APUS_API __attribute__((visibility("default")))
#else
#define APUS_API
#endif

/* ---- Version --------------------------------------------------------------------------------- */

/* The header's version, for the preprocessor: major * 1000000 + minor * 1000 + patch. */
#define APUS_VERSION_MAJOR 0
#define APUS_VERSION_MINOR 1
#define APUS_VERSION_PATCH 0
#define APUS_VERSION (APUS_VERSION_MAJOR * 1000000 + APUS_VERSION_MINOR * 1000 + APUS_VERSION_PATCH)

/* Returns the library's version as text, "0.1.0".
 * Ownership: static, never freed.   Real-time: yes.   Threads: any. */
APUS_API const char *apus_version(void);

/* Returns the library's version as a number, made as APUS_VERSION is: compare the two to see
 * whether the library is the one that the program was compiled for.
 * Real-time: yes.   Threads: any. */
APUS_API uint32_t apus_version_number(void);

/* What the library is and what it reads. */
typedef struct apus_build_info {
  size_t struct_size;            /* set by the caller: APUS_BUILD_INFO_INIT */
  const char *version;           /* as apus_version() */
  uint32_t format_version_min;   /* oldest and newest major version of the .apus format */
  uint32_t format_version_max;   /*   that this library opens */
  const char *compiler;          /* "Swift 6.3 (Embedded)" or "Swift 6.3" */
  const char *instruction_sets;  /* the kernel modules inside, "baseline avx2 avx512 avx512vnni" */
  const char *best_instruction_set; /* the best of them that this processor runs */
  uint32_t operator_count;       /* operators that it knows */
} apus_build_info;
#define APUS_BUILD_INFO_INIT { sizeof(apus_build_info), NULL, 0, 0, NULL, NULL, NULL, 0 }

/* Fills *info as far as info->struct_size reaches. NULL or a struct_size of 0 does nothing.
 * Ownership: the strings are static.   Real-time: yes.   Threads: any. */
APUS_API void apus_get_build_info(apus_build_info *info);

/* ---- Errors ---------------------------------------------------------------------------------- */

/* Error numbers never change their meaning. 1xx: the caller's arguments. 2xx: the model's file.
 * 3xx: the machine. */
typedef enum apus_status {
  APUS_OK = 0,

  APUS_ERROR_INVALID_ARGUMENT = 100,  /* NULL where something is needed, a number out of range */
  APUS_ERROR_INVALID_HANDLE = 101,    /* a NULL model or session */
  APUS_ERROR_INVALID_SHAPE = 102,     /* dimensions that the model cannot take */
  APUS_ERROR_INVALID_TYPE = 103,      /* an element type that the model cannot take */
  APUS_ERROR_UNKNOWN_NAME = 104,      /* no input, function or instruction set of that name */
  APUS_ERROR_ARENA_TOO_SMALL = 105,   /* the caller's arena has fewer bytes than needed */
  APUS_ERROR_ARENA_MISALIGNED = 106,  /* the caller's arena does not start at a multiple of 64 */

  APUS_ERROR_FILE_NOT_FOUND = 200,    /* nothing at that path */
  APUS_ERROR_FILE_UNREADABLE = 201,   /* a directory, no permission, a read error */
  APUS_ERROR_NOT_A_MODEL = 202,       /* not an .apus file at all */
  APUS_ERROR_NEWER_FORMAT = 203,      /* written for a newer major version of the format */
  APUS_ERROR_CORRUPT_FILE = 204,      /* truncated, damaged, or records that contradict each other */
  APUS_ERROR_INVALID_MODEL = 205,     /* well-formed, but a network that cannot be computed */
  APUS_ERROR_UNSUPPORTED = 206,       /* an operator, attribute or section that this library lacks */

  APUS_ERROR_OUT_OF_MEMORY = 300,     /* the allocator returned NULL */
  APUS_ERROR_THREAD_FAILED = 301,     /* the system would not start a thread */
  APUS_ERROR_UNSUPPORTED_PROCESSOR = 302 /* this processor lacks the instruction set or precision */
} apus_status;

#define APUS_ERROR_MESSAGE_SIZE 512

/* What went wrong. The message is one sentence in English that names the field, operator or
 * argument, what was found and what was wanted; always NUL-terminated UTF-8. */
typedef struct apus_error {
  apus_status status;
  char message[APUS_ERROR_MESSAGE_SIZE];
} apus_error;

/* Returns the number's name: "APUS_ERROR_CORRUPT_FILE"; "unknown status" for no number of ours.
 * Ownership: static.   Real-time: yes.   Threads: any. */
APUS_API const char *apus_status_name(apus_status status);

/* ---- Tensors --------------------------------------------------------------------------------- */

/* The element type of a tensor. */
typedef enum apus_dtype {
  APUS_FLOAT32 = 1,
  APUS_FLOAT16 = 2,   /* weights only */
  APUS_BFLOAT16 = 3,  /* weights only */
  APUS_INT8 = 4,
  APUS_UINT8 = 5,
  APUS_INT32 = 6,
  APUS_INT64 = 7,
  APUS_BOOL = 8       /* one byte, 0 or 1 */
} apus_dtype;

/* Returns "float32", "int8", ...; "unknown" for no type of ours.
 * Ownership: static.   Real-time: yes.   Threads: any. */
APUS_API const char *apus_dtype_name(apus_dtype dtype);

/* Returns the bytes of one element; 0 for no type of ours.   Real-time: yes.   Threads: any. */
APUS_API size_t apus_dtype_size(apus_dtype dtype);

#define APUS_MAX_RANK 8

/* An input or output as the model declares it. Dimensions are outermost first; tensors are dense
 * and row-major (the last dimension is contiguous). */
typedef struct apus_tensor_info {
  size_t struct_size;           /* set by the caller: APUS_TENSOR_INFO_INIT */
  const char *name;             /* UTF-8, NUL-terminated; lives as long as the model */
  apus_dtype dtype;
  size_t rank;                  /* 0 for a scalar, at most APUS_MAX_RANK */
  int64_t dims[APUS_MAX_RANK];  /* -1: free, bound when a session is created */
  /* Of int8 and uint8 that stand for real numbers: real = scale * (q - zero_point). 0 where the
   * integers are meant as they are. */
  float scale;
  int32_t zero_point;
} apus_tensor_info;
#define APUS_TENSOR_INFO_INIT \
  { sizeof(apus_tensor_info), NULL, (apus_dtype)0, 0, { 0, 0, 0, 0, 0, 0, 0, 0 }, 0, 0 }

/* A view of a session's tensor. data stays where it is until the session is destroyed or
 * apus_session_bind_input() is called on it. */
typedef struct apus_tensor {
  void *data;                   /* NULL: there is no such tensor */
  size_t bytes;
  apus_dtype dtype;
  size_t rank;
  int64_t dims[APUS_MAX_RANK];
} apus_tensor;

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Where the library takes its memory from. allocate returns `size` bytes aligned to `alignment` (a
 * power of two, at most 4096) or NULL; release takes back what allocate returned, with the same
 * size, and is never called with NULL. Both must be safe to call from any thread. */
typedef struct apus_allocator {
  size_t struct_size;           /* set by the caller: sizeof(apus_allocator) */
  void *context;
  void *(*allocate)(void *context, size_t size, size_t alignment);
  void (*release)(void *context, void *memory, size_t size);
} apus_allocator;

/* Makes the library take all its memory from *allocator, or from libc again where it is NULL.
 * Process-wide, and only while no model is open: otherwise APUS_ERROR_INVALID_ARGUMENT. What is
 * mapped (mmap) for a file opened by path does not go through it.
 * Ownership: *allocator is copied; its context must outlive every model.
 * Real-time: no.   Threads: none may be inside this library. */
APUS_API apus_status apus_set_allocator(const apus_allocator *allocator, apus_error *error);

/* ---- Models ---------------------------------------------------------------------------------- */

typedef struct apus_model apus_model;

typedef struct apus_model_options {
  size_t struct_size;           /* set by the caller: APUS_MODEL_OPTIONS_INIT */
  /* The kernel module: "baseline", "avx2", "avx512", "avx512vnni". NULL: what the environment
   * variable APUS_ISA names, or else the best that this processor runs. */
  const char *isa;
  /* Nonzero: do not compute the checksum of the weights. The structure is checked all the same, so
   * a damaged weight can give wrong numbers but never a crash. Saves reading the weights once. */
  int skip_weight_checksum;
} apus_model_options;
#define APUS_MODEL_OPTIONS_INIT { sizeof(apus_model_options), NULL, 0 }

/* Opens the model file at `path` (UTF-8). The file is mapped, not read: weights stay in the page
 * cache and are shared by processes. It must not be changed while the model is open; replacing it
 * (rename) is fine.
 * Returns APUS_OK and sets *model, which apus_model_close() frees; or a 1xx, 2xx or 3xx status.
 * Real-time: no.   Threads: any. */
APUS_API apus_status apus_model_open(const char *path, const apus_model_options *options,
                                     apus_model **model, apus_error *error);

/* Opens a model from `size` bytes in memory.
 * Ownership: the bytes stay the caller's and must neither change nor go away before
 * apus_model_close(). They need no alignment; where `bytes` is a multiple of 64 the weights are
 * used in place, otherwise the model keeps a copy.
 * Returns and threads: as apus_model_open().   Real-time: no. */
APUS_API apus_status apus_model_open_memory(const void *bytes, size_t size,
                                            const apus_model_options *options, apus_model **model,
                                            apus_error *error);

/* Closes a model. NULL does nothing. The memory goes when its last session is destroyed; sessions
 * that are still there go on working.
 * Real-time: no.   Threads: the caller's last use of the handle. */
APUS_API void apus_model_close(apus_model *model);

/* A model's functions share its weights and states. Every model has at least one; the one that
 * runs by default is called "main", or is the first where none is.
 * Each returns 0 or NULL for a NULL model or an index out of range.
 * Ownership: names live as long as the model.   Real-time: yes.   Threads: any. */
APUS_API size_t apus_model_function_count(const apus_model *model);
APUS_API const char *apus_model_function_name(const apus_model *model, size_t index);

/* Inputs and outputs of the function that runs by default; for another function use its session.
 * _info fills *info as far as info->struct_size reaches, and fails with
 * APUS_ERROR_INVALID_ARGUMENT for an index out of range.
 * Real-time: yes.   Threads: any. */
APUS_API size_t apus_model_input_count(const apus_model *model);
APUS_API apus_status apus_model_input_info(const apus_model *model, size_t index,
                                           apus_tensor_info *info, apus_error *error);
APUS_API size_t apus_model_output_count(const apus_model *model);
APUS_API apus_status apus_model_output_info(const apus_model *model, size_t index,
                                            apus_tensor_info *info, apus_error *error);

/* Returns the value of a metadata entry ("name", "labels", "producer" ...), or NULL.
 * Ownership: lives as long as the model.   Real-time: yes.   Threads: any. */
APUS_API const char *apus_model_metadata(const apus_model *model, const char *key);

/* Returns the kernel module that the model was opened for: "avx512vnni" ...; NULL for NULL.
 * Ownership: static.   Real-time: yes.   Threads: any. */
APUS_API const char *apus_model_isa(const apus_model *model);

/* ---- Sessions -------------------------------------------------------------------------------- */

typedef struct apus_session apus_session;

/* What a session multiplies matrices in. */
typedef enum apus_precision {
  APUS_PRECISION_FLOAT32 = 0,
  /* Where the weights are constant and of float32, those of Gemm, MatMul, RNN, LSTM and GRU, and of
   * most convolutions from 16 channels on, are rounded to bfloat16, to nearest with halves to even,
   * and kept so, in half of the memory; so are the numbers that meet them, as they are read. Products
   * are exact and summed in float32. All else stays in float32, tensors too: depthwise convolutions,
   * those by Winograd's transforms, which are faster still, and what has no constant weights. */
  APUS_PRECISION_BF16 = 1
} apus_precision;

/* Returns 1 where sessions of the model may have the precision, else 0, also for NULL. BF16 takes a
 * processor with AVX-512-BF16 and a model that is open for "avx512vnni".
 * Real-time: yes.   Threads: any. */
APUS_API int apus_model_has_precision(const apus_model *model, apus_precision precision);

/* The shape that an input shall have in a session. */
typedef struct apus_input_shape {
  const char *name;             /* the input's name */
  size_t rank;
  const int64_t *dims;          /* `rank` of them, each at least 1 */
} apus_input_shape;

/* One piece of a run's work, made by the library for an apus_parallel_for to call.
 * Threads: any, each index at once with the others. */
typedef void (*apus_task)(void *argument, size_t index);

/* A caller's own way to work in parallel: calls task(argument, i) exactly once for each i in
 * 0 ..< count, on any threads, several at once or one after another, and returns when all of them
 * have returned. */
typedef void (*apus_parallel_for)(void *context, size_t count, apus_task task, void *argument);

/* An arena starts at a multiple of this. */
#define APUS_ARENA_ALIGNMENT 64

typedef struct apus_session_options {
  size_t struct_size;           /* set by the caller: APUS_SESSION_OPTIONS_INIT */
  /* The function to run; NULL: the default one. */
  const char *function;
  /* Threads that share the work of a run, the caller's among them: 1 to 64; 0 means 1. */
  size_t threads;
  /* Memory for every tensor, state and scratch buffer, aligned to APUS_ARENA_ALIGNMENT, kept by the
   * caller until the session is destroyed. NULL: the session allocates it. */
  void *arena;
  size_t arena_size;
  /* Shapes for inputs with free dimensions. A free dimension that nothing binds is 1; free
   * dimensions that bear one name in the model must agree. */
  const apus_input_shape *input_shapes;
  size_t input_shape_count;
  /* How long a thread of the session spins for more work before it sleeps: a spinning thread takes
   * up work within a microsecond, a sleeping one needs some tens. 0: 200 microseconds; 1: next to
   * none, for machines that have other work; UINT32_MAX: as long as there is a session. */
  uint32_t spin_microseconds;
  /* The caller's own threads. NULL: the session starts threads - 1 of its own, fewer where
   * there are fewer processors for them. Otherwise it starts none, and a run calls
   * parallel_for(parallel_for_context, count, ...) with a count of at most `threads`, from the
   * thread that calls apus_session_run(). */
  apus_parallel_for parallel_for;
  void *parallel_for_context;
  /* One that the processor lacks is APUS_ERROR_UNSUPPORTED_PROCESSOR, never something else instead:
   * apus_model_has_precision() tells beforehand. */
  apus_precision precision;
  /* Nonzero: no convolution is computed by Winograd's transforms. Packed weights then take the
   * model's bytes, not up to seven times as many, and 3 x 3 convolutions more time. */
  int no_winograd;
} apus_session_options;
#define APUS_SESSION_OPTIONS_INIT \
  { sizeof(apus_session_options), NULL, 0, NULL, 0, NULL, 0, 0, NULL, NULL, APUS_PRECISION_FLOAT32, \
    0 }

/* Sets *bytes to the exact size of the arena that apus_session_create() needs with the same options
 * (whose arena and arena_size are not looked at).
 * Real-time: no.   Threads: any. */
APUS_API apus_status apus_session_arena_size(const apus_model *model,
                                             const apus_session_options *options, size_t *bytes,
                                             apus_error *error);

/* Plans a function for the given shapes and threads, and makes a session that runs it.
 * Returns APUS_OK and sets *session, which apus_session_destroy() frees. Whatever could go wrong in
 * a run is found here.
 * Ownership: the session keeps the model alive.   Real-time: no.   Threads: any. */
APUS_API apus_status apus_session_create(const apus_model *model,
                                         const apus_session_options *options,
                                         apus_session **session, apus_error *error);

/* Destroys a session and its threads. NULL does nothing. A caller's arena may be freed afterwards.
 * Real-time: no.   Threads: the caller's last use of the handle. */
APUS_API void apus_session_destroy(apus_session *session);

/* The session's inputs and outputs, in the order of its function. The caller writes an input's data
 * before a run and reads an output's after it. An input keeps what was written until it is written
 * again; an output keeps its value until the next run. _info gives name and shape, without free
 * dimensions; it fails with APUS_ERROR_INVALID_ARGUMENT for an index out of range. Where an output's
 * size depends on the data, _info gives the upper bound that has memory, and the view returned after
 * a run has that run's rank, dims and bytes.
 * apus_session_input() and _output() return a view with data == NULL then.
 * Real-time: yes.   Threads: this session's. */
APUS_API size_t apus_session_input_count(const apus_session *session);
APUS_API size_t apus_session_output_count(const apus_session *session);
APUS_API apus_status apus_session_input_info(const apus_session *session, size_t index,
                                             apus_tensor_info *info, apus_error *error);
APUS_API apus_status apus_session_output_info(const apus_session *session, size_t index,
                                              apus_tensor_info *info, apus_error *error);
APUS_API apus_tensor apus_session_input(const apus_session *session, size_t index);
APUS_API apus_tensor apus_session_output(const apus_session *session, size_t index);

/* Makes the session read input `index` from the caller's memory instead of the arena, without a
 * copy, until it is bound to something else; NULL goes back to the arena. `bytes` must be the
 * input's size. `data` must be aligned to the element and stay valid and unchanged during runs.
 * Real-time: yes.   Threads: this session's. */
APUS_API apus_status apus_session_bind_input(apus_session *session, size_t index, const void *data,
                                             size_t bytes, apus_error *error);

/* Computes the outputs from the inputs and carries the states one run further. Denormal numbers
 * count as zero inside; the caller's floating-point mode is put back before it returns. Fails for a
 * NULL session, and where shapes depend on the data and these ask for more than was planned: outputs
 * and states are then unspecified until the next reset and run.
 * Real-time: yes with one thread; with more, it waits for the session's other threads.
 * Threads: this session's. */
APUS_API apus_status apus_session_run(apus_session *session, apus_error *error);

/* Puts every state back to its initial value. NULL does nothing.
 * Real-time: yes.   Threads: this session's. */
APUS_API void apus_session_reset(apus_session *session);

/* What a session's memory is for, in bytes. */
typedef struct apus_memory_info {
  size_t struct_size;           /* set by the caller: APUS_MEMORY_INFO_INIT */
  size_t arena;                 /* the arena: tensors, states, scratch */
  size_t arena_lower_bound;     /* the most that is alive at one moment: no plan can need less */
  size_t states;                /* of the arena: what is kept from run to run */
  size_t packed_weights;        /* shared by the model's sessions: weights in the kernels' order */
} apus_memory_info;
#define APUS_MEMORY_INFO_INIT { sizeof(apus_memory_info), 0, 0, 0, 0 }

/* Fills *info as far as info->struct_size reaches. NULL does nothing.
 * Real-time: no.   Threads: this session's. */
APUS_API void apus_session_memory_info(const apus_session *session, apus_memory_info *info);

#ifdef __cplusplus
}
#endif

#endif /* APUS_H */
