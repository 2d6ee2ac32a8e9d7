import ArgumentParser
import Foundation
import ModelFormat
import NumPyFile
import Operators
import Runtime

struct Compile: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put a model's weights into the kernels' order, so that opening it packs nothing.",
    discussion: """
      The file opens everywhere as before; where the processor's kernels are those of a target, a \
      session uses the packed weights where they lie in the file. They are for the shapes given \
      here: a session with other shapes packs what differs. Weights are then in the file twice. \
      --no-winograd packs for sessions that have that option too.

      Targets are the levels of the x86-64 psABI: x86-64, x86-64-v3, x86-64-v4; native is this \
      processor's. Packing for a target needs a processor that has it.

      EXAMPLE
        model-convert compile net.apus --target x86-64-v4 -o net.v4.apus
      """)

  @Argument(help: "The model file.", completion: .file(extensions: ["apus"]))
  var model: String

  @Option(help: "What to pack for: x86-64, x86-64-v3, x86-64-v4 or native; once for each target.")
  var target: [String] = []

  @Option(
    name: .shortAndLong, help: "The model to write.", completion: .file(extensions: ["apus"]))
  var output: String

  @OptionGroup var shapes: ShapeOptions
  @OptionGroup var winograd: WinogradOptions

  func validate() throws {
    guard !target.isEmpty else { throw ValidationError("--target is missing: x86-64-v4, for one") }
    _ = try instructionSets()
  }

  func run() throws {
    let opened = try OpenedModel(path: model, isa: "baseline")
    // What the file has packed already is not looked at.
    let plain = ModelFileWriter().replace(Packings.sections, of: opened.file)
    var packings = Packings()
    for set in try instructionSets() {
      guard set.rawValue <= InstructionSet.best.rawValue else {
        throw Failure("\(model): packing for \(set.name) needs a processor that has it")
      }
      try pack(plain, set, into: &packings)
    }
    let bytes = packings.add(to: opened.file)
    try writeBytes(bytes, toFile: output)
    print(
      "\(output): \(packings.count) packings, \(bytesText(packings.byteCount)), \(bytesText(bytes.count)) in all")
  }

  /// The kernel modules of the targets, each once.
  private func instructionSets() throws -> [InstructionSet] {
    var sets: Set<InstructionSet> = []
    for name in target {
      switch name {
      case "x86-64", "x86-64-v2": sets.insert(.baseline)
      case "x86-64-v3": sets.insert(.avx2)
      // AVX-512-VNNI is in no level; its float32 packings are AVX-512's.
      case "x86-64-v4": sets.formUnion([.avx512, .avx512vnni])
      case "native": sets.insert(.best)
      default:
        throw ValidationError(
          "--target: '\(name)' is none; there are x86-64, x86-64-v3, x86-64-v4 and native")
      }
    }
    return sets.sorted { $0.rawValue < $1.rawValue }
  }

  /// Plans and packs every function for one kernel module.
  private func pack(
    _ plain: [UInt8], _ set: InstructionSet, into packings: inout Packings
  ) throws {
    try plain.withUnsafeBytes { bytes in
      let packed = try naming(model) { () throws(ApusError) in
        try Model(
          bytes: bytes.baseAddress!, size: bytes.count, instructionSet: set, verifyWeights: false)
      }
      defer { packed.close() }
      let opened = OpenedModel(path: model, model: packed)
      let options = PlanOptions(usesWinograd: winograd.usesWinograd)
      for f in opened.functionNames.indices {
        let named = Set(opened.inputTensors(f).map { opened.name(tensor: $0) })
        let own = shapes.shapes.filter { $0.name.map(named.contains) ?? true }
        try opened.session(opened.plan(f, shapes: own, options: options)).close()
      }
      packed.forEachPacking { packings.add(node: $0, tag: $1, $2, set) }
    }
  }
}

/// Packings of several kernel modules; what two of them pack alike stands once.
private struct Packings {
  private struct Packing {
    let node: Int
    let tag: Int
    let bytes: [UInt8]
    var instructionSets: UInt8
  }

  private var list: [Packing] = []

  var count: Int { list.count }
  var byteCount: Int { list.reduce(0) { $0 + $1.bytes.count } }

  mutating func add(node: Int, tag: Int, _ bytes: UnsafeRawBufferPointer, _ set: InstructionSet) {
    let bit: UInt8 = 1 << UInt8(set.rawValue)
    for i in list.indices where list[i].node == node && list[i].tag == tag {
      if list[i].bytes.elementsEqual(bytes) {
        list[i].instructionSets |= bit
        return
      }
    }
    list.append(Packing(node: node, tag: tag, bytes: [UInt8](bytes), instructionSets: bit))
  }

  /// What a file keeps them in.
  static let sections: [SectionID] = [.packings, .packedWeights]

  /// The file with its packed sections replaced by these.
  mutating func add(to file: ModelFile) -> [UInt8] {
    list.sort {
      ($0.node, $0.tag, $0.instructionSets) < ($1.node, $1.tag, $1.instructionSets)
    }
    let writer = ModelFileWriter()
    for packing in list {
      var r = PackingRecord()
      r.node = UInt32(packing.node)
      r.tag = UInt32(packing.tag)
      r.instructionSets = packing.instructionSets
      r.revision = UInt16(PackedWeights.revision)
      r.offset = writer.append(packedWeights: packing.bytes)
      r.byteCount = UInt64(packing.bytes.count)
      writer.append(r)
    }
    return writer.replace(Packings.sections, of: file)
  }
}
