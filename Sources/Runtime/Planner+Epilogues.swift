import ModelFormat
import Operators

/// Who reads the tensors of a file.
struct Readers {
  /// By tensor: how often nodes read it, or functions and states put it out.
  private var count: [Int]
  /// By tensor: the last node that reads it.
  private var last: [Int]

  init(_ file: ModelFile) {
    count = [Int](repeating: 0, count: file.count(.tensors))
    last = [Int](repeating: -1, count: file.count(.tensors))
    for n in 0..<file.count(.nodes) {
      let node = file.node(n)
      for i in 0..<Int(node.inputCount) {
        let t = file.index(Int(node.inputs) + i)
        if t == Format.none { continue }
        count[Int(t)] += 1
        last[Int(t)] = n
      }
    }
    for f in 0..<file.count(.functions) {
      let function = file.function(f)
      for i in 0..<Int(function.outputCount) {
        count[Int(file.index(Int(function.outputs) + i))] += 1
      }
    }
    for i in 0..<file.count(.states) { count[Int(file.state(i).next)] += 1 }
  }

  /// The node that reads the tensor, once, where nobody else does.
  func onlyReader(of t: Int) -> Int? { count[t] == 1 && last[t] >= 0 ? last[t] : nil }
}

/// Nodes behind a layer that its steps may compute as they store.
struct NodesBehind {
  let epilogue: Epilogue
  /// The tensor that the last of the nodes puts out.
  let output: Int
  let nodes: [Int]
}

extension Planner {
  /// The nodes whose work a node may do, each the only reader of what comes before it: behind a
  /// convolution an Add, where what is added lies in channel blocks by now; behind that, or behind a
  /// batch normalisation, a Relu or Clip; and so behind a convolution of integers.
  func nodesBehind(_ node: NodeContext) -> NodesBehind? {
    guard plan.options.joinsNodes, node.outputCount > 0, !node.hasAttribute("activation_minimum"),
      !node.hasAttribute("activation_maximum")
    else { return nil }
    let t = Int(file.index(Int(node.record.outputs)))
    if node.record.opcode == batchNormalizationOperator.opcode
      || node.record.opcode == qLinearConvOperator.opcode
    {
      return clipBehind(t, addend: nil, nodes: [])
    }
    guard node.record.opcode == convOperator.opcode, let n = readers.onlyReader(of: t),
      file.node(n).opcode == addOperator.opcode
    else { return nil }
    let add = file.node(n)
    let operands = slotList(add.inputs, 2)
    let other = operands[0] == t ? operands[1] : operands[0]
    guard other >= 0, let addend = blocked[other], let info = plan.tensors[other],
      info.shape == node.outputs[0].shape
    else { return nil }
    let sum = Int(file.index(Int(add.outputs)))
    if let both = clipBehind(sum, addend: Slot(addend.slot), nodes: [n]) { return both }
    return NodesBehind(
      epilogue: Epilogue(
        addend: Slot(addend.slot), minimum: -Float.infinity, maximum: Float.infinity),
      output: sum, nodes: [n])
  }

  /// With the node that clips the tensor `t`, and alone reads it.
  private func clipBehind(_ t: Int, addend: Slot?, nodes: [Int]) -> NodesBehind? {
    guard let n = readers.onlyReader(of: t), let (low, high) = limits(n) else { return nil }
    return NodesBehind(
      epilogue: Epilogue(addend: addend, minimum: low, maximum: high),
      output: Int(file.index(Int(file.node(n).outputs))), nodes: nodes + [n])
  }

  /// Between which limits the node clips its input; nil where it does anything else.
  private func limits(_ n: Int) -> (Float, Float)? {
    let node = file.node(n)
    if node.opcode == reluOperator.opcode { return (0, Float.infinity) }
    guard node.opcode == clipOperator.opcode else { return nil }
    var limits = (-Float.infinity, Float.infinity)
    for (i, t) in slotList(node.inputs, Int(node.inputCount)).enumerated() where i > 0 && t >= 0 {
      guard let constant = plan.tensors[t]?.constant else { return nil }
      let type = plan.tensors[t]!.dataType
      let value =
        type.size == 1
        ? Float(constant.integer(0, type)) : constant.assumingMemoryBound(to: Float.self)[0]
      if i == 1 { limits.0 = value } else { limits.1 = value }
    }
    return limits
  }
}
