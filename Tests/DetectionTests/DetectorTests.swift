import Graph
import Testing
import Training
import Zoo

private func numbers(_ graph: Graph, trainable: Bool = true) -> Int {
  graph.weights.filter { $0.isTrainable || !trainable && $0.dataType == .float32 }
    .reduce(0) { $0 + ($1.count ?? 0) }
}

/// Published counts: torchvision's ssd300_vgg16 of 91 classes, the background among them.
@Test func ssdHasItsWeights() throws {
  var net = SSD()
  net.classes = 90
  let graph = try net.graph()
  #expect(numbers(graph) == 35_641_826)
  let shapes = graph.mainFunction!.outputs.map { $0.shape! }
  #expect(shapes == [[.free("N"), 8732, 4], [.free("N"), 8732, 91]])
}

/// The authors' files of weights hold as many numbers, running means and variances among them:
/// yolov2.weights 203,934,260 bytes, yolov3-tiny.weights 35,434,956, with heads of 16 and 20 bytes.
@Test func yoloHasItsWeights() throws {
  #expect(numbers(try YOLOv2().graph(), trainable: false) == (203_934_260 - 16) / 4)
  #expect(numbers(try YOLOv3Tiny().graph(), trainable: false) == (35_434_956 - 20) / 4)
}

/// Figure 3 of the paper, layer by layer: maps, kernel, number of times.
@Test func yoloV1HasThePapersWeights() throws {
  var layers = [(64, 7), (192, 3), (128, 1), (256, 3), (256, 1), (512, 3)]
  for _ in 0..<4 { layers += [(256, 1), (512, 3)] }
  layers += [(512, 1), (1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3)]
  layers += [(1024, 3), (1024, 3), (1024, 3), (1024, 3)]
  #expect(layers.count == 24)
  var channels = 3
  var expected = 0
  for (maps, kernel) in layers {
    expected += maps * (channels * kernel * kernel + 1)
    channels = maps
  }
  expected += (7 * 7 * 1024 + 1) * 4096 + (4096 + 1) * 7 * 7 * 30
  let graph = try YOLOv1().graph()
  #expect(numbers(graph) == expected)
  #expect(graph.mainFunction!.outputs[0].shape! == [.free("N"), 7, 7, 30])
}
