import CKernels
import Testing

// The kernels over channel blocks, of every instruction set that this processor has, beside plain
// loops in double.

private func blocks(_ channels: Int, _ table: apus_kernels) -> Int {
  (channels + table.vector_width - 1) / table.vector_width
}

/// Plain [channels][count] as channel blocks. Lanes beyond the channels are NaN: no kernel may let
/// them reach a real channel.
private func blocked(
  _ x: [Float], _ channels: Int, _ count: Int, _ table: apus_kernels
) -> GuardedBuffer {
  let v = table.vector_width
  let out = GuardedBuffer(blocks(channels, table) * count * v)
  for c in 0..<channels {
    for i in 0..<count { out[(c / v * count + i) * v + c % v] = x[c * count + i] }
  }
  return out
}

// MARK: Convolution

private struct ConvolutionCase {
  var channels, taps, rows, width, blocks: Int
  var isPlain = false
  var step = 1
  var hasBias = true
  var hasAddend = false
  var minimum = -Float.infinity
  var maximum = Float.infinity
}

/// Computes a case and compares it; the bits of the results.
@discardableResult
private func checkConvolution(
  _ table: apus_kernels, _ c: ConvolutionCase, seed: Int
) -> [UInt32] {
  var numbers = Numbers(seed)
  let v = table.vector_width
  // Any taps within a band that is wider and higher than the output.
  let bandWidth = c.width * c.step + 3
  let bandRows = c.rows + 2
  let lanes = c.isPlain ? 1 : v
  let tapOffsets = (0..<c.taps).map { tap in
    Int32(((tap / 3 % 3) * bandWidth + tap % 3 + tap / 9) * lanes)
  }
  let outputs = c.blocks * v
  // All but the last few rows of weights exist.
  let realRows = outputs - numbers.below(v)
  let x = numbers.floats(c.channels * bandRows * bandWidth)
  let w = numbers.floats(realRows * c.channels * c.taps)
  let bias = GuardedBuffer(numbers.floats(outputs))
  let plane = bandRows * bandWidth
  let planes = c.isPlain ? GuardedBuffer(x) : blocked(x, c.channels, plane, table)
  let yRow = c.width * v + 5
  let yBlock = c.rows * yRow + 7
  let y = GuardedBuffer(c.blocks * yBlock)
  let addend = GuardedBuffer(numbers.floats(c.blocks * yBlock))

  // Weights lie [tap, backwards][channel][row].
  let tapIndex = (0..<c.taps).map { Int32((c.taps - 1 - $0) * c.channels * realRows) }
  let count = table.blocked_packed_count(realRows, c.channels, c.taps)
  #expect(count == outputs * c.channels * c.taps)
  let packed = GuardedBuffer(count)
  let weights = GuardedBuffer(w)
  table.blocked_pack(
    weights.constPointer, realRows, 1, c.channels, realRows, c.taps, tapIndex, packed.pointer)
  #expect(packed.guardsHold)

  tapOffsets.withUnsafeBufferPointer { offsets in
    var call = apus_blocked_convolution(
      channels: c.channels, first_lane: 0, taps: c.taps, tap_offsets: offsets.baseAddress,
      x_block: plane * v, x_channel: c.isPlain ? plane : 1, x_row: bandWidth * lanes,
      x_position: c.step * lanes, rows: c.rows, width: c.width, blocks: c.blocks,
      last_lanes: realRows - (c.blocks - 1) * v, y_block: yBlock, y_row: yRow,
      minimum: c.minimum, maximum: c.maximum)
    table.blocked_convolve(
      &call, planes.constPointer, packed.constPointer, c.hasBias ? bias.constPointer : nil,
      c.hasAddend ? addend.constPointer : nil, y.pointer)
  }
  #expect(y.guardsHold)
  var bits: [UInt32] = []
  var isRight = true
  for b in 0..<c.blocks {
    for r in 0..<c.rows {
      for p in 0..<c.width {
        for l in 0..<v {
          let row = b * v + l
          let place = b * yBlock + r * yRow + p * v + l
          var sum = c.hasBias ? Double(bias[row]) : 0
          var size = abs(sum)
          if row < realRows {
            for channel in 0..<c.channels {
              for tap in 0..<c.taps {
                let position = r * bandWidth + p * c.step + Int(tapOffsets[tap]) / lanes
                let term =
                  Double(x[channel * plane + position])
                  * Double(w[Int(tapIndex[tap]) + channel * realRows + row])
                sum += term
                size += abs(term)
              }
            }
          }
          if c.hasAddend {
            sum += Double(addend[place])
            size += abs(Double(addend[place]))
          }
          sum = min(max(sum, Double(c.minimum)), Double(c.maximum))
          let bound = size * 0x1p-24 * Double(c.channels * c.taps + 3)
          if !(abs(Double(y[place]) - sum) <= bound) { isRight = false }
          bits.append(y[place].bitPattern)
        }
      }
      for i in (c.width * v)..<yRow where !y.isUntouched(b * yBlock + r * yRow + i) {
        isRight = false
      }
    }
    for i in (c.rows * yRow)..<yBlock where !y.isUntouched(b * yBlock + i) { isRight = false }
  }
  #expect(isRight, "\(String(cString: table.name)) \(c)")
  return bits
}

