import Testing

@testable import Training

@Test func addingProblemAddsWhatIsMarked() throws {
  var problem = AddingProblem()
  (problem.length, problem.count) = (51, 400)
  let samples = problem.samples()
  guard case .floats(let x) = samples.storage, case .values(let y, _) = samples.targets else {
    Issue.record("not numbers")
    return
  }
  #expect(samples.shape == [51, 2] && y.count == 400)
  var places: Set<Int> = []
  var mean = 0.0
  for sample in 0..<400 {
    let steps = (0..<51).map { (x[(sample * 51 + $0) * 2], x[(sample * 51 + $0) * 2 + 1]) }
    let marked = steps.indices.filter { steps[$0].1 == 1 }
    #expect(marked.count == 2 && marked[0] < 25 && marked[1] >= 25)
    #expect(steps.allSatisfy { $0.0 >= 0 && $0.0 < 1 && ($0.1 == 0 || $0.1 == 1) })
    #expect(y[sample] == steps[marked[0]].0 + steps[marked[1]].0)
    places.formUnion(marked)
    mean += Double((y[sample] - 1) * (y[sample] - 1)) / 400
  }
  #expect(places.count == 51)
  // Of 1 as the answer the error is 1/6; its deviation over 400 samples is 0.01.
  #expect(abs(mean - 1 / 6.0) < 0.035)
  // A sample does not depend on how many there are.
  problem.count = 3
  guard case .floats(let few) = problem.samples().storage else { return }
  #expect(few == Array(x[..<few.count]))
}

@Test func seriesAreInOrder() throws {
  let text = "year,n\n1,10\n2,30\n3,20\n4,50\n5,40\n"
  try withFiles(["s.csv": Array(text.utf8)]) { folder in
    let path = folder + "/s.csv"
    var reader = SeriesReader(column: .name("n"), window: 2)
    reader.scale = 0.5
    let samples = try reader.read(path)
    guard case .values(let y, _) = samples.targets else { return }
    #expect(samples.count == 3 && samples.shape == [2, 1])
    #expect(floats(samples) == [5, 15, 15, 10, 10, 25] && y == [10, 25, 20])
    // Who says that nothing changes errs by 5, 15 and 5.
    let error = SeriesReader.persistence(samples, [0, 1, 2])!.value
    #expect(abs(error - (275 / 3.0).squareRoot()) < 1e-6)
    reader.window = 5
    #expect(throws: DataError.self) { try reader.read(path) }
    reader.column = .name("m")
    #expect(throws: DataError.self) { try reader.read(path) }
  }
  let split = try Split(inOrder: 10, validation: 0.2, test: 0.3)
  #expect(split.training == [0, 1, 2, 3, 4] && split.validation == [5, 6] && split.test == [7, 8, 9])
}

/// The tags' first letters, a space for `other`.
private func tagged(_ text: String) -> String {
  SwiftSyntax.tags(Array(text.unicodeScalars)).map { tag in
    tag == .other ? " " : tag == .comment ? "/" : tag == .call ? "!" : String("\(tag)".first!)
  }.joined()
}

@Test(arguments: [
  ("let x = 1.5e3  // one", "kkk n   nnnnn  //////"),
  ("f(at: y, Int(z))", "! ll  n  ttt n  "),
  ("print(\"a \\(b(\"c\")) d\" + e)", "!!!!! sssssssssssssss   n "),
  ("a /* b /* c */ d */ e", "n ///////////////// n"),
  ("\"\"\"\nx \"y\"\n\"\"\" z", "sssssssssssss n"),
  ("\"no end\nvar v", "sssssss kkk n"),
  ("x0..<3 _ = self.größe", "nn   n n   kkkk nnnnn"),
])
func syntaxOfSwiftIsTagged(_ text: String, _ wanted: String) {
  #expect(tagged(text) == wanted)
}

@Test func linesAreDividedByFiles() throws {
  func line(_ text: String, _ label: Int32) -> LabelledLines.Line {
    (Array(text.unicodeScalars), [label])
  }
  let groups = (0..<2).map { label in
    (0..<10).map { file in (0..<5).map { line("file \(label) \(file) line \($0)", Int32(label)) } }
  }
  var options = LabelledLines.Options()
  (options.validation, options.test, options.minimumCount) = (0.1, 0.2, 1)
  let lines = try LabelledLines(groups, labelNames: ["a", "b"], options)
  #expect(lines.training.count == 70 && lines.validation.count == 10 && lines.test.count == 20)
  #expect(lines.test.filter { $0.labels == [1] }.count == 10)
  func files(_ sequences: [LabelledSequence]) -> Set<[Int32]> {
    Set(sequences.map { Array($0.tokens[..<8]) })
  }
  #expect(files(lines.test).isDisjoint(with: files(lines.training)))
  options.countOfEach = 20
  let few = try LabelledLines(groups, labelNames: ["a", "b"], options)
  #expect(few.training.count == 28 && few.validation.count == 4 && few.test.count == 8)
  // A line that stands twice is taken once.
  let twice = [[[line("the same line", 0), line("the same line", 0)]]]
  (options.validation, options.test) = (0, 0)
  #expect(try LabelledLines(twice, labelNames: ["a"], options).training.count == 1)
}
