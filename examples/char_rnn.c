/* Writes text with a char-rnn, one character at a time, in C.
 *
 *     cc -std=c99 -O2 char_rnn.c -lapus -lm -o char_rnn
 *     ./char_rnn char_rnn.apus [LENGTH [TEMPERATURE [SEED [START]]]]
 *
 * What the network remembers is state of the model: it stays in the session from one run to the
 * next, so that all there is to do is to give it the last character and to draw the next one from
 * what it says. A run allocates nothing; the loop could stand in a real-time thread.
 *
 * TEMPERATURE 1 draws as the network says, less is more careful, 0 always takes the likeliest. The
 * same SEED gives the same text. START is read first and not written. */
#include <apus.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xorshift64* (S. Vigna, 2014): uniform in [0, 1). */
static double uniform(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (double)((*state * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

/* Draws a token from softmax(logits / temperature). */
static int32_t draw(const float *logits, size_t count, double temperature, uint64_t *random) {
  size_t i, best = 0;
  double sum = 0, left;
  for (i = 1; i < count; i++)
    if (logits[i] > logits[best]) best = i;
  if (temperature <= 0) return (int32_t)best;
  for (i = 0; i < count; i++) sum += exp((logits[i] - logits[best]) / temperature);
  left = uniform(random) * sum;
  for (i = 0; i < count; i++) {
    left -= exp((logits[i] - logits[best]) / temperature);
    if (left < 0) return (int32_t)i;
  }
  return (int32_t)best;
}

/* Which text a token stands for. A model of bytes has 256 tokens, each its own byte. A model of
 * characters says in its metadata entry "characters" which ones it knows: token 1 is the first of
 * them, and token 0 stands for all others. */
typedef struct vocabulary {
  const char *characters; /* NULL: bytes */
  size_t size;            /* tokens */
} vocabulary;

/* Bytes of the UTF-8 character at `text`. */
static size_t character_length(const char *text) {
  size_t n = 1;
  while (((unsigned char)text[n] & 0xC0) == 0x80) n++;
  return n;
}

static void write_token(const vocabulary *v, int32_t token) {
  const char *at = v->characters;
  if (!at) {
    putchar(token);
    return;
  }
  if (token == 0) return;
  while (--token > 0 && *at) at += character_length(at);
  fwrite(at, 1, *at ? character_length(at) : 0, stdout);
}

/* Reads the token at *text and moves *text on. */
static int32_t read_token(const vocabulary *v, const char **text) {
  size_t n = v->characters ? character_length(*text) : 1;
  const char *start = *text, *at = v->characters;
  int32_t token = 1;
  *text += n;
  if (!at) return (unsigned char)*start;
  for (; *at; at += character_length(at), token++)
    if (character_length(at) == n && !memcmp(at, start, n)) return token;
  return 0;
}

static void stop_at(apus_status status, const apus_error *error) {
  if (status == APUS_OK) return;
  fprintf(stderr, "char_rnn: %s\n", error->message);
  exit(1);
}

int main(int argc, char **argv) {
  long length = argc > 2 ? strtol(argv[2], NULL, 10) : 500;
  double temperature = argc > 3 ? strtod(argv[3], NULL) : 0.8;
  uint64_t random = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
  const char *start = argc > 5 ? argv[5] : "\n";
  apus_model *model;
  apus_session *session;
  apus_error error;
  apus_tensor token, logits;
  vocabulary v;

  if (argc < 2 || argc > 6 || length < 0 || !(temperature >= 0) || !*start) {
    fprintf(stderr, "usage: char_rnn MODEL.apus [LENGTH [TEMPERATURE [SEED [START]]]]\n");
    return 2;
  }
  random = random * UINT64_C(0x9E3779B97F4A7C15) + 1; /* seeds that are alike start far apart */

  stop_at(apus_model_open(argv[1], NULL, &model, &error), &error);
  stop_at(apus_session_create(model, NULL, &session, &error), &error);
  token = apus_session_input(session, 0); /* [steps, texts]: free dimensions are 1 */
  logits = apus_session_output(session, 0);
  if (token.dtype != APUS_INT32 || token.bytes != sizeof(int32_t) ||
      logits.dtype != APUS_FLOAT32) {
    fprintf(stderr, "char_rnn: %s is no model that reads one token at a time\n", argv[1]);
    return 1;
  }
  v.characters = apus_model_metadata(model, "characters");
  v.size = logits.bytes / sizeof(float);
  if (!v.characters && v.size != 256) {
    fprintf(stderr, "char_rnn: %s does not say which characters it knows\n", argv[1]);
    return 1;
  }

  while (*start) {
    *(int32_t *)token.data = read_token(&v, &start);
    apus_session_run(session, NULL);
  }
  for (; length > 0; length--) {
    *(int32_t *)token.data = draw(logits.data, v.size, temperature, &random);
    write_token(&v, *(int32_t *)token.data);
    fflush(stdout);
    apus_session_run(session, NULL);
  }
  putchar('\n');

  apus_session_destroy(session);
  apus_model_close(model);
  return 0;
}
