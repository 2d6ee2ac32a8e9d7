import Foundation

/// Features of sound: the logarithm of its energy in bands that are spaced as pitch is heard.
public struct LogMel {
  /// Samples a second.
  public var rate = 8_000
  /// Samples of a frame, which a Hann window fades in and out, and from frame to frame.
  public var frame = 200
  public var hop = 80
  /// Samples of the Fourier transform: the frame, filled up with zeros.
  public var transform = 256
  public var bands = 40
  /// Where the first band begins and the last one ends, in Hz.
  public var lowest = 0.0
  public var highest = 4_000.0
  /// Added to the energy: what is silent.
  public var floor: Float = 1e-6

  public init() {}

  /// Pitch by frequency: M. Slaney's scale ("Auditory toolbox", 1998), linear below 1,000 Hz and
  /// logarithmic above, librosa's default.
  static func mel(_ hertz: Double) -> Double {
    hertz < 1_000 ? hertz * 3 / 200 : 15 + log(hertz / 1_000) * 27 / log(6.4)
  }

  static func hertz(_ mel: Double) -> Double {
    mel < 15 ? mel * 200 / 3 : 1_000 * exp((mel - 15) * log(6.4) / 27)
  }

  /// By how much each frequency counts for each band, [bands, transform / 2 + 1]: triangles from the
  /// band before to the band after, of equal area (2 over their width in Hz).
  public var triangles: [Float] {
    let (low, high) = (LogMel.mel(lowest), LogMel.mel(highest))
    let corners = (0..<bands + 2).map {
      LogMel.hertz(low + (high - low) * Double($0) / Double(bands + 1))
    }
    return (0..<bands).flatMap { band -> [Float] in
      let (a, b, c) = (corners[band], corners[band + 1], corners[band + 2])
      return (0...transform / 2).map { bin in
        let f = Double(bin) * Double(rate) / Double(transform)
        return Float(max(0, min((f - a) / (b - a), (c - f) / (c - b))) * 2 / (c - a))
      }
    }
  }

  /// The window times the Fourier transform's cosines, then its sines: [2 (transform / 2 + 1), frame].
  var waves: [Float] {
    let window = (0..<frame).map { 0.5 - 0.5 * cos(2 * .pi * Double($0) / Double(frame)) }
    return [0, -0.5 * Double.pi].flatMap { phase in
      (0...transform / 2).flatMap { bin in
        (0..<frame).map { n -> Float in
          // The angle is kept small, where it is exact.
          let turn = Double(bin * n % transform) / Double(transform)
          return Float(window[n] * cos(2 * .pi * turn + phase))
        }
      }
    }
  }
}

extension GraphBuilder {
  /// log(M |F w x|² + floor) of every frame that lies whole in x: w the window, F the Fourier
  /// transform, M the triangles. x: [N, samples] to [N, bands, 1 + (samples − frame) / hop].
  ///
  /// Windowed cosines and sines are a convolution, and so are the triangles: a network that begins with
  /// this takes samples as they come from a microphone.
  public func logMel(_ x: Value, _ mel: LogMel = LogMel(), name: String = "log-mel") -> Value {
    guard mel.frame <= mel.transform, mel.hop > 0, mel.bands > 0,
      mel.highest <= Double(mel.rate) / 2, mel.lowest < mel.highest
    else {
      fail("\(name): a frame of \(mel.frame) samples, bands up to \(mel.highest) Hz are not possible")
      return x
    }
    let waves = 2 * (mel.transform / 2 + 1)
    let sound = node("Unsqueeze", [x, constant(integers: [1])])
    let spectrum = node(
      "Conv", name: name + ".spectrum",
      [sound, constant(name + ".waves", [waves, 1, mel.frame], mel.waves)],
      ["kernel_shape": .ints([mel.frame]), "strides": .ints([mel.hop])])
    let squares = multiply(spectrum, spectrum)
    // The same triangles for the squares of cosines and of sines.
    let bins = waves / 2
    let triangles = mel.triangles
    let twice = (0..<mel.bands).flatMap { band -> [Float] in
      let row = triangles[band * bins..<(band + 1) * bins]
      return Array(row) + Array(row)
    }
    let energy = node(
      "Conv", name: name + ".bands",
      [
        squares, constant(name + ".triangles", [mel.bands, waves, 1], twice),
        constant(name + ".floor", [mel.bands], [Float](repeating: mel.floor, count: mel.bands)),
      ], ["kernel_shape": .ints([1])])
    return node("Log", name: name, [energy])
  }
}
