import Graph

/// YOLO v3-tiny: J. Redmon, A. Farhadi, "YOLOv3: An incremental improvement", 2018, section 2, and the
/// authors' yolov3-tiny.cfg. Seven convolutions and poolings, boxes from three anchors each on a coarse
/// map and on one of twice its size; every class is a question of its own.
public struct YOLOv3Tiny {
  public var classes = 80
  /// Of the image: 1 or 3.
  public var channels = 3
  public var form = Form.published
  /// Of all maps, in parts of the published numbers.
  public var width: Float = 1
  /// Three for the fine map, then three for the coarse one, in fractions of the image.
  public var anchors = YOLOv3Tiny.cocoAnchors
  public var suppression = Suppression()
  public var seed: UInt64 = 1

  public enum Form: String, CaseIterable {
    /// For 416 × 416 pixels: maps of 26 × 26 and 13 × 13.
    case published
    /// Two layers and poolings fewer, for 64 × 64 pixels: maps of 8 × 8 and 4 × 4.
    case small
  }

  /// The authors' six for COCO, in pixels of 416. (Their file's masks 1, 2, 3 and 3, 4, 5.)
  public static let cocoAnchors: [(width: Float, height: Float)] = [
    (23, 27), (37, 58), (81, 82), (81, 82), (135, 169), (344, 319),
  ].map { ($0.0 / 416, $0.1 / 416) }

  public init() {}

  public var size: Int { form == .published ? 416 : 64 }
  private var cells: Int { form == .published ? 13 : 4 }

  /// Of the coarse map and of the fine one.
  public var grids: [AnchorGrid] {
    [(cells, anchors[3...]), (2 * cells, anchors[..<3])].map { cells, anchors in
      AnchorGrid(
        height: cells, width: cells, classes: classes, anchors: Array(anchors), isExclusive: false)
    }
  }

  /// As it is trained: "image" [N, channels, size, size] to "coarse" and "fine" as `AnchorGrid` lays
  /// them out.
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let image = b.input("image", .float32, [.free("N"), .fixed(channels), .fixed(size), .fixed(size)])
    let maps = heads(b, image)
    b.output(maps[0], "coarse")
    b.output(maps[1], "fine")
    b.setMetadata("name", "YOLO v3-tiny")
    return try b.build()
  }

  /// As it is run: the function "detect" takes one image and gives what `detections` says.
  public func detector() throws -> Graph {
    let b = GraphBuilder(seed: seed, function: "detect")
    let image = b.input("image", .float32, [1, .fixed(channels), .fixed(size), .fixed(size)])
    let (corners, scores) = b.candidates(Array(zip(heads(b, image), grids)))
    b.detections(corners: corners, scores: scores, suppression)
    b.setMetadata("name", "YOLO v3-tiny")
    return try b.build()
  }

  private func heads(_ b: GraphBuilder, _ image: Value) -> [Value] {
    var x = image
    var number = 0
    func layer(_ x: Value, _ maps: Int, kernel: Int = 3) -> Value {
      number += 1
      return b.darknetLayer(x, scaled(maps, width), kernel: kernel, name: "conv\(number)")
    }
    func output(_ x: Value, _ grid: AnchorGrid, _ name: String) -> Value {
      b.conv(x, outChannels: grid.channels, kernel: [1, 1], name: name)
    }
    let isFull = form == .published
    for maps in isFull ? [16, 32, 64, 128] : [16, 32] { x = b.halve(layer(x, maps)) }
    if !isFull { x = b.halve(layer(x, 64)) }
    let fine = layer(x, isFull ? 256 : 96)
    x = b.halve(fine)
    if isFull {
      x = layer(x, 512)
      // A window of 2 at every place: the map keeps its size.
      x = b.node(
        "MaxPool", [x],
        ["kernel_shape": [2, 2], "strides": [1, 1], "pads": [0, 0, 1, 1]])
      x = layer(x, 1024)
    } else {
      x = layer(x, 128)
    }
    let neck = layer(x, isFull ? 256 : 64, kernel: 1)
    let coarse = output(layer(neck, isFull ? 512 : 128), grids[0], "coarse.output")
    let up = b.double(layer(neck, isFull ? 128 : 48, kernel: 1))
    let joined = layer(b.concat([up, fine], axis: 1), isFull ? 256 : 96)
    return [coarse, output(joined, grids[1], "fine.output")]
  }
}
