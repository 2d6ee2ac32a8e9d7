/// The cross-entropy of sequences that are said step by step.
extension Loss {
  /// Adds the derivative of the mean over all rows of all steps, of which these are one step's.
  ///
  /// - Parameters:
  ///   - y: logits [rows…, classes].
  ///   - classes: one a row; nil: the row counts for nothing.
  ///   - total: rows that count, of all steps of the batch.
  /// - Returns: the sum over the rows, and how many are right.
  static func crossEntropyOfStep(
    _ y: Tensor<Float>, _ classes: [Int32?], total: Int
  ) -> (sum: Double, hits: Int) {
    let mask: [Float] = classes.map { $0 == nil ? 0 : 1 }
    let (loss, count, hits) = classes.map { $0 ?? 0 }.withUnsafeBufferPointer { classes in
      mask.withUnsafeBufferPointer {
        Loss.crossEntropy.evaluate(
          y, LossTargets(classes: classes.baseAddress, mask: $0.baseAddress))
      }
    }
    if let gradient = y.gradient {
      let factor = Float(count) / Float(max(total, 1))
      for i in 0..<y.count { gradient[i] *= factor }
    }
    return (loss * count, hits)
  }
}
