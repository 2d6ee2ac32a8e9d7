import Foundation
import NumPyFile
import Testing
import Training

private let lines = [
  "model: {name: lenet5, activation: tanh}",  // 1
  "data:",
  "  reader: csv",
  "  path: digits.csv",
  "  label: label",  // 5
  "  split: {validation: 0.1, test: 0.2, seed: 3}",
  "  transforms:",
  "    - reshape: [1, 8, 8]",
  "    - scale: 0.0625",
  "    - resize: [32, 32]",  // 10
  "    - random_shift: 2",
  "loss: cross-entropy",
  "optimizer:",
  "  name: adam",
  "  learning_rate: 1e-3",  // 15
  "schedule: {name: cosine, final: 0.01, warm_up: 10}",
  "batch_size: 32",
  "epochs: 5",
  "early_stopping: {patience: 3}",
  "metrics: [accuracy]",  // 20
  "seed: 4",
]

private func recipeWith(_ changes: [Int: String] = [:]) throws -> Recipe {
  var lines = lines
  for (line, text) in changes { lines[line - 1] = text }
  return try Recipe(yaml: lines.joined(separator: "\n"), file: "r/x.yaml")
}

@Test func recipeSaysWhatItSays() throws {
  let recipe = try recipeWith()
  guard case .samples(let samples) = recipe.subject else { return #expect(Bool(false)) }
  #expect(recipe.name == "x" && samples.model.name == "lenet5" && samples.loss == .crossEntropy)
  #expect(samples.data.resolvedPath == "r/digits.csv" && samples.data.splitSeed == 3)
  #expect(samples.data.validationShare == 0.1 && samples.data.testShare == 0.2)
  #expect(recipe.optimizer.name == "adam" && recipe.learningRate == 0.001)
  #expect(recipe.schedule == .cosine(final: 0.01) && recipe.warmUp == 10)
  #expect(recipe.batchSize == 32 && recipe.epochs == 5 && recipe.patience == 3)
  #expect(recipe.metrics == [.accuracy] && recipe.seed == 4 && recipe.watch == .loss)
  #expect(try recipeWith([17: "batch_size: full"]).batchSize == nil)
  #expect(try recipeWith([16: "schedule: cosine"]).schedule == .cosine(final: 0))
}

/// Rules that look at the loss elsewhere: what else the recipe may say.
@Test func searchesSeeAllSamples() throws {
  let small = [13: "optimizer: l-bfgs", 14: "", 15: "", 16: "", 17: "batch_size: full"]
  let recipe = try recipeWith(small)
  #expect(recipe.optimizer.name == "l-bfgs" && recipe.batchSize == nil)
  func message(_ changes: [Int: String]) -> String {
    do {
      _ = try recipeWith(small.merging(changes) { $1 })
      return ""
    } catch { return "\(error)" }
  }
  #expect(
    message([17: "batch_size: 32"])
      == "r/x.yaml:17: batch_size: 'l-bfgs' sees all samples at once; it must be 'full'")
  #expect(
    message([16: "schedule: cosine"])
      == "r/x.yaml:16: schedule: 'l-bfgs' has no learning rate; it finds its own lengths")
  #expect(
    message([20: "clipping: {norm: 1}"])
      == "r/x.yaml:20: clipping: 'l-bfgs' needs the gradient as it is")
  #expect(message([13: "optimizer: conjugate-gradient"]) == "")
}

