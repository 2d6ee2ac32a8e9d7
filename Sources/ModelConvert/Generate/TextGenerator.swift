import Foundation
import ModelFormat
import Operators
import Runtime
import Training

/// A character model at work: reads one token at a time and says what may come next.
struct TextGenerator {
  let vocabulary: Vocabulary
  private let opened: OpenedModel
  private let session: Session

  /// - Parameter session: of `plan`, with one step and one stream.
  init(_ opened: OpenedModel, _ session: Session, _ plan: Plan) throws {
    self.opened = opened
    self.session = session
    let path = opened.path
    guard plan.inputTensors.count == 1, session.info(input: 0).dataType == .int32,
      session.info(input: 0).shape.count == 1, plan.outputTensors.count == 1,
      session.info(output: 0).dataType == .float32
    else { throw Failure("\(path): it is no model that reads one token at a time") }
    if let text = opened.metadata("characters") {
      vocabulary = Vocabulary(unit: .characters, scalars: Array(text.unicodeScalars))
    } else {
      vocabulary = .bytes
    }
    guard logits.count == vocabulary.count else {
      throw Failure(
        vocabulary.unit == .bytes
          ? "\(path): it does not say which characters it knows"
          : "\(path): it knows \(vocabulary.count) tokens and answers for \(logits.count)")
    }
  }

  func read(_ token: Int32) throws {
    session.data(input: 0).storeBytes(of: token, as: Int32.self)
    try opened.run(session)
  }

  /// Of the token that comes next.
  var logits: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(
      start: session.data(output: 0).assumingMemoryBound(to: Float.self),
      count: session.info(output: 0).shape.count)
  }
}

/// Draws tokens; examples/char_rnn.c and examples/generate.py draw the same ones.
struct TokenSampler {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1  // seeds that are alike start far apart
    if state == 0 { state = 1 }
  }

  /// xorshift64* (S. Vigna, 2014): uniform in [0, 1).
  private mutating func uniform() -> Double {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return Double((state &* 2_685_821_657_736_338_717) >> 11) / 9_007_199_254_740_992
  }

  /// A token from softmax(logits / temperature).
  mutating func draw(_ logits: UnsafeBufferPointer<Float>, temperature: Double) -> Int {
    var best = 0
    for i in logits.indices where logits[i] > logits[best] { best = i }
    if temperature <= 0 { return best }
    func weight(_ i: Int) -> Double { exp(Double(logits[i] - logits[best]) / temperature) }
    var sum = 0.0
    for i in logits.indices { sum += weight(i) }
    var left = uniform() * sum
    for i in logits.indices {
      left -= weight(i)
      if left < 0 { return i }
    }
    return best
  }
}
