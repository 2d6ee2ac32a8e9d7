import Graph

/// A classifier of windows that slides over whole scenes, as detectors of faces and pedestrians do. All
/// of its layers are convolutions, the dense ones too, so over a scene it computes in one pass what it
/// would say of the window at each place (O. Matan et al., "Multi-digit recognition using a space
/// displacement neural network", 1992; P. Sermanet et al., "OverFeat", 2014, section 3.5; J. Long et
/// al., "Fully convolutional networks for semantic segmentation", 2015, section 3.1).
///
/// Two convolutions with pooling, a hidden layer, and one number: whether there is an object in the
/// middle of the window.
public struct SlidingDetector {
  /// Of the scene: 1 or 3.
  public var channels = 1
  /// Of all layers, in parts of 16, 32 and 64 maps.
  public var width: Float = 1
  /// Pixels of the scenes that "detect" takes, either way.
  public var scene = 96
  public var suppression: Suppression
  public var seed: UInt64 = 1

  /// Pixels of a window, of the square around the middle that an object fills, and from one window to
  /// the next.
  public static let window = 28
  public static let object = 20
  public static let stride = 4

  public init() {
    suppression = Suppression()
    // Squares two places from each other overlap by 0.43.
    suppression.iouThreshold = 0.3
  }

  /// Places of the heat map of a scene of so many pixels, padded by half a window on each side.
  public static func places(_ pixels: Int) -> Int { pixels / stride + 1 }

  /// As it is trained: "image" [N, channels, H, W], windows or scenes, to "logits"
  /// [N, 1, (H − 28) / 4 + 1, (W − 28) / 4 + 1].
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let image = b.input(
      "image", .float32, [.free("N"), .fixed(channels), .free("H"), .free("W")])
    b.output(Layers(self, b).logits(b, image), "logits")
    b.setMetadata("name", "Sliding detector")
    return try b.build()
  }

  /// As it is run, three functions with the same weights:
  ///
  ///     heat      "image" [1, channels, H, W], of any size, to "heat" [1, 1, H / 4 + 1, W / 4 + 1]: the
  ///               probability that the middle of an object is at (4 column, 4 row). Beyond the scene
  ///               there is 0
  ///     classify  "image" [N, channels, 28, 28], windows, to "probability" [N]
  ///     detect    "image" [1, channels, scene, scene] to what `detections` says, the boxes being the
  ///               squares around the heat's peaks
  public func detector() throws -> Graph {
    let detect = GraphBuilder(seed: seed, function: "detect")
    let layers = Layers(self, detect)
    let image = detect.input(
      "image", .float32, [1, .fixed(channels), .fixed(scene), .fixed(scene)])
    let places = SlidingDetector.places(scene)
    let squares = SlidingDetector.squares(height: scene, width: scene)
    detect.detections(
      corners: detect.constant(
        "", [1, squares.count, 4], squares.flatMap { [$0.x1, $0.y1, $0.x2, $0.y2] }),
      scores: detect.reshape(layers.heat(detect, image), [1, 1, places * places]), suppression)

    let heat = GraphBuilder(beside: detect, function: "heat")
    let whole = heat.input("image", .float32, [1, .fixed(channels), .free("H"), .free("W")])
    heat.output(layers.heat(heat, whole), "heat")

    let classify = GraphBuilder(beside: detect, function: "classify")
    let side = Dimension.fixed(SlidingDetector.window)
    let windows = classify.input("image", .float32, [.free("N"), .fixed(channels), side, side])
    let logits = classify.reshape(layers.logits(classify, windows), [-1])
    classify.output(classify.sigmoid(logits), "probability")
    detect.setMetadata("name", "Sliding detector")
    return try GraphBuilder.build([detect, heat, classify])
  }

  /// The squares that objects fill at the places of the heat map, row by row, in fractions of a scene of
  /// so many pixels.
  public static func squares(height: Int, width: Int) -> [Box] {
    let half = Float(object) / 2
    return (0..<places(height)).flatMap { row in
      (0..<places(width)).map { column in
        let (x, y) = (Float(column * stride), Float(row * stride))
        return Box(
          (x - half) / Float(width), (y - half) / Float(height), (x + half) / Float(width),
          (y + half) / Float(height))
      }
    }
  }

  /// The weights, which all functions share.
  private struct Layers {
    private let weights: [(weight: Value, bias: Value)]

    init(_ net: SlidingDetector, _ b: GraphBuilder) {
      var inputs = net.channels
      let sizes = [(16, 5), (32, 5), (64, 4), (1, 1)]
      weights = sizes.enumerated().map { i, size in
        let maps = i == 3 ? 1 : scaled(size.0, net.width)
        defer { inputs = maps }
        let area = size.1 * size.1
        return (
          b.weight(
            "conv\(i + 1).weight", [maps, inputs, size.1, size.1], .he, fanIn: inputs * area,
            fanOut: maps * area), b.weight("conv\(i + 1).bias", [maps], .zeros)
        )
      }
    }

    func logits(_ b: GraphBuilder, _ image: Value) -> Value {
      func conv(_ x: Value, _ i: Int) -> Value {
        b.node("Conv", name: "conv\(i + 1)", [x, weights[i].weight, weights[i].bias])
      }
      let first = b.halve(b.relu(conv(image, 0)))
      let second = b.halve(b.relu(conv(first, 1)))
      return conv(b.relu(conv(second, 2)), 3)
    }

    func heat(_ b: GraphBuilder, _ scene: Value) -> Value {
      let edge = SlidingDetector.window / 2
      let padded = b.node(
        "Pad", [scene, b.constant(integers: [0, 0, edge, edge, 0, 0, edge, edge])])
      return b.sigmoid(logits(b, padded))
    }
  }
}
