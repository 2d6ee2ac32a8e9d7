import Graph

/// What is more than a classifier: detectors at their papers' size, and the systems that are trained
/// from nothing at the size of their recipes.
let zooSystems: [ZooNetwork] = detectors + perceptrons + embeddings + sequences + speech + memories

private let detectors: [ZooNetwork] = [
  ZooNetwork(
    "r-cnn", .detector, "Girshick et al. 2014", recipe: "rcnn-digits", classes: 20,
    counted: .init(sizes: ["R": 2_000], graph: rcnn { try $0.graph() }), rcnn { try $0.detector() }),
  ZooNetwork(
    "fast-rcnn", .detector, "Girshick 2015", recipe: "fast-rcnn-digits", classes: 20,
    counted: .init(sizes: ["R": 2_000], graph: regions(.fast) { try $0.graph() }),
    regions(.fast) { try $0.detector() }),
  ZooNetwork(
    "faster-rcnn", .detector, "Ren et al. 2016", recipe: "faster-rcnn-digits", classes: 20,
    counted: .init(sizes: ["R": 300], graph: regions(.faster) { try $0.graph() }),
    regions(.faster) { try $0.detector() }),
  ZooNetwork(
    "yolo-v1", .detector, "Redmon et al. 2016", recipe: "yolo-v1-digits", classes: 20,
    counted: .init(graph: yolo1 { try $0.graph() }), yolo1 { try $0.detector() }),
  ZooNetwork(
    "ssd300", .detector, "Liu et al. 2016", recipe: "ssd-digits", classes: 20,
    counted: .init(graph: ssd { try $0.graph() }), ssd { try $0.detector() }),
  ZooNetwork(
    "yolo-v2", .detector, "Redmon, Farhadi 2017", recipe: "yolo-v2-digits", classes: 80,
    counted: .init(graph: yolo2 { try $0.graph() }), yolo2 { try $0.detector() }),
  ZooNetwork(
    "yolo-v3-tiny", .detector, "Redmon, Farhadi 2018", recipe: "yolo-v3-tiny-digits", classes: 80,
    counted: .init(graph: yolo3 { try $0.graph() }), yolo3 { try $0.detector() }),
  ZooNetwork(
    "sliding", .detector, "Sung, Poggio 1998", recipe: "sliding-digits"
  ) { _, seed in
    var net = SlidingDetector()
    net.seed = seed
    return try net.detector()
  },
]

private typealias Build = (_ classes: Int, _ seed: UInt64) throws -> Graph

private func regions(
  _ kind: FastRCNN.Kind, _ build: @escaping (FastRCNN) throws -> Graph
) -> Build {
  { classes, seed in
    var net = FastRCNN()
    (net.kind, net.classes, net.seed) = (kind, classes, seed)
    return try build(net)
  }
}

private func rcnn(_ build: @escaping (RCNN) throws -> Graph) -> Build {
  { classes, seed in
    var net = RCNN()
    (net.classes, net.seed) = (classes, seed)
    return try build(net)
  }
}

private func yolo1(_ build: @escaping (YOLOv1) throws -> Graph) -> Build {
  { classes, seed in
    var net = YOLOv1()
    (net.classes, net.seed) = (classes, seed)
    return try build(net)
  }
}

private func ssd(_ build: @escaping (SSD) throws -> Graph) -> Build {
  { classes, seed in
    var net = SSD()
    (net.classes, net.seed) = (classes, seed)
    return try build(net)
  }
}

private func yolo2(_ build: @escaping (YOLOv2) throws -> Graph) -> Build {
  { classes, seed in
    var net = YOLOv2()
    (net.classes, net.seed) = (classes, seed)
    return try build(net)
  }
}

private func yolo3(_ build: @escaping (YOLOv3Tiny) throws -> Graph) -> Build {
  { classes, seed in
    var net = YOLOv3Tiny()
    (net.classes, net.seed) = (classes, seed)
    return try build(net)
  }
}

private let perceptrons: [ZooNetwork] = [
  perceptron("perceptron", "Rosenblatt 1958", [2], hidden: [], classes: 2),
  perceptron("xor", "Rumelhart et al. 1986", [2], hidden: [4], classes: 1),
  perceptron("softmax-regression", "Cox 1966", [64], hidden: [], classes: 10),
  perceptron("mlp", "Rumelhart et al. 1986", [1, 8, 8], hidden: [128, 64], classes: 10) {
    $0.activation = .relu
  },
]

/// The recipe is called as the network is.
private func perceptron(
  _ name: String, _ paper: String, _ shape: [Int], hidden: [Int], classes: Int,
  _ change: @escaping (inout MLP) -> Void = { _ in }
) -> ZooNetwork {
  ZooNetwork(name, .perceptron, paper, recipe: name, classes: classes) { classes, seed in
    var net = MLP()
    (net.inputShape, net.hidden, net.outputs, net.seed) = (shape, hidden, classes, seed)
    change(&net)
    return try net.graph()
  }
}

private let embeddings: [ZooNetwork] = [
  ZooNetwork("embedding", .embedding, "Schroff et al. 2015", recipe: "embedding") { _, seed in
    var net = EmbeddingNet()
    net.seed = seed
    return try net.graph()
  },
  ZooNetwork("embedding-centre", .embedding, "Wen et al. 2016", recipe: "embedding-centre") { _, seed in
    var net = EmbeddingNet()
    net.seed = seed
    return try net.graph()
  },
]

