/// What quantisation made of a network.
public struct QuantizationReport: Encodable {
  public struct Layer: Encodable {
    public var name: String
    public var `operator`: String
    /// Whether it is computed in integers.
    public var isInteger: Bool
    /// Why it stays in floats; missing where it does not.
    public var reason: String?
    /// Of its result.
    public var scale: Float?
    public var zeroPoint: Int?
    /// The part of the result's values that is clipped, over the calibration data.
    public var clippedShare: Double?
    /// The smallest and the largest scale of its weights.
    public var weightScales: [Float]?
  }

  /// An input or output that is integers.
  public struct End: Encodable {
    public var name: String
    public var type: String
    public var scale: Float
    public var zeroPoint: Int
  }

  public var samples: Int
  public var layers: [Layer]
  /// Bytes of the files.
  public var floatBytes: Int
  public var int8Bytes: Int
  public var warnings: [String]
  public var inputs: [End] = []
  public var outputs: [End] = []

  public var integerLayers: [Layer] { layers.filter(\.isInteger) }
  public var floatLayers: [Layer] { layers.filter { !$0.isInteger } }
}
