import Graph
import ModelFormat

/// Fast R-CNN (R. Girshick, 2015) and Faster R-CNN (S. Ren et al., 2016): the convolutions run once over
/// the image, and each region is pooled out of their map.
///
/// A region's class, 0 being the background, and for each class a box relative to the region. Faster
/// R-CNN finds the regions itself; for Fast R-CNN they are the anchors, all of them: windows over the
/// whole image.
public struct FastRCNN {
  public var kind = Kind.faster
  /// Beside the background.
  public var classes = 20
  /// Of the image: 1 or 3.
  public var channels = 3
  public var form = Form.vgg16
  /// Of all maps and dense layers, in parts of the published numbers.
  public var width: Float = 1
  /// Regions that Faster R-CNN looks at when it is run: of the best 6 times as many, those that
  /// overlap no better one by more than 0.7.
  public var regions = 48
  public var suppression = Suppression()
  public var seed: UInt64 = 1

  public enum Kind: String, CaseIterable {
    case fast = "fast-rcnn"
    case faster = "faster-rcnn"
  }

  public enum Form: String, CaseIterable {
    /// VGG-16 for 608 × 608 pixels, regions of 7 × 7 elements, nine anchors at each place.
    case vgg16
    /// Four convolutions with batch normalisation for 64 × 64 pixels, regions of 6 × 6 elements, three
    /// anchors at each place.
    case small
  }

  /// What differences are divided by: those of a region's class, as the authors' code.
  public static let variances: (place: Float, size: Float) = (0.1, 0.2)

  public init() {}

  public var size: Int { form == .vgg16 ? 608 : 64 }
  /// Pixels from one place of the map to the next.
  private var stride: Int { form == .vgg16 ? 16 : kind == .faster ? 4 : 8 }
  private var pooled: Int { form == .vgg16 ? 7 : 6 }
  private var cells: Int { size / stride }

  /// At each place, row by row: corners, in fractions of the image.
  public var anchors: [CenterBox] {
    var shapes: [(width: Float, height: Float)] = []
    if form == .vgg16 {
      for side in [128, 256, 512] as [Float] {
        for ratio in [0.5, 1, 2] as [Float] {
          let root = ratio.squareRoot()
          shapes.append((side / root / Float(size), side * root / Float(size)))
        }
      }
    } else {
      shapes = [(0.17, 0.28), (0.22, 0.36), (0.27, 0.45)]
    }
    var result: [CenterBox] = []
    for row in 0..<cells {
      for column in 0..<cells {
        for shape in shapes {
          result.append(
            CenterBox(
              x: (Float(column) + 0.5) / Float(cells), y: (Float(row) + 0.5) / Float(cells),
              width: shape.width, height: shape.height))
        }
      }
    }
    return result
  }

  private var anchorsPerPlace: Int { form == .vgg16 ? 9 : 3 }

