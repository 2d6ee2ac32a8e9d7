import Graph
import ModelFormat
import Operators
import Quantization
import Runtime

/// Asks a graph's functions in libapus what a rollout asked the trainer's. Sessions hand states on to
/// each other, as the functions of a rollout do.
final class CallPlayer {
  private struct Key: Hashable {
    let function: String
    let shapes: [[Int]]
  }

  private let loaded: ModelInMemory
  private var sessions: [Key: Session] = [:]
  private var latest: Session?

  init(_ graph: Graph) throws {
    let bytes = try graph.encode()
    loaded = try inTraining { () throws(ApusError) in try ModelInMemory(bytes) }
  }

  deinit { for session in sessions.values { session.close() } }

  /// - Returns: the outputs with their names, and what states were left at, by theirs.
  func play(
    _ call: RolloutCall, fromTrainersStates: Bool
  ) throws -> (outputs: [(name: String, values: [Double])], states: [String: [Double]]) {
    let session = try session(call)
    let states = session.plan.stateTensors
    if fromTrainersStates {
      for t in states {
        guard let state = call.states.first(where: { $0.name == name(t) }) else {
          throw TrainingError("the model has a state '\(name(t))' that training does not know")
        }
        state.value.write(to: session.data(state: t), session.plan.tensors[t]!.dataType)
      }
    } else if call.followsReset {
      session.reset()
    } else if let latest, latest !== session {
      for t in states where latest.plan.stateTensors.contains(t) {
        latest.copy(tensor: t, to: session.data(state: t))
      }
    }
    for (i, input) in call.inputs.enumerated() {
      input.write(to: session.data(input: i), session.info(input: i).dataType)
    }
    try inTraining { () throws(ApusError) in try session.run() }
    latest = session
    func numbers(_ data: UnsafeRawPointer, _ info: TensorInfo) -> [Double] {
      elements(data, info.dataType, info.shape.count)
    }
    return (
      session.plan.outputTensors.enumerated().map { i, tensor in
        (name(tensor), numbers(session.data(output: i), session.info(output: i)))
      },
      Dictionary(
        states.map { t in
          (name(t), numbers(session.data(state: t), session.plan.tensors[t]!))
        }, uniquingKeysWith: { first, _ in first })
    )
  }

  private func session(_ call: RolloutCall) throws -> Session {
    let key = Key(function: call.function, shapes: call.inputs.map(\.shape))
    if let known = sessions[key] { return known }
    let file = loaded.model.file
    guard
      let f = (0..<file.count(.functions)).first(where: {
        String(file.functionName(file.function($0))) == call.function
      })
    else { throw TrainingError("the model has no function '\(call.function)'") }
    let r = file.function(f)
    let names = (0..<Int(r.inputCount)).map { name(Int(file.index(Int(r.inputs) + $0))) }
    let session = try inTraining { () throws(ApusError) in
      try loaded.session(
        function: f, shapes: zip(names, key.shapes).map { (name: $0, dimensions: $1) })
    }
    sessions[key] = session
    return session
  }

  private func name(_ tensor: Int) -> String {
    String(loaded.model.file.displayName(tensor: tensor))
  }
}

/// The runtime's errors as training's.
private func inTraining<T>(_ body: () throws(ApusError) -> T) throws -> T {
  do throws(ApusError) { return try body() } catch { throw TrainingError(String(error.message)) }
}

extension BatchTensor {
  var values: [Double] {
    switch numbers {
    case .floats(let floats): floats.map(Double.init)
    case .integers(let integers): integers.map(Double.init)
    }
  }

  /// As an input of that type takes them.
  fileprivate func write(to data: UnsafeMutableRawPointer, _ type: DataType) {
    for (i, value) in values.enumerated() {
      switch type {
      case .float32: data.storeBytes(of: Float(value), toByteOffset: i * 4, as: Float.self)
      case .int32: data.storeBytes(of: Int32(value), toByteOffset: i * 4, as: Int32.self)
      case .int64: data.storeBytes(of: Int64(value), toByteOffset: i * 8, as: Int64.self)
      default: data.storeBytes(of: UInt8(value), toByteOffset: i, as: UInt8.self)
      }
    }
  }
}
