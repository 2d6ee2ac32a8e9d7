import Zoo

/// Trains a window classifier to slide: windows on objects, windows beside them, and the windows of each
/// scene that it is most wrong about, which a pass over the whole scene finds (K.-K. Sung, T. Poggio,
/// "Example-based learning for view-based human face detection", 1998, section 3.3).
///
/// What counts as an object's box is a square around the middle of its ink, as high as the ink: all
/// boxes have one shape, as P. Dollár et al. 2012, section 4, have it. Measured by average precision and
/// by the miss rate.
public final class SlidingTask: TrainingTask {
  private let net: SlidingDetector
  private let images: BoxedBatches
  private let seed: UInt64
  /// The class that is looked for; nil: any.
  private let target: Int?
  private var looker: Rollout<Float>?
  private var found: [[Detection]] = []
  private var objects: [[LabelledBox]] = []
  private var drawn: [ReportFigure] = []

  /// Windows of a scene, and how many of them at most are objects'; of the others half are hard.
  private let windowsPerScene = 16
  private let objectsPerScene = 8
  /// Pixels from a window's middle to an object's: up to here it is the object's; from here on it is not.
  private static let near: Float = 2
  private static let far: Float = 6
  private static let drawings = 3

  public init(
    _ net: SlidingDetector, _ images: any BoxedImages, target: Int?, batchSize: Int, seed: UInt64,
    shuffles: Bool
  ) {
    self.net = net
    self.target = target
    self.images = BoxedBatches(images, batchSize: batchSize, seed: seed, shuffles: shuffles)
    self.seed = seed
  }

  public var unit: String { "scenes" }
  public var sampleCount: Int { images.sampleCount }
  public var batchCount: Int { images.batchCount }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let objects = try images.load(epoch: epoch, index: index).map { list in
      list.filter { !$0.isCrowd && (target == nil || $0.label == target) }
    }
    let scenes = objects.indices.map { Scene(images.pixels($0), images.images.shape, objects[$0]) }
    let loss =
      rollout.isTraining
      ? try train(rollout, scenes, SeededRandom(seed: seed, 8, epoch, index))
      : try look(rollout, scenes)
    return BatchResult(loss: loss, count: Double(scenes.count))
  }

  // MARK: Training

  private func train(
    _ rollout: Rollout<Float>, _ scenes: [Scene], _ generator: SeededRandom
  ) throws -> Double {
    var random = generator
    if looker?.network !== rollout.network {
      looker = Rollout(rollout.network, isTraining: false)
    }
    var windows: [Float] = []
    var isObject: [Float] = []
    for (scene, logits) in zip(scenes, try maps(looker!, scenes)) {
      let own = positives(scene, &random)
      let rest = windowsPerScene - own.count
      let hard = scene.hardest(logits, rest / 2, beyond: SlidingTask.far)
      let easy = negatives(scene, rest - hard.count, &random)
      for (x, y) in own + hard + easy { scene.cut(middle: (x, y), into: &windows) }
      isObject += own.map { _ in 1 } + [Float](repeating: 0, count: rest)
    }
    let side = SlidingDetector.window
    rollout.begin(resetsStates: true)
    let y = try rollout.call(
      nil, [BatchTensor([isObject.count, images.images.shape[0], side, side], windows)])[0]
    let scale = 1 / Float(isObject.count)
    var loss = 0.0
    for (i, wanted) in isObject.enumerated() {
      loss += Double(scale * logisticLoss(y.data[i], wanted))
      y.gradient?[i] += scale * (logistic(y.data[i]) - wanted)
    }
    return loss
  }

  /// Middles of windows on objects, each twice.
  private func positives(_ scene: Scene, _ random: inout SeededRandom) -> [(Int, Int)] {
    let near = Int(SlidingTask.near)
    func moved(_ x: Float) -> Int {
      Int(x.rounded()) - near + random.integer(below: 2 * near + 1)
    }
    return Array(
      (scene.middles + scene.middles).prefix(objectsPerScene).map { (moved($0.x), moved($0.y)) })
  }

  private func negatives(
    _ scene: Scene, _ count: Int, _ random: inout SeededRandom
  ) -> [(Int, Int)] {
    (0..<count).map { _ in
      var place = (0, 0)
      // Where objects leave no room, a corner serves.
      for _ in 0..<50 {
        place = (random.integer(below: scene.width + 1), random.integer(below: scene.height + 1))
        if scene.distance(Float(place.0), Float(place.1)) >= SlidingTask.far { return place }
      }
      return place
    }
  }

  /// The logits at all places of each scene.
  private func maps(_ rollout: Rollout<Float>, _ scenes: [Scene]) throws -> [[Float]] {
    let edge = SlidingDetector.window / 2
    let (h, w) = (scenes[0].height + 2 * edge, scenes[0].width + 2 * edge)
    rollout.begin(resetsStates: true)
    let y = try rollout.call(
      nil,
      [BatchTensor([scenes.count, images.images.shape[0], h, w], scenes.flatMap(\.padded))])[0]
    let n = y.count / scenes.count
    return scenes.indices.map { i in (0..<n).map { y.data[i * n + $0] } }
  }

  // MARK: Evaluation

  private func look(_ rollout: Rollout<Float>, _ scenes: [Scene]) throws -> Double {
    var loss = 0.0
    for (scene, logits) in zip(scenes, try maps(rollout, scenes)) {
      loss += scene.loss(logits, near: SlidingTask.near, far: SlidingTask.far)
      var candidates = Candidates(classes: 1)
      candidates.boxes = SlidingDetector.squares(height: scene.height, width: scene.width)
      candidates.scores = logits.map { logistic($0) }
      found.append(candidates.suppressed(net.suppression))
      objects.append(scene.squares)
      if drawn.count < SlidingTask.drawings { try draw(scene, candidates.scores) }
    }
    return loss / Double(scenes.count)
  }

  private func draw(_ scene: Scene, _ heat: [Float]) throws {
    let columns = SlidingDetector.places(scene.width)
    var map = HeatMap(
      stride(from: 0, to: heat.count, by: columns).map { Array(heat[$0..<$0 + columns]) },
      rowTitle: "row", columnTitle: "column")
    map.picture = try HeatMap.Picture(scene.image, left: 0.5, top: 0.5, right: 0.5, bottom: 0.5)
    drawn.append(
      ReportFigure(title: "Heat of scene \(drawn.count + 1): where objects' middles are", svg: map.svg))
  }

  public func beginEvaluation() { (found, objects, drawn) = ([], [], []) }

  public var figures: [ReportFigure] { drawn }

  public func measures() -> [Measure] {
    if objects.isEmpty { return [] }
    let precision = AveragePrecision(found, of: objects, classes: 1)
    let missed = MissRate(found, of: objects)
    return [
      Measure("AP@0.5", precision.at50),
      Measure("log-average miss rate", missed.logAverage, isBetterWhenHigher: false),
      Measure("missed at 0.1 false positives a scene", missed.rate(at: 0.1), isBetterWhenHigher: false),
    ]
  }
}

