/// Disjoint sets of the numbers from 0 on.
struct UnionFind {
  private var parents: [Int]

  init(_ count: Int) { parents = Array(0..<count) }

  /// The number that stands for the set of `i`.
  mutating func find(_ i: Int) -> Int {
    var root = i
    while parents[root] != root { root = parents[root] }
    var i = i
    while parents[i] != root { (parents[i], i) = (root, parents[i]) }
    return root
  }

  mutating func unite(_ a: Int, _ b: Int) { parents[find(b)] = find(a) }
}
