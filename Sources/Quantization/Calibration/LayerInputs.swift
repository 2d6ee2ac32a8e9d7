import Graph
import ModelFormat

/// What a layer multiplies its weights with, at some of its outputs' places: for each group of
/// channels a matrix of `depth` rows, one for each weight of an output channel, and a column for
/// each place.
struct LayerInputs {
  let depth: Int
  let groups: Int
  /// Places taken; zeros fill the others.
  private(set) var count = 0
  /// A multiple of 16.
  let capacity: Int
  /// [groups][depth][capacity].
  private var elements: [Float]
  private let geometry: Geometry

  private enum Geometry {
    case rows
    case windows(kernel: [Int], strides: [Int], pads: [Int], dilations: [Int])
  }

  /// Places in all: more tell the errors of weights apart better, and take longer.
  private static let places = 1024

  /// nil where the layer's windows are not known.
  init?(_ node: Node) {
    guard let shape = node.input(1)?.fixedShape, shape.allSatisfy({ $0 > 0 }) else { return nil }
    capacity = LayerInputs.places
    if node.op == "Conv" {
      let kernel = Array(shape.dropFirst(2))
      let ones = [Int](repeating: 1, count: kernel.count)
      let mode = node.string("auto_pad", default: "NOTSET")
      guard mode == "NOTSET" || mode == "VALID" else { return nil }
      groups = node.int("group", default: 1)
      depth = shape.dropFirst().reduce(1, *)
      let none = [Int](repeating: 0, count: 2 * kernel.count)
      geometry = .windows(
        kernel: kernel, strides: node.ints("strides") ?? ones,
        pads: mode == "VALID" ? none : node.ints("pads") ?? none,
        dilations: node.ints("dilations") ?? ones)
    } else {
      guard shape.count == 2 else { return nil }
      groups = 1
      depth = node.op == "Gemm" && node.int("transB", default: 0) != 0 ? shape[1] : shape[0]
      geometry = .rows
    }
    // What is larger would take minutes.
    guard groups > 0, groups * depth <= 1 << 16 else { return nil }
    elements = [Float](repeating: 0, count: groups * depth * capacity)
  }

  /// All rows of a group.
  func withRows<T>(_ group: Int, _ body: (UnsafePointer<Float>) -> T) -> T {
    elements.withUnsafeBufferPointer { body($0.baseAddress! + group * depth * capacity) }
  }

  /// Takes some places of a run's tensor, other ones in each run.
  ///
  /// - Parameter most: Places of this run.
  mutating func add(_ x: UnsafePointer<Float>, _ shape: [Int], run: Int, most: Int) {
    switch geometry {
    case .rows:
      guard shape.last == depth else { return }
      let rows = shape.dropLast().reduce(1, *)
      for i in chosen(rows, most, run) {
        guard count < capacity else { return }
        for k in 0..<depth { elements[k * capacity + count] = x[i * depth + k] }
        count += 1
      }
    case .windows(let kernel, let strides, let pads, let dilations):
      let input = Array(shape.dropFirst(2))
      guard input.count == kernel.count, shape[1] * kernel.reduce(1, *) == groups * depth else {
        return
      }
      let output = input.indices.map { d in
        let room = input[d] + pads[d] + pads[d + input.count] - dilations[d] * (kernel[d] - 1) - 1
        return room < 0 ? 0 : room / strides[d] + 1
      }
      let plane = input.reduce(1, *)
      let taps = kernel.reduce(1, *)
      let channels = shape[1]
      let places = output.reduce(1, *)
      for i in chosen(shape[0] * places, most, run) {
        guard count < capacity else { return }
        let item = x + i / places * channels * plane
        for tap in 0..<taps {
          let offset = offset(i % places, tap, input, output, kernel, strides, pads, dilations)
          guard let offset else { continue }
          for channel in 0..<channels {
            elements[(channel * taps + tap) * capacity + count] = item[channel * plane + offset]
          }
        }
        count += 1
      }
    }
  }

  /// Where a tap of a window reads in a plane; nil: in the padding.
  private func offset(
    _ place: Int, _ tap: Int, _ input: [Int], _ output: [Int], _ kernel: [Int], _ strides: [Int],
    _ pads: [Int], _ dilations: [Int]
  ) -> Int? {
    var (place, tap) = (place, tap)
    var offset = 0
    var pitch = 1
    for d in input.indices.reversed() {
      let at = place % output[d] * strides[d] - pads[d] + tap % kernel[d] * dilations[d]
      guard at >= 0, at < input[d] else { return nil }
      offset += at * pitch
      pitch *= input[d]
      place /= output[d]
      tap /= kernel[d]
    }
    return offset
  }

  /// Places spread over all of them.
  private func chosen(_ all: Int, _ most: Int, _ run: Int) -> [Int] {
    if all <= most { return Array(0..<all) }
    // The golden ratio spreads the first place over the runs.
    let start = Double(run) * 0.618_033_988_749_895
    return (0..<most).map { i in
      Int((start + Double(i) / Double(most)).truncatingRemainder(dividingBy: 1) * Double(all))
    }
  }

  /// Takes each row's mean out of it: what a corrected bias makes up for.
  mutating func centre() {
    guard count > 0 else { return }
    for r in 0..<groups * depth {
      let row = r * capacity..<r * capacity + count
      let mean = elements[row].reduce(0, +) / Float(count)
      for i in row { elements[i] -= mean }
    }
  }
}
