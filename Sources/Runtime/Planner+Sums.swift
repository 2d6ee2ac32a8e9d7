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

/// The sum behind a layer that its steps may compute as they store.
struct SumBehind {
  let sum: FollowingSum
  /// The tensor that the last of the nodes puts out.
  let output: Int
  /// Add, and what clips its result, if anything does.
  let nodes: [Int]
}

extension Planner {
  /// The Add that alone reads what a convolution puts out, together with the Relu or Clip that alone
  /// reads the sum, where what is added lies in channel blocks by now.
  func sumBehind(_ node: NodeContext) -> SumBehind? {
    guard plan.options.joinsNodes, node.record.opcode == convOperator.opcode,
      !node.hasAttribute("activation_minimum"), !node.hasAttribute("activation_maximum")
    else { return nil }
    let t = Int(file.index(Int(node.record.outputs)))
    guard let n = readers.onlyReader(of: t), file.node(n).opcode == addOperator.opcode else {
      return nil
    }
    let add = file.node(n)
    let operands = slotList(add.inputs, 2)
    let other = operands[0] == t ? operands[1] : operands[0]
    guard other >= 0, let addend = blocked[other], let info = plan.tensors[other],
      info.shape == node.outputs[0].shape
    else { return nil }
    let sum = Int(file.index(Int(add.outputs)))
    if let m = readers.onlyReader(of: sum), let (low, high) = limits(m) {
      return SumBehind(
        sum: FollowingSum(addend: Slot(addend.slot), minimum: low, maximum: high),
        output: Int(file.index(Int(file.node(m).outputs))), nodes: [n, m])
    }
    return SumBehind(
      sum: FollowingSum(addend: Slot(addend.slot), minimum: -Float.infinity, maximum: Float.infinity),
      output: sum, nodes: [n])
  }

  /// Between which limits the node clips its input; nil where it does anything else.
  private func limits(_ n: Int) -> (Float, Float)? {
    let node = file.node(n)
    if node.opcode == reluOperator.opcode { return (0, Float.infinity) }
    guard node.opcode == clipOperator.opcode else { return nil }
    var limits = (-Float.infinity, Float.infinity)
    for (i, t) in slotList(node.inputs, Int(node.inputCount)).enumerated() where i > 0 && t >= 0 {
      guard let constant = plan.tensors[t]?.constant else { return nil }
      let value = constant.assumingMemoryBound(to: Float.self)[0]
      if i == 1 { limits.0 = value } else { limits.1 = value }
    }
    return limits
  }
}
