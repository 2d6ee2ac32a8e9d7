// PNG and JPEG decoding for the data readers, and PNG encoding for pictures of results. libpng and libjpeg report errors by longjmp, which
// Swift code must not be jumped over: so the calls stay inside these two C functions.
#ifndef APUS_CIMAGE_H
#define APUS_CIMAGE_H

#include <stddef.h>
#include <stdint.h>

#define APUS_IMAGE_MESSAGE_SIZE 200

/// A decoded image: rows from top to bottom, each pixel `channels` bytes: 1 (grey) or 3 (red,
/// green, blue). Alpha is dropped, 16 bits are cut to the upper 8, gamma is left alone.
typedef struct apus_image {
  int32_t width;
  int32_t height;
  int32_t channels;
  /// To be freed with apus_image_free.
  uint8_t *pixels;
  /// Why decoding failed, where it did.
  char message[APUS_IMAGE_MESSAGE_SIZE];
} apus_image;

/// Both return 1 and fill *image, or return 0 and fill image->message. Images of more than 2^26
/// pixels, and those that are cut off, fail.
int apus_decode_png(const uint8_t *bytes, size_t count, apus_image *image);
int apus_decode_jpeg(const uint8_t *bytes, size_t count, apus_image *image);

/// Makes a PNG of the image. Returns 1 and `*bytes` to be freed with free(), or 0.
int apus_encode_png(const apus_image *image, uint8_t **bytes, size_t *count);

/// Frees the pixels.
void apus_image_free(apus_image *image);

#endif
