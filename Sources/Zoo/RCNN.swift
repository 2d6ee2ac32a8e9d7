import Graph
import ModelFormat

/// R-CNN: R. Girshick, J. Donahue, T. Darrell, J. Malik, "Rich feature hierarchies for accurate object
/// detection and semantic segmentation", 2014.
///
/// Regions that may hold an object are given. Each is cut out of the image with a little of what is
/// around it, brought to one size (section 2.1 and appendix A, "warp") and shown to a network that was
/// fine-tuned to tell the classes and the background apart (section 2.3). Support vector machines of
/// the last features score each class, and linear functions of the pooled maps move the boxes (appendix
/// C).
public struct RCNN {
  /// Beside the background.
  public var classes = 20
  /// Of the image: 1 or 3.
  public var channels = 3
  public var form = Form.alexnet
  public var scores = Scores.svm
  /// Of all maps and dense layers, in parts of the published numbers.
  public var width: Float = 1
  public var suppression: Suppression
  public var seed: UInt64 = 1

  public enum Form: String, CaseIterable {
    /// AlexNet on regions of 227 × 227 pixels, of images of 500 × 500.
    case alexnet
    /// Three convolutions with batch normalisation on regions of 24 × 24 pixels, of images of 64 × 64.
    case small
  }

  /// What a detection's score is.
  public enum Scores: String, CaseIterable {
    /// σ(m) of a support vector machine's margin m, one machine for a class: the paper's order of
    /// detections, as numbers from 0 to 1.
    case svm
    /// The fine-tuned network's own probabilities (appendix B).
    case softmax
  }

  public init() {
    suppression = Suppression()
    // Of the authors' code.
    suppression.iouThreshold = 0.3
  }

  public var size: Int { form == .alexnet ? 500 : 64 }
  /// Pixels of a region as the network sees it, and those of them on each side that are around it.
  private var warped: Int { form == .alexnet ? 227 : 24 }
  private var context: Int { form == .alexnet ? 16 : 2 }

  /// As it is trained: "image" [N, channels, size, size], "proposals" [R, 4] (left, top, right, bottom
  /// in fractions of the image) and "images" int64 [R], the number of the image of each, to "classes"
  /// [R, classes + 1], the background's first; then what is fitted when the network is trained,
  /// "margins" [R, classes] and "boxes" [R, 4 · classes], and what these see, "units" and "maps".
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let image = b.input("image", .float32, [.free("N"), .fixed(channels), .fixed(size), .fixed(size)])
    let proposals = b.input("proposals", .float32, [.free("R"), 4])
    let images = b.input("images", .int64, [.free("R")])
    let seen = features(b, image, proposals, images, isDeployed: false)
    b.output(logits(b, seen.units), "classes")
    b.output(margins(b, seen.units), "margins")
    b.output(differences(b, seen.maps), "boxes")
    b.output(seen.units, "units")
    b.output(seen.maps, "maps")
    b.setMetadata("name", "R-CNN")
    return try b.build()
  }

  /// As it is run: the function "detect" takes "image" [1, channels, size, size] and "proposals" [R, 4],
  /// as many as there are, and gives what `detections` says.
  public func detector() throws -> Graph {
    let b = GraphBuilder(seed: seed, function: "detect")
    let image = b.input("image", .float32, [1, .fixed(channels), .fixed(size), .fixed(size)])
    let proposals = b.input("proposals", .float32, [.free("R"), 4])
    let zeros = b.multiply(b.reshape(b.columns(proposals, 0..<1), [-1]), b.constant(0))
    let images = b.node("Cast", [zeros], ["to": .int(Int(DataType.int64.rawValue))])
    let seen = features(b, image, proposals, images, isDeployed: true)
    let scores =
      switch scores {
      case .svm: b.sigmoid(margins(b, seen.units))
      case .softmax: b.columns(b.softmax(logits(b, seen.units)), 1..<classes + 1)
      }
    b.regionDetections(
      corners: proposals, differences: differences(b, seen.maps), scores: scores, (1, 1),
      suppression)
    b.setMetadata("name", "R-CNN")
    return try b.build()
  }

  // MARK: Layers

  private func logits(_ b: GraphBuilder, _ units: Value) -> Value {
    b.dense(units, classes + 1, name: "classes")
  }

  private func margins(_ b: GraphBuilder, _ units: Value) -> Value {
    b.dense(units, classes, initializer: .zeros, name: "margins")
  }

  private func differences(_ b: GraphBuilder, _ maps: Value) -> Value {
    b.dense(maps, 4 * classes, initializer: .zeros, name: "boxes")
  }

  /// The pooled maps of each region, as a row, and its last hidden units.
  private func features(
    _ b: GraphBuilder, _ image: Value, _ proposals: Value, _ images: Value, isDeployed: Bool
  ) -> (maps: Value, units: Value) {
    let x = warp(b, image, proposals, images)
    if form == .alexnet {
      var net = AlexNet()
      net.width = Double(width)
      return net.features(b, x, isDeployed: isDeployed)
    }
    func layer(_ x: Value, _ maps: Int, _ name: String) -> Value {
      b.convNorm(x, scaled(maps, width), 3, padding: 1, name: name)
    }
    let y = b.halve(layer(b.halve(layer(x, 16, "conv1")), 32, "conv2"))
    let maps = b.flatten(layer(y, 48, "conv3"))
    return (maps, b.dense(maps, scaled(128, width), activation: .relu, name: "fc6"))
  }

  /// Each region and what is around it, stretched to a square. Beyond the image there is 0.
  private func warp(
    _ b: GraphBuilder, _ image: Value, _ proposals: Value, _ images: Value
  ) -> Value {
    // Corners in pixels: (1 ± k) / 2 of the one and (1 ∓ k) / 2 of the other make it k times as large.
    let k = Float(warped) / Float(warped - 2 * context)
    let (near, far) = ((1 + k) / 2 * Float(size), (1 - k) / 2 * Float(size))
    let larger = b.constant(
      "", [4, 4], [near, 0, far, 0, 0, near, 0, far, far, 0, near, 0, 0, far, 0, near])
    return b.node(
      "RoiAlign", [image, b.node("MatMul", [proposals, larger]), images],
      [
        "output_height": .int(warped), "output_width": .int(warped), "sampling_ratio": 2,
        "mode": "avg",
      ])
  }
}
