import ModelFormat

/// Y = softmax(cap(scale · Q·Kᵀ) + bias) · V for each image and head, cap(s) = softcap · tanh(s /
/// softcap). The bias is the mask (−∞ where a boolean one is false, and behind the end of a mask that
/// is too short) and −∞ for keys out of a query's sight: those after it with is_causal, those farther
/// than left_window_size before or right_window_size after it, those from nonpad_kv_seqlen[n] on.
/// Query i stands at key i + offset: behind the past, or at the end of the nonpad_kv_seqlen[n] keys.
/// A query that sees no key gives zeros.
///
/// Inputs: Q [N, h, Sq, D], K [N, g, Sk, D], V [N, g, Sk, E], or all three of rank 3 with the heads
/// inside the last axis ([N, S, heads · size], q_num_heads and kv_num_heads); head i of Q reads head
/// i · g / h of K and V. Then, all optional: attn_mask (broadcast to [N, h, Sq, ≤ P + Sk]; bool or
/// float32), past_key [N, g, P, D], past_value [N, g, P, E], nonpad_kv_seqlen int64 [N].
/// Outputs: Y as Q, present_key and present_value (past, then new), and the scores at the stage that
/// qk_matmul_output_mode names: 0 scaled, 1 capped, 2 with bias, 3 after softmax. ONNX Attention,
/// float32.
let attentionOperator = Operator(
  opcode: 230, name: "Attention",
  attributes: [
    AttributeSpec("is_causal", .int), AttributeSpec("kv_num_heads", .int),
    AttributeSpec("left_window_size", .int), AttributeSpec("q_num_heads", .int),
    AttributeSpec("qk_matmul_output_mode", .int), AttributeSpec("right_window_size", .int),
    AttributeSpec("scale", .float), AttributeSpec("softcap", .float),
    AttributeSpec("softmax_precision", .int),
  ],
  inputs: 3...7, outputs: 1...4,
  notes: "Softmax is computed in float32 whatever softmax_precision says.",
  infer: { (context) throws(ApusError) in
    let a = try AttentionGeometry(context)
    var y = context.input(0).shape
    y[last: 1] = a.isFlat ? a.heads * a.valueSize : a.valueSize
    try context.setOutput(.float32, y)
    if context.outputCount > 1 {
      try context.setOutput(.float32, Shape(a.batch, a.keyHeads, a.keys, a.keySize))
    }
    if context.outputCount > 2 {
      try context.setOutput(.float32, Shape(a.batch, a.keyHeads, a.keys, a.valueSize))
    }
    if context.outputCount > 3 {
      try context.setOutput(.float32, Shape(a.batch, a.heads, a.queries, a.keys))
    }
  },
  plan: { (context) throws(ApusError) in
    try AttentionGeometry(context.node).emit(context)
  },
  multiplyAccumulates: { (node) in
    guard let a = try? AttentionGeometry(node) else { return 0 }
    return a.multiplyAccumulates
  })

/// Sizes and options of an Attention node, checked.
struct AttentionGeometry {
  let batch: Int
  let heads: Int
  let keyHeads: Int
  let queries: Int
  /// Of the past.
  let pastKeys: Int
  /// Of the past and new.
  let keys: Int
  let keySize: Int
  let valueSize: Int
  /// The heads lie inside the last axis.
  let isFlat: Bool
  let scale: Float
  let softcap: Float
  let scoresStage: Int
  let isCausal: Bool
  /// −1: without bound.
  let leftWindow: Int
  let rightWindow: Int
  let mask: AttentionMask?

  var newKeys: Int { keys - pastKeys }
  var multiplyAccumulates: Int {
    let scores = batch * heads * queries * keys
    return scores.multipliedReportingOverflow(by: keySize + valueSize).overflow
      ? Int.max : scores * (keySize + valueSize)
  }

