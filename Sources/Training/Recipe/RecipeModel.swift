import Graph
import Zoo

/// A network that recipes can name.
///
/// To add one: write its file in Sources/Zoo, a file Recipe/Models/NAME+Recipe.swift with this
/// conformance, and a line in `recipeModels`.
protocol RecipeModel {
  /// What `model.name` calls it.
  static var recipeName: String { get }
  /// The keys of the section `model` beside `name`.
  static var recipeKeys: [String] { get }

  init(_ section: RecipeSection) throws

  /// The network with its initial weights; `task.require` says what the data must be.
  func graph(_ task: ModelRecipe.Task) throws -> Graph

  /// By how much the loss of each of the training network's outputs counts: [1] where there is one,
  /// less for auxiliary ones.
  var lossWeights: [Float] { get }
}

extension RecipeModel {
  var lossWeights: [Float] { [1] }
}

/// All networks that recipes can name.
let recipeModels: [any RecipeModel.Type] = [
  LeNet5.self,
  ResNet20.self,
  MLP.self,
  CharRNN.self,
  SequenceNetwork.self,
  JordanNetwork.self,
  FileNetwork.self,
  AlexNet.self,
  NiN.self,
  VGG.self,
  GoogLeNet.self,
  InceptionV3.self,
  ResNet.self,
  DenseNet.self,
  SqueezeNet.self,
  Xception.self,
  MobileNetV1.self,
  MobileNetV2.self,
  C3D.self,
]

extension RecipeSection {
  func dropout(_ key: String = "dropout") throws -> Float {
    Float(try number(key, "from 0 to less than 1") { $0 >= 0 && $0 < 1 } ?? 0)
  }
}