@Test(arguments: tables.indices) func convolutionsOfAllShapes(_ index: Int) {
  let table = tables[index]
  for width in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 29] {
    for (channels, taps) in [(1, 1), (3, 9), (17, 1), (40, 3)] {
      checkConvolution(
        table, ConvolutionCase(channels: channels, taps: taps, rows: 3, width: width, blocks: 3),
        seed: width * 100 + channels)
      checkConvolution(
        table,
        ConvolutionCase(
          channels: channels, taps: taps, rows: 3, width: width, blocks: 2,
          isPlain: width % 2 == 0, step: 1 + width % 3),
        seed: width * 100 + channels)
    }
  }
  // Some of these have no more channels in their last block than half a register.
  for seed in 0..<8 {
    checkConvolution(
      table,
      ConvolutionCase(
        channels: 19, taps: 1 + seed % 3, rows: 2, width: 27 + seed, blocks: 2 + seed % 4,
        hasBias: seed % 3 > 0, hasAddend: seed % 2 > 0, minimum: -0.5, maximum: 0.75),
      seed: seed)
  }
  for channels in 1...40 {
    checkConvolution(
      table,
      ConvolutionCase(
        channels: channels, taps: [1, 3, 9][channels % 3], rows: 1 + channels % 4, width: 7,
        blocks: 1 + channels % 5, isPlain: channels % 4 == 1, step: 1 + channels % 2, hasBias: channels % 2 == 0, hasAddend: channels % 3 == 0,
        minimum: -0.5, maximum: 0.75),
      seed: channels)
  }
}

/// The elements of a wide row have the bits that they have in rows of one position, and in pairs of
/// rows.
@Test(arguments: tables.indices) func convolutionsDoNotDependOnTheTile(_ index: Int) {
  let table = tables[index]
  let v = table.vector_width
  let channels = 21
  let taps = 3
  var numbers = Numbers(7)
  let width = 29
  let x = GuardedBuffer(numbers.floats(2 * blocks(channels, table) * (width + 2) * v))
  let weights = GuardedBuffer(numbers.floats(3 * v * channels * taps))
  let offsets = (0..<taps).map { Int32($0 * v) }
  func convolve(_ first: Int, _ count: Int, _ rows: Int, _ y: GuardedBuffer) {
    offsets.withUnsafeBufferPointer { offsets in
      var call = apus_blocked_convolution(
        channels: channels, first_lane: 0, taps: taps, tap_offsets: offsets.baseAddress,
        x_block: (width + 2) * v, x_channel: 1, x_row: v, x_position: v, rows: rows, width: count,
        blocks: 3, last_lanes: v, y_block: width * v, y_row: v, minimum: -1, maximum: 1)
      table.blocked_convolve(
        &call, x.constPointer + first * v, weights.constPointer, nil, nil, y.pointer + first * v)
    }
  }
  let whole = GuardedBuffer(3 * width * v)
  convolve(0, width, 1, whole)
  // Rows of one position, of which pairs share a tile: row and position are the same thing here.
  let column = GuardedBuffer(3 * width * v)
  convolve(0, 1, width, column)
  #expect((0..<whole.count).allSatisfy { whole[$0].bitPattern == column[$0].bitPattern })
  for size in 1...20 {
    let parts = GuardedBuffer(3 * width * v)
    for first in stride(from: 0, to: width, by: size) {
      convolve(first, min(size, width - first), 1, parts)
    }
    #expect((0..<whole.count).allSatisfy { whole[$0].bitPattern == parts[$0].bitPattern })
  }
}

// MARK: Bands and layouts

