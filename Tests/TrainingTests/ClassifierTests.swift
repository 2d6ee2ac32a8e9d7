import Graph
import Testing
import Training
import Zoo

/// Trainable parameters as published: torchvision's `sum(p.numel() for p in net.parameters())`, the
/// papers' own, or those of the authors' programs.
private let published = [
  "alexnet": 60_965_224,  // Caffe's bvlc_reference_caffenet and bvlc_alexnet, in two groups
  "alexnet-ungrouped": 62_378_344,
  "alexnet-torchvision": 61_100_840,
  "nin": 966_986,
  "vgg-11": 132_863_336,
  "vgg-13": 133_047_848,
  "vgg-16": 138_357_544,
  "vgg-19": 143_667_240,
  "c3d": 79_991_015,
  "googlenet": 6_998_552,  // Caffe's bvlc_googlenet
  "googlenet-bn": 6_624_904,
  "inception-v3": 23_834_568,
  "resnet-18": 11_689_512,
  "resnet-34": 21_797_672,
  "resnet-50": 25_557_032,
  "resnet-101": 44_549_160,
  "resnet-152": 60_192_808,
  "squeezenet-1.0": 1_248_424,
  "squeezenet-1.1": 1_235_496,
  "densenet-121": 7_978_856,
  "densenet-169": 14_149_480,
  "densenet-201": 20_013_928,
  "xception": 22_855_952,  // Keras: 22,910,480, of which 54,528 are statistics
  "mobilenet-v1": 4_231_976,  // Keras: 4,253,864, of which 21,888 are statistics
  "mobilenet-v2": 3_504_872,
]

private func shape<T>(_ body: () throws -> T) rethrows -> T {
  try GraphBuilder.$drawsWeights.withValue(false, operation: body)
}

@Test func theZooHasThePublishedParameters() throws {
  for network in zooNetworks {
    guard let wanted = published[network.name] else { continue }
    let count = try shape { try network.graph(network.classes, 1).parameterCount }
    #expect(count == wanted, "\(network.name)")
  }
  #expect(published.keys.allSatisfy { name in zooNetworks.contains { $0.name == name } })
}

@Test func auxiliaryClassifiersHaveThePublishedParameters() throws {
  var net = GoogLeNet()
  #expect(try shape { try net.graph().parameterCount } == 13_378_280)
  net.form = .batchNormalized
  #expect(try shape { try net.graph().parameterCount } == 13_004_888)
  #expect(try shape { try InceptionV3().graph().parameterCount } == 27_161_264)
  var vgg = VGG()
  vgg.isNormalized = true
  #expect(try shape { try vgg.graph().parameterCount } == 138_365_992)
  // Of its usual form for UCF101.
  let film = zooNetworks.first { $0.name == "c3d" }!
  #expect(try shape { try film.graph(101, 1).parameterCount } == 78_409_573)
  // Means and variances, which Keras counts too.
  func statistics(_ graph: Graph) -> Int {
    graph.weights.filter { $0.name.hasSuffix(".mean") || $0.name.hasSuffix(".variance") }
      .reduce(0) { $0 + ($1.count ?? 0) }
  }
  #expect(try shape { try statistics(Xception().graph()) } == 22_910_480 - 22_855_952)
  #expect(try shape { try statistics(MobileNetV1().graph()) } == 4_253_864 - 4_231_976)
}

/// Multiply-accumulates as the papers round them.
@Test(arguments: [
  ("vgg-16", 15.5e9), ("resnet-18", 1.8e9), ("resnet-34", 3.6e9), ("resnet-50", 3.8e9),
  ("resnet-101", 7.6e9), ("resnet-152", 11.3e9), ("mobilenet-v1", 569e6), ("mobilenet-v2", 300e6),
  ("inception-v3", 5.7e9), ("googlenet", 1.5e9), ("alexnet", 724e6), ("c3d", 38.5e9),
])
func theZooHasThePublishedWork(_ name: String, _ wanted: Double) throws {
  let network = zooNetworks.first { $0.name == name }!
  let graph = try shape { try network.graph(network.classes, 1) }
  let work = Double(try graph.multiplyAccumulates(graph.mainFunction!))
  #expect(abs(work / wanted - 1) < 0.07, "\(name): \(work)")
}

