import CKernels
import Testing

// Winograd's transforms of every instruction set that this processor has: their matrices beside
// those that Cook and Toom's construction gives in rational numbers, and whole convolutions beside
// plain loops in double.

private let sizes = [2, 4, 6]

// MARK: Matrices

/// A fraction in lowest terms.
private struct Rational: Equatable {
  let n, d: Int
  init(_ n: Int, _ d: Int = 1) {
    var (a, b) = (abs(n), abs(d))
    while b != 0 { (a, b) = (b, a % b) }
    let sign = d < 0 ? -1 : 1
    self.n = sign * n / max(a, 1)
    self.d = sign * d / max(a, 1)
  }
  static func + (a: Rational, b: Rational) -> Rational {
    Rational(a.n * b.d + b.n * a.d, a.d * b.d)
  }
  static func - (a: Rational, b: Rational) -> Rational { a + Rational(-1) * b }
  static func * (a: Rational, b: Rational) -> Rational { Rational(a.n * b.n, a.d * b.d) }
  static func / (a: Rational, b: Rational) -> Rational { Rational(a.n * b.d, a.d * b.n) }
  var double: Double { Double(n) / Double(d) }
}

private typealias Matrix = [[Rational]]

/// The three matrices for the points that the kernels use, and ∞ as the last.
private func cookToom(_ m: Int) -> (input: Matrix, weights: Matrix, output: Matrix) {
  let pairs: [Rational]
  switch m {
  case 2: pairs = [Rational(1)]
  case 4: pairs = [Rational(3, 4), Rational(3, 2)]
  default: pairs = [Rational(1), Rational(2), Rational(1, 2)]
  }
  let points = [Rational(0)] + pairs.flatMap { [$0, Rational(-1) * $0] }
  let a = m + 2
  /// The coefficients of Π (x − root), lowest first, as a line of a.
  func polynomial(_ roots: [Rational]) -> [Rational] {
    var p = [Rational(1)]
    for root in roots {
      let shifted = [Rational(0)] + p
      let scaled = p.map { root * $0 } + [Rational(0)]
      p = zip(shifted, scaled).map { $0 - $1 }
    }
    return p + Array(repeating: Rational(0), count: a - p.count)
  }
  func power(_ x: Rational, _ k: Int) -> Rational { (0..<k).reduce(Rational(1)) { p, _ in p * x } }

  var input = Matrix()
  var weights = Matrix()
  for (i, p) in points.enumerated() {
    let others = points.enumerated().filter { $0.offset != i }.map(\.element)
    let n = others.reduce(Rational(1)) { $0 * (p - $1) }
    input.append(polynomial(others))
    weights.append((0..<3).map { power(p, $0) / n })
  }
  input.append(polynomial(points))
  weights.append([Rational(0), Rational(0), Rational(1)])
  let output = (0..<m).map { k in
    points.map { power($0, k) } + [Rational(k == m - 1 ? 1 : 0)]
  }
  return (input, weights, output)
}

@Test(arguments: sizes) func cookToomMatricesGiveAConvolution(m: Int) {
  let t = cookToom(m)
  for k in 0..<m {
    for tap in 0..<3 {
      for d in 0..<(m + 2) {
        let sum = (0..<(m + 2)).reduce(Rational(0)) { s, i in
          s + t.output[k][i] * t.weights[i][tap] * t.input[i][d]
        }
        #expect(sum == Rational(d == k + tap ? 1 : 0))
      }
    }
  }
}

private func oneTile(_ m: Int, _ v: Int) -> apus_winograd {
  apus_winograd(
    m: m, input_height: m + 2, input_width: m + 2, pad_y: 0, pad_x: 0, output_height: m,
    output_width: m, tiles_x: 1, first_tile: 0, tiles: 1, point_stride: v)
}

