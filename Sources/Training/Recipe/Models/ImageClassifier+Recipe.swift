import Graph
import Zoo

/// A network of the zoo that classifies pictures: what all of them have in a recipe.
protocol ClassifierModel: RecipeModel, ImageClassifier {
  /// The keys beside `width` and `dropout`.
  static var ownKeys: [String] { get }
  /// Rows and columns of the smallest picture of which its layers leave something.
  static var smallestSize: Int { get }
  mutating func read(_ section: RecipeSection) throws
}

extension ClassifierModel {
  static var ownKeys: [String] { [] }
  static var recipeKeys: [String] { ["width", "dropout"] + ownKeys }
  mutating func read(_ section: RecipeSection) throws {}

  init(_ section: RecipeSection) throws {
    self.init()
    width = try section.number("width", "from 0.01 to 8") { $0 >= 0.01 && $0 <= 8 } ?? width
    if section.has("dropout") { dropout = try section.dropout() }
    try read(section)
  }

  func graph(_ task: ModelRecipe.Task) throws -> Graph {
    let shape = task.inputShape
    try task.require(
      "square pictures [channels, size, size] of at least \(Self.smallestSize) pixels either way",
      !task.hasTokens && shape.count == 3 && shape[1] == shape[2] && shape[1] >= Self.smallestSize)
    var net = self
    (net.channels, net.size) = (shape[0], shape[1])
    (net.classes, net.seed) = (task.outputs, task.seed)
    return try net.graph(isDeployed: task.isDeployed)
  }
}

extension RecipeSection {
  /// One of a network's depths.
  func depth(_ depths: some Sequence<Int>) throws -> Int? {
    try choice("depth", depths.sorted().map(String.init)).flatMap { Int($0) }
  }
}

extension AlexNet: ClassifierModel {
  static let recipeName = "alexnet"
  static let ownKeys = ["form"]
  static let smallestSize = 67
  mutating func read(_ section: RecipeSection) throws {
    form = try section.choice("form", Form.self) ?? form
  }
}

extension NiN: ClassifierModel {
  static let recipeName = "nin"
  static let smallestSize = 8
}

extension VGG: ClassifierModel {
  static let recipeName = "vgg"
  static let ownKeys = ["depth", "batch_normalization"]
  static let smallestSize = 32
  mutating func read(_ section: RecipeSection) throws {
    depth = try section.depth(VGG.stages.keys) ?? depth
    isNormalized = try section.bool("batch_normalization") ?? isNormalized
  }
}

extension GoogLeNet: ClassifierModel {
  static let recipeName = "googlenet"
  static let ownKeys = ["form"]
  static let smallestSize = 48
  var lossWeights: [Float] { [1, GoogLeNet.auxiliaryWeight, GoogLeNet.auxiliaryWeight] }
  mutating func read(_ section: RecipeSection) throws {
    form = try section.choice("form", Form.self) ?? form
  }
}

extension InceptionV3: ClassifierModel {
  static let recipeName = "inception-v3"
  static let smallestSize = 75
  var lossWeights: [Float] { [1, InceptionV3.auxiliaryWeight] }
}

extension ResNet: ClassifierModel {
  static let recipeName = "resnet-imagenet"
  static let ownKeys = ["depth", "stride", "zero_init_residual"]
  static let smallestSize = 32
  mutating func read(_ section: RecipeSection) throws {
    depth = try section.depth(ResNet.stages.keys) ?? depth
    stride = try section.choice("stride", Stride.self) ?? stride
    zeroInitResidual = try section.bool("zero_init_residual") ?? zeroInitResidual
  }
}

extension DenseNet: ClassifierModel {
  static let recipeName = "densenet"
  static let ownKeys = ["depth"]
  static let smallestSize = 32
  mutating func read(_ section: RecipeSection) throws {
    depth = try section.depth(DenseNet.blocks.keys) ?? depth
  }
}

extension SqueezeNet: ClassifierModel {
  static let recipeName = "squeezenet"
  static let ownKeys = ["version"]
  static let smallestSize = 32
  mutating func read(_ section: RecipeSection) throws {
    version = try section.choice("version", Version.self) ?? version
  }
}

extension Xception: ClassifierModel {
  static let recipeName = "xception"
  static let ownKeys = ["blocks"]
  static let smallestSize = 48
  mutating func read(_ section: RecipeSection) throws {
    blocks = try section.integer("blocks", 1...64) ?? blocks
  }
}

extension MobileNetV1: ClassifierModel {
  static let recipeName = "mobilenet-v1"
  static let smallestSize = 32
}

extension MobileNetV2: ClassifierModel {
  static let recipeName = "mobilenet-v2"
  static let smallestSize = 32
}