private let small: [any ImageClassifier] = {
  func make<N: ImageClassifier>(_: N.Type, _ size: Int, _ change: (inout N) -> Void = { _ in }) -> N {
    var net = N()
    (net.classes, net.size, net.width) = (10, size, 0.125)
    change(&net)
    return net
  }
  return [
    make(AlexNet.self, 67), make(AlexNet.self, 64) { $0.form = .torchvision },
    make(NiN.self, 16), make(VGG.self, 32) { $0.depth = 11 },
    make(VGG.self, 32) { ($0.depth, $0.isNormalized) = (13, true) },
    make(GoogLeNet.self, 48), make(GoogLeNet.self, 48) { $0.form = .batchNormalized },
    make(InceptionV3.self, 75), make(ResNet.self, 32) { $0.depth = 18 },
    make(ResNet.self, 33), make(ResNet.self, 32) { $0.stride = .middle },
    make(DenseNet.self, 32), make(SqueezeNet.self, 32),
    make(SqueezeNet.self, 40) { $0.version = .second },
    make(Xception.self, 48) { $0.blocks = 2 }, make(MobileNetV1.self, 32),
    make(MobileNetV2.self, 32),
  ]
}()

/// After a few updates the deployed network gives in the runtime what the trainer computes, and the
/// loss of the batch that it was trained on has fallen.
@Test(arguments: small.indices)
func classifiersTrainAndRunAlike(_ index: Int) throws {
  let net = small[index]
  let training = try net.graph(isDeployed: false)
  let network = try Network<Float>(training)
  let n = 4
  let shape = [n, 3, net.size, net.size]
  var random = SeededRandom(seed: 4)
  let pictures = (0..<shape.reduce(1, *)).map { _ in random.normal() }
  let classes: [Int32] = [0, 3, 5, 9]

  let program = try network.program([shape], isTraining: true)
  func evaluate() -> Double {
    for i in pictures.indices { program.inputs[0].data[i] = pictures[i] }
    network.zeroGradients()
    program.zeroGradients()
    program.forward()
    var loss = 0.0
    for output in program.outputs {
      loss += classes.withUnsafeBufferPointer {
        Loss.crossEntropy.evaluate(output, LossTargets(classes: $0.baseAddress)).loss
      }
    }
    program.backward()
    return loss
  }
  var losses: [Double] = []
  for _ in 0..<6 {
    losses.append(evaluate())
    // Along the gradient, a hundredth of the weights' length.
    var (g2, w2): (Float, Float) = (0, 0)
    for i in network.parameters.indices {
      g2 += network.gradients[i] * network.gradients[i]
      w2 += network.parameters[i] * network.parameters[i]
    }
    #expect(g2 > 0 && g2.isFinite)
    let step = 0.01 * (w2 / g2).squareRoot()
    for i in network.parameters.indices { network.parameters[i] -= step * network.gradients[i] }
  }
  #expect(losses.min()! < losses[0], "\(type(of: net)): \(losses)")
  network.store()

  let deployed = try net.graph(isDeployed: true)
  try deployed.copyWeights(from: training)
  let run = try RuntimeRun(deployed, shapes: [shape])
  #expect(deployed.mainFunction!.outputs.map(\.name) == ["logits"])
  run.set(input: 0, pictures)
  try run.session.run()
  let tested = try network.program([shape], isTraining: false)
  for i in pictures.indices { tested.inputs[0].data[i] = pictures[i] }
  tested.forward()
  let wanted = tested.outputs[0].values
  let largest = wanted.map(abs).max()!
  #expect(largest > 0)
  for (a, b) in zip(run.output(0), wanted) {
    #expect(abs(a - b) <= 1e-4 * max(largest, 1), "\(type(of: net))")
  }
}
