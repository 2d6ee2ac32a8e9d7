import ModelFormat

/// For each image and class, boxes in falling order of their scores, without those that overlap one
/// chosen before by more than `iou_threshold` (intersection over union), those whose score is not
/// above `score_threshold`, and those after the first `max_output_boxes_per_class`.
///
/// Inputs: boxes [N, B, 4], scores [N, C, B], max_output_boxes_per_class (int64, 0 where left out),
/// iou_threshold, score_threshold. A box is y1, x1, y2, x2 (any two opposite corners), or with
/// center_point_box x, y, width, height. Output int64 [chosen, 3]: image, class, box; at most N · C ·
/// B rows. ONNX NonMaxSuppression, float32.
let nonMaxSuppressionOperator = Operator(
  opcode: 221, name: "NonMaxSuppression", attributes: [AttributeSpec("center_point_box", .int)],
  inputs: 2...5,
  notes: "The number of chosen boxes is known only in the run, at most all of them.",
  infer: { (context) throws(ApusError) in
    let search = try BoxSearch(context)
    if let values = BoxSearch.Values(context) {
      var order = [Int32](repeating: 0, count: max(1, search.boxes))
      var chosen = [SIMD4<Float>](repeating: SIMD4(repeating: 0), count: max(1, search.boxes))
      let rows = order.withUnsafeMutableBufferPointer { order in
        chosen.withUnsafeMutableBufferPointer { chosen in
          guard let order = order.baseAddress, let chosen = chosen.baseAddress else { return 0 }
          return search.run(values, order, chosen, nil, Int.max)
        }
      }
      return try context.setOutput(.int64, Shape(rows, 3))
    }
    var each = search.boxes
    if let limit = context.optionalInput(2) {
      if let value = limit.constant {
        each = max(0, min(each, Int(value.loadUnaligned(as: Int64.self))))
      }
    } else {
      each = 0
    }
    try context.setBoundedOutput(.int64, Shape(search.images * search.classes * each, 3))
  },
  plan: { (context) throws(ApusError) in
    let search = try BoxSearch(context.node)
    let rows = context.node.outputs[0].shape[0]
    if rows == 0 { return }
    context.emit(
      NonMaxSuppressionStep(
        search, context.input(0), context.input(1), context.optionalInput(2),
        context.optionalInput(3), context.optionalInput(4), context.output(0),
        order: context.scratch(byteCount: search.boxes * 4),
        chosen: context.scratch(byteCount: min(search.boxes, rows) * 16), rows: rows),
      work: 0)
  })

private struct BoxSearch {
  /// The data of the inputs.
  struct Values {
    let boxes: UnsafePointer<Float>
    let scores: UnsafePointer<Float>
    let limit: Int
    let overlap: Float
    let threshold: Float?

    init(
      boxes: UnsafeRawPointer, scores: UnsafeRawPointer, limit: UnsafeRawPointer?,
      overlap: UnsafeRawPointer?, threshold: UnsafeRawPointer?
    ) {
      self.boxes = boxes.assumingMemoryBound(to: Float.self)
      self.scores = scores.assumingMemoryBound(to: Float.self)
      self.limit = limit.map { Int($0.loadUnaligned(as: Int64.self)) } ?? 0
      self.overlap = overlap.map { $0.loadUnaligned(as: Float.self) } ?? 0
      self.threshold = threshold.map { $0.loadUnaligned(as: Float.self) }
    }

    /// nil where one is not known yet.
    init?(_ context: NodeContext) {
      for i in 0..<context.inputs.count {
        if let input = context.inputs[i], input.constant == nil { return nil }
      }
      guard let boxes = context.input(0).constant, let scores = context.input(1).constant
      else { return nil }
      self.init(
        boxes: boxes, scores: scores,
        limit: context.optionalInput(2)?.constant, overlap: context.optionalInput(3)?.constant,
        threshold: context.optionalInput(4)?.constant)
    }
  }

  let images: Int
  let classes: Int
  let boxes: Int
  let isCentred: Bool

  init(_ context: NodeContext) throws(ApusError) {
    try context.requireType(0, .float32)
    try context.requireType(1, .float32)
    try context.requireType(2, .int64)
    try context.requireType(3, .float32)
    try context.requireType(4, .float32)
    try context.requireRank(0, 3...3)
    try context.requireRank(1, 3...3)
    let b = context.input(0).shape
    let s = context.input(1).shape
    try context.require(b[2] == 4, "input 0 must be [N, B, 4] and is \(b)")
    try context.require(
      s[0] == b[0] && s[2] == b[1] && b[1] < 1 << 31,
      "input 1 must be [\(b[0]), C, \(b[1])] and is \(s)")
    for i in 2..<5 {
      if let input = context.optionalInput(i) {
        try context.require(
          input.shape.count == 1, "input \(i) must be one number and is \(input.shape)")
      }
    }
    (images, classes, boxes) = (b[0], s[1], b[1])
    isCentred = context.int("center_point_box", default: 0) != 0
  }

