/// Output blocks of a convolution that read the same channels.
struct ConvolutionPart {
  let firstBlock: Int
  let blocks: Int
  let firstChannel: Int
  let channels: Int
  /// Words of its packed weights.
  let weights: Int

  /// Output blocks by the channels that they read, at most `most` together. A block whose rows are of
  /// several groups reads the channels of all of them, with weights of zero where a row has none.
  ///
  /// - Parameters:
  ///   - rows: output channels, `blockWidth` of them in a block.
  ///   - wordDepth: channels in a word.
  ///   - taps: of a channel.
  static func all(
    most: Int, groups: Int, channels: Int, rows: Int, blockWidth: Int, wordDepth: Int, taps: Int
  ) -> [ConvolutionPart] {
    var parts: [ConvolutionPart] = []
    let blockCount = (rows + blockWidth - 1) / blockWidth
    let channelsOfGroup = channels / groups
    let rowsOfGroup = rows / groups
    var block = 0
    while block < blockCount {
      let first = block * blockWidth / rowsOfGroup
      var last = first
      var end = block
      while end < blockCount, end - block < most {
        let group = (min(rows, (end + 1) * blockWidth) - 1) / rowsOfGroup
        if end > block, group != last || end * blockWidth / rowsOfGroup != first { break }
        last = group
        end += 1
      }
      let count = (last - first + 1) * channelsOfGroup
      parts.append(
        ConvolutionPart(
          firstBlock: block, blocks: end - block, firstChannel: first * channelsOfGroup,
          channels: count,
          weights: (end - block) * ((count + wordDepth - 1) / wordDepth) * taps * blockWidth))
      block = end
    }
    return parts
  }
}
