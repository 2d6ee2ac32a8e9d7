/* Writes what is said in a sound, in C.
 *
 *     cc -std=c99 -O2 transcribe.c -lapus -o transcribe
 *     ./transcribe deep-speech.apus hello.wav
 *
 * The model is a recogniser of speech as `model-convert train` makes it: its function "transcribe" is
 * the front end, the network and the prefix beam search, so that one run is all there is to do. The
 * sound is a WAV of 16 bits, one channel, with as many samples a second as the model hears. */
#include <apus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const char *what) {
  fprintf(stderr, "transcribe: %s\n", what);
  exit(1);
}

static void stop_at(apus_status status, const apus_error *error) {
  if (status != APUS_OK) stop(error->message);
}

/* The little-endian number of `count` bytes that comes next. */
static uint32_t number(FILE *file, int count) {
  uint32_t value = 0;
  int i;
  for (i = 0; i < count; i++) {
    int byte = getc(file);
    if (byte == EOF) stop("the sound ends too early");
    value |= (uint32_t)byte << 8 * i;
  }
  return value;
}

/* Reads a sound as samples of -1 to 1; the caller frees them. */
static float *read_sound(const char *path, uint32_t rate, uint32_t *count) {
  FILE *file = fopen(path, "rb");
  char name[4];
  int is_known = 0;
  if (!file) stop("the sound cannot be opened");
  if (number(file, 4) != 0x46464952 /* RIFF */ || (number(file, 4), number(file, 4)) != 0x45564157)
    stop("the sound is no WAV");
  for (;;) {
    uint32_t size, i;
    if (fread(name, 1, 4, file) != 4) stop("the sound has no samples");
    size = number(file, 4);
    if (!memcmp(name, "fmt ", 4) && size >= 16) {
      uint32_t format = number(file, 2), channels = number(file, 2), hertz = number(file, 4);
      number(file, 4), number(file, 2);
      if (format != 1 || channels != 1 || number(file, 2) != 16)
        stop("the sound must have one channel of 16 bits");
      if (hertz != rate) {
        fprintf(stderr, "transcribe: the sound must have %u samples a second\n", (unsigned)rate);
        exit(1);
      }
      is_known = 1;
      size -= 16;
    } else if (!memcmp(name, "data", 4) && is_known) {
      /* A network needs some frames; silence adds no letters. */
      uint32_t said = size / 2;
      float *samples = (float *)calloc(said > rate / 2 ? said : rate / 2, sizeof(float));
      if (!samples) stop("the sound is too long");
      for (i = 0; i < said; i++) {
        uint32_t bits = number(file, 2);
        samples[i] = (float)((int32_t)bits - (bits < 0x8000 ? 0 : 0x10000)) / 32768.0f;
      }
      *count = said > rate / 2 ? said : rate / 2;
      fclose(file);
      return samples;
    }
    /* Chunks begin at even places. */
    for (i = 0; i < size + size % 2; i++) number(file, 1);
  }
}

/* The model's letters are UTF-8: those whose first byte is not a continuation. */
static void print_letter(const char *letters, int32_t i) {
  size_t n = 1;
  while (i-- > 0 && *letters)
    do letters++;
    while (((unsigned char)*letters & 0xC0) == 0x80);
  while (((unsigned char)letters[n] & 0xC0) == 0x80) n++;
  fwrite(letters, 1, *letters ? n : 0, stdout);
}

int main(int argc, char **argv) {
  apus_session_options options = APUS_SESSION_OPTIONS_INIT;
  apus_input_shape shape = {"sound", 2, NULL};
  apus_model *model;
  apus_session *session;
  apus_error error;
  apus_tensor labels;
  const char *letters, *rate;
  int64_t dims[2] = {1, 0}, i;
  uint32_t count;
  float *samples;
  if (argc != 3) stop("usage: transcribe MODEL SOUND");

  stop_at(apus_model_open(argv[1], NULL, &model, &error), &error);
  letters = apus_model_metadata(model, "characters");
  rate = apus_model_metadata(model, "rate");
  if (!letters || !rate) stop("the model is no recogniser of speech");
  samples = read_sound(argv[2], (uint32_t)atoi(rate), &count);

  /* The session is planned for the sound's length. */
  dims[1] = count;
  shape.dims = dims;
  options.function = "transcribe";
  options.input_shapes = &shape;
  options.input_shape_count = 1;
  stop_at(apus_session_create(model, &options, &session, &error), &error);
  memcpy(apus_session_input(session, 0).data, samples, count * sizeof(float));

  stop_at(apus_session_run(session, &error), &error);

  /* Label 1 is the first letter; 0 stands behind the end. */
  labels = apus_session_output(session, 0);
  for (i = 0; i < labels.dims[0] && ((const int32_t *)labels.data)[i] > 0; i++)
    print_letter(letters, ((const int32_t *)labels.data)[i] - 1);
  printf("\n");
  free(samples);
  apus_session_destroy(session);
  apus_model_close(model);
  return 0;
}
