#include "CImage.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const uint8_t *bytes;
  size_t left;
} source;

static void read_bytes(png_structp png, png_bytep out, size_t count) {
  source *from = png_get_io_ptr(png);
  if (count > from->left) png_error(png, "the file is cut off");
  memcpy(out, from->bytes, count);
  from->bytes += count;
  from->left -= count;
}

static void fail(png_structp png, png_const_charp message) {
  apus_image *image = png_get_error_ptr(png);
  strncpy(image->message, message, APUS_IMAGE_MESSAGE_SIZE - 1);
  png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

int apus_decode_png(const uint8_t *bytes, size_t count, apus_image *image) {
  memset(image, 0, sizeof *image);
  source from = {bytes, count};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, image, fail, ignore);
  if (!png) {
    strcpy(image->message, "libpng cannot be started");
    return 0;
  }
  png_infop info = png_create_info_struct(png);
  // What changes between setjmp and longjmp.
  uint8_t *volatile pixels = NULL;
  png_bytep *volatile rows = NULL;
  if (!info || setjmp(png_jmpbuf(png))) {
    free(pixels);
    free(rows);
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
  }
  png_set_user_limits(png, 1 << 20, 1 << 20);
  png_set_read_fn(png, &from, read_bytes);
  png_read_info(png, info);
  size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  if (width * height > (size_t)1 << 26) png_error(png, "the image has more than 2^26 pixels");
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t channels = png_get_channels(png, info);
  if ((channels != 1 && channels != 3) || png_get_rowbytes(png, info) != width * channels) {
    png_error(png, "the pixel format is not supported");
  }
  pixels = malloc(width * height * channels);
  rows = malloc(height * sizeof *rows);
  if (!pixels || !rows) png_error(png, "out of memory");
  for (size_t y = 0; y < height; y++) rows[y] = pixels + y * width * channels;
  png_read_image(png, rows);
  png_read_end(png, NULL);
  free(rows);
  png_destroy_read_struct(&png, &info, NULL);
  image->width = (int32_t)width;
  image->height = (int32_t)height;
  image->channels = (int32_t)channels;
  image->pixels = pixels;
  return 1;
}

void apus_image_free(apus_image *image) {
  free(image->pixels);
  image->pixels = NULL;
}

int apus_encode_png(const apus_image *image, uint8_t **bytes, size_t *count) {
  png_image out;
  memset(&out, 0, sizeof out);
  out.version = PNG_IMAGE_VERSION;
  out.width = (png_uint_32)image->width;
  out.height = (png_uint_32)image->height;
  out.format = image->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(out);
  uint8_t *memory = malloc(size);
  if (!memory) return 0;
  if (!png_image_write_to_memory(&out, memory, &size, 0, image->pixels, 0, NULL)) {
    free(memory);
    return 0;
  }
  *bytes = memory;
  *count = size;
  return 1;
}
