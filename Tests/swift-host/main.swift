// A process with the whole Swift runtime and Foundation in it that also uses libapus.so, which is
// Embedded Swift with a runtime of its own inside: neither may take the other's functions.
// Argument: a model with the input x.
import Foundation

final class Counted {
  nonisolated(unsafe) static var alive = 0
  init() { Counted.alive += 1 }
  deinit { Counted.alive -= 1 }
}

struct Answer: Codable, Equatable {
  var name: String
  var values: [Float]
}

func run(_ path: String) -> [Answer] {
  var model: OpaquePointer?
  var session: OpaquePointer?
  var error = apus_error()
  guard apus_model_open(path, nil, &model, &error) == APUS_OK,
    apus_session_create(model, nil, &session, &error) == APUS_OK
  else {
    let text = withUnsafeBytes(of: error.message) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    fatalError(text)
  }
  defer {
    apus_session_destroy(session)
    apus_model_close(model)
  }
  let input = apus_session_input(session, 0)
  let x = input.data.assumingMemoryBound(to: Float.self)
  for i in 0..<input.bytes / 4 { x[i] = Float(i % 7) - 3 }
  var answers: [Answer] = []
  for _ in 0..<3 {
    let witness = Counted()
    precondition(apus_session_run(session, nil) == APUS_OK)
    withExtendedLifetime(witness) {}
    let output = apus_session_output(session, 0)
    let y = output.data.assumingMemoryBound(to: Float.self)
    let values = (0..<output.bytes / 4).map { y[$0] }
    answers.append(Answer(name: "run \(answers.count)", values: values))
  }
  return answers
}

let path = CommandLine.arguments[1]
let first = run(path)
let data = try JSONEncoder().encode(first)
let decoded = try JSONDecoder().decode([Answer].self, from: data)
precondition(decoded == first)

// Both runtimes at work in several threads.
let lock = NSLock()
nonisolated(unsafe) var equal = 0
DispatchQueue.concurrentPerform(iterations: 16) { _ in
  let again = run(path)
  lock.withLock { equal += again == first ? 1 : 0 }
}
precondition(equal == 16)
precondition(Counted.alive == 0)

// An error's way through the library, and dictionaries and strings after it.
var error = apus_error()
precondition(apus_model_open("/nowhere", nil, nil, &error) == APUS_ERROR_INVALID_ARGUMENT)
let words = Dictionary(grouping: ["a", "b", "a"], by: { $0 }).mapValues(\.count)
precondition(words == ["a": 2, "b": 1])
print("fine \(first[0].values.count)")