private let sequences: [ZooNetwork] = [
  sequence("elman", "Elman 1990", recipe: "sunspots-elman") {
    ($0.cell, $0.hiddenSize) = (.rnn, 16)
  },
  ZooNetwork("jordan", .sequence, "Jordan 1986", recipe: "sunspots-jordan") { _, seed in
    var net = JordanNetwork()
    (net.steps, net.seed) = (22, seed)
    return try net.graph()
  },
  sequence("lstm", "Hochreiter, Schmidhuber 1997", recipe: "adding-problem-lstm") {
    $0.input = .numbers(features: 2)
  },
  sequence("lstm-peepholes", "Graves 2013", recipe: "adding-problem-peepholes") {
    ($0.input, $0.hasPeepholes) = (.numbers(features: 2), true)
  },
  sequence("gru", "Cho et al. 2014", recipe: "adding-problem-gru") {
    ($0.input, $0.cell) = (.numbers(features: 2), .gru)
  },
  sequence("line-classifier", "Schuster, Paliwal 1997", recipe: "line-classifier", classes: 4) {
    ($0.input, $0.cell, $0.embedding) = (.tokens(count: 96), .gru, 24)
    ($0.isBidirectional, $0.reading, $0.hasLengths) = (true, .mean, true)
  },
  sequence("syntax-tagger", "Schuster, Paliwal 1997", recipe: "syntax-tagger", classes: 9) {
    ($0.input, $0.embedding) = (.tokens(count: 96), 24)
    ($0.isBidirectional, $0.reading, $0.hasLengths) = (true, .each, true)
  },
  ZooNetwork(
    "char-rnn", .sequence, "Karpathy 2015", recipe: "char-rnn", classes: 96
  ) { tokens, seed in
    var net = CharRNN(vocabulary: tokens)
    (net.hiddenSize, net.seed) = (256, seed)
    return try net.graph()
  },
  translator("seq2seq", .none, "Sutskever et al. 2014", recipe: "dates-plain"),
  translator("seq2seq-additive", .additive, "Bahdanau et al. 2015", recipe: "dates"),
  translator("seq2seq-multiplicative", .multiplicative, "Luong et al. 2015", recipe: "dates-multiplicative"),
  captioner("show-and-tell", .none, "Vinyals et al. 2015", recipe: ""),
  captioner("show-attend-tell", .additive, "Xu et al. 2015", recipe: "captions"),
]

private func sequence(
  _ name: String, _ paper: String, recipe: String, classes: Int = 1,
  _ change: @escaping (inout SequenceNetwork) -> Void
) -> ZooNetwork {
  ZooNetwork(name, .sequence, paper, recipe: recipe, classes: classes) { classes, seed in
    var net = SequenceNetwork()
    (net.outputs, net.seed) = (classes, seed)
    change(&net)
    return try net.graph()
  }
}

/// For the alphabets of dates. Counted is the reading of a token.
private func translator(
  _ name: String, _ attention: AttentionKind, _ paper: String, recipe: String
) -> ZooNetwork {
  func net(_ seed: UInt64) -> Translator {
    var net = Translator()
    (net.sourceTokens, net.targetTokens, net.hiddenSize) = (46, 13, 96)
    (net.attention, net.seed) = (attention, seed)
    return net
  }
  return ZooNetwork(
    name, .sequence, paper, recipe: recipe,
    counted: .init { _, seed in try net(seed).trainingGraph(batch: 1, sourceLength: 1) }
  ) { _, seed in try net(seed).translationGraph(beams: 4, length: 14) }
}

/// For the words of the recipe's captions, without the convolutions of the papers. Counted is the look at
/// the picture.
private func captioner(
  _ name: String, _ attention: AttentionKind, _ paper: String, recipe: String
) -> ZooNetwork {
  func net(_ seed: UInt64) -> Captioner {
    var net = Captioner()
    (net.tokens, net.attention, net.seed) = (23, attention, seed)
    return net
  }
  return ZooNetwork(
    name, .sequence, paper, recipe: recipe,
    counted: .init { _, seed in try net(seed).trainingGraph(batch: 1) }
  ) { _, seed in try net(seed).captionGraph(beams: 3, length: 14) }
}

private let speech: [ZooNetwork] = [
  recogniser("deep-speech", "Hannun et al. 2014", hiddenSize: 64, isStreaming: false),
  recogniser("deep-speech-streaming", "Amodei et al. 2016", hiddenSize: 96, isStreaming: true),
]

/// For the letters of the digits, "yes" and "no", a space and the blank. Counted is a second.
private func recogniser(
  _ name: String, _ paper: String, hiddenSize: Int, isStreaming: Bool
) -> ZooNetwork {
  ZooNetwork(
    name, .speech, paper, recipe: name, classes: 18, counted: .init(sizes: ["samples": 8_000])
  ) { classes, seed in
    var net = DeepSpeech(classes: classes)
    (net.hiddenSize, net.isStreaming, net.seed) = (hiddenSize, isStreaming, seed)
    return try net.graph()
  }
}

private let memories: [ZooNetwork] = [
  ZooNetwork("ntm", .memory, "Graves et al. 2014", recipe: "ntm-copy") { _, seed in
    var net = NeuralTuringMachine()
    net.seed = seed
    return try net.graph()
  },
  ZooNetwork("dnc", .memory, "Graves et al. 2016", recipe: "dnc-copy") { _, seed in
    var net = DifferentiableNeuralComputer()
    (net.locations, net.seed) = (24, seed)
    return try net.graph()
  },
]
