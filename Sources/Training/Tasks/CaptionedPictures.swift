import Zoo

/// Scenes with captions to learn captioning from, word by word.
final class CaptionedPictures: DecoderExamples {
  private let scenes: CaptionScenes
  let batchSize: Int

  init(_ scenes: CaptionScenes, batchSize: Int) {
    self.scenes = scenes
    self.batchSize = batchSize
  }

  var unit: String { "pictures" }
  /// Whole batches only: a network's states have one size.
  var batchCount: Int { max(1, scenes.count / batchSize) }

  func batch(epoch: Int, index: Int) -> DecoderBatch {
    let size = scenes.style.size
    var pixels: [Float] = []
    pixels.reserveCapacity(batchSize * 3 * size * size)
    var targets: [[Int32]] = []
    for i in 0..<batchSize {
      let scene = scenes.scene(index * batchSize + i, epoch: epoch)
      pixels += scene.pixels
      targets.append(CaptionScenes.tokens(scene.caption) + [DecoderToken.end])
    }
    return DecoderBatch(inputs: [BatchTensor([batchSize, 3, size, size], pixels)], targets: targets)
  }

  var drawnCount: Int { 4 }

  func figures(of batch: DecoderBatch, _ looks: [DecoderLook]) -> [ReportFigure] {
    guard case .floats(let pixels) = batch.inputs[0].numbers else { return [] }
    let shape = Array(batch.inputs[0].shape[1...])
    let count = shape.reduce(1, *)
    return looks.enumerated().map { i, look in
      let picture = Array(pixels[i * count..<(i + 1) * count])
      let words = look.tokens.map { CaptionScenes.caption([$0]) }
      let isRight = look.tokens + [DecoderToken.end] == batch.targets[i]
      return ReportFigure(
        title: "Where it looks for each word"
          + (isRight ? "" : " (wrong: \(CaptionScenes.caption(batch.targets[i])))"),
        svg: AttentionStrip(
          Image(planes: picture, shape: shape), name: "picture\(i)", words: words,
          weights: look.weights
        ).svg)
    }
  }
}
