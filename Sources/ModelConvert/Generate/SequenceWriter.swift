import Foundation
import ModelFormat
import Operators
import Runtime
import Training

/// A model whose function writes a whole sequence in one run, the search for the best one being part of
/// it: a translator, whose input "source" is text, or a captioner, whose input "image" is a picture.
struct SequenceWriter {
  enum Source: String {
    case text, image
  }

  /// What token 2, 3 … of a sequence stand for; 0 ends it.
  private enum Target {
    case characters([Unicode.Scalar])
    case words([String])
  }

  let source: Source
  private let opened: OpenedModel
  private let function: Int
  private let target: Target
  /// Of a source's text, token 2, 3 …; token 1 is any other.
  private let characters: [Unicode.Scalar]

  /// nil: the model is of another kind.
  init?(_ opened: OpenedModel) throws {
    function = opened.model.defaultFunction
    if let text = opened.metadata("target_characters") {
      target = .characters(Array(text.unicodeScalars))
    } else if let text = opened.metadata("target_words") {
      target = .words(text.split(separator: "\n").map(String.init))
    } else {
      return nil
    }
    self.opened = opened
    let inputs = opened.inputTensors(function).map { opened.name(tensor: $0) }
    let outputs = opened.outputTensors(function).map { opened.name(tensor: $0) }
    let known = opened.metadata("source_characters")
    guard outputs.first == "tokens", inputs == ["image"] || inputs == ["source"] && known != nil
    else {
      throw Failure(
        "\(opened.path): it names what it writes, but has no function from 'source' or 'image' to "
          + "'tokens'")
    }
    source = inputs == ["image"] ? .image : .text
    characters = Array((known ?? "").unicodeScalars)
  }

  /// What the model does, in words.
  var work: String { source == .image ? "says what is in a picture" : "translates" }

  /// Characters of a text that the model does not know, each once.
  func unknown(in text: String) -> [Unicode.Scalar] {
    var found: [Unicode.Scalar] = []
    for scalar in text.unicodeScalars where !characters.contains(scalar) && !found.contains(scalar) {
      found.append(scalar)
    }
    return found
  }

  /// The target of a source text.
  func write(_ text: String, threads: Int) throws -> String {
    let tokens = text.unicodeScalars.map { scalar in
      characters.firstIndex(of: scalar).map { Int32($0 + 2) } ?? 1
    }
    let plan = try opened.plan(function, shapes: [("source", [tokens.count])], threads: threads)
    try check(plan, input: .int32, rank: 1)
    let session = try opened.session(plan)
    session.data(input: 0).assumingMemoryBound(to: Int32.self).update(from: tokens, count: tokens.count)
    return try run(session)
  }

  /// The caption of an image, which is resized to the input's size.
  func write(_ image: Image, threads: Int) throws -> String {
    let plan = try opened.plan(function, threads: threads)
    try check(plan, input: .float32, rank: 4)
    let shape = plan.tensors[plan.inputTensors[0]]!.shape.dimensions
    guard shape[0] == 1, [1, 3].contains(shape[1]) else {
      throw Failure("\(opened.path): its input 'image' must be [1, 1 or 3 channels, height, width]")
    }
    let session = try opened.session(plan)
    image.fill(session.data(input: 0).assumingMemoryBound(to: Float.self), shape: Array(shape[1...]))
    return try run(session)
  }

  private func check(_ plan: Plan, input: DataType, rank: Int) throws {
    let (given, tokens) = (plan.tensors[plan.inputTensors[0]]!, plan.tensors[plan.outputTensors[0]]!)
    guard given.dataType == input, given.shape.rank == rank, tokens.dataType == .int32 else {
      throw Failure(
        "\(opened.path): its input must be \(input) with \(rank) dimensions, and 'tokens' int32")
    }
  }

  private func run(_ session: Session) throws -> String {
    try opened.run(session)
    let tokens = UnsafeBufferPointer(
      start: session.data(output: 0).assumingMemoryBound(to: Int32.self),
      count: session.info(output: 0).shape.count)
    let said = tokens.prefix { $0 != 0 }.map { Int($0) - 2 }
    switch target {
    case .characters(let characters):
      return String(
        String.UnicodeScalarView(said.map { characters.indices.contains($0) ? characters[$0] : "\u{FFFD}" }))
    case .words(let words):
      return said.map { words.indices.contains($0) ? words[$0] : "?" }.joined(separator: " ")
    }
  }
}