  /// Writes at most `capacity` rows of `output`, or none where it is nil; the number of rows.
  ///
  /// - Parameters:
  ///   - order: Room for the indices of all boxes.
  ///   - chosen: Room for the corners of a class's boxes, `capacity` at most. Most of the work is to
  ///     go through them for every candidate, so they lie side by side.
  func run(
    _ values: Values, _ order: UnsafeMutablePointer<Int32>,
    _ chosen: UnsafeMutablePointer<SIMD4<Float>>, _ output: UnsafeMutablePointer<Int64>?,
    _ capacity: Int
  ) -> Int {
    var rows = 0
    for image in 0..<images {
      let boxes = values.boxes + image * boxes * 4
      for category in 0..<classes {
        let scores = values.scores + (image * classes + category) * self.boxes
        var heap = candidates(scores, values.threshold, order)
        var count = 0
        while heap > 0 && count < values.limit && rows < capacity {
          let best = order[0]
          heap -= 1
          order[0] = order[heap]
          sift(order, 0, heap, scores)
          let box = corners(boxes + 4 * Int(best))
          var k = 0
          while k < count && !overlaps(box, chosen[k], values.overlap) { k += 1 }
          if k < count { continue }
          chosen[count] = box
          count += 1
          if let output {
            output[rows * 3] = Int64(image)
            output[rows * 3 + 1] = Int64(category)
            output[rows * 3 + 2] = Int64(best)
          }
          rows += 1
        }
      }
    }
    return rows
  }

  /// Makes a heap of the boxes whose score is high enough; how many they are.
  private func candidates(
    _ scores: UnsafePointer<Float>, _ threshold: Float?, _ order: UnsafeMutablePointer<Int32>
  ) -> Int {
    var n = 0
    for i in 0..<boxes {
      if let threshold, !(scores[i] > threshold) { continue }
      order[n] = Int32(truncatingIfNeeded: i)
      n += 1
    }
    var i = n / 2 - 1
    while i >= 0 {
      sift(order, i, n, scores)
      i -= 1
    }
    return n
  }

  private func sift(
    _ heap: UnsafeMutablePointer<Int32>, _ start: Int, _ n: Int, _ scores: UnsafePointer<Float>
  ) {
    var i = start
    while 2 * i + 1 < n {
      var child = 2 * i + 1
      if child + 1 < n && comesBefore(heap[child + 1], heap[child], scores) { child += 1 }
      if !comesBefore(heap[child], heap[i], scores) { return }
      (heap[i], heap[child]) = (heap[child], heap[i])
      i = child
    }
  }

  private func comesBefore(_ a: Int32, _ b: Int32, _ scores: UnsafePointer<Float>) -> Bool {
    let (s, t) = (scores[Int(a)], scores[Int(b)])
    return s > t || (s == t && a < b)
  }

  private func overlaps(_ a: SIMD4<Float>, _ b: SIMD4<Float>, _ threshold: Float) -> Bool {
    let height = min(a[2], b[2]) - max(a[0], b[0])
    if !(height > 0) { return false }
    let width = min(a[3], b[3]) - max(a[1], b[1])
    if !(width > 0) { return false }
    let shared = height * width
    let first = (a[2] - a[0]) * (a[3] - a[1])
    let second = (b[2] - b[0]) * (b[3] - b[1])
    let union = first + second - shared
    return shared > 0 && first > 0 && second > 0 && union > 0 && shared / union > threshold
  }

  /// The low corner, then the high one.
  private func corners(_ box: UnsafePointer<Float>) -> SIMD4<Float> {
    if isCentred {
      let (w, h) = (box[2] / 2, box[3] / 2)
      return SIMD4(box[0] - w, box[1] - h, box[0] + w, box[1] + h)
    }
    return SIMD4(
      min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))
  }
}

/// One thread: what is chosen depends on what was chosen before.
private final class NonMaxSuppressionStep: Step {
  private let search: BoxSearch
  private let boxes: Slot
  private let scores: Slot
  private let limit: Slot?
  private let overlap: Slot?
  private let threshold: Slot?
  private let y: Slot
  private let order: Slot
  private let chosen: Slot
  private let rows: Int

  init(
    _ search: BoxSearch, _ boxes: Slot, _ scores: Slot, _ limit: Slot?, _ overlap: Slot?,
    _ threshold: Slot?, _ y: Slot, order: Slot, chosen: Slot, rows: Int
  ) {
    self.search = search
    self.boxes = boxes
    self.scores = scores
    self.limit = limit
    self.overlap = overlap
    self.threshold = threshold
    self.y = y
    self.order = order
    self.chosen = chosen
    self.rows = rows
  }

  override func run(_ memory: Memory, _ share: Share) {
    let values = BoxSearch.Values(
      boxes: memory[boxes], scores: memory[scores],
      limit: limit.map { UnsafeRawPointer(memory[$0]) },
      overlap: overlap.map { UnsafeRawPointer(memory[$0]) },
      threshold: threshold.map { UnsafeRawPointer(memory[$0]) })
    _ = search.run(
      values, memory[order].assumingMemoryBound(to: Int32.self),
      memory[chosen].assumingMemoryBound(to: SIMD4<Float>.self),
      memory[y].assumingMemoryBound(to: Int64.self), rows)
  }
}
