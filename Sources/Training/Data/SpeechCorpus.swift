import Foundation

/// Sounds and what is said in them.
public struct SpeechCorpus {
  public struct Utterance {
    public var speaker: String
    public var text: String
    public var samples: [Float]
  }

  /// Samples a second of all of them.
  public private(set) var rate = 0
  public private(set) var utterances: [Utterance] = []

  /// Reads a folder. In it, and in the folders below, are
  ///
  /// - LibriSpeech's transcripts, NAME.trans.txt, with lines "ID TEXT" for ID.wav beside it; the
  ///   speaker is what the ID has before its first "-" (V. Panayotov et al., "LibriSpeech", 2015; its
  ///   sounds converted from FLAC to WAV), or
  /// - TIMIT's words, SPEAKER.wrd, with lines "first-sample last-sample word" for SPEAKER.wav (J. S.
  ///   Garofolo et al., "TIMIT acoustic-phonetic continuous speech corpus", 1993; its sounds as WAV):
  ///   each word is an utterance.
  ///
  /// Texts are in lower case.
  public init(contentsOf path: String) throws {
    try read(path)
    guard !utterances.isEmpty else {
      throw DataError("\(path): there are no transcripts (.trans.txt, .wrd) in this folder")
    }
  }

  private mutating func read(_ folder: String) throws {
    for name in try entries(ofFolder: folder) {
      let file = folder + "/" + name
      if isFolder(file) {
        try read(file)
      } else if name.hasSuffix(".trans.txt") {
        try readTranscript(file, folder)
      } else if name.lowercased().hasSuffix(".wrd") {
        try readWords(file, speaker: String(name.dropLast(4)), folder)
      }
    }
  }

  private mutating func readTranscript(_ file: String, _ folder: String) throws {
    for (number, line) in try SpeechCorpus.lines(file) {
      let parts = line.split(separator: " ", maxSplits: 1)
      guard parts.count == 2 else { throw DataError("\(file):\(number): not an ID and a text") }
      let id = String(parts[0])
      let speaker = String(id.prefix { $0 != "-" })
      let samples = try sound("\(folder)/\(id).wav")
      utterances.append(
        Utterance(speaker: speaker, text: parts[1].lowercased(), samples: samples))
    }
  }

  private mutating func readWords(_ file: String, speaker: String, _ folder: String) throws {
    let samples = try sound("\(folder)/\(speaker).wav")
    for (number, line) in try SpeechCorpus.lines(file) {
      let parts = line.split(separator: " ")
      guard parts.count == 3, let first = Int(parts[0]), let last = Int(parts[1]) else {
        throw DataError("\(file):\(number): not the first and last sample and a word")
      }
      guard first >= 0, first < last, last <= samples.count else {
        throw DataError(
          "\(file):\(number): samples \(first) to \(last) of a sound that has \(samples.count)")
      }
      utterances.append(
        Utterance(
          speaker: speaker, text: parts[2].lowercased(), samples: Array(samples[first..<last])))
    }
  }

  private mutating func sound(_ file: String) throws -> [Float] {
    let sound = try Sound(contentsOf: file)
    if rate == 0 { rate = sound.rate }
    guard sound.rate == rate else {
      throw DataError("\(file): \(sound.rate) samples a second, and the others have \(rate)")
    }
    return sound.samples
  }

  private static func lines(_ file: String) throws -> [(number: Int, line: Substring)] {
    guard let text = String(validating: try dataBytes(file), as: UTF8.self) else {
      throw DataError("\(file): not a text in UTF-8")
    }
    return text.split(omittingEmptySubsequences: false) { $0.isNewline }.enumerated()
      .map { (number: $0 + 1, line: $1) }
      .filter { !$0.line.allSatisfy(\.isWhitespace) }
  }

  /// In alphabetical order.
  public var speakers: [String] { Set(utterances.map(\.speaker)).sorted() }

  /// All characters of the texts and the blank between words, in their order; label i + 1 stands for
  /// the i-th, label 0 for none.
  public var alphabet: [Character] {
    Set(utterances.flatMap { Array($0.text) } + [" "]).sorted()
  }
}
