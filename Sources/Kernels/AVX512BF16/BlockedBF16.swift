import CKernels

// What a convolution over channel blocks needs besides BlockedConvolution.swift: weights and a band
// of the input as words of two channels.

/// Words of packed weights.
func blockedPackedCount(_ rows: Int, _ channels: Int, _ taps: Int) -> Int {
  (rows &+ Vector.scalarCount &- 1) / Vector.scalarCount &* Vector.scalarCount
    &* words(channels) &* taps
}

/// Packs the weights as [pair of output blocks][channel block][tap][word][2V].
@inline(never) @_optimize(size)
func blockedPack(
  _ w: UnsafePointer<Float>, _ rows: Int, _ rowStride: Int, _ channels: Int, _ channelStride: Int,
  _ taps: Int, _ tapIndex: UnsafePointer<Int32>, _ packed: UnsafeMutablePointer<Float>
) {
  let width = Vector.scalarCount
  var out = packed
  var room = InlineArray<32, Float>(repeating: 0)
  withUnsafeMutableBytes(of: &room) { bytes in
    let lines = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    var first = 0
    while first < rows {
      let vectors = rows &- first > width ? 2 : 1
      var block = 0
      while block < channels {
        let end = min(block &+ width, channels)
        var tap = 0
        while tap < taps {
          var channel = block
          while channel < end {
            var v = 0
            while v < vectors {
              let row = first &+ v &* width
              var i = 0
              while i < 2 &* width {
                let lane = i % width
                let from = channel &+ i / width
                lines[i] =
                  row &+ lane < rows && from < end
                  ? w[(row &+ lane) &* rowStride &+ from &* channelStride &+ Int(tapIndex[tap])]
                  : 0
                i &+= 1
              }
              storeVector(roundPairs(loadVector(lines), loadVector(lines + width)), out)
              out += width
              v &+= 1
            }
            channel &+= 2
          }
          tap &+= 1
        }
        block = end
      }
      first &+= vectors &* width
    }
  }
}

/// Floats of the input in a word of the band.
@inline(__always) var bandDepth: Int { 2 }

@inline(__always)
func copyToBand(_ x: UnsafePointer<Float>, _ n: Int, _ out: UnsafeMutablePointer<Float>) {
  roundRow(x, n, out)
}
