// What protobuf-c does not check before it unpacks a message.
#ifndef APUS_ONNX_LIMITS_H
#define APUS_ONNX_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/// What a message would take.
typedef enum apus_onnx_limit {
  APUS_ONNX_FITS = 0,
  /// Its fields do not follow the wire format.
  APUS_ONNX_DAMAGED = 1,
  /// Messages stand inside each other deeper than `depth`.
  APUS_ONNX_TOO_DEEP = 2,
  /// Unpacked it would take more than `memory` bytes.
  APUS_ONNX_TOO_LARGE = 3
} apus_onnx_limit;

/// Walks a model (onnx.ModelProto) without unpacking it: protobuf-c recurses once for each
/// message inside another, so a few bytes of a hostile file could use up the stack, and it allocates
/// a whole structure for two bytes.
///
/// O(size). Allocates nothing. Threads: any.
apus_onnx_limit apus_onnx_check_model(const uint8_t *bytes, size_t size, unsigned depth,
                                      size_t memory);

#endif
