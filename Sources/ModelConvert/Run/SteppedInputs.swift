import Runtime

/// The arrays of a run in steps: some have a slice for each step, the others stay.
struct SteppedInputs {
  private let files: InputFiles
  /// For each input whether its first dimension counts the steps.
  private let isSliced: [Bool]

  /// - Parameter steps: nil for an ordinary run, where no array is sliced.
  init(_ files: InputFiles, _ opened: OpenedModel, function f: Int, steps: Int?) {
    self.files = files
    isSliced = zip(files.inputs, opened.inputTensors(f)).map { input, t in
      guard let steps else { return false }
      return input.array.shape.count == Int(opened.file.tensor(t).rank) + 1
        && input.array.shape.first == steps
    }
  }

  /// The shape that each input has in one step.
  var shapes: [(name: String, dimensions: [Int])] {
    zip(files.shapes, isSliced).map { shape, sliced in
      (shape.name, sliced ? Array(shape.dimensions.dropFirst()) : shape.dimensions)
    }
  }

  /// Puts the arrays of a step into the session. Those that stay are put there again: the planner
  /// may have let a run use their memory.
  func fill(_ session: Session, step: Int) {
    for (i, input) in files.inputs.enumerated() {
      input.array.bytes.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress else { return }
        let size = isSliced[i] ? bytes.count / max(input.array.shape[0], 1) : bytes.count
        session.data(input: i).copyMemory(
          from: start + (isSliced[i] ? step * size : 0), byteCount: size)
      }
    }
  }
}
