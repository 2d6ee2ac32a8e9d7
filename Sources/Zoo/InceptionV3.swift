import Graph

/// C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception architecture for
/// computer vision", 2016, section 6, Table 1 and Figures 5 to 7, and 10; with the batch-normalised
/// auxiliary classifier of section 4, which training alone has.
///
///     23,834,568 parameters, 27,161,264 with the auxiliary classifier: torchvision's, which follows
///     the authors' own program where the paper leaves the numbers of maps open
public struct InceptionV3: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 299
  public var width = 1.0
  public var dropout: Float = 0.5
  public var seed: UInt64 = 1
  /// By how much the loss of the auxiliary classifier counts.
  public static let auxiliaryWeight: Float = 0.4

  public init() {}

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let net = Layers(net: self, b: b)
    var x = net.conv(input(b), 32, [3, 3], stride: 2, padded: false, name: "conv1")
    x = net.conv(x, 32, [3, 3], padded: false, name: "conv2")
    x = net.conv(x, 64, [3, 3], name: "conv3")
    x = b.maxPool3(x, name: "pool1")
    x = net.conv(x, 80, [1, 1], name: "conv4")
    x = net.conv(x, 192, [3, 3], padded: false, name: "conv5")
    x = b.maxPool3(x, name: "pool2")
    for (i, pool) in [32, 64, 64].enumerated() { x = net.square(x, pool, name: "mixed\(i)") }
    x = net.firstReduction(x, name: "mixed3")
    for (i, maps) in [128, 160, 160, 192].enumerated() {
      x = net.factorized(x, maps, name: "mixed\(4 + i)")
    }
    let auxiliary = isDeployed ? nil : classifier(net, x)
    x = net.secondReduction(x, name: "mixed8")
    for i in 0..<2 { x = net.expanded(x, name: "mixed\(9 + i)") }
    x = dropout(b, b.meanOfMaps(x), isDeployed: isDeployed, name: "dropout")
    b.output(b.dense(x, classes, name: "output"), "logits")
    if let auxiliary { b.output(auxiliary, "auxiliary") }
    b.setMetadata("name", "Inception v3")
    return try b.build()
  }

  private func classifier(_ net: Layers, _ x: Value) -> Value {
    let b = net.b
    let window = min(5, b.rows(x))
    var y = b.averagePool(x, kernel: [window, window], stride: [3, 3], name: "auxiliary.pool")
    y = net.conv(y, 128, [1, 1], name: "auxiliary.conv1")
    let rest = min(5, b.rows(y))
    y = net.conv(y, 768, [rest, rest], padded: false, name: "auxiliary.conv2")
    let mean = b.flatten(b.globalAveragePool(y, name: "auxiliary.mean"))
    return b.dense(mean, classes, name: "auxiliary.output")
  }
}

/// The modules of the network.
private struct Layers {
  let net: InceptionV3
  let b: GraphBuilder

  func conv(
    _ x: Value, _ maps: Int, _ kernel: [Int], stride: Int = 1, padded: Bool = true, name: String
  ) -> Value {
    b.convNorm(
      x, net.maps(maps), kernel, stride: stride, padding: kernel.map { padded ? $0 / 2 : 0 },
      epsilon: 0.001, name: name)
  }

  /// Convolutions one after the other: (maps, kernel).
  private func chain(_ x: Value, _ layers: [(Int, [Int])], name: String) -> Value {
    var y = x
    for (i, (maps, kernel)) in layers.enumerated() {
      y = conv(y, maps, kernel, name: "\(name).\(i + 1)")
    }
    return y
  }

  private func pooled(_ x: Value, _ maps: Int, name: String) -> Value {
    let mean = b.node(
      "AveragePool", name: name + ".pool", [x],
      [
        "kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1],
        "count_include_pad": 1,
      ])
    return conv(mean, maps, [1, 1], name: name + ".proj")
  }

  /// Figure 5: 5 × 5 as it is, and as two of 3 × 3.
  func square(_ x: Value, _ pool: Int, name: String) -> Value {
    b.concat(
      [
        conv(x, 64, [1, 1], name: name + ".1x1"),
        chain(x, [(48, [1, 1]), (64, [5, 5])], name: name + ".5x5"),
        chain(x, [(64, [1, 1]), (96, [3, 3]), (96, [3, 3])], name: name + ".3x3"),
        pooled(x, pool, name: name),
      ], axis: 1)
  }

  /// Figure 10: half the places, more maps.
  func firstReduction(_ x: Value, name: String) -> Value {
    let twice = chain(x, [(64, [1, 1]), (96, [3, 3])], name: name + ".twice")
    return b.concat(
      [
        conv(x, 384, [3, 3], stride: 2, padded: false, name: name + ".3x3"),
        conv(twice, 96, [3, 3], stride: 2, padded: false, name: name + ".twice.3"),
        b.maxPool3(x, name: name + ".pool"),
      ], axis: 1)
  }

  /// Figure 6: 7 × 7 as 1 × 7 and 7 × 1.
  func factorized(_ x: Value, _ maps: Int, name: String) -> Value {
    b.concat(
      [
        conv(x, 192, [1, 1], name: name + ".1x1"),
        chain(x, [(maps, [1, 1]), (maps, [1, 7]), (192, [7, 1])], name: name + ".7x7"),
        chain(
          x,
          [(maps, [1, 1]), (maps, [7, 1]), (maps, [1, 7]), (maps, [7, 1]), (192, [1, 7])],
          name: name + ".twice"),
        pooled(x, 192, name: name),
      ], axis: 1)
  }

  func secondReduction(_ x: Value, name: String) -> Value {
    let first = conv(x, 192, [1, 1], name: name + ".3x3.1")
    let second = chain(x, [(192, [1, 1]), (192, [1, 7]), (192, [7, 1])], name: name + ".7x7")
    return b.concat(
      [
        conv(first, 320, [3, 3], stride: 2, padded: false, name: name + ".3x3.2"),
        conv(second, 192, [3, 3], stride: 2, padded: false, name: name + ".7x7.4"),
        b.maxPool3(x, name: name + ".pool"),
      ], axis: 1)
  }

  /// Figure 7: 1 × 3 and 3 × 1 side by side.
  func expanded(_ x: Value, name: String) -> Value {
    func sides(_ x: Value, name: String) -> [Value] {
      [
        conv(x, 384, [1, 3], name: name + ".1x3"), conv(x, 384, [3, 1], name: name + ".3x1"),
      ]
    }
    let once = conv(x, 384, [1, 1], name: name + ".once")
    let twice = chain(x, [(448, [1, 1]), (384, [3, 3])], name: name + ".twice")
    return b.concat(
      [conv(x, 320, [1, 1], name: name + ".1x1")] + sides(once, name: name + ".once")
        + sides(twice, name: name + ".twice") + [pooled(x, 192, name: name)], axis: 1)
  }
}