/// A scene and where its objects are, in pixels.
private struct Scene {
  let pixels: [Float]
  let channels: Int
  let height: Int
  let width: Int
  let middles: [(x: Float, y: Float)]
  /// Around the objects' middles, as high as they, in fractions.
  let squares: [LabelledBox]

  init(_ pixels: [Float], _ shape: [Int], _ objects: [LabelledBox]) {
    self.pixels = pixels
    (channels, height, width) = (shape[0], shape[1], shape[2])
    let (h, w) = (Float(shape[1]), Float(shape[2]))
    let boxes = objects.map { CenterBox($0.box) }
    middles = boxes.map { ($0.x * w, $0.y * h) }
    squares = boxes.map { box in
      LabelledBox(
        Box(CenterBox(x: box.x, y: box.y, width: box.height * h / w, height: box.height))
          .withinImage, 0)
    }
  }

  var image: Image { Image(planes: pixels, shape: [channels, height, width]) }

  /// To the nearest object's middle, the greater of both ways.
  func distance(_ x: Float, _ y: Float) -> Float {
    middles.reduce(.infinity) { min($0, max(abs($1.x - x), abs($1.y - y))) }
  }

  /// The scene with half a window of zeros around it.
  var padded: [Float] {
    let edge = SlidingDetector.window / 2
    let row = width + 2 * edge
    var result = [Float](repeating: 0, count: channels * (height + 2 * edge) * row)
    for c in 0..<channels {
      for y in 0..<height {
        let to = (c * (height + 2 * edge) + y + edge) * row + edge
        let from = (c * height + y) * width
        result.replaceSubrange(to..<to + width, with: pixels[from..<from + width])
      }
    }
    return result
  }

  /// Appends the window with this middle.
  func cut(middle: (x: Int, y: Int), into windows: inout [Float]) {
    let edge = SlidingDetector.window / 2
    for c in 0..<channels {
      for y in middle.y - edge..<middle.y + edge {
        for x in middle.x - edge..<middle.x + edge {
          let isInside = y >= 0 && y < height && x >= 0 && x < width
          windows.append(isInside ? pixels[(c * height + y) * width + x] : 0)
        }
      }
    }
  }

  /// Pixels of each place of the heat map, row by row.
  private var places: [(x: Int, y: Int)] {
    (0..<SlidingDetector.places(height)).flatMap { row in
      (0..<SlidingDetector.places(width)).map {
        ($0 * SlidingDetector.stride, row * SlidingDetector.stride)
      }
    }
  }

  /// The places far from all objects that look most like one.
  func hardest(_ logits: [Float], _ count: Int, beyond far: Float) -> [(Int, Int)] {
    let places = places
    let order = places.indices.filter { distance(Float(places[$0].x), Float(places[$0].y)) >= far }
      .sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }
    return order.prefix(count).map { places[$0] }
  }

  /// The mean over the places that are near or far.
  func loss(_ logits: [Float], near: Float, far: Float) -> Double {
    var (sum, count) = (0.0, 0)
    for (place, logit) in zip(places, logits) {
      let distance = distance(Float(place.x), Float(place.y))
      if distance > near && distance < far { continue }
      sum += Double(logisticLoss(logit, distance <= near ? 1 : 0))
      count += 1
    }
    return sum / Double(max(count, 1))
  }
}