/// One change to the recipe above, and all of what is said about it.
@Test(arguments: [
  (21, "sed: 4", "21: unknown key 'sed'; did you mean 'seed'?"),
  (
    15, "  learning_rat: 1",
    "15: unknown key 'learning_rat' in 'optimizer'; did you mean 'learning_rate'?"
  ),
  (14, "  name: adma", "14: optimizer: there is no 'adma'; did you mean 'adam'?"),
  (
    14, "  name: newton",
    "14: optimizer: there is no 'newton'; it must be 'sgd', 'momentum', 'nesterov', 'rmsprop', "
      + "'adam', 'adamw', 'conjugate-gradient' or 'l-bfgs'"
  ),
  (15, "", "14: 'optimizer' lacks the key 'learning_rate'"),
  (14, "  name: l-bfgs", "15: unknown key 'learning_rate' in 'optimizer'; the keys are name, memory"),
  (15, "  learning_rate: fast", "15: optimizer.learning_rate must be greater than 0, and is 'fast'"),
  (15, "  learning_rate: '1'", "15: optimizer.learning_rate must be greater than 0, and is '1'"),
  (15, "  learning_rate: -1", "15: optimizer.learning_rate must be greater than 0, and is '-1'"),
  (18, "epochs: 0", "18: epochs must be a whole number from 1 on, and is '0'"),
  (18, "epochs: 2.5", "18: epochs must be a whole number from 1 on, and is '2.5'"),
  (18, "epochs: [1, 2]", "18: epochs must be a whole number from 1 on, and is the list [1, 2]"),
  (18, "epochs:", "18: epochs must be a whole number from 1 on, and is empty"),
  (18, "", "1: the key 'epochs' is missing"),
  (
    17, "batch_size: some",
    "17: batch_size must be a whole number from 1 to 1048576 or 'full', and is 'some'"
  ),
  (12, "loss: crossentropy", "12: loss: there is no 'crossentropy'; did you mean 'cross-entropy'?"),
  (12, "loss: mse\nwatch: accuracy", "13: watch: 'accuracy' is for classes; the loss is 'mse'"),
  (19, "window: 5", "19: window: only text is cut into windows"),
  (
    6, "  split: {test: 0.2}",
    "19: early_stopping: there is nothing to watch; give 'data.split.validation'"
  ),
  (19, "early_stopping: 3", "19: 'early_stopping' must have keys of its own, and is '3'"),
  (20, "metrics: [acuracy]", "20: metrics: there is no 'acuracy'; did you mean 'accuracy'?"),
  (1, "model: lenet", "1: model: there is no 'lenet'; did you mean 'lenet5'?"),
  (
    1, "model: {name: lenet5, hidden: 3}",
    "1: unknown key 'hidden' in 'model'; the keys are name, activation, subsampling, connections, "
      + "dropout"
  ),
  (
    1, "model: {name: lenet5, activation: tan}",
    "1: model.activation: there is no 'tan'; did you mean 'tanh'?"
  ),
  (3, "  reader: cvs", "3: data.reader: there is no 'cvs'; did you mean 'csv'?"),
  (5, "  labels: label", "5: unknown key 'labels' in 'data'; did you mean 'label'?"),
  (6, "  split: {test: 1.5}", "6: data.split.test must be a share from 0 to less than 1, and is '1.5'"),
  (6, "  split: {test: 0.5, validation: 0.5}", "6: data.split: nothing is left to train on"),
  (10, "    - resise: [32, 32]", "10: data.transforms: there is no 'resise'; did you mean 'resize'?"),
  (
    10, "    - resize: 32",
    "10: data.transforms.resize must be a list of 2 whole numbers from 1 on, and is '32'"
  ),
  (11, "    - random_shift", "11: data.transforms.random_shift must be a whole number from 0 to 4096, and is empty"),
  (16, "schedule: {name: step}", "16: 'schedule' lacks the key 'every'"),
  (16, "schedule: {name: cosine, factor: 1}", "16: unknown key 'factor' in 'schedule'; the keys are name, warm_up, final"),
  (21, "epochs: 9", "18: the key 'epochs' stands here twice"),
  (4, "  path: [", "6: not YAML: did not find expected ',' or ']'"),
])
func recipeErrorsNameTheLine(_ line: Int, _ text: String, _ expected: String) {
  do {
    _ = try recipeWith([line: text])
    Issue.record("nothing was wrong with '\(text)'")
  } catch {
    #expect("\(error)" == "r/x.yaml:" + expected)
  }
}

@Test(arguments: ["", "- 1", "text", "[[[[[[", "{a: b}", "a: &x [*x]", "? [1]\n: 2", "\u{0}", "%YAML 9"])
func whateverIsReadIsAnError(_ text: String) {
  #expect(throws: RecipeError.self) { try Recipe(yaml: text, file: "x.yaml") }
}

