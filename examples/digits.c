/* Recognises ten handwritten digits with a LeNet-5, in C.
 *
 *     cc -std=c99 -O2 digits.c -lapus -lm -o digits
 *     ./digits lenet5.apus digits.csv
 *
 * digits.csv has a line of column names, then for each digit its label and 8 x 8 pixels of 0 to 16.
 * The network was trained on images of 32 x 32 with pixels of 0 to 1, so each digit is scaled and
 * enlarged first, in the same way as in recipes/lenet5.yaml. */
#include <apus.h>
#include <stdio.h>
#include <stdlib.h>

enum { SMALL = 8, LARGE = 32, DIGITS = 10 };

/* Reads the next line of the file: a label and SMALL x SMALL pixels. Returns 0 at the end. */
static int read_digit(FILE *file, int *label, float *pixels) {
  int i, value;
  if (fscanf(file, "%d", label) != 1) return 0;
  for (i = 0; i < SMALL * SMALL; i++) {
    if (fscanf(file, ",%d", &value) != 1) return 0;
    pixels[i] = (float)value / 16.0f;
  }
  return 1;
}

/* Bilinear enlargement; pixel centres are at half numbers, and the border goes on outside. */
static void enlarge(const float *small, float *large) {
  const float scale = (float)SMALL / (float)LARGE;
  int row, column;
  for (row = 0; row < LARGE; row++) {
    float y = ((float)row + 0.5f) * scale - 0.5f;
    int top = y < 0 ? 0 : (int)y, bottom = top + 1 < SMALL ? top + 1 : SMALL - 1;
    float down = y < 0 ? 0 : y - (float)top;
    for (column = 0; column < LARGE; column++) {
      float x = ((float)column + 0.5f) * scale - 0.5f;
      int left = x < 0 ? 0 : (int)x, right = left + 1 < SMALL ? left + 1 : SMALL - 1;
      float across = x < 0 ? 0 : x - (float)left;
      float above = small[top * SMALL + left] * (1 - across) + small[top * SMALL + right] * across;
      float below =
          small[bottom * SMALL + left] * (1 - across) + small[bottom * SMALL + right] * across;
      large[row * LARGE + column] = above * (1 - down) + below * down;
    }
  }
}

static int index_of_largest(const float *scores, size_t count) {
  size_t i, best = 0;
  for (i = 1; i < count; i++)
    if (scores[i] > scores[best]) best = i;
  return (int)best;
}

static void stop_at(apus_status status, const apus_error *error) {
  if (status == APUS_OK) return;
  fprintf(stderr, "digits: %s\n", error->message);
  exit(1);
}

int main(int argc, char **argv) {
  apus_model *model;
  apus_session *session;
  apus_error error;
  apus_tensor image, scores;
  float pixels[SMALL * SMALL];
  int label, i, c;
  FILE *file;

  if (argc != 3) {
    fprintf(stderr, "usage: digits MODEL.apus DIGITS.csv\n");
    return 2;
  }
  file = fopen(argv[2], "r");
  if (!file) {
    fprintf(stderr, "digits: %s cannot be read\n", argv[2]);
    return 1;
  }
  do c = fgetc(file); while (c != '\n' && c != EOF);

  stop_at(apus_model_open(argv[1], NULL, &model, &error), &error);
  stop_at(apus_session_create(model, NULL, &session, &error), &error);
  image = apus_session_input(session, 0);
  scores = apus_session_output(session, 0);
  if (image.bytes != LARGE * LARGE * sizeof(float)) {
    fprintf(stderr, "digits: %s takes no images of 32 x 32\n", argv[1]);
    return 1;
  }

  for (i = 0; i < DIGITS && read_digit(file, &label, pixels); i++) {
    enlarge(pixels, image.data);
    apus_session_run(session, NULL);
    printf("%d is recognised as %d\n", label,
           index_of_largest(scores.data, scores.bytes / sizeof(float)));
  }

  fclose(file);
  apus_session_destroy(session);
  apus_model_close(model);
  return 0;
}
