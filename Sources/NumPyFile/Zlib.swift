import CZlib

/// What the bytes given to `inflate` are wrapped in.
public enum DeflateWrapper {
  /// Nothing, as inside a zip file.
  case none
  /// A gzip header and trailer; further members may follow, as `gzip -c a >> b` makes.
  case gzip
}

/// Unpacks deflated bytes, or returns nil where they are damaged, cut off, or larger than `limit`.
public func inflate(
  _ source: ArraySlice<UInt8>, wrapper: DeflateWrapper, limit: Int = .max
) -> [UInt8]? {
  var stream = z_stream()
  let windowBits: Int32 = wrapper == .gzip ? 15 + 16 : -15
  guard
    inflateInit2_(&stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
  else { return nil }
  defer { inflateEnd(&stream) }
  var result: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 1 << 18)
  return source.withUnsafeBufferPointer { input -> [UInt8]? in
    var consumed = 0
    while true {
      // avail_in and avail_out are 32 bits wide.
      let given = min(input.count - consumed, 1 << 30)
      stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress).map { $0 + consumed }
      stream.avail_in = UInt32(given)
      var status = Z_OK
      let produced = piece.withUnsafeMutableBufferPointer { output in
        stream.next_out = output.baseAddress
        stream.avail_out = UInt32(output.count)
        status = CZlib.inflate(&stream, Z_NO_FLUSH)
        return output.count - Int(stream.avail_out)
      }
      consumed += given - Int(stream.avail_in)
      guard produced <= limit - result.count else { return nil }
      result.append(contentsOf: piece[..<produced])
      switch status {
      case Z_OK: continue
      case Z_STREAM_END:
        let isMember =
          wrapper == .gzip && input.count - consumed >= 2 && input[consumed] == 0x1F
          && input[consumed + 1] == 0x8B
        guard isMember else { return result }
        guard inflateReset(&stream) == Z_OK else { return nil }
      default: return nil  // damaged, or Z_BUF_ERROR: nothing left to read
      }
    }
  }
}

/// Packs bytes as raw deflate data, for a zip file.
func deflate(_ source: [UInt8]) -> [UInt8]? {
  var stream = z_stream()
  guard
    deflateInit2_(
      &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size)) == Z_OK
  else { return nil }
  defer { deflateEnd(&stream) }
  guard source.count < Int(UInt32.max) else { return nil }
  let bound = Int(deflateBound(&stream, UInt(source.count)))
  guard bound < Int(UInt32.max) else { return nil }
  var result = [UInt8](repeating: 0, count: bound)
  let status = source.withUnsafeBufferPointer { input in
    result.withUnsafeMutableBufferPointer { output in
      stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
      stream.avail_in = UInt32(input.count)
      stream.next_out = output.baseAddress
      stream.avail_out = UInt32(output.count)
      return CZlib.deflate(&stream, Z_FINISH)
    }
  }
  guard status == Z_STREAM_END else { return nil }
  result.removeLast(Int(stream.avail_out))
  return result
}

/// CRC-32 as in zip and gzip.
func crc32(_ bytes: [UInt8]) -> UInt32 {
  bytes.withUnsafeBufferPointer { UInt32(CZlib.crc32_z(0, $0.baseAddress, $0.count)) }
}
