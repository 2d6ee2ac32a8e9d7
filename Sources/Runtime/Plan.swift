import CKernels
import CRegion
import CSystem
import ModelFormat
import Operators

/// The shape that a caller wants an input to have.
public struct InputShape {
  public let name: Name
  public let shape: Shape

  public init(_ name: Name, _ shape: Shape) {
    self.name = name
    self.shape = shape
  }
}

/// How a function shall compute.
public struct PlanOptions {
  public var precision: Precision
  /// Whether convolutions may be computed by Winograd's transforms.
  public var usesWinograd: Bool
  /// Whether nodes may be computed together, as a convolution and the sum behind it: what stands
  /// between is then not to be had.
  public var joinsNodes: Bool

  public init(
    precision: Precision = .float32, usesWinograd: Bool = true, joinsNodes: Bool = true
  ) {
    self.precision = precision
    self.usesWinograd = usesWinograd
    self.joinsNodes = joinsNodes
  }
}

/// A function prepared for given input shapes and threads: what to do, in which order, and where
/// everything lies in the arena. Made without the arena itself, so that its size can be asked for.
public final class Plan {
  public let model: Model
  public let functionIndex: Int
  public let function: FunctionRecord
  public let threads: Int
  let options: PlanOptions
  /// The kernels of products with constant matrices.
  let matrixKernels: UnsafePointer<apus_kernels>

  /// By the tensor's index in the file; nil for tensors of other functions.
  public internal(set) var tensors: [TensorInfo?]
  /// The nodes of the function, in order, as their operators see them.
  public internal(set) var nodes: [NodeContext] = []
  /// The nodes of the bodies that its nodes run.
  public internal(set) var bodyNodes: [NodeContext] = []
  /// What a run does, in order.
  public internal(set) var steps: [Step] = []
  /// The node of the function (index in the file) that each step belongs to, a body's steps to the
  /// node that runs it; −1 for the copies at the end.
  public internal(set) var stepNodes: [Int] = []
  /// Memory in the arena, placed.
  public internal(set) var buffers: [Buffer] = []
  /// Where each slot lies.
  public internal(set) var slots: [SlotPlace] = []
  public internal(set) var packed: [PackedWeights] = []
  /// Tensors that lie in channel blocks, in a slot of their own.
  public internal(set) var blocked: [Blocked] = []
  /// Exact size of the arena.
  public internal(set) var arenaSize = 0
  /// The most bytes of tensors and states alive at one moment: no layout can need less.
  public internal(set) var lowerBound = 0
  /// Of the arena: bytes of the states.
  public internal(set) var stateBytes = 0

  public internal(set) var inputTensors: [Int] = []
  public internal(set) var outputTensors: [Int] = []
  /// The slot that holds each output after a run.
  public internal(set) var outputSlots: [Int] = []
  /// The tensors of the states that the function reads or updates.
  public internal(set) var stateTensors: [Int] = []

  /// By tensor: the shape in the latest run of those whose planned shape is a bound. Made when the
  /// first of them is planned.
  var currentShapes: [Shape] = []
  /// What the latest run failed of.
  let failure = RunFailure()
  /// Whether a run can fail: some shapes are known only then.
  public internal(set) var canFail = false
  /// Values that the planner computed.
  private var computed: [UnsafeMutableRawPointer] = []

  public struct Blocked {
    public let tensor: Int
    public let slot: Int
    public let blocks: ChannelBlocks
    /// Made from the plain tensor; otherwise it is what the node computed.
    public let isCopy: Bool
  }

  /// Where a slot's memory comes from.
  public enum SlotPlace {
    case none
    /// Byte offset in a buffer of the arena.
    case buffer(Int, offset: Int)
    case constant(UnsafeRawPointer)
    /// Index into `packed`.
    case packed(Int)
  }

  public init(
    _ model: Model, function index: Int, inputShapes: [InputShape] = [], threads: Int = 1,
    options: PlanOptions = PlanOptions()
  ) throws(ApusError) {
    self.model = model
    matrixKernels = try model.matrixKernels(options.precision)
    self.threads = threads
    self.options = options
    functionIndex = index
    function = model.file.function(index)
    tensors = [TensorInfo?](repeating: nil, count: model.file.count(.tensors))
    try bindInputs(inputShapes)
    bindConstantsAndStates()
    var planner = Planner(self)
    try planner.planNodes(of: functionIndex)
    try planner.finish()
    Step.shareLess(steps)
  }

  deinit {
    for memory in computed { apus_sys_release(memory) }
  }

  /// The tensor's shape: as planned or, where that is a bound, as it was in the latest run.
  public func shape(tensor t: Int) -> Shape {
    let info = tensors[t]!
    return info.isBound ? currentShapes[t] : info.shape
  }

