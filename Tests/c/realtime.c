/* What a single-threaded run may not do: call the allocator, map memory, lock, enter the kernel.
 * Arguments: a model, how often to run it. Run with interpose.so preloaded. */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/seccomp.h>

#include "check.h"

static int *counting;
static unsigned long *calls;
static const char **last;

static void *interposed(const char *name) { return dlsym(RTLD_DEFAULT, name); }

/* Everything that apus.h marks "Real-time: yes". */
static void realtime_calls(apus_model *m, apus_session *s, int runs) {
  int r;
  size_t i;
  apus_tensor_info info;
  apus_build_info build = APUS_BUILD_INFO_INIT;
  memset(&info, 0, sizeof info);
  for (r = 0; r < runs; r++) {
    info.struct_size = sizeof info;
    for (i = 0; i < apus_session_input_count(s); i++) {
      apus_tensor t = apus_session_input(s, i);
      memset(t.data, 0, t.bytes);
      apus_session_input_info(s, i, &info, NULL);
      apus_session_bind_input(s, i, t.data, t.bytes, NULL);
      apus_session_bind_input(s, i, NULL, 0, NULL);
    }
    apus_session_run(s, NULL);
    for (i = 0; i < apus_session_output_count(s); i++) {
      apus_session_output(s, i);
      apus_session_output_info(s, i, &info, NULL);
    }
    if (r % 100 == 99) apus_session_reset(s);
    apus_version();
    apus_version_number();
    apus_get_build_info(&build);
    apus_status_name(APUS_ERROR_CORRUPT_FILE);
    apus_dtype_name(APUS_INT8);
    apus_dtype_size(APUS_INT8);
    apus_model_function_count(m);
    apus_model_function_name(m, 0);
    apus_model_input_count(m);
    apus_model_input_info(m, 0, &info, NULL);
    apus_model_output_count(m);
    apus_model_output_info(m, 0, &info, NULL);
    apus_model_metadata(m, "name");
    apus_model_isa(m);
    apus_model_has_precision(m, APUS_PRECISION_BF16);
  }
}

static void count_calls(apus_model *m, apus_session *s, int runs) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  void *volatile p;
  /* The counter counts. */
  *counting = 1;
  p = malloc(1);
  free(p);
  pthread_mutex_lock(&lock);
  pthread_mutex_unlock(&lock);
  *counting = 0;
  CHECK(*calls == 4);
  *calls = 0;
  *counting = 1;
  realtime_calls(m, s, runs);
  *counting = 0;
  if (*calls) {
    fprintf(stderr, "%lu calls, the last of them %s\n", *calls, *last);
    exit(1);
  }
}

/* In a child that the kernel ends at any system call but read, write and exit. */
static int confined(apus_model *m, apus_session *s, int runs, int cheat) {
  int status;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) syscall(SYS_exit, 77);
    realtime_calls(m, s, runs);
    if (cheat) syscall(SYS_getpid);
    syscall(SYS_exit, 0); /* not exit_group, which strict mode forbids */
  }
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

int main(int argc, char **argv) {
  apus_model *m;
  apus_session *s;
  int runs, status;
  CHECK(argc == 3);
  runs = atoi(argv[2]);
  *(void **)&counting = interposed("interposed_counting");
  *(void **)&calls = interposed("interposed_calls");
  *(void **)&last = interposed("interposed_last");
  CHECK(counting && calls && last);
  WORKS(apus_model_open(argv[1], NULL, &m, e));
  WORKS(apus_session_create(m, NULL, &s, e));
  count_calls(m, s, runs);
  status = confined(m, s, 1, 1);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    puts("system calls: not checked, this system has no seccomp");
  } else {
    CHECK(WIFSIGNALED(status)); /* the trap traps */
    status = confined(m, s, runs, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    puts("system calls: none");
  }
  apus_session_destroy(s);
  apus_model_close(m);
  puts("fine");
  return 0;
}
