"""The code in docs/c-api.md is compiled, all of it in one program, and does what the page says."""

import re

import locate
import models
import pytest
from apus_writer import Writer
from compilers import C_COMPILERS, compile_program, run
from harness import add_node

PAGE = (locate.REPOSITORY / "docs/c-api.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```c\n(.*?)```", PAGE, re.DOTALL))

HEAD = """#include <apus.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
"""
MAIN = """
#define CHECK(x) do { if (!(x)) { fprintf(stderr, "line %d: %s\\n", __LINE__, #x); return 1; } } while (0)

static float images[3 * 1024], scores[10], again[10], back[4];
static const float reals[4] = {1.6f, -99, 1000, 0};
static union { char bytes[1 << 20]; double aligned; } pool;

int main(int argc, char **argv) {
  apus_model *net = NULL, *text = NULL;
  apus_session *s = NULL;
  apus_error error;
  pthread_t threads[2];
  void *result = NULL, *memory;
  size_t needed = 0, i;
  const float *next;
  float first;
  effect e;
  (void)argc;
  for (i = 0; i < 3 * 1024; i++) images[i] = (float)(i % 17) / 16;

  CHECK(classify(argv[1], images, scores, 10, &error) == APUS_OK && scores[0] > 0);
  CHECK(classify("nothere.apus", images, again, 10, &error) == APUS_ERROR_FILE_NOT_FOUND);
  CHECK(strstr(error.message, "no such file") && again[0] == 0);

  CHECK(apus_model_open(argv[1], NULL, &net, &error) == APUS_OK);
  s = batch_session(net, 3, &error);
  CHECK(s && apus_session_input(s, 0).bytes == sizeof images);
  CHECK(apus_session_output(s, 0).dims[0] == 3);
  apus_session_destroy(s);

  memory = pool.bytes + (APUS_ARENA_ALIGNMENT - (size_t)pool.bytes % APUS_ARENA_ALIGNMENT);
  CHECK(!session_in(net, memory, 64, &needed, &error) && needed > 64);
  CHECK(error.status == APUS_ERROR_ARENA_TOO_SMALL && needed < (1 << 20) - 64);
  s = session_in(net, memory, needed, &needed, &error);
  CHECK(s && (char *)apus_session_input(s, 0).data >= pool.bytes);
  apus_session_destroy(s);

  for (i = 0; i < 2; i++) CHECK(!pthread_create(&threads[i], NULL, worker, net));
  for (i = 0; i < 2; i++) {
    pthread_join(threads[i], &result);
    CHECK(result == net);
  }

  s = on_own_threads(net, NULL, &error);
  CHECK(s && apus_session_run(s, &error) == APUS_OK);
  apus_session_destroy(s);

  s = fastest(net, &error);
  CHECK(s && apus_session_run(s, &error) == APUS_OK);
  apus_session_destroy(s);

  CHECK(effect_prepare(&e, net, &error) == 0);
  effect_callback(&e, images, again);
  CHECK(!memcmp(scores, again, sizeof scores));
  apus_model_close(net); /* before its session */
  effect_callback(&e, images, again);
  CHECK(!memcmp(scores, again, sizeof scores));
  apus_session_destroy(e.session);

  CHECK(apus_model_open(argv[2], NULL, &text, &error) == APUS_OK);
  CHECK(apus_session_create(text, NULL, &s, &error) == APUS_OK);
  next = read_text(s, "swift");
  first = next[0];
  CHECK(read_text(s, "slow")[0] != first && read_text(s, "swift")[0] == first);
  apus_session_destroy(s);
  apus_model_close(text);

  /* q = x / 0.5 + 10 and back, but for what uint8 cannot hold. */
  CHECK(apus_model_open(argv[3], NULL, &net, &error) == APUS_OK);
  CHECK(apus_session_create(net, NULL, &s, &error) == APUS_OK);
  CHECK(run_integers(s, reals, back, 4, &error) == APUS_OK);
  CHECK(back[0] == 1.5f && back[1] == -5 && back[2] == 122.5f && back[3] == 0);
  apus_session_destroy(s);
  apus_model_close(net);
  puts("fine");
  return 0;
}
"""


def integer_model() -> Writer:
    """Hands on its uint8 input, which stands for 0.5 · (q − 10)."""
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "uint8", (4,), scales=[0.5], zero_points=[10])
    (y,) = add_node(f, "Identity", [x])
    f.output(y, "y", "uint8", (4,))
    writer.tensors[y].quantization = writer.quantization([0.5], [10], -1)
    return writer


@pytest.mark.parametrize("compiler", C_COMPILERS)
def test_examples(compiler, tmp_path):
    wanted = ["classify", "batch", "integers", "arena", "stream", "threads", "pool", "precision", "realtime"]
    assert list(EXAMPLES) == wanted and PAGE.count("```c\n") == len(wanted)
    (tmp_path / "net.apus").write_bytes(models.make("lenet").to_bytes())
    (tmp_path / "text.apus").write_bytes(models.make("char_rnn").to_bytes())
    (tmp_path / "int8.apus").write_bytes(integer_model().to_bytes())
    source = tmp_path / "guide.c"
    source.write_text(HEAD + "\n".join(EXAMPLES.values()) + MAIN)
    program = compile_program(compiler, source, tmp_path / "guide", ["-std=c99"])
    files = [tmp_path / f"{name}.apus" for name in ("net", "text", "int8")]
    assert run([program, *files]) == "fine\n"


def test_every_function_and_status_is_in_the_header():
    header = (locate.REPOSITORY / "include/apus.h").read_text()
    for name in set(re.findall(r"\b(?:apus|APUS)_\w+", PAGE)):
        assert re.search(rf"\b{name}\b", header), name