/// A unit at every place in turn shows the matrices, and no coefficient of them is rounded.
@Test(arguments: sizes) func transformsHaveTheMatricesOfCookAndToom(m: Int) {
  let t = cookToom(m)
  let a = m + 2
  for table in tables {
    let v = table.vector_width
    var w = oneTile(m, v)
    for r in 0..<a {
      for c in 0..<a {
        let unit = GuardedBuffer(
          (0..<(a * a * v)).map { Float($0 / v == r * a + c ? 1 + $0 % v : 0) })
        let points = GuardedBuffer(a * a * v)
        table.winograd_input(&w, unit.constPointer, points.pointer)
        let y = GuardedBuffer(m * m * v)
        table.winograd_output(&w, unit.constPointer, nil, nil, -.infinity, .infinity, y.pointer)
        for lane in 0..<v {
          let size = Rational(1 + lane)
          for i in 0..<a {
            for j in 0..<a {
              let expected = t.input[i][r] * t.input[j][c] * size
              #expect(Double(points[(i * a + j) * v + lane]) == expected.double)
            }
          }
          for i in 0..<m {
            for j in 0..<m {
              let expected = t.output[i][r] * t.output[j][c] * size
              #expect(Double(y[(i * m + j) * v + lane]) == expected.double)
            }
          }
        }
      }
    }
    for tap in 0..<9 {
      let taps = GuardedBuffer((0..<9).map { $0 == tap ? 1 : 0 })
      let u = GuardedBuffer(a * a)
      table.winograd_weights(m, taps.constPointer, 1, 9, 1, 9, 1, u.pointer)
      for i in 0..<a {
        for j in 0..<a {
          let expected = t.weights[i][tap / 3] * t.weights[j][tap % 3]
          #expect(abs(Double(u[i * a + j]) - expected.double) <= 0x1p-24 * abs(expected.double))
        }
      }
    }
  }
}

// MARK: Convolutions

private struct Layer {
  var m, channels, rows, inputHeight, inputWidth: Int
  var padY = 0
  var padX = 0
  var outputHeight, outputWidth: Int
  var hasBias = true
  var hasAddend = false
  var minimum = -Float.infinity
  var maximum = Float.infinity
  /// Tiles of a call.
  var tiles = Int.max
  /// Sums over channels in single precision.
  var isSingle = false

  init(
    m: Int, channels: Int, rows: Int, output: (Int, Int), pads: (Int, Int) = (0, 0),
    endPads: (Int, Int) = (0, 0)
  ) {
    self.m = m
    self.channels = channels
    self.rows = rows
    (outputHeight, outputWidth) = output
    (padY, padX) = pads
    inputHeight = output.0 + 2 - pads.0 - endPads.0
    inputWidth = output.1 + 2 - pads.1 - endPads.1
  }
}

/// Plain numbers of a layer and its exact outputs before clipping.
private struct Problem {
  var x, w, bias, addend: [Float]
  var outputs: [Double]
  /// The largest sum of magnitudes under an output.
  var magnitude = 0.0

  init(_ l: Layer, _ numbers: inout Numbers, isReal: Bool = false) {
    x = numbers.floats(l.channels * l.inputHeight * l.inputWidth)
    w = numbers.floats(l.rows * l.channels * 9)
    if isReal {
      // As behind a ReLU, and with weights that keep the variance.
      x = x.map { max($0, 0) }
      let deviation = Float((2 / Double(9 * l.channels)).squareRoot())
      w = w.map { _ in numbers.normal() * deviation }
    }
    bias = numbers.floats(l.rows)
    addend = numbers.floats(l.rows * l.outputHeight * l.outputWidth)
    outputs = []
    for row in 0..<l.rows {
      for oy in 0..<l.outputHeight {
        for ox in 0..<l.outputWidth {
          var sum = l.hasBias ? Double(bias[row]) : 0
          if l.hasAddend { sum += Double(addend[outputs.count]) }
          var magnitude = abs(sum)
          for c in 0..<l.channels {
            for ky in 0..<3 {
              let y = oy + ky - l.padY
              if y < 0 || y >= l.inputHeight { continue }
              for kx in 0..<3 {
                let column = ox + kx - l.padX
                if column < 0 || column >= l.inputWidth { continue }
                let product =
                  Double(w[(row * l.channels + c) * 9 + ky * 3 + kx])
                  * Double(x[(c * l.inputHeight + y) * l.inputWidth + column])
                sum += product
                magnitude += abs(product)
              }
            }
          }
          outputs.append(sum)
          self.magnitude = max(self.magnitude, magnitude)
        }
      }
    }
  }
}

extension Numbers {
  /// The sum of twelve uniform numbers, of variance 1.
  fileprivate mutating func normal() -> Float { (0..<12).reduce(0) { s, _ in s + float() } / 2 }
}

