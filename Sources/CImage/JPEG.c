#include "CImage.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

typedef struct {
  struct jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  jmp_buf jump;
  char *message;
} error_state;

static void fail(j_common_ptr info) {
  error_state *state = (error_state *)info->err;
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  strncpy(state->message, text, APUS_IMAGE_MESSAGE_SIZE - 1);
  longjmp(state->jump, 1);
}

// libjpeg fills what is missing with grey and only warns; a cut-off image must not be learnt from.
static void warn(j_common_ptr info, int level) {
  int code = info->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) fail(info);
}

static void ignore(j_common_ptr info) { (void)info; }

int apus_decode_jpeg(const uint8_t *bytes, size_t count, apus_image *image) {
  memset(image, 0, sizeof *image);
  struct jpeg_decompress_struct info;
  memset(&info, 0, sizeof info);
  error_state state;
  state.message = image->message;
  info.err = jpeg_std_error(&state.manager);
  state.manager.error_exit = fail;
  state.manager.emit_message = warn;
  state.manager.output_message = ignore;
  uint8_t *volatile pixels = NULL;
  if (setjmp(state.jump)) {
    free(pixels);
    jpeg_destroy_decompress(&info);
    return 0;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, (unsigned char *)bytes, count);
  jpeg_read_header(&info, TRUE);
  if ((size_t)info.image_width * info.image_height > (size_t)1 << 26) {
    strcpy(image->message, "the image has more than 2^26 pixels");
    longjmp(state.jump, 1);
  }
  if (info.num_components != 1 && info.num_components != 3) {
    strcpy(image->message, "only grey and colour JPEGs can be read, not CMYK");
    longjmp(state.jump, 1);
  }
  info.out_color_space = info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&info);
  size_t row = (size_t)info.output_width * info.output_components;
  pixels = malloc(row * info.output_height);
  if (!pixels) {
    strcpy(image->message, "out of memory");
    longjmp(state.jump, 1);
  }
  while (info.output_scanline < info.output_height) {
    JSAMPROW line = pixels + row * info.output_scanline;
    jpeg_read_scanlines(&info, &line, 1);
  }
  jpeg_finish_decompress(&info);
  image->width = (int32_t)info.output_width;
  image->height = (int32_t)info.output_height;
  image->channels = info.output_components;
  image->pixels = pixels;
  jpeg_destroy_decompress(&info);
  return 1;
}
