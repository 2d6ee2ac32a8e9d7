import Zoo

/// Batches of images with boxes, in an order of each epoch where they are trained on.
final class BoxedBatches {
  let images: any BoxedImages
  private let batchSize: Int
  private let seed: UInt64
  private let shuffles: Bool
  private var order: [Int] = []
  private var orderEpoch = -1
  private var pixels: [Float] = []
  private var count = 0

  init(_ images: any BoxedImages, batchSize: Int, seed: UInt64, shuffles: Bool) {
    self.images = images
    self.batchSize = batchSize
    self.seed = seed
    self.shuffles = shuffles
  }

  var sampleCount: Int { images.count }
  var batchCount: Int { (images.count + batchSize - 1) / batchSize }

  /// The images that were loaded last.
  var tensor: BatchTensor { BatchTensor([count] + images.shape, pixels) }

  /// Image `index` of them alone.
  func pixels(_ index: Int) -> [Float] {
    let size = images.shape.reduce(1, *)
    return Array(pixels[index * size..<(index + 1) * size])
  }

  /// - Returns: the objects in each.
  func load(epoch: Int, index: Int) throws -> [[LabelledBox]] {
    if shuffles && orderEpoch != epoch {
      var random = SeededRandom(seed: seed, 1, epoch)
      order = random.permutation(images.count)
      orderEpoch = epoch
    }
    let range = index * batchSize..<min((index + 1) * batchSize, images.count)
    let size = images.shape.reduce(1, *)
    count = range.count
    resize(&pixels, to: count * size)
    return try range.map { place in
      try pixels.withUnsafeMutableBufferPointer {
        try images.image(
          shuffles ? order[place] : place, epoch: epoch,
          into: $0.baseAddress! + (place - range.lowerBound) * size)
      }
    }
  }
}