  /// Notes that the tensor's planned shape is a bound.
  func trackShape(tensor t: Int) {
    if currentShapes.isEmpty {
      currentShapes = [Shape](repeating: Shape(), count: tensors.count)
    }
    currentShapes[t] = tensors[t]!.shape
  }

  /// Memory for a value that the planner computes; as long-lived as the plan.
  func allocateValue(_ byteCount: Int) throws(ApusError) -> UnsafeMutableRawPointer {
    guard let memory = apus_sys_allocate(max(byteCount, 1), Format.alignment) else {
      throw ApusError(.outOfMemory, "no memory for \(byteCount) bytes of a computed constant")
    }
    memset(memory, 0, byteCount)
    computed.append(memory)
    return memory
  }

  // MARK: Inputs

  /// Gives every input its shape: the caller's where there is one, else the declared shape with
  /// free dimensions set to 1.
  private func bindInputs(_ wanted: [InputShape]) throws(ApusError) {
    let file = model.file
    var symbols = [Int](repeating: 0, count: file.count(.symbols))
    for i in 0..<Int(function.inputCount) {
      inputTensors.append(Int(file.index(Int(function.inputs) + i)))
    }
    for shape in wanted {
      var known = false
      for t in inputTensors where file.tensorName(file.tensor(t)) == shape.name { known = true }
      guard known else {
        throw ApusError(
          .unknownName, "input shapes: the function has no input called \(shape.name)")
      }
    }
    for t in inputTensors {
      let record = file.tensor(t)
      let name = file.tensorName(record)
      for shape in wanted where shape.name == name {
        try bind(shape.shape, file.declaredShape(record), name, &symbols)
        tensors[t] = TensorInfo(Model.logicalType(record), shape.shape)
      }
    }
    for t in inputTensors where tensors[t] == nil {
      let record = file.tensor(t)
      var shape = file.declaredShape(record)
      for axis in 0..<shape.rank where shape[axis] < 0 {
        let symbol = -2 - shape[axis]
        shape[axis] = symbol >= 0 && symbols[symbol] > 0 ? symbols[symbol] : 1
      }
      guard shape.checkedCount != nil else {
        throw ApusError(
          .invalidShape, "input \(file.tensorName(record)): \(shape) is too much to hold")
      }
      tensors[t] = TensorInfo(Model.logicalType(record), shape)
    }
  }

  private func bind(
    _ shape: Shape, _ declared: Shape, _ name: Name, _ symbols: inout [Int]
  ) throws(ApusError) {
    guard shape.rank == declared.rank else {
      throw ApusError(
        .invalidShape, "input \(name): \(shape) is of rank \(shape.rank); the model wants \(text(declared))"
      )
    }
    for axis in 0..<shape.rank {
      let d = declared[axis]
      guard shape[axis] >= 1, d < 0 || shape[axis] == d else {
        throw ApusError(
          .invalidShape,
          "input \(name): dimension \(axis) of \(shape) does not fit; the model wants \(text(declared))"
        )
      }
      let symbol = -2 - d
      if symbol >= 0 {
        guard symbols[symbol] == 0 || symbols[symbol] == shape[axis] else {
          throw ApusError(
            .invalidShape,
            "input \(name): dimension \(axis) is \(shape[axis]), but \(model.file.symbol(symbol)) is \(symbols[symbol]) in another input"
          )
        }
        symbols[symbol] = shape[axis]
      }
    }
    guard shape.checkedCount != nil else {
      throw ApusError(.invalidShape, "input \(name): \(shape) is too much to hold")
    }
  }

  /// As `[batch, 3, ?]`: a free dimension is its name, or `?` where it has none.
  private func text(_ declared: Shape) -> Message {
    var text = Message.StringInterpolation(literalCapacity: 0, interpolationCount: 0)
    text.appendLiteral("[")
    for axis in 0..<declared.rank {
      if axis > 0 { text.appendLiteral(", ") }
      let d = declared[axis]
      if d >= 0 {
        text.appendInterpolation(d)
      } else if d == -1 {
        text.appendLiteral("?")
      } else {
        text.appendInterpolation(model.file.symbol(-2 - d))
      }
    }
    text.appendLiteral("]")
    return Message(stringInterpolation: text)
  }

  private func bindConstantsAndStates() {
    let file = model.file
    for t in 0..<file.count(.tensors) {
      let record = file.tensor(t)
      if record.kind == TensorKind.activation.rawValue { continue }
      tensors[t] = TensorInfo(
        Model.logicalType(record), file.declaredShape(record), constant: model.constants[t])
    }
  }
}
