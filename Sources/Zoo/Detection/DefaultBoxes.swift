/// The boxes that SSD starts from: W. Liu et al., "SSD: Single shot multibox detector", 2016, section
/// 2.2, equation 4.
///
/// Map k of m has boxes of scale s_k = s_min + (s_max − s_min) (k − 1) / (m − 1) with each of its
/// aspect ratios a: width s_k √a, height s_k / √a, and one more square box of scale √(s_k s_k+1).
public struct DefaultBoxes: Sendable {
  /// A feature map that predicts.
  public struct Map: Sendable {
    public var height: Int
    public var width: Int
    /// s_k.
    public var scale: Float
    /// s_k+1, of the square box between.
    public var nextScale: Float
    /// Beside 1: each stands for itself and its reciprocal.
    public var ratios: [Float]

    public init(height: Int, width: Int, scale: Float, nextScale: Float, ratios: [Float]) {
      self.height = height
      self.width = width
      self.scale = scale
      self.nextScale = nextScale
      self.ratios = ratios
    }

    /// Boxes at each place.
    public var boxesPerPlace: Int { 2 + 2 * ratios.count }
  }

  public var maps: [Map]

  public init(_ maps: [Map]) { self.maps = maps }

  /// Scales by equation 4: the first map's is `smallest`, the last one's `largest`.
  public init(
    sizes: [(height: Int, width: Int)], ratios: [[Float]], smallest: Float, largest: Float
  ) {
    let step = sizes.count > 1 ? (largest - smallest) / Float(sizes.count - 1) : 0
    maps = sizes.indices.map { k in
      let scale = smallest + step * Float(k)
      return Map(
        height: sizes[k].height, width: sizes[k].width, scale: scale, nextScale: scale + step,
        ratios: ratios[k])
    }
  }

  /// SSD300's six maps: 8,732 boxes. The first has scale 0.1 (section 3.1); the others go from 0.2
  /// to 0.9.
  public static let ssd300: DefaultBoxes = {
    let sizes = [38, 19, 10, 5, 3, 1]
    // In the authors' code equation 4 is rounded down to whole per cent: steps of 17 from 20 on,
    // with 10 before and 105 % behind, of 300 pixels.
    let scales: [Float] = [0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05]
    let ratios: [[Float]] = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
    return DefaultBoxes(
      sizes.indices.map { k in
        Map(
          height: sizes[k], width: sizes[k], scale: scales[k], nextScale: scales[k + 1],
          ratios: ratios[k])
      })
  }()

  public var count: Int {
    maps.reduce(0) { $0 + $1.height * $1.width * $1.boxesPerPlace }
  }

  /// All boxes: map by map, place by place in rows, at each place the square ones first.
  public var boxes: [CenterBox] {
    var result: [CenterBox] = []
    result.reserveCapacity(count)
    for map in maps {
      let between = (map.scale * map.nextScale).squareRoot()
      var sizes = [(map.scale, map.scale), (between, between)]
      for ratio in map.ratios {
        let root = ratio.squareRoot()
        sizes += [(map.scale * root, map.scale / root), (map.scale / root, map.scale * root)]
      }
      for row in 0..<map.height {
        for column in 0..<map.width {
          for (width, height) in sizes {
            result.append(
              CenterBox(
                x: (Float(column) + 0.5) / Float(map.width), y: (Float(row) + 0.5) / Float(map.height),
                width: width, height: height))
          }
        }
      }
    }
    return result
  }
}