private func blocked(
  _ x: [Float], _ channels: Int, _ count: Int, _ table: apus_kernels
) -> GuardedBuffer {
  let v = table.vector_width
  let out = GuardedBuffer((channels + v - 1) / v * count * v)
  for c in 0..<channels {
    for i in 0..<count { out[(c / v * count + i) * v + c % v] = x[c * count + i] }
  }
  return out
}

/// The outputs, plain [rows][height][width], by the kernels and a plain product of matrices.
private func run(_ l: Layer, _ p: Problem, _ table: apus_kernels) -> [Float] {
  let v = table.vector_width
  let a = l.m + 2
  let points = a * a
  let inputs = l.inputHeight * l.inputWidth
  let outputs = l.outputHeight * l.outputWidth
  let inputBlocks = (l.channels + v - 1) / v
  let outputBlocks = (l.rows + v - 1) / v
  let tilesX = (l.outputWidth + l.m - 1) / l.m
  let allTiles = tilesX * ((l.outputHeight + l.m - 1) / l.m)

  // Weights lie [channel][row][tap]; a gap behind the numbers of each point stays as it is.
  let w = GuardedBuffer(l.channels * l.rows * 9)
  for row in 0..<l.rows {
    for c in 0..<l.channels {
      for t in 0..<9 { w[(c * l.rows + row) * 9 + t] = p.w[(row * l.channels + c) * 9 + t] }
    }
  }
  let pairs = l.rows * l.channels
  let u = GuardedBuffer(points * (pairs + 3))
  table.winograd_weights(
    l.m, w.constPointer, l.rows, 9, l.channels, l.rows * 9, pairs + 3, u.pointer)
  for point in 0..<points {
    for i in 0..<(pairs + 3) {
      if u.isUntouched(point * (pairs + 3) + i) != (i >= pairs) { Issue.record("weights \(l)") }
    }
  }

  let x = blocked(p.x, l.channels, inputs, table)
  let addend = blocked(p.addend, l.rows, outputs, table)
  let bias = blocked(p.bias, l.rows, 1, table)
  let y = GuardedBuffer(outputBlocks * outputs * v)
  var first = 0
  while first < allTiles {
    let tiles = min(l.tiles, allTiles - first)
    let stride = tiles * v + 5
    var call = apus_winograd(
      m: l.m, input_height: l.inputHeight, input_width: l.inputWidth, pad_y: l.padY,
      pad_x: l.padX, output_height: l.outputHeight, output_width: l.outputWidth, tiles_x: tilesX,
      first_tile: first, tiles: tiles, point_stride: stride)
    let inputPoints = (0..<inputBlocks).map { block in
      // The planes of one block alone: reading beyond them shows.
      let plane = GuardedBuffer((0..<(inputs * v)).map { x[block * inputs * v + $0] })
      let out = GuardedBuffer(points * stride)
      table.winograd_input(&call, plane.constPointer, out.pointer)
      if !out.guardsHold { Issue.record("guards of the points \(l)") }
      for point in 0..<points {
        for i in (tiles * v)..<stride where !out.isUntouched(point * stride + i) {
          Issue.record("behind the tiles \(l)")
        }
      }
      return out
    }
    for block in 0..<outputBlocks {
      let sums = GuardedBuffer(points * stride)
      for row in (block * v)..<min(block * v + v, l.rows) {
        for point in 0..<points {
          let weights = u.constPointer + point * (pairs + 3) + row * l.channels
          for tile in 0..<tiles {
            var sum = 0.0
            var single = Float(0)
            for c in 0..<l.channels {
              let value = inputPoints[c / v].constPointer[point * stride + tile * v + c % v]
              if l.isSingle {
                single += weights[c] * value
              } else {
                sum += Double(weights[c]) * Double(value)
              }
            }
            sums[point * stride + tile * v + row % v] = l.isSingle ? single : Float(sum)
          }
        }
      }
      let target = y.pointer + block * outputs * v
      table.winograd_output(
        &call, sums.constPointer, l.hasBias ? bias.constPointer + block * v : nil,
        l.hasAddend ? addend.constPointer + block * outputs * v : nil, l.minimum, l.maximum, target)
    }
    first += tiles
    // No output of a tile to come is written. (Lane 0 always belongs to a channel.)
    for block in 0..<outputBlocks {
      for i in 0..<outputs {
        let tile = i / l.outputWidth / l.m * tilesX + i % l.outputWidth / l.m
        if y.isUntouched((block * outputs + i) * v) != (tile >= first) {
          Issue.record("tiles \(l)")
        }
      }
    }
  }
  if !y.guardsHold { Issue.record("guards of y \(l)") }
  return (0..<(l.rows * outputs)).map { i in
    let row = i / outputs
    return y[(row / v * outputs + i % outputs) * v + row % v]
  }
}

