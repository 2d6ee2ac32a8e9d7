// Winograd's convolution F(m × m, 3 × 3): what its transforms have in common. Activations are in
// channel blocks, [channels / vector_width][height][width][vector_width], so that the lanes of a
// vector are channels. Part of CKernels.h; the matrices: Kernels/Common/WinogradLines.swift.
#ifndef APUS_WINOGRAD_KERNELS_H
#define APUS_WINOGRAD_KERNELS_H

#include <stdint.h>

/// The tiles of one call. A tile gives m × m outputs from a × a inputs, a = m + 2, at a stride and
/// dilation of 1; the input counts as 0 where a tile leaves it.
typedef struct apus_winograd {
  intptr_t m;                           ///< 2, 4 or 6
  intptr_t input_height, input_width;
  intptr_t pad_y, pad_x;                ///< at the begin
  intptr_t output_height, output_width;
  intptr_t tiles_x;                     ///< tiles in a row of tiles: ceil(output_width / m)
  intptr_t first_tile, tiles;           ///< consecutive, row by row
  /// Floats from one of the a · a points to the next in transformed data. Not a multiple of 1024,
  /// where it can be helped: else all points of a tile share one set of the cache.
  intptr_t point_stride;
} apus_winograd;

#endif
