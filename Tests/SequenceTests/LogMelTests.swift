import Foundation
import Graph
import NumPyFile
import Testing
import Training

private func fixture() throws -> NumPyArchive {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
  return try NumPyArchive(contentsOf: "\(folder)/Fixtures/log-mel.npz")
}

private func large() -> LogMel {
  var mel = LogMel()
  (mel.rate, mel.frame, mel.hop, mel.transform) = (16_000, 400, 160, 512)
  (mel.bands, mel.lowest, mel.highest) = (64, 20, 7_600)
  return mel
}

@Test func melTrianglesAreLibrosas() throws {
  let wanted = try fixture()["triangles"]!
  let found = LogMel().triangles
  #expect(wanted.shape == [40, 129] && found.count == wanted.count)
  for (a, b) in zip(found, wanted.floats()) { #expect(abs(a - b) < 1e-7) }
}

/// The layers against librosa's features of the same sounds.
@Test(arguments: [("small", LogMel()), ("large", large())])
func logMelIsLibrosas(_ name: String, _ mel: LogMel) throws {
  let archive = try fixture()
  let (sound, wanted) = (archive["sound"]!, archive[name]!)
  let b = GraphBuilder()
  let x = b.input("sound", .float32, [.fixed(2), .free("samples")])
  b.output(b.logMel(x, mel), "y")
  let network = try Network<Float>(b.build())
  let program = try network.program([sound.shape], isTraining: false)
  program.inputs[0].values = sound.floats()
  program.forward()
  let y = program.outputs[0]
  #expect(y.shape == wanted.shape)
  for (a, b) in zip(y.values, wanted.doubles()) { #expect(abs(Double(a) - b) < 2e-3) }
  // Loud bands are far more exact than silent ones, which stand near the floor.
  for (a, b) in zip(y.values, wanted.doubles()) where b > -8 { #expect(abs(Double(a) - b) < 1e-4) }
}

@Test func impossibleFeaturesAreSaid() {
  let b = GraphBuilder()
  let x = b.input("sound", .float32, [.fixed(1), .fixed(400)])
  var mel = LogMel()
  mel.highest = 5_000
  b.output(b.logMel(x, mel), "y")
  #expect(throws: GraphError.self) { _ = try b.build() }
}
