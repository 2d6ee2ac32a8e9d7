import Graph

/// SSD: W. Liu, D. Anguelov, D. Erhan, C. Szegedy, S. Reed, C.-Y. Fu, A. C. Berg, "SSD: Single shot
/// multibox detector", 2016, section 2.
///
/// Maps of several sizes predict, at each place and for each of its default boxes, by how much the
/// object's box differs from it and what class it is of, class 0 being the background.
public struct SSD {
  /// Beside the background.
  public var classes = 20
  /// Of the image: 1 or 3.
  public var channels = 3
  public var backbone = Backbone.vgg16
  /// Of all maps, in parts of the published numbers.
  public var width: Float = 1
  /// Whether it is trained with the focal loss in place of hard negative mining.
  public var isFocal = false
  public var suppression = Suppression()
  public var seed: UInt64 = 1

  public enum Backbone: String, CaseIterable {
    /// SSD300: VGG-16 with its dense layers made convolutions, for 300 × 300 pixels.
    case vgg16
    /// Seven layers with batch normalisation for 64 × 64 pixels of 0 to 1.
    case small
  }

  /// What differences are divided by, of places and of sizes: the authors' code.
  public static let variances: (place: Float, size: Float) = (0.1, 0.2)

  public init() {}

  public var size: Int { backbone == .vgg16 ? 300 : 64 }

  public var defaultBoxes: DefaultBoxes {
    switch backbone {
    case .vgg16: .ssd300
    case .small:
      DefaultBoxes(
        sizes: [(8, 8), (4, 4)], ratios: [[2, 3], [2, 3]], smallest: 0.25, largest: 0.4)
    }
  }

