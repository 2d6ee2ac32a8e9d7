// zlib: deflated members of .npz files, gzipped IDX files.
#include <zlib.h>
