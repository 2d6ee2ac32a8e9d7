import ArgumentParser
import Foundation
import Runtime

/// The options that most subcommands share.
struct ModelOptions: ParsableArguments {
  @Argument(help: "The model file.", completion: .file(extensions: ["apus"]))
  var model: String

  @OptionGroup var choice: FunctionOptions

  var function: String? { choice.function }
  var isa: String? { choice.isa }
}

struct FunctionOptions: ParsableArguments {
  @Option(help: "The function to take; without it 'main', or the first.")
  var function: String?

  @Option(
    help: """
      The kernels' instruction set: baseline, avx2, avx512 or avx512vnni; without it the \
      environment variable APUS_ISA, or else the best that this processor runs.
      """)
  var isa: String?
}

struct ShapeOptions: ParsableArguments {
  @Option(
    name: .customLong("input-shape"),
    help: ArgumentHelp(
      "The shape of an input with free dimensions, once for each; a free dimension is else 1.",
      valueName: "name=1,3,224,224"))
  var shapes: [InputShapeArgument] = []
}

enum PrecisionOption: String, ExpressibleByArgument, CaseIterable {
  case float32, bf16
}

/// How a session shall compute.
struct ArithmeticOptions: ParsableArguments {
  @Option(
    help: """
      What matrices are multiplied in: float32, or bf16 with sums in float32, which needs a \
      processor with AVX-512-BF16.
      """)
  var precision = PrecisionOption.float32

  @OptionGroup var winograd: WinogradOptions

  var plan: PlanOptions {
    PlanOptions(
      precision: precision == .bf16 ? .bf16 : .float32, usesWinograd: winograd.usesWinograd)
  }
}

struct WinogradOptions: ParsableArguments {
  @Flag(
    name: .customLong("winograd"), inversion: .prefixedNo,
    help: """
      Compute 3 x 3 convolutions by Winograd's transforms where that is faster; without them \
      packed weights take less memory.
      """)
  var usesWinograd = true
}

struct ThreadOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Threads that share the work of a run, 1 to 64.")
  var threads = 1

  mutating func validate() throws {
    guard (1...64).contains(threads) else {
      throw ValidationError("--threads: \(threads); 1 to 64 are possible")
    }
  }
}

/// `x=1,3,224,224`, or the dimensions alone for a model with one input.
struct InputShapeArgument: ExpressibleByArgument {
  let name: String?
  let dimensions: [Int]

  init?(argument: String) {
    var text = Substring(argument)
    if let equals = argument.lastIndex(of: "=") {
      name = String(argument[..<equals])
      text = argument[argument.index(after: equals)...]
    } else {
      name = nil
    }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
    guard numbers.count == parts.count, numbers.count <= 8, numbers.allSatisfy({ $0 >= 1 }) else {
      return nil
    }
    dimensions = numbers
  }
}
