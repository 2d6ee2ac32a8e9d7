import CKernels

// Windows over channels-last bytes, each over one channel; see `apus_byte_windows`.

func byteMaxPool(
  _ windows: UnsafePointer<apus_byte_windows>, _ x: UnsafePointer<UInt8>,
  _ y: UnsafeMutablePointer<UInt8>
) {
  let w = windows.pointee
  guard let offsets = w.tap_offsets else { return }
  let end = offsets + 4 &* w.words
  let chunk = 4 &* IntVector.scalarCount
  for row in 0..<w.rows {
    let x = UnsafeRawPointer(x + row &* w.x_row)
    let y = UnsafeMutableRawPointer(y + row &* w.y_row)

    @inline(__always)
    func pool<V>(_ size: Int, _ larger: (V, V) -> V) {
      var next = 0
      while next < w.length {
        // The last one overlaps the one before.
        let i = min(next, w.length &- size)
        var largest = (x + i).loadUnaligned(as: V.self)
        var taps = offsets
        while taps < end {
          largest = larger(
            largest, (x + (i &+ Int(taps.pointee))).loadUnaligned(as: V.self))
          taps += 1
        }
        (y + i).storeBytes(of: largest, as: V.self)
        next &+= size
      }
    }
    if w.length >= chunk {
      pool(chunk) { (a: IntVector, b: IntVector) in largerBytes(a, b) }
    } else {
      pool(Int(APUS_BYTE_BLOCK)) { (a: SIMD16<UInt8>, b: SIMD16<UInt8>) in pointwiseMax(a, b) }
    }
  }
}

func byteDepthwise(
  _ depthwise: UnsafePointer<apus_byte_windows>, _ x: UnsafePointer<UInt8>,
  _ y: UnsafeMutablePointer<UInt8>
) {
  let d = depthwise.pointee
  let lanes = IntVector.scalarCount
  let chunk = 4 &* lanes
  guard let offsets = d.tap_offsets, let starts = d.start, let scales = d.scale,
    let weights = d.weights
  else { return }
  var row = 0
  while row < d.rows {
    let source = x + row &* d.x_row
    let target = y + row &* d.y_row
    var phase = 0
    var i = 0
    while i < d.length {
      let start = starts + phase &* chunk
      var v0 = loadIntegers(start)
      var v1 = loadIntegers(start + lanes)
      var v2 = loadIntegers(start + 2 &* lanes)
      var v3 = loadIntegers(start + 3 &* lanes)
      var w = weights + phase &* d.words &* chunk
      var taps = offsets
      let end = offsets + 4 &* d.words
      while taps < end {
        let a = loadBytes(source + (i &+ Int(taps[0])))
        let b = loadBytes(source + (i &+ Int(taps[1])))
        let low = lowBytes(a, b)
        let high = highBytes(a, b)
        let w0 = loadIntegers(w)
        let w1 = loadIntegers(w + lanes)
        let w2 = loadIntegers(w + 2 &* lanes)
        let w3 = loadIntegers(w + 3 &* lanes)
        if wordDepth == 4 {
          let c = loadBytes(source + (i &+ Int(taps[2])))
          let d = loadBytes(source + (i &+ Int(taps[3])))
          let low2 = lowBytes(c, d)
          let high2 = highBytes(c, d)
          v0 = dot(v0, words: lowPairs(low, low2), w0)
          v1 = dot(v1, words: highPairs(low, low2), w1)
          v2 = dot(v2, words: lowPairs(high, high2), w2)
          v3 = dot(v3, words: highPairs(high, high2), w3)
        } else {
          let none = IntVector(repeating: 0)
          v0 = dot(v0, words: lowBytes(low, none), w0)
          v1 = dot(v1, words: highBytes(low, none), w1)
          v2 = dot(v2, words: lowBytes(high, none), w2)
          v3 = dot(v3, words: highBytes(high, none), w3)
        }
        taps += 4
        w += chunk
      }
      storeChunk(
        requantize(v0, v1, v2, v3, scales + phase &* chunk, d), target, i, d.length)
      i &+= chunk
      phase &+= 1
      if phase == d.phases { phase = 0 }
    }
    row &+= 1
  }
}

@inline(__always) func loadBytes(_ p: UnsafePointer<UInt8>) -> IntVector {
  UnsafeRawPointer(p).loadUnaligned(as: IntVector.self)
}

/// Bytes from `i` on of a row of so many.
@inline(__always)
func storeChunk(
  _ bytes: IntVector, _ row: UnsafeMutablePointer<UInt8>, _ i: Int, _ length: Int
) {
  if i &+ 4 &* IntVector.scalarCount <= length {
    UnsafeMutableRawPointer(row + i).storeBytes(of: bytes, as: IntVector.self)
  } else {
    storeFirst(bytes, row + i, length &- i)
  }
}

@inline(never)
private func storeFirst(_ bytes: IntVector, _ y: UnsafeMutablePointer<UInt8>, _ count: Int) {
  withUnsafeBytes(of: bytes) {
    var i = 0
    while i < count {
      y[i] = $0.load(fromByteOffset: i, as: UInt8.self)
      i &+= 1
    }
  }
}
