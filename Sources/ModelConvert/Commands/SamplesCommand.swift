import ArgumentParser
import Foundation
import NumPyFile
import Training

struct SamplesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "samples",
    abstract: "Write a recipe's samples as arrays or pictures.",
    discussion: """
      What the network of the recipe is given, after the transforms (without random ones), in the \
      order of the data: the array x, samples along its first axis, and y, their classes or the \
      numbers to learn. For calibrating `quantize`, for `run`, and for a look at the data. Of a \
      detector's recipe: the array x, and of each box in these images boxes (left, top, right, \
      bottom in fractions of the image), classes and the number of its image, images; where the \
      detector is given regions, these are proposals, and proposal_images their images. Of a recipe of \
      questions: a text, stories in bAbI's format; of shortest paths: a text, a line for each graph \
      with its triples (from edge to), the query and the path. Of a captioner's: the array x, the \
      tokens y of each caption, 0 behind its end, and captions, the bytes of a text with one caption \
      a line.

      Pictures of a detector's or captioner's recipe are written side by side in one picture where \
      the file's name ends in .png; captions are printed.

      EXAMPLES
        model-convert samples recipes/lenet5.yaml --part test -o digits.npz
        model-convert samples recipes/captions.yaml --part test --count 1 -o scene.png
      """)

  enum Part: String, ExpressibleByArgument, CaseIterable { case training, validation, test }

  @Argument(help: "The recipe.", completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String

  @Option(
    name: .shortAndLong, help: "The .npz file to write (stories, graphs: .txt; pictures: .png too).",
    completion: .file(extensions: ["npz", "txt", "png"]))
  var output: String

  @Option(help: "The part of the data: training, validation or test.")
  var part: Part = .training

  @Option(help: ArgumentHelp("So many samples, the first ones; default: all.", valueName: "n"))
  var count: Int?

  @Option(
    help: ArgumentHelp("The data, in place of the recipe's.", valueName: "path"),
    completion: .file())
  var data: String?

  mutating func validate() throws {
    if let count, count < 1 { throw ValidationError("--count: \(count); it must be at least 1") }
  }

  func run() throws {
    do { try write() } catch let error as Failure { throw error } catch { throw Failure("\(error)") }
  }

  private func write() throws {
    let recipe = try Recipe(contentsOf: self.recipe)
    if let parts = try recipe.boxedImages(path: self.data) {
      return try write(parts, recipe.regionProposer)
    }
    if let parts = try recipe.captionedScenes(path: self.data) { return try write(parts) }
    guard !isPicture else {
      throw Failure(
        "\(output): only the pictures of detectors and captioners are written as PNG; name a .npz file")
    }
    if case .system = recipe.subject, let text = try text(recipe) {
      try Data(text.utf8).write(to: URL(fileURLWithPath: output))
      return
    }
    let data = try recipe.loadData(path: self.data, inspectingIn: 32)
    let source = try chosen(data.training, data.validation, data.test)
    guard !source.hasTokens else { throw Failure("\(self.recipe): a text has no samples") }
    let wanted = min(count ?? source.sampleCount, source.sampleCount)
    var (x, classes, values): ([Float], [Int32], [Float]) = ([], [], [])
    var batch = Batch()
    for index in 0..<source.batchCount where x.count < wanted * source.inputShape.reduce(1, *) {
      source.fill(&batch, epoch: 0, index: index)
      x += batch.inputs
      classes += batch.classes
      values += batch.values
    }
    var archive = NumPyArchive()
    archive.append("x", first(wanted, x, source.inputShape))
    switch source.target {
    case .classes: archive.append("y", NumPyArray(Array(classes[..<wanted]), shape: [wanted]))
    case .values(let shape): archive.append("y", first(wanted, values, shape))
    case .nextTokens: break
    }
    try archive.write(to: output, compressed: true)
    let shape = source.inputShape.map(String.init).joined(separator: ", ")
    print("\(output): \(wanted) samples of [\(shape)]")
  }

  /// The part of the data that is asked for.
  private func chosen<Source>(
    _ training: Source, _ validation: Source?, _ test: Source?
  ) throws -> Source {
    let source: Source? =
      switch part {
      case .training: training
      case .validation: validation
      case .test: test
      }
    guard let source else { throw Failure("\(recipe): the data have no \(part) part") }
    return source
  }

  /// nil: the recipe's samples are no text.
  private func text(_ recipe: Recipe) throws -> String? {
    let job = try recipe.job(path: self.data)
    guard job.training is any TextSamples else { return nil }
    let samples = try chosen(job.training, job.validation, job.test) as? any TextSamples
    return samples?.text(count: count)
  }

  private func write(_ parts: BoxedParts, _ proposer: (any RegionProposer)?) throws {
    let images = try chosen(parts.training, parts.validation, parts.test)
    let wanted = min(count ?? images.count, images.count)
    let size = images.shape.reduce(1, *)
    var x = [Float](repeating: 0, count: wanted * size)
    var (boxes, classes, numbers): ([Float], [Int32], [Int32]) = ([], [], [])
    for i in 0..<wanted {
      let objects = try x.withUnsafeMutableBufferPointer {
        try images.image(i, epoch: 0, into: $0.baseAddress! + i * size)
      }
      for object in objects where !object.isCrowd {
        boxes += [object.box.x1, object.box.y1, object.box.x2, object.box.y2]
        classes.append(Int32(object.label))
        numbers.append(Int32(i))
      }
    }
    if isPicture {
      return try writePictures(
        (0..<wanted).map { i in
          Image(planes: Array(x[i * size..<(i + 1) * size]), shape: images.shape)
        })
    }
    var archive = NumPyArchive()
    archive.append("x", NumPyArray(x, shape: [wanted] + images.shape))
    archive.append("boxes", NumPyArray(boxes, shape: [classes.count, 4]))
    archive.append("classes", NumPyArray(classes, shape: [classes.count]))
    archive.append("images", NumPyArray(numbers, shape: [classes.count]))
    if let proposer {
      var (proposals, owners): ([Float], [Int32]) = ([], [])
      for i in 0..<wanted {
        let found = proposer.regions(Array(x[i * size..<(i + 1) * size]), shape: images.shape)
        proposals += found.flatMap { [$0.x1, $0.y1, $0.x2, $0.y2] }
        owners += found.map { _ in Int32(i) }
      }
      archive.append("proposals", NumPyArray(proposals, shape: [owners.count, 4]))
      archive.append("proposal_images", NumPyArray(owners, shape: [owners.count]))
    }
    try archive.write(to: output, compressed: true)
    print("\(output): \(wanted) images of \(images.shape), \(classes.count) boxes")
  }

  private var isPicture: Bool { output.hasSuffix(".png") }

  /// One as it is, several side by side.
  private func writePictures(_ pictures: [Image]) throws {
    let sheet =
      pictures.count == 1
      ? pictures[0] : BoxDrawing(sheet: pictures.map { BoxDrawing($0) }, columns: 8).image
    try writeBytes(sheet.png(), toFile: output)
  }

  private func write(_ parts: CaptionParts) throws {
    let scenes = try chosen(parts.training, parts.validation, parts.test)
    let wanted = min(count ?? scenes.count, scenes.count)
    let all = (0..<wanted).map { scenes.scene($0) }
    let shape = [3, scenes.style.size, scenes.style.size]
    if isPicture {
      try writePictures(all.map { Image(planes: $0.pixels, shape: shape) })
      for scene in all { print(scene.caption) }
      return
    }
    let tokens = all.map { CaptionScenes.tokens($0.caption) }
    let longest = (tokens.map(\.count).max() ?? 0) + 1
    let y = tokens.flatMap { $0 + [Int32](repeating: 0, count: longest - $0.count) }
    let text = [UInt8](all.map { $0.caption + "\n" }.joined().utf8)
    var archive = NumPyArchive()
    archive.append("x", NumPyArray(all.flatMap(\.pixels), shape: [wanted] + shape))
    archive.append("y", NumPyArray(y, shape: [wanted, longest]))
    archive.append("captions", NumPyArray(type: .uint8, shape: [text.count], bytes: text))
    try archive.write(to: output, compressed: true)
    print("\(output): \(wanted) pictures of \(shape) with captions")
  }

  private func first(_ count: Int, _ values: [Float], _ shape: [Int]) -> NumPyArray {
    NumPyArray(Array(values[..<(count * shape.reduce(1, *))]), shape: [count] + shape)
  }
}
