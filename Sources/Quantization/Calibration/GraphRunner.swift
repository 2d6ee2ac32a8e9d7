import Graph
import ModelFormat
import Operators
import Runtime

/// Runs a model in memory, and shows tensors on the way.
final class GraphRunner {
  private let loaded: ModelInMemory
  private var model: Model { loaded.model }
  let session: Session
  private var plan: Plan { session.plan }
  private var watched: [Int: [Int]] = [:]
  private var buffer: UnsafeMutableRawPointer?

  /// - Parameter joinsNodes: Whether nodes may be computed together; not all tensors can be watched
  ///   then.
  init(
    _ bytes: [UInt8], function: Int, shapes: [(name: String, dimensions: [Int])], threads: Int,
    joinsNodes: Bool = false
  ) throws {
    do {
      loaded = try ModelInMemory(bytes)
      session = try loaded.session(
        function: function, shapes: shapes, threads: threads, joinsNodes: joinsNodes)
    } catch {
      throw QuantizationError(String(error.message))
    }
  }

  deinit {
    session.close()
    buffer?.deallocate()
  }

  /// Asks for tensors to be shown in each run.
  func watch(_ tensors: Set<Int>) {
    // A layer's tensors are looked at after its last step: later ones may use their memory. A layer
    // without steps is a view of what the steps before it made.
    var last = [Int](repeating: -1, count: plan.nodes.count)
    let first = Int(plan.function.firstNode)
    for (step, node) in plan.stepNodes.enumerated() where node >= 0 { last[node - first] = step }
    for i in last.indices.dropFirst() { last[i] = max(last[i], last[i - 1]) }
    watched = [:]
    var size = 1
    func add(_ t: Int, after step: Int) {
      guard tensors.contains(t), let info = plan.tensors[t] else { return }
      watched[step, default: []].append(t)
      size = max(size, info.byteCount)
    }
    let early = Set(plan.inputTensors + plan.stateTensors)
    for t in early { add(t, after: GraphRunner.beforeAll) }
    for (i, step) in last.enumerated() {
      let record = model.file.node(plan.nodes[i].nodeIndex)
      for k in 0..<Int(record.outputCount) {
        let t = model.file.index(Int(record.outputs) + k)
        if t != Format.none { add(Int(t), after: step) }
      }
    }
    buffer?.deallocate()
    buffer = .allocate(byteCount: size, alignment: Format.alignment)
  }

  private static let beforeAll = -2

  /// Makes ready for a run of a source: its inputs, and its states where each run begins anew.
  func start(_ run: Int, of source: any CalibrationSource) throws {
    if run == 0 || !source.carriesStates { session.reset() }
    for i in source.shapes.indices {
      source.fill(input: i, run: run, to: session.data(input: i))
    }
  }

  var outputCount: Int { plan.outputTensors.count }

  func isFloat(_ output: Int) -> Bool { session.info(output: output).dataType == .float32 }

  /// The multiply-accumulates of each node of the function.
  var multiplyAccumulates: [Int] {
    plan.nodes.map { $0.definition.multiplyAccumulates?($0) ?? 0 }
  }

  /// Runs once.
  ///
  /// - Parameter show: Called with each watched tensor, its elements and its shape.
  func run(show: @escaping (Int, UnsafeMutableRawPointer, [Int]) -> Void = { _, _, _ in }) throws {
    func look(_ step: Int) {
      for t in watched[step] ?? [] {
        guard let buffer else { continue }
        session.copy(tensor: t, to: buffer)
        let shape = plan.shape(tensor: t)
        show(t, buffer, (0..<shape.rank).map { shape[$0] })
      }
    }
    look(GraphRunner.beforeAll)
    look(-1)
    do { try session.run(afterStep: { look($0) }) } catch {
      throw QuantizationError(String(error.message))
    }
  }

  /// The elements of an output, a float32.
  func output(_ i: Int) -> (shape: [Int], elements: [Float]) {
    let info = session.info(output: i)
    let data = session.data(output: i).assumingMemoryBound(to: Float.self)
    return (
      (0..<info.shape.rank).map { info.shape[$0] },
      Array(UnsafeBufferPointer(start: data, count: info.shape.count))
    )
  }
}
