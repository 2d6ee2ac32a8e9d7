import Graph
import Quantization
import Zoo

/// A network that recipes can name and that is trained on a task of its own rather than on samples
/// with targets: detectors, translators, memory machines.
///
/// To add one: its network in Sources/Zoo, its task (a `TrainingTask`) in Sources/Training/Tasks, this
/// conformance in Recipe/Systems/NAME+Recipe.swift, and a line in `recipeSystems`.
public protocol RecipeSystem {
  /// What `model.name` calls it.
  static var recipeName: String { get }
  /// The keys of the section `model` beside `name`, and those of the section `data`.
  static var recipeKeys: [String] { get }
  static var dataKeys: [String] { get }

  init(model: RecipeSection, data: RecipeSection) throws

  /// Whether there is a validation part.
  var hasValidation: Bool { get }

  /// Reads or makes the data, and makes the network for them.
  func job(_ settings: SystemSettings) throws -> TrainingJob
}

/// What a recipe says of any system.
public struct SystemSettings {
  public let name: String
  /// Takes the place of the recipe's data; nil: as the recipe says.
  public let dataPath: String?
  public let batchSize: Int
  public let seed: UInt64
}

/// All systems that recipes can name.
let recipeSystems: [any RecipeSystem.Type] = [
  LineClassifier.self,
  SyntaxTagger.self,
  SpeechSystem.self,
  EmbeddingSystem.self,
  DetectorSystem<SSD>.self,
  DetectorSystem<YOLOv1>.self,
  DetectorSystem<YOLOv2>.self,
  DetectorSystem<YOLOv3Tiny>.self,
  RCNNSystem.self,
  SlidingSystem.self,
  RegionSystem<FastRegionCNN>.self,
  RegionSystem<FasterRegionCNN>.self,
  NTMSystem.self,
  DNCSystem.self,
  TranslatorSystem.self,
  CaptionerSystem.self,
]

/// A run of training made ready.
public struct TrainingJob {
  /// With its initial weights.
  public let graph: Graph
  public let training: any TrainingTask
  public let validation: (any TrainingTask)?
  public let test: (any TrainingTask)?
  public let classNames: [String]?
  /// What is shown of an evaluation beside the loss and the task's own measures.
  public let metrics: [Metric]
  /// Makes the model that is run of the trained network.
  public let deployed: (Graph) throws -> Graph
  /// Fits what is not trained by gradients to the trained network, before it is tested.
  public var fit: ((Network<Float>) throws -> Void)?
  /// Makes the models of a run that trained for int8: in floats, and in int8.
  public var quantized:
    ((Trainer) throws -> (graph: Graph, int8: (file: [UInt8], report: QuantizationReport)))?

  public init(
    graph: Graph, training: any TrainingTask, validation: (any TrainingTask)? = nil,
    test: (any TrainingTask)? = nil, classNames: [String]? = nil, metrics: [Metric] = [],
    deployed: @escaping (Graph) throws -> Graph
  ) {
    self.graph = graph
    self.training = training
    self.validation = validation
    self.test = test
    self.classNames = classNames
    self.metrics = metrics
    self.deployed = deployed
  }
}

extension Recipe {
  /// Reads the data and makes the network.
  ///
  /// - Parameter path: Takes the place of the data's path.
  public func job(path: String? = nil) throws -> TrainingJob {
    switch subject {
    case .system(let system):
      guard let batchSize else {
        throw RecipeError(file: file, line: nil, "batch_size: give a number; 'full' is for samples")
      }
      return try system.job(
        SystemSettings(name: name, dataPath: path, batchSize: batchSize, seed: seed))
    case .samples(let samples):
      return try job(samples, loadData(path: path))
    }
  }

  private func job(_ samples: SampleRecipe, _ data: LoadedData) throws -> TrainingJob {
    func task(_ source: (any BatchSource)?) -> SupervisedTask? {
      source.map { SupervisedTask($0, loss: samples.loss, countsConfusion: true) }
    }
    let training = SupervisedTask(
      data.training, loss: samples.loss, weights: samples.model.lossWeights)
    var job = TrainingJob(
      graph: try graph(data), training: training, validation: task(data.validation),
      test: task(data.test), classNames: data.training.classNames,
      metrics: metrics.isEmpty ? Metric.standard(data.training.target, samples.loss) : metrics
    ) { trained in
      try TrainedModel.export(
        trained, into: graph(data, isDeployed: true), loss: samples.loss, source: data.training,
        vocabulary: data.vocabulary, name: name)
    }
    job.quantized = { trainer in
      try TrainedModel.exportQuantized(
        trainer, into: graph(data, isDeployed: true), vocabulary: data.vocabulary, name: name)
    }
    return job
  }
}