@Test func damagedRecipesDoNotCrash() throws {
  let whole = Array(lines.joined(separator: "\n").utf8)
  var random = SeededRandom(seed: 9)
  for _ in 0..<3_000 {
    var bytes = whole
    for _ in 0...random.integer(below: 4) {
      bytes[random.integer(below: bytes.count)] = UInt8(32 + random.integer(below: 95))
    }
    let cut = bytes[..<random.integer(below: bytes.count)]
    _ = try? Recipe(yaml: String(decoding: bytes, as: UTF8.self), file: "x.yaml")
    _ = try? Recipe(yaml: String(decoding: cut, as: UTF8.self), file: "x.yaml")
  }
}

// MARK: Data

private func withDigits(_ body: (String) throws -> Void) throws {
  let folder = NSTemporaryDirectory() + "apus-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  var csv = "label," + (0..<64).map { "p\($0)" }.joined(separator: ",") + "\n"
  for i in 0..<50 {
    csv += "\(i % 10)," + (0..<64).map { "\((i + $0) % 17)" }.joined(separator: ",") + "\n"
  }
  try writeBytes(Array(csv.utf8), toFile: folder + "/digits.csv")
  try body(folder)
}

@Test func recipeLoadsItsData() throws {
  try withDigits { folder in
    let recipe = try Recipe(yaml: lines.joined(separator: "\n"), file: folder + "/x.yaml")
    let data = try recipe.loadData()
    #expect(data.training.sampleCount == 35 && data.training.inputShape == [1, 32, 32])
    #expect(data.validation?.sampleCount == 5 && data.test?.sampleCount == 10)
    #expect(data.training.target == .classes(count: 10) && data.training.batchCount == 2)
    var batch = Batch()
    data.test!.fill(&batch, epoch: 0, index: 0)
    #expect(batch.count == 10 && batch.inputs.allSatisfy { $0 >= 0 && $0 <= 1 })
    // Each class stays with its picture: a tested network sees no shift, and the corner pixel of an
    // enlarged picture is the picture's own.
    for i in 0..<10 {
      let corner = batch.inputs[i * 1024] * 16
      #expect((0..<50).contains { $0 % 10 == Int(batch.classes[i]) && Float($0 % 17) == corner })
    }

    let other = try recipe.loadData(path: folder + "/digits.csv")
    #expect(other.training.sampleCount == 35)
    do {
      _ = try recipe.loadData(path: folder + "/none.csv")
      Issue.record("there is no such file")
    } catch { #expect("\(error)" == "\(folder)/none.csv: no such file or directory") }
  }
}

@Test func modelsSayWhatTheyTake() throws {
  try withDigits { folder in
    let text = lines.joined(separator: "\n").replacingOccurrences(of: "    - resize: [32, 32]\n", with: "")
    let recipe = try Recipe(yaml: text, file: folder + "/x.yaml")
    do {
      _ = try recipe.graph(recipe.loadData())
      Issue.record("LeNet-5 does not take 8 × 8")
    } catch {
      #expect(
        "\(error)" == "\(folder)/x.yaml:1: model: 'lenet5' takes images of shape [1, 32, 32]; "
          + "the data are samples of shape [1, 8, 8]")
    }
  }
}

@Test func textIsHeldOutAtItsEnd() throws {
  let folder = NSTemporaryDirectory() + "apus-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try writeBytes(Array(String(repeating: "ab", count: 400).utf8) + Array(repeating: 99, count: 200), toFile: folder + "/t.txt")
  let yaml = """
    model: {name: char-rnn, hidden_size: 8, embedding: 4, layers: 1}
    data: {reader: text, path: t.txt, split: {validation: 0.1, test: 0.1}}
    loss: cross-entropy
    optimizer: {name: adam, learning_rate: 0.01}
    batch_size: 4
    window: 10
    epochs: 1
    """
  let recipe = try Recipe(yaml: yaml, file: folder + "/x.yaml")
  let data = try recipe.loadData()
  #expect(data.vocabulary?.names == ["", "a", "b", "c"])
  #expect(data.training.target == .nextTokens(count: 4, length: 10))
  #expect(data.training.batchCount == 19 && data.validation?.batchCount == 2)
  var batch = Batch()
  data.test!.fill(&batch, epoch: 0, index: 0)
  #expect(batch.tokens.allSatisfy { $0 == 3 } && batch.tokens.count == 40)
}
