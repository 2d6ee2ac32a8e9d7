import ModelFormat

/// The k greatest elements along `axis`, or with `largest` 0 the smallest, in order, and their
/// positions as int64; of equals those that come first. Input 1 is k. NaN counts as the greatest.
/// ONNX TopK; with `sorted` 0 the order is the same.
let topKOperator = Operator(
  opcode: 193, name: "TopK",
  attributes: [
    AttributeSpec("axis", .int), AttributeSpec("largest", .int), AttributeSpec("sorted", .int),
  ],
  inputs: 2...2, outputs: 1...2,
  notes: "NaN counts as the greatest. The outputs are always sorted.",
  infer: { (context) throws(ApusError) in
    try context.requireNumbers(0)
    let x = context.input(0)
    let axis = try context.normalizedAxis(context.int("axis", default: -1), rank: x.shape.rank)
    if !context.knowsValues(1...1) {
      try context.setBoundedOutput(x.dataType, x.shape)
      if context.outputCount > 1 { try context.setBoundedOutput(.int64, x.shape) }
      return
    }
    let k = try context.constantInt(1, default: 0)
    try context.require(
      k >= 0 && k <= x.shape[axis], "k is \(k) for axis \(axis) of \(x.shape)")
    var shape = x.shape
    shape[axis] = k
    try context.setOutput(x.dataType, shape)
    if context.outputCount > 1 { try context.setOutput(.int64, shape) }
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let x = node.input(0)
    if node.outputs[0].shape.count == 0 { return }
    context.emit(TopKStep(context, x), work: x.shape.count * 8)
  })

/// Keeps the best k of each line in a heap with the worst of them on top, then takes it apart.
private final class TopKStep: Step {
  let x: Slot
  let values: Slot?
  let indices: Slot?
  /// k positions for each thread.
  let heaps: Slot
  let type: DataType
  let lines: AxisLines
  let targets: AxisLines
  let k: Int
  /// All bits set where the smallest are wanted: the complement turns the order around.
  let flip: Int

  init(_ context: PlanContext, _ info: TensorInfo) {
    let shape = context.node.outputs[0].shape
    let stated = context.node.int("axis", default: -1)
    let axis = stated < 0 ? stated + shape.rank : stated
    x = context.input(0)
    values = context.optionalOutput(0)
    indices = context.optionalOutput(1)
    type = info.dataType
    lines = AxisLines(info.shape, axis: axis)
    targets = AxisLines(shape, axis: axis)
    k = shape[axis]
    flip = context.node.int("largest", default: 1) != 0 ? 0 : -1
    heaps = context.scratch(byteCount: context.threads * k * 8)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let source = UnsafeRawPointer(memory[x])
    let heap = memory[heaps].assumingMemoryBound(to: Int.self) + share.index &* k
    for line in share.part(of: lines.count) {
      let start = lines.start(line)
      func isWorse(_ a: Int, _ b: Int) -> Bool {
        let p = orderedKey(source, start &+ a &* lines.stride, type) ^ flip
        let q = orderedKey(source, start &+ b &* lines.stride, type) ^ flip
        return p < q || (p == q && a > b)
      }
      func sink(_ root: Int, _ count: Int) {
        let moved = heap[root]
        var hole = root
        while true {
          var child = 2 &* hole &+ 1
          if child >= count { break }
          if child &+ 1 < count, isWorse(heap[child &+ 1], heap[child]) { child &+= 1 }
          if !isWorse(heap[child], moved) { break }
          heap[hole] = heap[child]
          hole = child
        }
        heap[hole] = moved
      }
      for i in 0..<k { heap[i] = i }
      var root = k / 2 &- 1
      while root >= 0 {
        sink(root, k)
        root &-= 1
      }
      var i = k
      while i < lines.length {
        if isWorse(heap[0], i) {
          heap[0] = i
          sink(0, k)
        }
        i &+= 1
      }
      // The worst goes to the end, again and again.
      var left = k
      while left > 1 {
        left &-= 1
        (heap[0], heap[left]) = (heap[left], heap[0])
        sink(0, left)
      }
      let target = targets.start(line)
      for rank in 0..<k {
        let to = target &+ rank &* targets.stride
        if let values {
          copyElement(
            memory[values] + to &* type.size,
            source + (start &+ heap[rank] &* lines.stride) &* type.size, type.size)
        }
        if let indices { storeInteger(heap[rank], memory[indices], to, .int64) }
      }
    }
  }
}
