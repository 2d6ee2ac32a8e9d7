/// Batches of a long text for a character model, in the order that truncated back-propagation
/// through time needs: the text is cut into `batchSize` streams of equal length that are read side
/// by side, `length` tokens a step; the network's state is carried from batch to batch.
///
/// Stream b holds tokens [b·L, (b+1)·L], L = (tokens − 1) / batchSize. What does not fill a whole
/// window of every stream is left out.
public final class TokenBatches: BatchSource {
  public let batchSize: Int
  public let length: Int
  public let target: TargetKind
  public let classNames: [String]?

  private let tokens: [Int32]
  private let streamLength: Int

  /// - Parameter length: Tokens in a window: how far back the gradient reaches.
  /// - Throws: `DataError` where the text is too short for one batch.
  public init(
    _ tokens: ArraySlice<Int32>, vocabulary: Vocabulary, batchSize: Int, length: Int, name: String
  ) throws {
    self.tokens = Array(tokens)
    self.batchSize = batchSize
    self.length = length
    streamLength = (tokens.count - 1) / batchSize
    guard streamLength >= length else {
      throw DataError(
        "\(name): \(tokens.count) characters are too few for a batch of \(batchSize) streams of "
          + "\(length); at least \(batchSize * length + 1) are needed")
    }
    target = .nextTokens(count: vocabulary.count, length: length)
    classNames = vocabulary.names
  }

  public var batchCount: Int { streamLength / length }
  public var sampleCount: Int { batchCount * length * batchSize }
  public var inputShape: [Int] { [length] }
  public var hasTokens: Bool { true }

  public func fill(_ batch: inout Batch, epoch: Int, index: Int) {
    batch.count = batchSize
    batch.continues = index > 0
    resize(&batch.tokens, to: length * batchSize)
    resize(&batch.classes, to: length * batchSize)
    for step in 0..<length {
      for stream in 0..<batchSize {
        let at = stream * streamLength + index * length + step
        batch.tokens[step * batchSize + stream] = tokens[at]
        batch.classes[step * batchSize + stream] = tokens[at + 1]
      }
    }
  }
}
