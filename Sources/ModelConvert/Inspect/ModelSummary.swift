/// What `inspect` says of a model: printed as a table, as JSON and as a page.
struct ModelSummary: Encodable {
  var file: String
  var formatVersion: String
  var size: SizeSummary
  var sections: [SectionSummary]
  var metadata: [String: String]
  var functions: [FunctionSummary]
  /// The function that the layers, the totals and the arena are of.
  var function: String
  var isa: String
  var layers: [LayerSummary]
  var totals: Totals
  /// Missing where the function cannot be planned with the shapes that are known.
  var arena: ArenaSummary?
  /// Why not.
  var planError: String?

  struct SizeSummary: Encodable {
    var fileBytes: Int
    /// Weights, initial states, scales and zero points.
    var rawWeightBytes: Int
    /// All the rest.
    var overheadBytes: Int
    var overheadPercent: Double?
  }

  struct SectionSummary: Encodable {
    var name: String
    var offset: Int
    var bytes: Int
  }

  struct TensorSummary: Encodable {
    var name: String
    var dtype: String
    /// As declared: a free dimension is its name or "?".
    var declaredShape: [String]?
    /// In the plan.
    var shape: [Int]?
    /// Of integers that stand for real numbers.
    var scale: Float?
    var zeroPoint: Int?

    /// "scale 0.003922, zero point 0"; empty where it has none.
    var scaleText: String {
      scale.map { scaleAndZero($0, zeroPoint ?? 0) } ?? ""
    }
  }

  struct StateSummary: Encodable {
    var name: String
    var dtype: String
    var shape: [Int]
    var initialValue: String
    var next: String
  }

  struct FunctionSummary: Encodable {
    var name: String
    var nodes: Int
    var inputs: [TensorSummary]
    var outputs: [TensorSummary]
    var states: [StateSummary]
  }

  struct LayerSummary: Encodable {
    var index: Int
    var name: String
    var `operator`: String
    /// Activations and states that it reads.
    var inputs: [String]
    var outputs: [TensorSummary]
    /// Elements of its weights; of those that layers share, the first layer has them all.
    var parameters: Int
    var weightBytes: Int
    /// Multiply-accumulates of a run; missing where the operator counts none.
    var macs: Int?
    /// Bytes of the outputs.
    var activationBytes: Int?

    /// Whether the file has a name for it beyond that of its output.
    var isNamed: Bool { name != outputs.first?.name && !name.hasPrefix("node ") }
  }

  struct Totals: Encodable {
    var parameters: Int
    var weightBytes: Int
    var macs: Int
    var activationBytes: Int
  }

  struct ArenaSummary: Encodable {
    var bytes: Int
    /// The most bytes of tensors and states alive at one step.
    var lowerBoundBytes: Int
    var ratio: Double?
    var stateBytes: Int
    /// The most bytes of scratch memory at one step.
    var scratchBytes: Int
    /// Weights in the kernels' own order: made when the first session is, beside the arena.
    var packedWeightBytes: Int
    /// What runs, in order: the layer's index, or −1 for the copies of outputs and states.
    var stepLayers: [Int]
    var buffers: [BufferSummary]
  }

  struct BufferSummary: Encodable {
    var name: String
    /// "input", "output", "state", "tensor" or "scratch".
    var kind: String
    /// All that lie in it at one time or another, views among them.
    var tensors: [String]
    var offset: Int
    var bytes: Int
    var firstStep: Int
    var lastStep: Int
  }
}
