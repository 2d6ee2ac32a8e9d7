import Graph

/// YOLO v2: J. Redmon, A. Farhadi, "YOLO9000: Better, faster, stronger", 2017, section 2. Darknet-19
/// without its last layer, three convolutions of 1024 maps, a passthrough layer from the last map of
/// twice the size, boxes from anchors.
public struct YOLOv2 {
  public var classes = 80
  /// Of the image: 1 or 3.
  public var channels = 3
  public var form = Form.published
  /// Of all maps, in parts of the published numbers.
  public var width: Float = 1
  /// Widths and heights in fractions of the image; see `clusterAnchors`.
  public var anchors = YOLOv2.cocoAnchors
  public var suppression = Suppression()
  public var seed: UInt64 = 1

  public enum Form: String, CaseIterable {
    /// For 416 × 416 pixels, 13 × 13 cells.
    case published
    /// Eight convolutions and the passthrough layer for 64 × 64 pixels, 8 × 8 cells.
    case small
  }

  /// The authors' five for COCO, which they give in cells of 1/13.
  public static let cocoAnchors: [(width: Float, height: Float)] = [
    (0.57273, 0.677385), (1.87446, 2.06253), (3.33843, 5.47434), (7.88282, 3.52778),
    (9.77052, 9.16828),
  ].map { ($0.0 / 13, $0.1 / 13) }

  public init() {}

  public var size: Int { form == .published ? 416 : 64 }
  public var cells: Int { form == .published ? 13 : 8 }

  public var grid: AnchorGrid {
    AnchorGrid(height: cells, width: cells, classes: classes, anchors: anchors, isExclusive: true)
  }

  /// As it is trained: "image" [N, channels, size, size] to "grid" as `AnchorGrid` lays it out.
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let image = b.input("image", .float32, [.free("N"), .fixed(channels), .fixed(size), .fixed(size)])
    b.output(head(b, image), "grid")
    b.setMetadata("name", "YOLO v2")
    return try b.build()
  }

  /// As it is run: the function "detect" takes one image and gives what `detections` says.
  public func detector() throws -> Graph {
    let b = GraphBuilder(seed: seed, function: "detect")
    let image = b.input("image", .float32, [1, .fixed(channels), .fixed(size), .fixed(size)])
    let (corners, scores) = b.candidates([(head(b, image), grid)])
    b.detections(corners: corners, scores: scores, suppression)
    b.setMetadata("name", "YOLO v2")
    return try b.build()
  }

  /// Table 6: maps of each layer; every second one of a block has a kernel of 1.
  private static let darknet19 = [
    [32], [64], [128, 64, 128], [256, 128, 256], [512, 256, 512, 256, 512],
    [1024, 512, 1024, 512, 1024],
  ]
  private static let smallBlocks = [[16], [32], [64, 32, 64], [96, 48, 96]]

  private func head(_ b: GraphBuilder, _ image: Value) -> Value {
    var x = image
    var number = 0
    func layer(_ x: Value, _ maps: Int, kernel: Int = 3) -> Value {
      number += 1
      return b.darknetLayer(x, scaled(maps, width), kernel: kernel, name: "conv\(number)")
    }
    let blocks = form == .published ? YOLOv2.darknet19 : YOLOv2.smallBlocks
    var fine = x
    for (block, maps) in blocks.enumerated() {
      if block > 0 {
        fine = x
        x = b.halve(x)
      }
      for (i, maps) in maps.enumerated() { x = layer(x, maps, kernel: i % 2 == 0 ? 3 : 1) }
    }
    let top = form == .published ? 1024 : 96
    if form == .published { x = layer(layer(x, top), top) }
    let passed = b.spaceToDepth(layer(fine, form == .published ? 64 : 16, kernel: 1))
    x = layer(b.concat([passed, x], axis: 1), top)
    return b.conv(x, outChannels: grid.channels, kernel: [1, 1], name: "output")
  }
}
