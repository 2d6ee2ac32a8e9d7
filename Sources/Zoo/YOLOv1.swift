import Graph

/// YOLO: J. Redmon, S. Divvala, R. Girshick, A. Farhadi, "You only look once: Unified, real-time object
/// detection", 2016, section 2.
///
/// The image is divided into cells; the one that an object's middle falls into predicts its box and
/// class. A cell has `boxes` boxes (middle within the cell, square roots of width and height,
/// confidence) and one set of class probabilities.
public struct YOLOv1 {
  public var classes = 20
  /// Of the image: 1 or 3.
  public var channels = 3
  public var form = Form.published
  /// Of all maps and of the first dense layer, in parts of the published numbers.
  public var width: Float = 1
  /// B of the paper.
  public var boxes = 2
  /// After the first dense layer, in training (section 2.2).
  public var dropout: Float = 0.5
  public var suppression = Suppression()
  public var seed: UInt64 = 1

  public enum Form: String, CaseIterable {
    /// Figure 3: 24 convolutions for 448 × 448 pixels, 7 × 7 cells.
    case published
    /// Eight convolutions with batch normalisation, as the successors have it, for 64 × 64 pixels,
    /// 8 × 8 cells.
    case small
  }

  public init() {}

  public var size: Int { form == .published ? 448 : 64 }
  /// S of the paper.
  public var cells: Int { form == .published ? 7 : 8 }
  /// Numbers that a cell has: boxes first, each x, y, √w, √h, confidence; then the classes.
  public var cellSize: Int { 5 * boxes + classes }

  /// As it is trained: "image" [N, channels, size, size] to "grid" [N, cells, cells, cellSize].
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let image = b.input("image", .float32, [.free("N"), .fixed(channels), .fixed(size), .fixed(size)])
    b.output(grid(b, image), "grid")
    b.setMetadata("name", "YOLO v1")
    return try b.build()
  }

  /// As it is run: the function "detect" takes one image and gives what `detections` says. A box's
  /// score for a class is its confidence times the class's probability (equation 1).
  public func detector() throws -> Graph {
    let b = GraphBuilder(seed: seed, function: "detect")
    let image = b.input("image", .float32, [1, .fixed(channels), .fixed(size), .fixed(size)])
    let rows = b.reshape(grid(b, image), [cells * cells, cellSize])
    let own = b.reshape(b.columns(rows, 0..<5 * boxes), [cells * cells * boxes, 5])
    var origins: [Float] = []
    for row in 0..<cells {
      for column in 0..<cells {
        for _ in 0..<boxes { origins += [Float(column), Float(row)] }
      }
    }
    let origin = b.constant("", [cells * cells * boxes, 2], origins)
    let middle = b.multiply(
      b.add(b.columns(own, 0..<2), origin), b.constant("", [1], [1 / Float(cells)]))
    let root = b.columns(own, 2..<4)
    let corners = b.corners(middle: middle, size: b.multiply(root, root))
    // [cells, boxes, 1] · [cells, 1, classes].
    let confidence = b.reshape(b.columns(own, 4..<5), [cells * cells, boxes, 1])
    let probability = b.reshape(
      b.columns(rows, 5 * boxes..<cellSize), [cells * cells, 1, classes])
    let scores = b.reshape(b.multiply(confidence, probability), [1, -1, classes])
    b.detections(corners: corners, scores: b.transpose(scores, [0, 2, 1]), suppression)
    b.setMetadata("name", "YOLO v1")
    return try b.build()
  }

  /// A layer of figure 3.
  private enum Layer {
    case conv(Int, kernel: Int, stride: Int = 1)
    case pool
  }

  private var layers: [Layer] {
    switch form {
    case .small:
      return [
        .conv(16, kernel: 3), .pool, .conv(32, kernel: 3), .pool, .conv(48, kernel: 3),
        .conv(64, kernel: 3), .pool, .conv(96, kernel: 3), .conv(48, kernel: 1),
        .conv(96, kernel: 3), .conv(24, kernel: 1),
      ]
    case .published:
      var list: [Layer] = [
        .conv(64, kernel: 7, stride: 2), .pool, .conv(192, kernel: 3), .pool,
        .conv(128, kernel: 1), .conv(256, kernel: 3), .conv(256, kernel: 1), .conv(512, kernel: 3),
        .pool,
      ]
      for _ in 0..<4 { list += [.conv(256, kernel: 1), .conv(512, kernel: 3)] }
      list += [.conv(512, kernel: 1), .conv(1024, kernel: 3), .pool]
      for _ in 0..<2 { list += [.conv(512, kernel: 1), .conv(1024, kernel: 3)] }
      list += [.conv(1024, kernel: 3), .conv(1024, kernel: 3, stride: 2)]
      return list + [.conv(1024, kernel: 3), .conv(1024, kernel: 3)]
    }
  }

  private func grid(_ b: GraphBuilder, _ image: Value) -> Value {
    var x = image
    var number = 0
    for layer in layers {
      switch layer {
      case .pool: x = b.halve(x)
      case .conv(let maps, let kernel, let stride):
        number += 1
        let maps = scaled(maps, width)
        if form == .small {
          x = b.darknetLayer(x, maps, kernel: kernel, stride: stride, name: "conv\(number)")
        } else {
          x = b.leaky(
            b.conv(
              x, outChannels: maps, kernel: [kernel, kernel], stride: [stride, stride],
              padding: [kernel / 2, kernel / 2], initializer: .he, name: "conv\(number)"))
        }
      }
    }
    let units = form == .small ? 512 : 4096
    x = b.leaky(
      b.dense(b.flatten(x), scaled(units, width), initializer: .he, name: "dense1"))
    x = b.dropout(x, ratio: dropout, name: "dropout")
    x = b.dense(x, cells * cells * cellSize, name: "dense2")
    return b.reshape(x, [0, cells, cells, cellSize])
  }
}
