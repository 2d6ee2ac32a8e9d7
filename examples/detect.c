/* Finds the objects in an image, in C.
 *
 *     cc -std=c99 -O2 detect.c -lapus -o detect
 *     ./detect ssd.apus image.ppm [SCORE]
 *
 * The model is a detector as `model-convert train` makes it: its function "detect" is the network,
 * the boxes' decoding and their non-maximum suppression, so that one run is all there is to do.
 *
 * The image is a PGM or PPM of binary samples (P5 or P6), of the size that the model takes. Prints a
 * line for each object with SCORE (0.5) at least: its class, its score, and left, top, right and
 * bottom of its box in pixels. */
#include <apus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const char *what) {
  fprintf(stderr, "detect: %s\n", what);
  exit(1);
}

static void stop_at(apus_status status, const apus_error *error) {
  if (status != APUS_OK) stop(error->message);
}

/* Skips blanks and comments of the header, and reads a number. */
static int read_number(FILE *file) {
  int value, c = getc(file);
  while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
    if (c == '#')
      while (c != '\n' && c != EOF) c = getc(file);
    c = getc(file);
  }
  ungetc(c, file);
  return fscanf(file, "%d", &value) == 1 ? value : -1;
}

/* Reads the image into planes [channels, height, width] of 0 to 1. */
static void read_image(const char *path, const apus_tensor *x) {
  const int64_t channels = x->dims[1], height = x->dims[2], width = x->dims[3];
  FILE *file = fopen(path, "rb");
  int64_t place, channel;
  int kind, columns, rows, most;
  if (!file) stop("the image cannot be opened");
  kind = getc(file) == 'P' ? getc(file) : 0;
  columns = read_number(file), rows = read_number(file), most = read_number(file);
  if ((kind != '5' && kind != '6') || most < 1 || most > 255 || getc(file) == EOF)
    stop("the image is no PGM or PPM of bytes");
  if ((kind == '5' ? 1 : 3) != channels || columns != width || rows != height) {
    fprintf(stderr, "detect: the model takes %d channels of %d x %d pixels\n", (int)channels,
            (int)width, (int)height);
    exit(1);
  }
  for (place = 0; place < width * height; place++)
    for (channel = 0; channel < channels; channel++) {
      int sample = getc(file);
      if (sample == EOF) stop("the image ends too early");
      ((float *)x->data)[channel * width * height + place] = (float)sample / (float)most;
    }
  fclose(file);
}

/* Prints the name of a class: the metadata entry "labels" has a line for each. */
static void print_class(const char *labels, int64_t number) {
  int64_t i;
  for (i = 0; labels && i < number; i++) {
    labels = strchr(labels, '\n');
    if (labels) labels++;
  }
  if (labels)
    printf("%.*s", (int)strcspn(labels, "\n"), labels);
  else
    printf("%lld", (long long)number);
}

int main(int argc, char **argv) {
  apus_session_options options = APUS_SESSION_OPTIONS_INIT;
  apus_model *model;
  apus_session *session;
  apus_error error;
  apus_tensor x, boxes, scores, classes;
  int64_t i;
  int edge;
  float least;
  if (argc < 3) stop("usage: detect MODEL IMAGE [SCORE]");
  least = argc > 3 ? (float)atof(argv[3]) : 0.5f;

  stop_at(apus_model_open(argv[1], NULL, &model, &error), &error);
  options.function = "detect";
  stop_at(apus_session_create(model, &options, &session, &error), &error);
  x = apus_session_input(session, 0);
  if (apus_session_input_count(session) != 1 || x.dtype != APUS_FLOAT32 || x.rank != 4)
    stop("the model's function takes more than an image");
  read_image(argv[2], &x);

  stop_at(apus_session_run(session, &error), &error);

  /* How many there are depends on the image: the views say so after the run. The likeliest objects
   * come first. */
  boxes = apus_session_output(session, 0);
  scores = apus_session_output(session, 1);
  classes = apus_session_output(session, 2);
  for (i = 0; i < scores.dims[0] && ((const float *)scores.data)[i] >= least; i++) {
    print_class(apus_model_metadata(model, "labels"), ((const int64_t *)classes.data)[i]);
    printf(" %.2f", (double)((const float *)scores.data)[i]);
    for (edge = 0; edge < 4; edge++)
      printf(" %.1f", (double)(((const float *)boxes.data)[4 * i + edge] *
                               (float)x.dims[edge % 2 == 0 ? 3 : 2]));
    printf("\n");
  }
  apus_session_destroy(session);
  apus_model_close(model);
  return 0;
}