@Test(arguments: tables.indices) func bandsOfPlainAndBlockedInput(_ index: Int) {
  let table = tables[index]
  let v = table.vector_width
  var numbers = Numbers(3)
  for trial in 0..<400 {
    let planes = 1 + numbers.below(5)
    let lanes = trial % 2 == 0 ? 1 : v
    let height = 1 + numbers.below(6)
    let width = 1 + numbers.below(40)
    var band = apus_blocked_band()
    band.planes = planes
    band.lanes = lanes
    band.input_height = height
    band.input_width = width
    band.first_row = numbers.below(8) - 4
    band.rows = 1 + numbers.below(5)
    band.first_column = numbers.below(8) - 4
    band.columns = 1 + numbers.below(24)
    band.x_plane = height * width * lanes + numbers.below(3) * v
    let bandCount = band.rows * band.columns * lanes
    band.out_plane = bandCount + numbers.below(3) * v
    let source = GuardedBuffer(
      numbers.floats((planes - 1) * band.x_plane + height * width * lanes))
    let out = GuardedBuffer((planes - 1) * band.out_plane + bandCount)
    table.blocked_band(&band, source.constPointer, out.pointer)
    #expect(out.guardsHold)
    var isRight = true
    for plane in 0..<planes {
      var i = plane * band.out_plane
      for row in 0..<band.rows {
        for column in 0..<band.columns {
          for lane in 0..<lanes {
            let y = band.first_row + row
            let x = band.first_column + column
            let isInside = y >= 0 && y < height && x >= 0 && x < width
            let place = plane * band.x_plane + (y * width + x) * lanes + lane
            if out[i] != (isInside ? source[place] : 0) { isRight = false }
            i += 1
          }
        }
      }
      if plane + 1 < planes {
        for gap in i..<((plane + 1) * band.out_plane) where !out.isUntouched(gap) {
          isRight = false
        }
      }
    }
    #expect(isRight, "\(String(cString: table.name)) \(band)")
  }
}

@Test(arguments: tables.indices) func channelsToBlocksAndBack(_ index: Int) {
  let table = tables[index]
  let v = table.vector_width
  var numbers = Numbers(5)
  for lanes in 1...v {
    for count in [1, 2, 3, 4, 5, 7, 8, 13, 14, 15, 16, 17, 29, 49] {
      let stride = count + numbers.below(4)
      let x = GuardedBuffer((lanes - 1) * stride + count)
      for lane in 0..<lanes {
        for i in 0..<count { x[lane * stride + i] = numbers.float() }
      }
      let block = GuardedBuffer(count * v)
      table.block_channels(x.constPointer, stride, lanes, count, block.pointer)
      let back = GuardedBuffer(x.count)
      table.unblock_channels(block.constPointer, lanes, count, back.pointer, stride)
      #expect(block.guardsHold && back.guardsHold)
      var isRight = true
      for lane in 0..<v {
        for i in 0..<count {
          let expected = lane < lanes ? x[lane * stride + i] : 0
          if block[i * v + lane] != expected { isRight = false }
        }
      }
      for i in 0..<x.count where x[i].bitPattern != back[i].bitPattern { isRight = false }
      #expect(isRight, "\(String(cString: table.name)) \(lanes) lanes, \(count) positions")
    }
  }
}

// MARK: Windows

private func axis(_ numbers: inout Numbers, largest: Int) -> (
  input: Int, kernel: Int, stride: Int, dilation: Int, pad: Int, padEnd: Int, output: Int
) {
  while true {
    let input = 1 + numbers.below(largest)
    let kernel = numbers.pick([1, 2, 3, 3, 3, 5])
    let stride = numbers.pick([1, 1, 2, 3])
    let dilation = numbers.pick([1, 1, 1, 2])
    let reach = (kernel - 1) * dilation
    let pad = numbers.below(reach + 1)
    let padEnd = numbers.below(reach + 1)
    let room = input + pad + padEnd - reach - 1
    if room >= 0 { return (input, kernel, stride, dilation, pad, padEnd, room / stride + 1) }
  }
}

private func randomWindow(_ numbers: inout Numbers, hasDepth: Bool) -> apus_window {
  let z = hasDepth ? axis(&numbers, largest: 4) : (1, 1, 1, 1, 0, 0, 1)
  let y = axis(&numbers, largest: 9)
  let x = axis(&numbers, largest: 40)
  return apus_window(
    input_depth: z.0, input_height: y.input, input_width: x.input, output_depth: z.6,
    output_height: y.output, output_width: x.output, kernel_depth: z.1, kernel_height: y.kernel,
    kernel_width: x.kernel, stride_z: z.2, stride_y: y.stride, stride_x: x.stride,
    dilation_z: z.3, dilation_y: y.dilation, dilation_x: x.dilation, pad_z: z.4, pad_y: y.pad,
    pad_x: x.pad, pad_end_z: z.5, pad_end_y: y.padEnd, pad_end_x: x.padEnd)
}

