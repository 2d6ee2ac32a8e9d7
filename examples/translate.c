/* Translates a line, in C: a date into numbers, say.
 *
 *     cc -std=c99 -O2 translate.c -lapus -o translate
 *     ./translate dates.apus "May 3, 1998"
 *
 * The model is a translator as `model-convert train` makes it: its function is the encoder, and the
 * decoder with its beam search, so that one run is all there is to do. */
#include <apus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const char *what) {
  fprintf(stderr, "translate: %s\n", what);
  exit(1);
}

static void stop_at(apus_status status, const apus_error *error) {
  if (status != APUS_OK) stop(error->message);
}

/* Bytes of the UTF-8 character at `text`; 0 at its end. */
static size_t character_length(const char *text) {
  size_t n = *text ? 1 : 0;
  while (((unsigned char)text[n] & 0xC0) == 0x80) n++;
  return n;
}

/* Token 0 ends a text, 1 is a character that the model has never seen, 2 is the first that it knows. */
static int32_t token_of(const char *characters, const char *text) {
  int32_t token = 2;
  for (; *characters; characters += character_length(characters), token++)
    if (character_length(characters) == character_length(text) &&
        !memcmp(characters, text, character_length(text)))
      return token;
  return 1;
}

static void print_token(const char *characters, int32_t token) {
  while (token-- > 2) characters += character_length(characters);
  fwrite(characters, 1, character_length(characters), stdout);
}

int main(int argc, char **argv) {
  apus_session_options options = APUS_SESSION_OPTIONS_INIT;
  apus_input_shape shape = {"source", 1, NULL};
  apus_model *model;
  apus_session *session;
  apus_error error;
  apus_tensor tokens;
  const char *known, *written, *text;
  int64_t length = 0, i;
  int32_t *source;
  if (argc != 3) stop("usage: translate MODEL TEXT");

  stop_at(apus_model_open(argv[1], NULL, &model, &error), &error);
  known = apus_model_metadata(model, "source_characters");
  written = apus_model_metadata(model, "target_characters");
  if (!known || !written) stop("the model is no translator of characters");
  for (text = argv[2]; *text; text += character_length(text)) length++;
  if (length == 0) stop("the text is empty");

  /* The session is planned for the text's length. */
  shape.dims = &length;
  options.input_shapes = &shape;
  options.input_shape_count = 1;
  stop_at(apus_session_create(model, &options, &session, &error), &error);
  source = (int32_t *)apus_session_input(session, 0).data;
  for (text = argv[2]; *text; text += character_length(text)) *source++ = token_of(known, text);

  stop_at(apus_session_run(session, &error), &error);

  tokens = apus_session_output(session, 0);
  for (i = 0; i < tokens.dims[0] && ((const int32_t *)tokens.data)[i] != 0; i++)
    print_token(written, ((const int32_t *)tokens.data)[i]);
  printf("\n");
  apus_session_destroy(session);
  apus_model_close(model);
  return 0;
}
