import Graph
import Testing
import Training
import Zoo

/// The authors' VGG16_faster_rcnn_final.caffemodel for PASCAL VOC's 20 classes.
@Test func fasterRCNNHasItsWeights() throws {
  let graph = try FastRCNN().graph()
  let count = graph.weights.filter(\.isTrainable).reduce(0) { $0 + ($1.count ?? 0) }
  #expect(count == 137_078_239)
}

/// Layer by layer: VGG-16's convolutions, 4,096 · 2 units on 7 · 7 · 512, 21 classes, 84 numbers of
/// boxes.
@Test func fastRCNNHasItsWeights() throws {
  var net = FastRCNN()
  net.kind = .fast
  let graph = try net.graph()
  let count = graph.weights.filter(\.isTrainable).reduce(0) { $0 + ($1.count ?? 0) }
  let dense = (7 * 7 * 512 + 1) * 4_096 + 4_097 * 4_096 + 4_097 * (21 + 84)
  #expect(count == 14_714_688 + dense)
}

/// AlexNet with 21 classes in place of 1,000, 20 machines on its 4,096 units, and 80 functions of 6 · 6 ·
/// 256 pooled maps.
@Test func rcnnHasItsWeights() throws {
  let graph = try RCNN().graph()
  let count = graph.weights.filter(\.isTrainable).reduce(0) { $0 + ($1.count ?? 0) }
  #expect(count == 60_965_224 - 1_000 * 4_097 + (21 + 20) * 4_097 + 80 * 9_217)
  #expect(try RCNN().detector().mainFunction!.inputs.map(\.name) == ["image", "proposals"])
}

@Test func gradientsOfRegionPoolingAgreeWithDifferences() throws {
  let regions = GradientCheck.Input.constant(
    [3, 5], [1, 0, 0, 4, 5, 0, 2, 1, 3, 2, 1, 3, 3, 9, 8])
  let corners = GradientCheck.Input.constant(
    [3, 4], [0.3, 0.6, 4.2, 5.1, 1.5, 2.25, 3.9, 3.3, -2, -1, 8, 7])
  let pooled = try GradientCheck.check(
    operator: "MaxRoiPool", attributes: ["pooled_shape": [3, 2], "spatial_scale": 0.5],
    inputs: [.random([2, 2, 6, 7]), regions])
  #expect(pooled.error < 1e-6 && pooled.elements > 0)
  for (mode, ratio) in [("half_pixel", 2), ("output_half_pixel", 0)] {
    let aligned = try GradientCheck.check(
      operator: "RoiAlign",
      attributes: [
        "output_height": 3, "output_width": 2, "spatial_scale": 0.75, "sampling_ratio": .int(ratio),
        "coordinate_transformation_mode": .string(mode),
      ], inputs: [.random([2, 2, 6, 7]), corners, .integers([3], [1, 0, 1])])
    #expect(aligned.error < 1e-6 && aligned.elements > 0)
  }
}