/// Calls `visit` with the tap and the input position of every tap inside the input, and the number
/// of taps inside the padded input.
private func visitWindow(
  _ w: apus_window, _ output: Int, _ visit: (_ tap: Int, _ input: Int) -> Void
) -> Int {
  let x = output % w.output_width
  let y = output / w.output_width % w.output_height
  let z = output / w.output_width / w.output_height
  var padded = 0
  for kz in 0..<w.kernel_depth {
    for ky in 0..<w.kernel_height {
      for kx in 0..<w.kernel_width {
        let inputZ = z * w.stride_z - w.pad_z + kz * w.dilation_z
        let inputY = y * w.stride_y - w.pad_y + ky * w.dilation_y
        let inputX = x * w.stride_x - w.pad_x + kx * w.dilation_x
        if inputZ < w.input_depth + w.pad_end_z && inputY < w.input_height + w.pad_end_y
          && inputX < w.input_width + w.pad_end_x
        {
          padded += 1
        }
        if inputZ >= 0 && inputZ < w.input_depth && inputY >= 0 && inputY < w.input_height
          && inputX >= 0 && inputX < w.input_width
        {
          visit(
            (kz * w.kernel_height + ky) * w.kernel_width + kx,
            (inputZ * w.input_height + inputY) * w.input_width + inputX)
        }
      }
    }
  }
  return padded
}

@Test(arguments: tables.indices) func windowsOfAllShapes(_ index: Int) {
  let table = tables[index]
  let v = table.vector_width
  var numbers = Numbers(11)
  for trial in 0..<300 {
    var w = randomWindow(&numbers, hasDepth: trial % 4 == 0)
    let inputs = w.input_depth * w.input_height * w.input_width
    let outputRows = w.output_depth * w.output_height
    let outputs = outputRows * w.output_width
    let taps = w.kernel_depth * w.kernel_height * w.kernel_width
    let x = GuardedBuffer(numbers.floats(inputs * v))
    let weights = GuardedBuffer(numbers.floats(taps * v))
    let bias = GuardedBuffer(numbers.floats(v))
    let hasBias = trial % 3 != 0
    let includesPadding = trial % 2 == 0
    // Computed in two parts, as two threads would.
    let cut = numbers.below(outputRows + 1)
    let depthwise = GuardedBuffer(outputs * v)
    let maximum = GuardedBuffer(outputs * v)
    let mean = GuardedBuffer(outputs * v)
    for (first, end) in [(cut, outputRows), (0, cut)] {
      table.blocked_depthwise(
        &w, x.constPointer, weights.constPointer, hasBias ? bias.constPointer : nil, -1, 0.5,
        depthwise.pointer, first, end)
      table.blocked_max_pool(&w, x.constPointer, maximum.pointer, first, end)
      table.blocked_average_pool(
        &w, includesPadding, x.constPointer, mean.pointer, first, end)
      if first > 0 {
        let isUntouched = (0..<(first * w.output_width * v)).allSatisfy {
          depthwise.isUntouched($0) && maximum.isUntouched($0) && mean.isUntouched($0)
        }
        #expect(isUntouched)
      }
    }
    #expect(depthwise.guardsHold && maximum.guardsHold && mean.guardsHold)
    var isRight = true
    for output in 0..<outputs {
      for lane in 0..<v {
        var product = hasBias ? Double(bias[lane]) : 0
        var largest = -Float.infinity
        var sum = 0.0
        var inside = 0
        let padded = visitWindow(w, output) { tap, input in
          let element = x[input * v + lane]
          product += Double(weights[tap * v + lane]) * Double(element)
          largest = max(largest, element)
          sum += Double(element)
          inside += 1
        }
        let i = output * v + lane
        let bound = Double(taps + 2) * Double(taps + 1) * 0x1p-24
        if !(abs(Double(depthwise[i]) - min(max(product, -1), 0.5)) <= bound) { isRight = false }
        if maximum[i] != largest { isRight = false }
        let divisor = includesPadding ? padded : inside
        if divisor > 0 && !(abs(Double(mean[i]) - sum / Double(divisor)) <= bound) {
          isRight = false
        }
      }
    }
    #expect(isRight, "\(String(cString: table.name)) \(w)")
  }
}
