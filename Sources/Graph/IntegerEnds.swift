import ModelFormat
import Operators

extension Graph {
  /// Gives inputs and outputs of 8 bits the scale and the zero point that the nodes beside them
  /// have for them: who calls the function need not look for these.
  public func describeIntegerEnds() {
    for function in functions {
      let ends = IntegerEnds(FunctionEditor(function, of: self))
      for x in function.inputs { x.quantization = ends.read(x) ?? x.quantization }
      for y in function.outputs where y.kind == .activation {
        y.quantization = ends.written(y) ?? y.quantization
      }
    }
  }
}

private struct IntegerEnds {
  let editor: FunctionEditor

  init(_ editor: FunctionEditor) { self.editor = editor }

  /// As what a tensor is read, by way of nodes that only move its elements.
  func read(_ x: Value) -> Quantization? {
    var seen: Set<ObjectIdentifier> = []
    var next = [x]
    while let value = next.popLast() {
      guard value.isByte, seen.insert(ObjectIdentifier(value)).inserted else { continue }
      for node in editor.readers(of: value) {
        if let places = node.definition?.scales {
          for i in places.tensors(of: node.inputs.count) where node.inputs[i] === value {
            if let found = quantization(value.dataType, node, scale: i + 1) { return found }
          }
        } else if IntegerEnds.moves(node), node.inputs[0] === value {
          next += node.outputs.compactMap { $0 }
        }
      }
    }
    return nil
  }

  /// As what it is written.
  func written(_ y: Value) -> Quantization? {
    var value = y
    while value.isByte, let node = editor.producer(of: value) {
      if let places = node.definition?.scales {
        return places.result.flatMap { quantization(y.dataType, node, scale: $0) }
      }
      guard IntegerEnds.moves(node), let x = node.input(0) else { return nil }
      value = x
    }
    // An input that is handed on.
    return read(value)
  }

  private func quantization(_ type: DataType, _ node: Node, scale: Int) -> Quantization? {
    LinearQuantization(type, node.input(scale), node.input(scale + 1)).map {
      Quantization(scales: $0.scales, zeroPoints: $0.zeros)
    }
  }

  private static func moves(_ node: Node) -> Bool {
    node.op == "Clip" || IntegerRewrite.moves(node)
  }
}

extension Value {
  fileprivate var isByte: Bool { kind == .activation && (dataType == .uint8 || dataType == .int8) }
}
