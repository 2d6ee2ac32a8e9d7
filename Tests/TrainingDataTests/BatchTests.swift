import NumPyFile
import Testing
import Training

private func apply(_ transform: any Transform, _ x: [Float], _ shape: [Int], seed: UInt64 = 1) throws
  -> [Float]
{
  var y = [Float](repeating: .nan, count: try transform.outputShape(shape).reduce(1, *))
  var random = SeededRandom(seed: seed)
  transform.apply(x, shape: shape, to: &y, random: &random)
  return y
}

@Test(arguments: [(24, 20), (5, 7), (32, 3), (12, 10), (1, 1)])
func resizeAgreesWithPillow(_ height: Int, _ width: Int) throws {
  let x = try array("resize-12x10").floats()
  let y = try apply(Resize(height: height, width: width), x + x, [2, 12, 10])
  let expected = try array("resize-\(height)x\(width)").floats()
  for (a, b) in zip(y, expected + expected) { #expect(abs(a - b) <= 2e-4) }  // of 255
}

/// The first numbers for seed 1234567, as published with the algorithm's reference code.
@Test func randomIsSplitMix64() {
  var random = SeededRandom(seed: 1_234_567)
  let expected: [UInt64] = [
    6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
    16408922859458223821,
  ]
  #expect((0..<5).map { _ in random.next() } == expected)
  // Mean 0 and variance 1 within 5 standard errors of 40,000 draws.
  let draws = (0..<40_000).map { _ in Double(random.normal()) }
  let mean = draws.reduce(0, +) / 40_000
  #expect(abs(mean) < 0.025 && abs(draws.map { $0 * $0 }.reduce(0, +) / 40_000 - 1) < 0.036)
  let rolls = (0..<6_000).map { _ in random.integer(below: 6) }
  for face in 0..<6 { #expect(abs(rolls.count { $0 == face } - 1_000) < 150) }
  #expect(random.permutation(50).sorted() == Array(0..<50))
}

@Test func transformsKeepWhatTheyShould() throws {
  let x = (1...12).map { Float($0) }
  // A shift of up to 1 moves the picture whole: each result is one of 9, and all 9 come up.
  var seen = Set<[Float]>()
  for seed in 0..<200 {
    seen.insert(try apply(RandomShift(pixels: 1), x, [1, 3, 4], seed: UInt64(seed)))
  }
  #expect(seen.count == 9 && seen.contains(x))
  #expect(seen.contains([0, 0, 0, 0, 0, 1, 2, 3, 0, 5, 6, 7]))

  seen = []
  for seed in 0..<50 { seen.insert(try apply(RandomFlip(), x, [3, 4], seed: UInt64(seed))) }
  #expect(seen == [x, [4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9]])

  seen = []
  let random = RandomCrop(height: 2, width: 4, padding: 1)
  for seed in 0..<200 { seen.insert(try apply(random, x, [3, 4], seed: UInt64(seed))) }
  #expect(seen.count == 12 && seen.contains([0, 0, 0, 0, 0, 1, 2, 3]))
  #expect(try apply(random.whenTested!, x, [3, 4]) == [1, 2, 3, 4, 5, 6, 7, 8])
  #expect(try apply(CenterCrop(height: 1, width: 2), x, [3, 4]) == [6, 7])

  #expect(try apply(RandomAffine(), x, [3, 4]) == x)
  let quarter = RandomAffine(rotation: 90)  // uniform in ±90°: the middle of a 3 × 3 stays
  let turned = try apply(quarter, Array(x[..<9]), [3, 3])
  #expect(abs(turned[4] - 5) < 1e-5)

  let noisy = try apply(RandomNoise(deviation: 0.5), x, [12])
  #expect(noisy != x && zip(noisy, x).allSatisfy { abs($0 - $1) < 2.5 })

  let scaled = try apply(Normalize.scale(factor: 0.5, offset: 1), x, [12])
  #expect(zip(scaled, x).allSatisfy { abs($0 - (0.5 * $1 + 1)) < 1e-6 })
  #expect(try apply(Normalize(mean: [1, 2], deviation: [1, 2]), [1, 2, 4, 6], [2, 2]) == [0, 1, 1, 2])
  #expect(throws: DataError.self) { try Reshape([5]).outputShape([2, 3]) }
  #expect(throws: DataError.self) { try Normalize(mean: [1, 2], deviation: [1, 1]).outputShape([3]) }
}

private func numbered(_ count: Int) -> Samples {
  Samples(
    storage: .floats((0..<2 * count).map { Float($0) }), shape: [2],
    targets: .classes((0..<count).map { Int32($0 % 3) }, names: ["a", "b", "c"]), count: count)
}

@Test func normalizationIsMeasuredOnTheTrainingPart() throws {
  let measured = try Normalize.measured(on: numbered(10), indices: [0, 1, 2, 3], after: [])
  // x0 = 0, 2, 4, 6: mean 3, variance 5.
  #expect(measured.mean == [3, 4] && measured.deviation.allSatisfy { abs($0 - 5.0.squareRoot().f) < 1e-6 })
}

extension Double {
  fileprivate var f: Float { Float(self) }
}

@Test func splitsAreDisjointAndStable() throws {
  let split = try Split(count: 101, validation: 0.1, test: 0.2, seed: 7)
  #expect(split.test.count == 20 && split.validation.count == 10 && split.training.count == 71)
  #expect((split.test + split.validation + split.training).sorted() == Array(0..<101))
  #expect(try split == Split(count: 101, validation: 0.1, test: 0.2, seed: 7))
  #expect(try split.test == Split(count: 101, validation: 0.3, test: 0.2, seed: 7).test)
  #expect(try split.test != Split(count: 101, validation: 0.1, test: 0.2, seed: 8).test)
  #expect(throws: DataError.self) { try Split(count: 2, validation: 0.4, test: 0.4, seed: 0) }
}

@Test func batchesCoverAnEpochInANewOrder() throws {
  let source = try SampleBatches(
    numbered(10), indices: Array(1..<10), transforms: [], batchSize: 4, seed: 3, training: true)
  #expect(source.batchCount == 3 && source.sampleCount == 9 && source.target == .classes(count: 3))
  var orders: [[Float]] = []
  var batch = Batch()
  for epoch in 0..<2 {
    var order: [Float] = []
    for index in 0..<3 {
      source.fill(&batch, epoch: epoch, index: index)
      #expect(batch.count == (index < 2 ? 4 : 1) && batch.inputs.count == 2 * batch.count)
      for i in 0..<batch.count {
        #expect(batch.inputs[2 * i + 1] == batch.inputs[2 * i] + 1)
        #expect(batch.classes[i] == Int32(batch.inputs[2 * i] / 2) % 3)
        order.append(batch.inputs[2 * i])
      }
    }
    #expect(order.sorted() == (1..<10).map { Float(2 * $0) })
    orders.append(order)
  }
  #expect(orders[0] != orders[1])
  // Out of turn, and from another source of the same seed: the same bits.
  let again = try SampleBatches(
    numbered(10), indices: Array(1..<10), transforms: [], batchSize: 4, seed: 3, training: true)
  again.fill(&batch, epoch: 1, index: 2)
  #expect(batch.inputs[0] == orders[1][8])
}

@Test func augmentationIsForTrainingAlone() throws {
  func inputs(training: Bool, epoch: Int) throws -> [Float] {
    let source = try SampleBatches(
      numbered(3), indices: [0, 1, 2], transforms: [RandomNoise(deviation: 1)], batchSize: 3,
      seed: 3, training: training)
    var batch = Batch()
    source.fill(&batch, epoch: epoch, index: 0)
    return batch.inputs
  }
  #expect(try inputs(training: false, epoch: 1) == [0, 1, 2, 3, 4, 5])
  #expect(try inputs(training: true, epoch: 1) == inputs(training: true, epoch: 1))
  #expect(try inputs(training: true, epoch: 1) != inputs(training: true, epoch: 2))
}

@Test func tokenWindowsFollowEachOther() throws {
  let source = try TokenBatches(
    (0..<30).map { Int32($0) }[...], vocabulary: .bytes, batchSize: 2, length: 4, name: "t")
  // 29 pairs: 14 to a stream, 3 whole windows of 4.
  #expect(source.batchCount == 3 && source.sampleCount == 24)
  var batch = Batch()
  source.fill(&batch, epoch: 0, index: 0)
  #expect(batch.tokens == [0, 14, 1, 15, 2, 16, 3, 17] && !batch.continues)
  #expect(batch.classes == batch.tokens.map { $0 + 1 })
  source.fill(&batch, epoch: 0, index: 1)
  #expect(batch.tokens == [4, 18, 5, 19, 6, 20, 7, 21] && batch.continues)
  #expect(
    message {
      _ = try TokenBatches([1, 2, 3], vocabulary: .bytes, batchSize: 2, length: 4, name: "t.txt")
    } == "t.txt: 3 characters are too few for a batch of 2 streams of 4; at least 9 are needed")
}
