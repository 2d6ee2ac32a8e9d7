/// A rectangle of whole pixels; right and bottom are the first ones beyond.
struct PixelBox: Hashable {
  var left: Int
  var top: Int
  var right: Int
  var bottom: Int

  var area: Int { (right - left) * (bottom - top) }

  func union(_ other: PixelBox) -> PixelBox {
    PixelBox(
      left: min(left, other.left), top: min(top, other.top), right: max(right, other.right),
      bottom: max(bottom, other.bottom))
  }
}

/// How strongly brightness rises at each pixel in each of eight directions.
struct TextureMap {
  static let directions = 8
  /// [channel][direction][pixel], of 0 to 255.
  let rises: [[[Float]]]

  init(_ planes: [Float], channels: Int, height: Int, width: Int) {
    let n = height * width
    rises = (0..<channels).map { c in
      var result = [[Float]](
        repeating: [Float](repeating: 0, count: n), count: TextureMap.directions)
      let axes = (0..<TextureMap.directions).map { d -> (Float, Float) in
        let turn = 2 * Float.pi * Float(d) / Float(TextureMap.directions)
        return (cosine(turn), cosine(turn - .pi / 2))
      }
      for y in 0..<height {
        for x in 0..<width {
          func at(_ y: Int, _ x: Int) -> Float {
            planes[c * n + min(max(y, 0), height - 1) * width + min(max(x, 0), width - 1)]
          }
          let (dx, dy) = ((at(y, x + 1) - at(y, x - 1)) / 2, (at(y + 1, x) - at(y - 1, x)) / 2)
          for (d, axis) in axes.enumerated() {
            result[d][y * width + x] = max(0, axis.0 * dx + axis.1 * dy)
          }
        }
      }
      return result
    }
  }
}

/// Regions that are joined step by step, the most similar neighbours first: Uijlings et al. 2013,
/// section 3.1 and 3.2, equations 1 to 6.
struct SimilarRegions {
  private struct Region {
    var size: Float
    var box: PixelBox
    /// Histograms, each of sum 1.
    var colors: [Float]
    var textures: [Float]
    var neighbours: Set<Int> = []
  }

  private static let colorBins = 25
  private static let textureBins = 10

  private let regions: [Region]
  private let imageSize: Float

  /// - Parameter labels: the region of each pixel, 0..<count.
  init(
    _ labels: [Int], count: Int, image: [Float], textures: TextureMap, channels: Int, height: Int,
    width: Int
  ) {
    let n = height * width
    let (colorBins, textureBins) = (SimilarRegions.colorBins, SimilarRegions.textureBins)
    var list = [Region](
      repeating: Region(
        size: 0, box: PixelBox(left: width, top: height, right: 0, bottom: 0),
        colors: [Float](repeating: 0, count: channels * colorBins),
        textures: [Float](
          repeating: 0, count: channels * TextureMap.directions * textureBins)), count: count)
    func bin(_ value: Float, of count: Int) -> Int {
      min(max(Int(value / 256 * Float(count)), 0), count - 1)
    }
    for y in 0..<height {
      for x in 0..<width {
        let i = y * width + x
        let own = labels[i]
        list[own].size += 1
        list[own].box = list[own].box.union(
          PixelBox(left: x, top: y, right: x + 1, bottom: y + 1))
        for c in 0..<channels {
          list[own].colors[c * colorBins + bin(image[c * n + i], of: colorBins)] += 1
          for d in 0..<TextureMap.directions {
            let part = (c * TextureMap.directions + d) * textureBins
            // A rise is seldom more than half of the range.
            list[own].textures[part + bin(2 * textures.rises[c][d][i], of: textureBins)] += 1
          }
        }
        for j in [x + 1 < width ? i + 1 : i, y + 1 < height ? i + width : i]
        where labels[j] != own {
          list[own].neighbours.insert(labels[j])
          list[labels[j]].neighbours.insert(own)
        }
      }
    }
    for i in list.indices {
      let (colors, textures) = (list[i].size * Float(channels), list[i].size * Float(channels * 8))
      for k in list[i].colors.indices { list[i].colors[k] /= colors }
      for k in list[i].textures.indices { list[i].textures[k] /= textures }
    }
    regions = list
    imageSize = Float(n)
  }

  /// The boxes of all regions on the way from the first ones to the whole image.
  func joined(countsColor: Bool) -> [PixelBox] {
    var regions = regions
    var result = regions.map(\.box)
    var pairs: [(similarity: Float, a: Int, b: Int)] = []
    for a in regions.indices {
      for b in regions[a].neighbours.sorted() where b > a {
        pairs.append((similarity(regions[a], regions[b], countsColor), a, b))
      }
    }
    while let best = pairs.indices.max(by: { pairs[$0].similarity < pairs[$1].similarity }) {
      let (a, b) = (pairs[best].a, pairs[best].b)
      var union = merged(regions[a], regions[b])
      union.neighbours = regions[a].neighbours.union(regions[b].neighbours).subtracting([a, b])
      let new = regions.count
      pairs.removeAll { $0.a == a || $0.b == a || $0.a == b || $0.b == b }
      for i in union.neighbours.sorted() {
        regions[i].neighbours.subtract([a, b])
        regions[i].neighbours.insert(new)
        pairs.append((similarity(regions[i], union, countsColor), i, new))
      }
      regions.append(union)
      result.append(union.box)
    }
    return result
  }

  private func merged(_ a: Region, _ b: Region) -> Region {
    let size = a.size + b.size
    func mean(_ x: [Float], _ y: [Float]) -> [Float] {
      zip(x, y).map { (a.size * $0 + b.size * $1) / size }
    }
    return Region(
      size: size, box: a.box.union(b.box), colors: mean(a.colors, b.colors),
      textures: mean(a.textures, b.textures))
  }

  private func similarity(_ a: Region, _ b: Region, _ countsColor: Bool) -> Float {
    func common(_ x: [Float], _ y: [Float]) -> Float {
      var sum: Float = 0
      for i in x.indices { sum += min(x[i], y[i]) }
      return sum
    }
    let small = 1 - (a.size + b.size) / imageSize
    let fill = 1 - (Float(a.box.union(b.box).area) - a.size - b.size) / imageSize
    let alike = common(a.textures, b.textures) + small + fill
    return countsColor ? alike + common(a.colors, b.colors) : alike
  }
}
