#include "Limits.h"

#include "onnx.pb-c.h"

// Wire types of protocol buffers.
enum { VARINT = 0, FIXED64 = 1, DELIMITED = 2, FIXED32 = 5 };

/// What an unknown field costs beside its bytes, and what protobuf-c notes of every field meanwhile.
#define FIELD_COST 64
/// A message is held as protobuf-c's structure and as our own, both at a time.
#define COPIES 2
/// What our own copy of a text or a list takes beside its elements.
#define LIST_COST 48

typedef struct {
  const uint8_t *at;
  const uint8_t *end;
} reader;

static int read_varint(reader *r, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (r->at == r->end) return 0;
    const uint8_t byte = *r->at++;
    *value |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) return 1;
  }
  return 0;
}

/// The bytes that an element of a packed field takes once unpacked.
static size_t element_size(ProtobufCType type) {
  switch (type) {
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
      return 8;
    default:
      return 4;
  }
}

/// Elements in the bytes of a packed field.
static size_t packed_count(ProtobufCType type, const uint8_t *bytes, size_t size) {
  if (type == PROTOBUF_C_TYPE_FLOAT || type == PROTOBUF_C_TYPE_FIXED32 ||
      type == PROTOBUF_C_TYPE_SFIXED32) {
    return size / 4;
  }
  if (type == PROTOBUF_C_TYPE_DOUBLE || type == PROTOBUF_C_TYPE_FIXED64 ||
      type == PROTOBUF_C_TYPE_SFIXED64) {
    return size / 8;
  }
  size_t count = 0;
  for (size_t i = 0; i < size; i++) count += bytes[i] < 0x80;
  return count;
}

static apus_onnx_limit take(size_t *memory, size_t bytes) {
  if (bytes > *memory) return APUS_ONNX_TOO_LARGE;
  *memory -= bytes;
  return APUS_ONNX_FITS;
}

static apus_onnx_limit walk(const ProtobufCMessageDescriptor *descriptor, reader r, unsigned depth,
                            size_t *memory) {
  if (depth == 0) return APUS_ONNX_TOO_DEEP;
  apus_onnx_limit result = take(memory, COPIES * descriptor->sizeof_message);
  while (result == APUS_ONNX_FITS && r.at < r.end) {
    uint64_t key, length;
    if (!read_varint(&r, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX) return APUS_ONNX_DAMAGED;
    const size_t left = (size_t)(r.end - r.at);
    result = take(memory, FIELD_COST);
    if (result != APUS_ONNX_FITS) return result;
    switch (key & 7) {
      case VARINT:
        if (!read_varint(&r, &length)) return APUS_ONNX_DAMAGED;
        break;
      case FIXED64:
        if (left < 8) return APUS_ONNX_DAMAGED;
        r.at += 8;
        break;
      case FIXED32:
        if (left < 4) return APUS_ONNX_DAMAGED;
        r.at += 4;
        break;
      case DELIMITED: {
        if (!read_varint(&r, &length) || length > (uint64_t)(r.end - r.at))
          return APUS_ONNX_DAMAGED;
        const reader inner = {r.at, r.at + length};
        r.at += length;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(key >> 3));
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
          result = walk(field->descriptor, inner, depth - 1, memory);
        } else if (field && field->label == PROTOBUF_C_LABEL_REPEATED &&
                   field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_BYTES) {
          const size_t count = packed_count(field->type, inner.at, (size_t)length);
          result = count > SIZE_MAX / 32
                       ? APUS_ONNX_TOO_LARGE
                       : take(memory, LIST_COST + COPIES * count * element_size(field->type));
        } else {
          result = length > SIZE_MAX / 4 ? APUS_ONNX_TOO_LARGE
                                         : take(memory, LIST_COST + COPIES * (size_t)length);
        }
        break;
      }
      default:
        return APUS_ONNX_DAMAGED;  // groups are not in ONNX
    }
  }
  return result;
}

apus_onnx_limit apus_onnx_check_model(const uint8_t *bytes, size_t size, unsigned depth,
                                      size_t memory) {
  const reader r = {bytes, bytes + size};
  return walk(&onnx__model_proto__descriptor, r, depth, &memory);
}