  init(_ context: NodeContext) throws(ApusError) {
    for i in [0, 1, 2, 4, 5] { try context.requireType(i, .float32) }
    let q = context.input(0).shape
    let k = context.input(1).shape
    let v = context.input(2).shape
    try context.requireRank(0, 3...4)
    try context.requireRank(1, q.rank...q.rank)
    try context.requireRank(2, q.rank...q.rank)
    isFlat = q.rank == 3
    heads = isFlat ? context.int("q_num_heads", default: 0) : q[1]
    keyHeads = isFlat ? context.int("kv_num_heads", default: 0) : k[1]
    try context.require(
      heads >= 1 && keyHeads >= 1 && heads % keyHeads == 0,
      "\(heads) heads of queries cannot share \(keyHeads) heads of keys")
    if isFlat {
      try context.require(
        q[2] % heads == 0 && k[2] % keyHeads == 0 && v[2] % keyHeads == 0,
        "the last axes of \(q), \(k) and \(v) do not hold \(heads) and \(keyHeads) heads")
    }
    batch = q[0]
    queries = q[last: 2]
    keySize = isFlat ? q[2] / heads : q[3]
    valueSize = isFlat ? v[2] / keyHeads : v[3]
    let new = k[last: 2]
    try context.require(
      k[0] == batch && (isFlat ? k[2] / keyHeads : k[3]) == keySize,
      "the keys are \(k) and do not fit the queries \(q)")
    try context.require(
      v[0] == batch && v[last: 2] == new && (isFlat || v[1] == keyHeads),
      "the values are \(v) and do not fit the keys \(k)")
    try context.require(
      context.hasInput(4) == context.hasInput(5), .invalidModel,
      "past_key and past_value belong together")
    pastKeys = context.optionalInput(4).map { $0.shape.rank == 4 ? $0.shape[2] : 0 } ?? 0
    try context.requireShape(4, Shape(batch, keyHeads, pastKeys, keySize))
    try context.requireShape(5, Shape(batch, keyHeads, pastKeys, valueSize))
    keys = pastKeys + new
    try context.requireType(6, .int64)
    try context.requireShape(6, Shape(batch))
    try context.require(
      !context.hasInput(4) || !context.hasInput(6), .invalidModel,
      "nonpad_kv_seqlen and past_key exclude each other")
    try context.require(
      Shape(batch, heads, queries, keys).checkedCount != nil
        && Shape(keys, max(keySize, valueSize)).checkedCount != nil,
      "\(queries) queries of \(keys) keys are too many")

    scale = context.float("scale", default: 1 / Float(max(1, keySize)).squareRoot())
    softcap = context.float("softcap", default: 0)
    scoresStage = context.int("qk_matmul_output_mode", default: 0)
    try context.require(
      scoresStage >= 0 && scoresStage <= 3, .invalidModel,
      "qk_matmul_output_mode is \(scoresStage); 0 to 3 are known")
    isCausal = context.int("is_causal", default: 0) != 0
    let unbounded = 1 << 50
    leftWindow = min(context.int("left_window_size", default: -1), unbounded)
    rightWindow = min(context.int("right_window_size", default: -1), unbounded)
    try context.require(
      min(leftWindow, rightWindow) >= -1, .invalidModel, "a window size is below -1")
    if let input = context.optionalInput(3) {
      mask = try AttentionMask(context, input, Shape(batch, heads, queries, keys))
    } else {
      mask = nil
    }
  }
}

/// How the mask is broadcast.
struct AttentionMask {
  let isBool: Bool
  /// Elements from one image, head and query to the next; 0 where they share.
  var strides = InlineArray<3, Int>(repeating: 0)
  /// Keys that it speaks of; those behind are masked.
  let length: Int

  init(_ context: NodeContext, _ mask: TensorInfo, _ scores: Shape) throws(ApusError) {
    isBool = mask.dataType == .bool
    try context.require(
      isBool || mask.dataType == .float32, .invalidType,
      "input 3 must be bool or float32 and is \(mask.dataType)")
    try context.requireRank(3, 1...4)
    let shape = mask.shape
    length = shape[last: 1]
    var fits = length <= scores[3]
    var stride = length
    for i in 2..<max(2, shape.rank + 1) {
      let d = shape[last: i]
      fits = fits && (d == 1 || d == scores[last: i])
      strides[4 - i] = d == 1 ? 0 : stride
      stride *= d
    }
    try context.require(fits, "the mask \(shape) does not fit scores \(scores)")
  }
}
