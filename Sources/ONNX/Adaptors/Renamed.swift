/// Scatter is what ScatterElements was called before opset 11.
func scatter(_ node: ImportNode) throws { node.op = "ScatterElements" }

/// GridSample before opset 20: other names of the modes.
func gridSampleMode(_ node: ImportNode) throws {
  switch node.string("mode") {
  case "bilinear": node.attributes["mode"] = .string("linear")
  case "bicubic": node.attributes["mode"] = .string("cubic")
  default: break
  }
}

/// RoiAlign before opset 16 has no half pixels.
func roiAlignCoordinates(_ node: ImportNode) throws {
  node.attributes["coordinate_transformation_mode"] = .string("output_half_pixel")
}
