/// The inputs that a network is calibrated with, one run of it after the other.
public protocol CalibrationSource: AnyObject {
  /// Runs of the network.
  var count: Int { get }
  /// The inputs' shapes, the same in all runs; in the order of the function's inputs.
  var shapes: [(name: String, dimensions: [Int])] { get }
  /// Whether a run takes the states on as the run before it left them.
  var carriesStates: Bool { get }
  /// What people call a run: "sample 17 of digits.npz".
  func name(run: Int) -> String
  /// Puts an input's elements where the network reads them.
  func fill(input: Int, run: Int, to data: UnsafeMutableRawPointer)
}
