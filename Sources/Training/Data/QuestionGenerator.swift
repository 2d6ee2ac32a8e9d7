/// Makes stories with questions like those of bAbI's first two tasks.
public struct QuestionGenerator: Sendable {
  public enum Task: String, CaseIterable, Sendable {
    /// People go to places: where is Mary?
    case oneFact = "single-supporting-fact"
    /// They take things with them and leave them, too: where is the football?
    case twoFacts = "two-supporting-facts"
  }

  /// No story is in two of them.
  public enum Part: Int, CaseIterable, Sendable { case training, validation, test }

  public var task: Task
  /// Lines before each question that tell something.
  public var statements: ClosedRange<Int>

  static let people = ["Mary", "John", "Daniel", "Sandra"]
  static let places = ["bathroom", "bedroom", "kitchen", "garden", "hallway", "office"]
  static let things = ["football", "apple", "milk"]
  static let moves = ["moved to", "went to", "journeyed to", "travelled to", "went back to"]
  static let takes = ["got", "took", "grabbed", "picked up"]
  static let leaves = ["dropped", "discarded", "left", "put down"]

  /// Whatever its stories may say.
  var words: [String] {
    let said =
      Self.people + Self.places + Self.moves + ["the where is . ? -"]
      + (task == .twoFacts ? Self.things + Self.takes + Self.leaves + ["there"] : [])
    return said.flatMap(QuestionStory.words)
  }

  /// A story of a part, with so many questions.
  public func story(questions: Int, part: Part, _ random: inout SeededRandom) -> QuestionStory {
    while true {
      let story = draw(questions: questions, &random)
      if QuestionGenerator.part(story) == part { return story }
    }
  }

  /// A quarter of all stories is held out, by a hash of their text (FNV-1a, 64 bits).
  private static func part(_ story: QuestionStory) -> Part {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in story.text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    switch (hash >> 32) % 8 {
    case 0: return .validation
    case 1: return .test
    default: return .training
    }
  }

  private func draw(questions: Int, _ random: inout SeededRandom) -> QuestionStory {
    var world = World()
    for _ in 0..<questions {
      let count = statements.lowerBound + random.integer(below: statements.count)
      for _ in 0..<count { tell(&world, &random) }
      // Until there is something to ask.
      while !ask(&world, &random) { tell(&world, &random) }
    }
    return world.story
  }

  // MARK: What happens

  private struct World {
    var story = QuestionStory()
    /// Where each person is, and the number of the line that says so.
    var people: [String: (place: String, line: Int)] = [:]
    /// Where each thing is, and the lines that say so. Who has it takes it along.
    var things: [String: (holder: String?, place: String, facts: [Int])] = [:]

    var next: Int { story.lines.count + 1 }
  }

  private func tell(_ world: inout World, _ random: inout SeededRandom) {
    if task == .twoFacts, random.integer(below: 2) == 0, handle(&world, &random) { return }
    let person = pick(Self.people, &random)
    let place = pick(Self.places.filter { $0 != world.people[person]?.place }, &random)
    world.people[person] = (place, world.next)
    world.story.lines.append(.init(text: "\(person) \(pick(Self.moves, &random)) the \(place)."))
  }

  /// Someone whose place is known takes a thing or leaves one; false: nobody can.
  private func handle(_ world: inout World, _ random: inout SeededRandom) -> Bool {
    guard let person = some(Self.people.filter { world.people[$0] != nil }, &random),
      let here = world.people[person]
    else { return false }
    let thing = pick(Self.things, &random)
    let known = world.things[thing]
    let verb: String
    if known?.holder == person {
      verb = pick(Self.leaves, &random)
      world.things[thing] = (nil, here.place, [world.next, here.line])
    } else if known == nil || (known?.holder == nil && known?.place == here.place) {
      verb = pick(Self.takes, &random)
      world.things[thing] = (person, "", [world.next])
    } else {
      return false
    }
    let there = random.integer(below: 3) == 0 ? " there" : ""
    world.story.lines.append(.init(text: "\(person) \(verb) the \(thing)\(there)."))
    return true
  }

  private func ask(_ world: inout World, _ random: inout SeededRandom) -> Bool {
    switch task {
    case .oneFact:
      guard let person = some(Self.people.filter { world.people[$0] != nil }, &random),
        let at = world.people[person]
      else { return false }
      world.story.lines.append(
        .init(text: "Where is \(person)?", answer: [at.place], facts: [at.line]))
    case .twoFacts:
      guard let thing = some(Self.things.filter { world.things[$0] != nil }, &random),
        let it = world.things[thing]
      else { return false }
      let holder = it.holder.flatMap { world.people[$0] }
      world.story.lines.append(
        .init(
          text: "Where is the \(thing)?", answer: [holder?.place ?? it.place],
          facts: it.facts + (holder.map { [$0.line] } ?? [])))
    }
    return true
  }

  private func pick(_ words: [String], _ random: inout SeededRandom) -> String {
    words[random.integer(below: words.count)]
  }

  private func some(_ words: [String], _ random: inout SeededRandom) -> String? {
    words.isEmpty ? nil : pick(words, &random)
  }
}
