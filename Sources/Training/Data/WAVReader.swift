import Foundation

/// A sound: one channel of samples in −1...1.
public struct Sound {
  public var rate: Int
  public var samples: [Float]

  /// Reads a WAV file: PCM of 8, 16, 24 or 32 bits or float32, any number of channels, mixed to one
  /// by their mean.
  public init(contentsOf path: String) throws {
    try self.init(wav: dataBytes(path), file: path)
  }

  /// RIFF WAVE (Microsoft and IBM, "Multimedia programming interface and data specifications 1.0",
  /// 1991; WAVE_FORMAT_EXTENSIBLE, 2001). A data chunk that claims more than the file has is cut
  /// off: an error.
  public init(wav bytes: [UInt8], file: String) throws {
    func number(_ offset: Int, _ size: Int) -> Int {
      (0..<size).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }
    func tag(_ offset: Int) -> String { String(decoding: bytes[offset..<offset + 4], as: UTF8.self) }
    guard bytes.count >= 12, tag(0) == "RIFF", tag(8) == "WAVE" else {
      throw DataError("\(file): not a WAV file")
    }
    var format: (code: Int, channels: Int, rate: Int, bits: Int)?
    var at = 12
    while at + 8 <= bytes.count {
      let (id, size) = (tag(at), number(at + 4, 4))
      at += 8
      guard size <= bytes.count - at else {
        throw DataError("\(file): the chunk '\(id)' is cut off")
      }
      if id == "fmt " && size >= 16 {
        var code = number(at, 2)
        if code == 0xFFFE && size >= 40 { code = number(at + 24, 2) }
        format = (code, number(at + 2, 2), number(at + 4, 4), number(at + 14, 2))
      } else if id == "data" {
        guard let format else { throw DataError("\(file): there is no format before the data") }
        rate = format.rate
        samples = try Sound.decode(
          bytes[at..<at + size], format.code, channels: format.channels, bits: format.bits, file: file)
        return
      }
      at += size + size % 2
    }
    throw DataError("\(file): there are no data in this WAV file")
  }

  private static func decode(
    _ bytes: ArraySlice<UInt8>, _ code: Int, channels: Int, bits: Int, file: String
  ) throws -> [Float] {
    guard channels > 0 else { throw DataError("\(file): the file has 0 channels") }
    let size = bits / 8
    let start = bytes.startIndex
    func integer(_ i: Int) -> Int {
      (0..<size).reduce(0) { $0 | Int(bytes[i + $1]) << (8 * $1) }
    }
    func signed(_ i: Int) -> Float {
      let value = integer(i)
      let half = 1 << (bits - 1)
      return Float(value >= half ? value - 2 * half : value) / Float(half)
    }
    let sample: (Int) -> Float
    switch (code, bits) {
    case (1, 8): sample = { (Float(bytes[$0]) - 128) / 128 }  // unsigned, alone of all
    case (1, 16), (1, 24), (1, 32): sample = signed
    case (3, 32): sample = { Float(bitPattern: UInt32(integer($0))) }
    default:
      throw DataError(
        "\(file): format \(code) of \(bits) bits; PCM of 8 to 32 bits and float32 can be read")
    }
    let frames = bytes.count / (size * channels)
    var result = [Float](repeating: 0, count: frames)
    for frame in 0..<frames {
      var sum: Float = 0
      for channel in 0..<channels { sum += sample(start + (frame * channels + channel) * size) }
      result[frame] = sum / Float(channels)
      guard result[frame].isFinite else {
        throw DataError("\(file): sample \(frame) is not a finite number")
      }
    }
    return result
  }
}

/// Reads a folder of WAV files, each sub-folder a class, each file a sample of `frames` frames
/// (longer ones are cut, shorter ones filled with silence); or one WAV file that is cut into pieces
/// of `frames` frames which are their own targets.
public struct WAVReader {
  public var frames: Int
  /// What all files must have; nil: what the first has.
  public var rate: Int?

  public init(frames: Int) {
    self.frames = frames
  }

  /// Samples of shape [1, frames].
  public func read(_ path: String) throws -> Samples {
    var values: [Float] = []
    var rate = rate
    func sound(_ file: String) throws -> Sound {
      let sound = try Sound(contentsOf: file)
      if let rate, rate != sound.rate {
        throw DataError("\(file): \(sound.rate) frames a second, and \(rate) are wanted")
      }
      rate = sound.rate
      return sound
    }
    guard isFolder(path) else {
      let samples = try sound(path).samples
      let count = samples.count / frames
      guard count > 0 else {
        throw DataError("\(path): \(samples.count) frames are fewer than one piece of \(frames)")
      }
      return Samples(
        storage: .floats(Array(samples[..<(count * frames)])), shape: [1, frames],
        targets: .inputs, count: count)
    }
    let names = try entries(ofFolder: path).filter { isFolder(path + "/" + $0) }
    guard !names.isEmpty else { throw DataError("\(path): no sub-folders; each is to be a class") }
    var classes: [Int32] = []
    for (number, name) in names.enumerated() {
      let folder = path + "/" + name
      let files = try entries(ofFolder: folder).filter { $0.lowercased().hasSuffix(".wav") }
      guard !files.isEmpty else { throw DataError("\(folder): no WAV files in here") }
      for file in files {
        let samples = try sound(folder + "/" + file).samples.prefix(frames)
        values += samples
        values += repeatElement(0, count: frames - samples.count)
        classes.append(Int32(number))
      }
    }
    return Samples(
      storage: .floats(values), shape: [1, frames], targets: .classes(classes, names: names),
      count: classes.count)
  }
}