  /// As it is trained: "image" [N, channels, size, size] and "regions" [R, 5] (number of the image,
  /// left, top, right, bottom in pixels) to "classes" [R, classes + 1] and "boxes"
  /// [R, 4 · (classes + 1)]; Faster R-CNN also to "objectness" [N, anchors, 2] and "proposals"
  /// [N, anchors, 4].
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let image = b.input("image", .float32, [.free("N"), .fixed(channels), .fixed(size), .fixed(size)])
    let regions = b.input("regions", .float32, [.free("R"), 5])
    let map = trunk(b, image)
    let proposed = kind == .faster ? propose(b, map) : nil
    let (label, box) = head(b, map, regions)
    b.output(label, "classes")
    b.output(box, "boxes")
    if let proposed {
      b.output(proposed.objectness, "objectness")
      b.output(proposed.places, "proposals")
    }
    b.setMetadata("name", name)
    return try b.build()
  }

  /// As it is run: the function "detect" takes one image and gives what `detections` says.
  public func detector() throws -> Graph {
    let b = GraphBuilder(seed: seed, function: "detect")
    let image = b.input("image", .float32, [1, .fixed(channels), .fixed(size), .fixed(size)])
    let map = trunk(b, image)
    let anchors = anchors
    let middles = b.constant("", [anchors.count, 2], anchors.flatMap { [$0.x, $0.y] })
    let sizes = b.constant("", [anchors.count, 2], anchors.flatMap { [$0.width, $0.height] })
    let corners: Value  // [R, 4] in fractions
    if kind == .faster {
      let (objectness, places) = propose(b, map)
      let all = b.withinImage(
        b.decoded(b.reshape(places, [-1, 4]), middles: middles, sizes: sizes))
      let scores = b.reshape(b.columns(b.softmax(objectness), 1..<2), [-1])
      let best = b.nodes(
        "TopK", [scores, b.constant(integers: [min(6 * self.regions, anchors.count)])], outputs: 2)
      let candidates = b.node("Gather", [all, best[1]])
      let selected = b.node(
        "NonMaxSuppression",
        [
          b.reshape(candidates, [1, -1, 4]), b.reshape(best[0], [1, 1, -1]),
          b.constant(integers: [self.regions]), Value("", [1], floats: [0.7]),
        ])
      let chosen = b.node("Gather", [selected, Value("", [], integers: [2])], ["axis": 1])
      corners = b.node("Gather", [candidates, chosen])
    } else {
      corners = b.constant(
        "", [anchors.count, 4],
        anchors.flatMap {
          let box = Box($0).withinImage
          return [box.x1, box.y1, box.x2, box.y2]
        })
    }
    let pixels = b.multiply(corners, b.constant("", [1], [Float(size)]))
    let regions = b.node(
      "Pad", [pixels, b.constant(integers: [0, 1, 0, 0])])
    let (label, box) = head(b, map, regions)
    b.regionDetections(
      corners: corners, differences: b.columns(box, 4..<4 * (classes + 1)),
      scores: b.columns(b.softmax(label), 1..<classes + 1), FastRCNN.variances, suppression)
    b.setMetadata("name", name)
    return try b.build()
  }

  private var name: String {
    switch kind {
    case .fast: "Fast R-CNN"
    case .faster: "Faster R-CNN"
    }
  }

  // MARK: Layers

  private func layer(_ b: GraphBuilder, _ x: Value, _ maps: Int, _ name: String) -> Value {
    let y = b.conv(
      x, outChannels: scaled(maps, width), kernel: [3, 3], padding: [1, 1], bias: false,
      initializer: .he, name: name)
    return b.relu(b.batchNormalization(y, name: name + ".norm"))
  }

  /// The convolutions over the whole image.
  private func trunk(_ b: GraphBuilder, _ image: Value) -> Value {
    var x = image
    if form == .small {
      x = b.halve(layer(b, x, 16, "conv1"))
      x = b.halve(layer(b, x, 32, "conv2"))
      return layer(b, layer(b, x, 48, "conv3_1"), 64, "conv3_2")
    }
    for (block, (layers, channels)) in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)].enumerated() {
      for i in 1...layers {
        x = b.conv(
          x, outChannels: scaled(channels, width), kernel: [3, 3], padding: [1, 1],
          activation: .relu, name: "conv\(block + 1)_\(i)")
      }
      if block < 4 { x = b.halve(x) }
    }
    return x
  }

  /// The region proposal network: Faster R-CNN, section 3.1.
  private func propose(_ b: GraphBuilder, _ map: Value) -> (objectness: Value, places: Value) {
    let units = scaled(form == .vgg16 ? 512 : 64, width)
    let x = b.conv(
      map, outChannels: units, kernel: [3, 3], padding: [1, 1], activation: .relu, name: "rpn")
    func predict(_ numbers: Int, _ name: String) -> Value {
      let y = b.conv(
        x, outChannels: anchorsPerPlace * numbers, kernel: [1, 1], name: "rpn.\(name)")
      return b.reshape(
        b.transpose(y, [0, 2, 3, 1]), [0, cells * cells * anchorsPerPlace, numbers])
    }
    return (predict(2, "objectness"), predict(4, "proposals"))
  }

  /// What is said of each region.
  private func head(_ b: GraphBuilder, _ map: Value, _ regions: Value) -> (label: Value, box: Value) {
    let scale = 1 / Float(form == .vgg16 ? 16 : 4)
    var x = b.node(
      "MaxRoiPool", [map, regions],
      ["pooled_shape": [pooled, pooled], "spatial_scale": .float(scale)])
    x = b.reshape(x, [-1, b.spatial(map).channels * pooled * pooled])
    let units = scaled(form == .vgg16 ? 4096 : 128, width)
    x = b.dense(x, units, activation: .relu, name: "fc6")
    if form == .vgg16 { x = b.dense(x, units, activation: .relu, name: "fc7") }
    return (
      b.dense(x, classes + 1, name: "classes"), b.dense(x, 4 * (classes + 1), name: "boxes")
    )
  }
}
