import Graph

/// Everything that `model-convert zoo` lists.
public let zooCatalogue = zooNetworks + zooSystems

/// The classifiers of pictures and films, at their papers' size, in the order in which they came.
public let zooNetworks: [ZooNetwork] = [
  ZooNetwork("lenet-5", "LeCun et al. 1998", recipe: "lenet5", classes: 10) { classes, seed in
    var net = LeNet5()
    (net.classes, net.seed) = (classes, seed)
    return try net.graph()
  },
  ZooNetwork("alexnet", AlexNet.self, "Krizhevsky et al. 2012", recipe: "alexnet"),
  ZooNetwork(
    "alexnet-ungrouped", AlexNet.self, "Krizhevsky et al. 2012", recipe: "alexnet-ungrouped"
  ) {
    $0.form = .ungrouped
  },
  ZooNetwork(
    "alexnet-torchvision", AlexNet.self, "Krizhevsky 2014", recipe: "alexnet-torchvision"
  ) {
    $0.form = .torchvision
    $0.size = 224
  },
  ZooNetwork("nin", NiN.self, "Lin et al. 2014", recipe: "nin"),
  ZooNetwork("vgg-11", VGG.self, "Simonyan, Zisserman 2015", recipe: "vgg") { $0.depth = 11 },
  ZooNetwork("vgg-13", VGG.self, "Simonyan, Zisserman 2015", recipe: "vgg-13") { $0.depth = 13 },
  ZooNetwork("vgg-16", VGG.self, "Simonyan, Zisserman 2015", recipe: "vgg-16") { $0.depth = 16 },
  ZooNetwork("vgg-19", VGG.self, "Simonyan, Zisserman 2015", recipe: "vgg-19") { $0.depth = 19 },
  ZooNetwork("c3d", "Tran et al. 2015", recipe: "c3d", classes: 487) { classes, seed in
    var net = C3D()
    (net.classes, net.seed) = (classes, seed)
    return try net.graph(isDeployed: true)
  },
  ZooNetwork("googlenet", GoogLeNet.self, "Szegedy et al. 2015", recipe: "googlenet-published"),
  ZooNetwork("googlenet-bn", GoogLeNet.self, "Szegedy et al. 2015", recipe: "googlenet") {
    $0.form = .batchNormalized
  },
  ZooNetwork("inception-v3", InceptionV3.self, "Szegedy et al. 2016", recipe: "inception-v3"),
  ZooNetwork("resnet-20", "He et al. 2015", recipe: "resnet-20", classes: 10) { classes, seed in
    var net = ResNet20()
    (net.classes, net.seed) = (classes, seed)
    return try net.graph()
  },
  ZooNetwork("resnet-18", ResNet.self, "He et al. 2015", recipe: "resnet") { $0.depth = 18 },
  ZooNetwork("resnet-34", ResNet.self, "He et al. 2015", recipe: "resnet-34") { $0.depth = 34 },
  ZooNetwork("resnet-50", ResNet.self, "He et al. 2015", recipe: "resnet-50") { $0.depth = 50 },
  ZooNetwork("resnet-101", ResNet.self, "He et al. 2015", recipe: "resnet-101") { $0.depth = 101 },
  ZooNetwork("resnet-152", ResNet.self, "He et al. 2015", recipe: "resnet-152") { $0.depth = 152 },
  ZooNetwork("squeezenet-1.0", SqueezeNet.self, "Iandola et al. 2016", recipe: "squeezenet-1.0"),
  ZooNetwork("squeezenet-1.1", SqueezeNet.self, "Iandola et al. 2016", recipe: "squeezenet") {
    $0.version = .second
  },
  ZooNetwork("densenet-121", DenseNet.self, "Huang et al. 2017", recipe: "densenet"),
  ZooNetwork("densenet-169", DenseNet.self, "Huang et al. 2017", recipe: "densenet-169") {
    $0.depth = 169
  },
  ZooNetwork("densenet-201", DenseNet.self, "Huang et al. 2017", recipe: "densenet-201") {
    $0.depth = 201
  },
  ZooNetwork("xception", Xception.self, "Chollet 2017", recipe: "xception"),
  ZooNetwork("mobilenet-v1", MobileNetV1.self, "Howard et al. 2017", recipe: "mobilenet-v1"),
  ZooNetwork("mobilenet-v2", MobileNetV2.self, "Sandler et al. 2018", recipe: "mobilenet-v2"),
]
