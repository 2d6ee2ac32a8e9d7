import ModelFormat

/// What the registry knows of an operator. Each stands in a file of its own (families share one)
/// together with its shape rule and its steps, and has one line in Registry.swift.
///
/// Names, attributes, inputs and outputs are those of the ONNX operator of the same name in its
/// newest opset, unless the operator's own comment says otherwise.
public struct Operator {
  /// The number in the file. Pinned: never reused, never changed.
  public let opcode: UInt16
  /// As in ONNX: "Conv".
  public let name: StaticString
  /// An attribute's key in the file is its position here, so this list only ever grows.
  public let attributes: [AttributeSpec]
  /// How many inputs a node may have, those left out in the middle included.
  public var inputs: ClosedRange<Int> { Int(fewestInputs)...Int(mostInputs) }
  public var outputs: ClosedRange<Int> { Int(fewestOutputs)...Int(mostOutputs) }
  /// Inputs below this number may not be left out.
  public var requiredInputs: Int { Int(required) }
  // Small, as every operator is copied into the list of all.
  private let fewestInputs: UInt16
  private let mostInputs: UInt16
  private let fewestOutputs: UInt16
  private let mostOutputs: UInt16
  private let required: UInt16
  /// Checks the node's attributes and its inputs' types and shapes, and sets `context.outputs`.
  /// Whatever `plan` and the steps rely on is checked here.
  public let infer: (NodeContext) throws(ApusError) -> Void
  /// Chooses kernels and scratch memory, and emits the steps that compute the outputs.
  public let plan: (PlanContext) throws(ApusError) -> Void
  /// Multiply-accumulates of one run, for `inspect`, `bench` and the split over threads; nil where
  /// the operator has none to speak of.
  public let multiplyAccumulates: ((NodeContext) -> Int)?
  /// The outputs' values follow from the inputs' types and shapes alone, as Shape's do: they are
  /// known as soon as those are.
  public let dependsOnShapesOnly: Bool
  /// Set where the node runs functions of the file: the planner infers and plans it.
  public var control: ControlFlow? { ControlFlow(rawValue: controlNumber) }
  /// 0: none. A nil that is not all zeros would take an instruction of its own in the list.
  private let controlNumber: UInt8
  #if !hasFeature(Embedded)
    /// One line for docs/operators.md: what differs from ONNX, what is restricted.
    public let notes: StaticString
    /// Where its scales stand; nil where it has no tensors of integers with a scale. The tools ask.
    public let scales: ScalePlaces?
  #endif

  public init(
    opcode: UInt16, name: StaticString, attributes: [AttributeSpec] = [],
    inputs: ClosedRange<Int>, outputs: ClosedRange<Int> = 1...1, requiredInputs: Int? = nil,
    dependsOnShapesOnly: Bool = false, notes: StaticString = "",
    control: ControlFlow? = nil, scales: ScalePlaces? = nil,
    infer: @escaping (NodeContext) throws(ApusError) -> Void,
    plan: @escaping (PlanContext) throws(ApusError) -> Void,
    multiplyAccumulates: ((NodeContext) -> Int)? = nil
  ) {
    self.opcode = opcode
    self.name = name
    self.attributes = attributes
    fewestInputs = UInt16(inputs.lowerBound)
    mostInputs = UInt16(inputs.upperBound)
    fewestOutputs = UInt16(outputs.lowerBound)
    mostOutputs = UInt16(outputs.upperBound)
    required = UInt16(requiredInputs ?? inputs.lowerBound)
    self.dependsOnShapesOnly = dependsOnShapesOnly
    #if !hasFeature(Embedded)
      self.notes = notes
      self.scales = scales
    #endif
    controlNumber = control?.rawValue ?? 0
    self.infer = infer
    self.plan = plan
    self.multiplyAccumulates = multiplyAccumulates
  }
}

/// Where an operator on quantised tensors has scales among its inputs. A zero point stands behind
/// each.
public struct ScalePlaces {
  private let first: Int
  private let end: Int
  /// The scale of the result; nil where that has none.
  public let result: Int?

  /// - Parameter tensors: Every third of these inputs, from the first on, is a tensor of integers, and
  ///   its scale is the input behind it.
  public init(tensors: Range<Int>, result: Int? = nil) {
    first = tensors.lowerBound
    end = tensors.upperBound
    self.result = result
  }

  /// Those tensors, of a node with so many inputs.
  public func tensors(of inputs: Int) -> StrideTo<Int> {
    stride(from: first, to: min(end, inputs), by: 3)
  }
}

/// An attribute that an operator takes.
public struct AttributeSpec {
  public let name: StaticString
  public let type: AttributeType

  public init(_ name: StaticString, _ type: AttributeType) {
    self.name = name
    self.type = type
  }
}
