// libpng, libjpeg-turbo and zlib: the decoders of the data readers.
#include <stdio.h>
#include <stdlib.h>
#include <png.h>
#include <jpeglib.h>
#include <zlib.h>