  /// As it is trained: "image" [N, channels, size, size] to "locations" [N, boxes, 4] and
  /// "confidences" [N, boxes, classes + 1].
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let image = b.input("image", .float32, [.free("N"), .fixed(channels), .fixed(size), .fixed(size)])
    let (locations, confidences) = heads(b, image)
    b.output(locations, "locations")
    b.output(confidences, "confidences")
    b.setMetadata("name", name)
    return try b.build()
  }

  /// As it is run: the function "detect" takes one image and gives what `detections` says.
  public func detector() throws -> Graph {
    let b = GraphBuilder(seed: seed, function: "detect")
    let image = b.input("image", .float32, [1, .fixed(channels), .fixed(size), .fixed(size)])
    let (locations, confidences) = heads(b, image)
    let boxes = defaultBoxes.boxes
    let places = b.constant("", [boxes.count, 2], boxes.flatMap { [$0.x, $0.y] })
    let sizes = b.constant("", [boxes.count, 2], boxes.flatMap { [$0.width, $0.height] })
    let differences = b.reshape(locations, [-1, 4])
    let shift = b.multiply(b.columns(differences, 0..<2), b.constant("", [1], [SSD.variances.place]))
    let growth = b.multiply(b.columns(differences, 2..<4), b.constant("", [1], [SSD.variances.size]))
    let corners = b.corners(
      middle: b.add(places, b.multiply(shift, sizes)),
      size: b.multiply(sizes, b.node("Exp", [growth])))
    let probabilities = b.columns(b.softmax(confidences), 1..<classes + 1)
    b.detections(corners: corners, scores: b.transpose(probabilities, [0, 2, 1]), suppression)
    b.setMetadata("name", name)
    return try b.build()
  }

  private var name: String { backbone == .vgg16 ? "SSD300" : "SSD" }

  /// The predictions of all maps, in the order of the default boxes.
  private func heads(_ b: GraphBuilder, _ image: Value) -> (locations: Value, confidences: Value) {
    let maps = backbone == .vgg16 ? vgg16(b, image) : small(b, image)
    var locations: [Value] = []
    var confidences: [Value] = []
    for (i, (map, boxes)) in zip(maps, defaultBoxes.maps).enumerated() {
      func predict(_ numbers: Int, _ name: String) -> Value {
        let y = b.conv(
          map, outChannels: boxes.boxesPerPlace * numbers, kernel: [3, 3], padding: [1, 1],
          name: "head\(i + 1).\(name)")
        // [N, boxes · numbers, H, W] to [N, H · W · boxes, numbers].
        let places = boxes.height * boxes.width * boxes.boxesPerPlace
        return b.reshape(b.transpose(y, [0, 2, 3, 1]), [0, places, numbers])
      }
      locations.append(predict(4, "locations"))
      confidences.append(predict(classes + 1, "confidences"))
    }
    return (b.concat(locations, axis: 1), b.concat(confidences, axis: 1))
  }

  private func small(_ b: GraphBuilder, _ image: Value) -> [Value] {
    func layer(_ x: Value, _ maps: Int, stride: Int = 1, _ name: String) -> Value {
      let y = b.conv(
        x, outChannels: scaled(maps, width), kernel: [3, 3], stride: [stride, stride],
        padding: [1, 1], bias: false, initializer: .he, name: name)
      return b.relu(b.batchNormalization(y, name: name + ".norm"))
    }
    var x = b.halve(layer(image, 16, "conv1"))
    x = b.halve(layer(x, 32, "conv2"))
    x = b.halve(layer(layer(x, 48, "conv3_1"), 64, "conv3_2"))
    let first = layer(layer(x, 96, "conv4_1"), 96, "conv4_2")
    let second = layer(layer(first, 64, "conv5_1"), 96, stride: 2, "conv5_2")
    return [first, second]
  }

  /// Section 3 and figure 2: the maps conv4_3, fc7, conv8_2, conv9_2, conv10_2, conv11_2.
  private func vgg16(_ b: GraphBuilder, _ image: Value) -> [Value] {
    func layer(
      _ x: Value, _ maps: Int, kernel: Int = 3, stride: Int = 1, padding: Int? = nil,
      dilation: Int = 1, _ name: String
    ) -> Value {
      let padding = padding ?? kernel / 2
      return b.conv(
        x, outChannels: scaled(maps, width), kernel: [kernel, kernel], stride: [stride, stride],
        padding: [padding, padding], dilation: [dilation, dilation], activation: .relu, name: name)
    }
    var x = image
    var maps: [Value] = []
    for (block, (layers, channels)) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)].enumerated() {
      for i in 1...layers { x = layer(x, channels, "conv\(block + 1)_\(i)") }
      switch block {
      case 3: maps.append(normalized(b, x, name: "conv4_3.norm"))
      default: break
      }
      // 75 rows become 38; the last pooling keeps the size.
      x =
        block == 4
        ? b.maxPool(x, kernel: [3, 3], stride: [1, 1], padding: [1, 1])
        : b.node(
          "MaxPool", [x], ["kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1])
    }
    x = layer(x, 1024, padding: 6, dilation: 6, "fc6")
    x = layer(x, 1024, kernel: 1, "fc7")
    maps.append(x)
    for (i, (inner, outer, stride, padding)) in [
      (256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 1, 0), (128, 256, 1, 0),
    ].enumerated() {
      x = layer(x, inner, kernel: 1, "conv\(i + 8)_1")
      x = layer(x, outer, stride: stride, padding: padding, "conv\(i + 8)_2")
      maps.append(x)
    }
    return maps
  }

  /// Each place's numbers to length 1, times a weight for each map that begins at 20 (section 3.1).
  private func normalized(_ b: GraphBuilder, _ x: Value, name: String) -> Value {
    let maps = b.spatial(x).channels
    let squares = b.node(
      "ReduceSumSquare", [x, b.constant(integers: [1])], ["keepdims": 1])
    let length = b.node("Sqrt", [b.add(squares, b.constant("", [1], [1e-10]))])
    let scale = b.weight(name + ".scale", [maps, 1, 1], .ones)
    scale.floats = [Float](repeating: 20, count: maps)
    return b.multiply(b.node("Div", [x, length]), scale)
  }
}
