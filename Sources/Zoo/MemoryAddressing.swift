import Graph

/// What machines with a memory matrix look things up by. B: batch; H: heads; N: locations of memory,
/// each of width W.
extension GraphBuilder {
  /// The cosine between each key [B, H, W] and each row of memory [B, N, W]: [B, H, N].
  public func cosineSimilarity(_ keys: Value, _ memory: Value) -> Value {
    let products = node("MatMul", [keys, transpose(memory, [0, 2, 1])])
    let lengths = node(
      "MatMul",
      [
        node("ReduceL2", [keys, constant(integers: [2])]),
        transpose(node("ReduceL2", [memory, constant(integers: [2])]), [0, 2, 1]),
      ])
    return node("Div", [products, add(lengths, constant(1e-6))])
  }

  /// 1 + log(1 + exp(x)), the numbers from 1 on.
  public func onePlus(_ x: Value) -> Value { add(node("Softplus", [x]), constant(1)) }

  /// One step of an LSTM whose h and c are states: x [B, inputs] to [B, hiddenSize].
  func lstmStep(_ x: Value, hiddenSize: Int, name: String) -> Value {
    let sequence = node("Unsqueeze", [x, constant(integers: [0])])
    return squeeze(
      lstm(sequence, hiddenSize: hiddenSize, keepsState: true, name: name), axes: [0])
  }

  /// A new memory of which each head has erased and then added, where it writes:
  ///
  ///     M'[n] = M[n] Π over heads h of (1 − w_h[n] e_h) + Σ w_h[n] a_h
  ///
  /// memory: [B, N, W]; weights: [B, H, N]; erase and add: [B, H, W]. Graves et al. 2014, section 3.2.
  public func writeMemory(
    _ memory: Value, weights: Value, erase: Value, add vectors: Value, heads: Int
  ) -> Value {
    let places = transpose(weights, [0, 2, 1])
    var kept = memory
    for head in 0..<heads {
      let part = heads == 1 ? places : slice(places, axis: 2, head..<head + 1)
      let vector = heads == 1 ? erase : slice(erase, axis: 1, head..<head + 1)
      kept = node("Sub", [kept, multiply(kept, node("MatMul", [part, vector]))])
    }
    return add(kept, node("MatMul", [places, vectors]))
  }
}
