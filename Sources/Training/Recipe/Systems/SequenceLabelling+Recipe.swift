import Foundation
import Graph
import Zoo

/// Says of a line which kind of file it is from: many to one.
struct LineClassifier: RecipeSystem {
  static let recipeName = "line-classifier"
  static let recipeKeys = SequenceNetwork.recipeKeys
  static let dataKeys = LabelledLines.Options.keys + ["path", "folders", "suffixes", "count"]

  private let network: SequenceNetwork
  private let options: LabelledLines.Options
  private let path: String
  private let folders: [String]
  private let suffixes: [String]

  init(model: RecipeSection, data: RecipeSection) throws {
    network = try SequenceNetwork(model)
    if network.reading == .each {
      throw model.error("read", "model: a line has one label; 'read' is 'last' or 'mean'")
    }
    options = try LabelledLines.Options(data)
    path = data.resolve(try data.required("path", data.string("path")))
    folders = try data.strings("folders") ?? [""]
    suffixes = try data.required("suffixes", data.strings("suffixes"))
    if suffixes.count < 2 { throw data.error("suffixes", "data.suffixes: give two or more") }
  }

  var hasValidation: Bool { options.validation > 0 }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    let path = settings.dataPath ?? path
    let kinds = try suffixes.enumerated().map { label, suffix -> [[LabelledLines.Line]] in
      var reader = TextReader()
      reader.suffixes = [suffix]
      return try folders.flatMap { folder in
        try reader.files(folder.isEmpty ? path : path + "/" + folder).map { file in
          try reader.text(file).split(separator: "\n").map { line in
            (line.trimmingCharacters(in: .whitespaces).unicodeScalars.map { $0 }, [Int32(label)])
          }
        }
      }
    }
    return try sequenceJob(kinds, suffixes, network, options, settings, path)
  }
}

/// Says of each character of a line of Swift what it is part of: many to many.
struct SyntaxTagger: RecipeSystem {
  static let recipeName = "syntax-tagger"
  static let recipeKeys = SequenceNetwork.recipeKeys.filter { $0 != "read" }
  static let dataKeys = LabelledLines.Options.keys + ["path"]

  private let network: SequenceNetwork
  private let options: LabelledLines.Options
  private let path: String

  init(model: RecipeSection, data: RecipeSection) throws {
    var network = try SequenceNetwork(model)
    network.reading = .each
    self.network = network
    options = try LabelledLines.Options(data)
    path = data.resolve(try data.required("path", data.string("path")))
  }

  var hasValidation: Bool { options.validation > 0 }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    let path = settings.dataPath ?? path
    var reader = TextReader()
    reader.suffixes = [".swift"]
    let files = try reader.files(path).map { file -> [LabelledLines.Line] in
      let text = Array(try reader.text(file).unicodeScalars)
      let tags = SwiftSyntax.tags(text)
      return text.indices.split { text[$0] == "\n" }.map { line in
        (line.map { text[$0] }, line.map { tags[$0].rawValue })
      }
    }
    return try sequenceJob(
      [files], SwiftSyntax.allCases.map { "\($0)" }, network, options, settings, path)
  }
}

extension LabelledLines.Options {
  static let keys = ["shortest", "longest", "minimum_count", "split"]

  init(_ data: RecipeSection) throws {
    let shortest = try data.integer("shortest", 1...10_000) ?? lengths.lowerBound
    let longest = try data.integer("longest", 1...10_000) ?? lengths.upperBound
    if longest < shortest { throw data.error("longest", "data.longest: it is below 'shortest'") }
    lengths = shortest...longest
    countOfEach = try data.has("count") ? data.integer("count") : nil
    minimumCount = try data.integer("minimum_count") ?? minimumCount
    let split = try data.section("split")
    try split?.allow(["validation", "test", "seed"])
    func share(_ key: String) throws -> Double {
      try split?.number(key, "a share from 0 to less than 1") { $0 >= 0 && $0 < 1 } ?? 0
    }
    validation = try share("validation")
    test = try share("test")
    seed = UInt64(try split?.integer("seed", 0...Int(Int32.max)) ?? 1)
    if let split, validation + test >= 1 {
      throw split.error(nil, "data.split: nothing is left to train on")
    }
  }
}

private func sequenceJob(
  _ files: [[[LabelledLines.Line]]], _ labels: [String], _ network: SequenceNetwork,
  _ options: LabelledLines.Options, _ settings: SystemSettings, _ path: String
) throws -> TrainingJob {
  let lines: LabelledLines
  do { lines = try LabelledLines(files, labelNames: labels, options) } catch let error as DataError {
    throw DataError("\(path): \(error)")
  }
  var network = network
  network.input = .tokens(count: lines.vocabulary.count)
  network.outputs = labels.count
  network.hasLengths = true
  network.seed = settings.seed
  func task(_ sequences: [LabelledSequence], isTraining: Bool) -> SequenceLabelling? {
    sequences.isEmpty
      ? nil
      : SequenceLabelling(
        sequences, batchSize: settings.batchSize, seed: settings.seed, isTraining: isTraining)
  }
  return TrainingJob(
    graph: try network.graph(), training: task(lines.training, isTraining: true)!,
    validation: task(lines.validation, isTraining: false),
    test: task(lines.test, isTraining: false), classNames: labels, metrics: [.accuracy]
  ) { trained in
    try TrainedModel.export(
      trained, into: network.graph(), loss: .crossEntropy, labels: labels,
      vocabulary: lines.vocabulary, name: settings.name)
  }
}
