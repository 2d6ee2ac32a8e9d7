/// Divides an image into regions of like pixels: P. F. Felzenszwalb, D. P. Huttenlocher, "Efficient
/// graph-based image segmentation", 2004.
///
/// Neighbours (eight to a pixel) are joined, the most alike first, where they differ by no more than
/// the least of what joined either region, Int(C) + k / |C| (equations 3 to 5). O(n log n).
public struct GraphSegmentation {
  private let pixels: Int
  /// Of neighbours, the most alike first.
  private var edges: [(difference: Float, a: Int, b: Int)]

  /// - Parameters:
  ///   - planes: `channels` of them, row by row, of 0 to 255.
  ///   - deviation: of the Gaussian that smooths the image first.
  public init(
    _ planes: [Float], channels: Int, height: Int, width: Int, deviation: Float = 0.8
  ) {
    let n = height * width
    pixels = n
    let smooth = (0..<channels).map {
      GraphSegmentation.smoothed(
        Array(planes[$0 * n..<($0 + 1) * n]), height: height, width: width, deviation)
    }
    edges = []
    edges.reserveCapacity(4 * n)
    for y in 0..<height {
      for x in 0..<width {
        let a = y * width + x
        for (dy, dx) in [(0, 1), (1, 0), (1, 1), (1, -1)]
        where y + dy < height && x + dx >= 0 && x + dx < width {
          let b = a + dy * width + dx
          var sum: Float = 0
          for plane in smooth { sum += (plane[a] - plane[b]) * (plane[a] - plane[b]) }
          edges.append((sum.squareRoot(), a, b))
        }
      }
    }
    // Positive numbers are in the order of their bits; equal ones stay as they were.
    let order = edges.indices.map { UInt64(edges[$0].difference.bitPattern) << 32 | UInt64($0) }
    edges = order.sorted().map { edges[Int($0 & 0xFFFF_FFFF)] }
  }

  /// - Parameters:
  ///   - scale: k: the greater, the larger the regions.
  ///   - smallest: regions with fewer pixels are joined to a neighbour.
  /// - Returns: the region of each pixel, from 0 on, and how many there are.
  public func regions(scale: Float, smallest: Int) -> (labels: [Int], count: Int) {
    var sets = DisjointSets(count: pixels)
    var limit = [Float](repeating: scale, count: pixels)
    for edge in edges {
      let (a, b) = (sets.root(edge.a), sets.root(edge.b))
      if a == b || edge.difference > min(limit[a], limit[b]) { continue }
      let joined = sets.join(a, b)
      limit[joined] = edge.difference + scale / Float(sets.sizes[joined])
    }
    for edge in edges {
      let (a, b) = (sets.root(edge.a), sets.root(edge.b))
      if a != b && min(sets.sizes[a], sets.sizes[b]) < smallest { _ = sets.join(a, b) }
    }
    return sets.labels()
  }

  /// The edge's pixels stand for those beyond it.
  private static func smoothed(
    _ plane: [Float], height: Int, width: Int, _ deviation: Float
  ) -> [Float] {
    let reach = max(1, Int((3 * deviation).rounded(.up)))
    var kernel = (-reach...reach).map {
      Float.exp(-Float($0 * $0) / (2 * deviation * deviation))
    }
    let total = kernel.reduce(0, +)
    for i in kernel.indices { kernel[i] /= total }
    var rows = plane
    for y in 0..<height {
      for x in 0..<width {
        var sum: Float = 0
        for (i, k) in kernel.enumerated() {
          sum += k * plane[y * width + min(max(x + i - reach, 0), width - 1)]
        }
        rows[y * width + x] = sum
      }
    }
    var result = rows
    for y in 0..<height {
      for x in 0..<width {
        var sum: Float = 0
        for (i, k) in kernel.enumerated() {
          sum += k * rows[min(max(y + i - reach, 0), height - 1) * width + x]
        }
        result[y * width + x] = sum
      }
    }
    return result
  }
}

/// Sets that are joined, each known by one of its members (R. E. Tarjan 1975).
private struct DisjointSets {
  private var parents: [Int]
  /// Of the sets, at their roots.
  private(set) var sizes: [Int]

  init(count: Int) {
    parents = Array(0..<count)
    sizes = [Int](repeating: 1, count: count)
  }

  mutating func root(_ member: Int) -> Int {
    var at = member
    while parents[at] != at {
      parents[at] = parents[parents[at]]
      at = parents[at]
    }
    return at
  }

  /// - Returns: the root of both.
  mutating func join(_ a: Int, _ b: Int) -> Int {
    let (large, small) = sizes[a] >= sizes[b] ? (a, b) : (b, a)
    parents[small] = large
    sizes[large] += sizes[small]
    return large
  }

  /// The sets numbered in the order of their first members.
  mutating func labels() -> (labels: [Int], count: Int) {
    var numbers: [Int: Int] = [:]
    var result = [Int](repeating: 0, count: parents.count)
    for i in result.indices {
      let own = root(i)
      if numbers[own] == nil { numbers[own] = numbers.count }
      result[i] = numbers[own]!
    }
    return (result, numbers.count)
  }
}