/// Errors of the transforms alone, of the largest sum of magnitudes.
private let bounds: [Int: Double] = [2: 1e-6, 4: 3e-6, 6: 1.5e-5]

private func check(_ l: Layer, _ p: Problem, _ table: apus_kernels) -> [Float] {
  let y = run(l, p, table)
  var worst = 0.0
  for (value, exact) in zip(y, p.outputs) {
    let error = abs(Double(value) - min(max(exact, Double(l.minimum)), Double(l.maximum)))
    worst = error.isNaN ? .infinity : max(worst, error)
  }
  if worst > bounds[l.m]! * p.magnitude {
    Issue.record("\(String(cString: table.name)): error \(worst / p.magnitude) of \(l)")
  }
  return y
}

@Test(arguments: sizes) func outputsOfEverySize(m: Int) {
  var numbers = Numbers(m)
  for height in 1...20 {
    for width in 1...20 {
      // The input has at least one row and column.
      let pads = (numbers.below(min(3, height + 2)), numbers.below(min(3, width + 2)))
      let endPads = (
        numbers.below(min(3, height + 2 - pads.0)), numbers.below(min(3, width + 2 - pads.1))
      )
      var l = Layer(
        m: m, channels: 1 + numbers.below(2), rows: 1 + numbers.below(2), output: (height, width),
        pads: pads, endPads: endPads)
      l.hasAddend = numbers.below(2) == 0
      let problem = Problem(l, &numbers)
      _ = check(l, problem, tables[numbers.below(tables.count)])
    }
  }
}

@Test(arguments: sizes) func channelsAddendsClipsAndRangesOfTiles(m: Int) {
  for seed in 0..<24 {
    var numbers = Numbers(100 * m + seed)
    var l = Layer(
      m: m, channels: 1 + numbers.below(40), rows: 1 + numbers.below(40),
      output: (1 + numbers.below(14), 1 + numbers.below(14)),
      pads: (numbers.below(2), numbers.below(2)), endPads: (numbers.below(2), numbers.below(2)))
    l.hasBias = numbers.below(4) > 0
    l.hasAddend = numbers.below(2) == 0
    if numbers.below(2) == 0 {
      l.minimum = 0
      l.maximum = numbers.pick([1, .infinity])
    }
    let problem = Problem(l, &numbers)
    for table in tables {
      l.tiles = .max
      let whole = check(l, problem, table)
      // The same bits in whatever ranges.
      l.tiles = 1 + numbers.below(3)
      let parts = check(l, problem, table)
      #expect(whole.map(\.bitPattern) == parts.map(\.bitPattern))
    }
  }
}

/// Layers as networks have them stay within 1e-4 of the largest output, with room.
@Test(arguments: sizes) func realLayersKeepTheirAccuracy(m: Int) {
  var numbers = Numbers(7)
  var l = Layer(m: m, channels: 256, rows: 4, output: (12, 12), pads: (1, 1), endPads: (1, 1))
  l.hasBias = false
  l.isSingle = true
  let problem = Problem(l, &numbers, isReal: true)
  let largest = problem.outputs.reduce(0) { max($0, abs($1)) }
  for table in tables {
    let y = run(l, problem, table)
    let error = zip(y, problem.outputs).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
    #expect(error / largest < [2: 3e-6, 4: 8e-6, 6: 4e-5][m]!)
  }
}

/// What a weight's transform is does not depend on the instruction set.
@Test(arguments: sizes) func weightsAreAlikeInAllInstructionSets(m: Int) {
  var numbers = Numbers(3)
  let points = (m + 2) * (m + 2)
  let w = GuardedBuffer(numbers.floats(5 * 19 * 9))
  let all = tables.map { table in
    let u = GuardedBuffer(points * 95)
    table.winograd_weights(m, w.constPointer, 5, 19 * 9, 19, 9, 95, u.pointer)
    return (0..<u.count).map { u[$0].bitPattern }
  }
  for one in all { #expect(one == all[0]) }
}
