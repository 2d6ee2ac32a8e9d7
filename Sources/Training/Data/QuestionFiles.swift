import Foundation

/// bAbI's own files: NAME_train.txt, and NAME_test.txt beside it, which is tested with.
struct QuestionFiles {
  var training: [QuestionStory] = []
  /// Empty: there is no such file.
  var test: [QuestionStory] = []

  /// - Parameter path: a file, or a folder of .txt files, all of which are read.
  init(_ path: String) throws {
    var reader = TextReader()
    reader.suffixes = [".txt"]
    let files = isFolder(path) ? try reader.files(path) : [path]
    func isTest(_ file: String) -> Bool { file.hasSuffix("_test.txt") }
    for file in files {
      let stories = try QuestionStory.read(try reader.text(file), file: file)
      if isTest(file) && files.count > 1 { test += stories } else { training += stories }
    }
    guard !training.isEmpty else {
      throw DataError("\(path): there are no .txt files of stories to train on in this folder")
    }
    let ending = "_train.txt"
    let other = String(path.dropLast(ending.count)) + "_test.txt"
    if path.hasSuffix(ending), FileManager.default.fileExists(atPath: other) {
      test = try QuestionStory.read(try reader.text(other), file: other)
    }
  }
}
