import ModelFormat

/// An equation of Einsum, compiled for given shapes: every index of the output and every index that
/// is summed over is a label with a length, and each operand moves by so many elements from one
/// value of a label to the next.
struct EinsumEquation {
  static var maximumOperands: Int { 8 }
  static var maximumLabels: Int { 16 }

  let operandCount: Int
  /// The labels of the output come first, in its order.
  private(set) var labelCount = 0
  private(set) var outputRank = 0
  private(set) var counts = InlineArray<16, Int>(repeating: 1)
  /// Elements; 0 where an operand lacks the label.
  private(set) var strides = InlineArray<8, InlineArray<16, Int>>(
    repeating: InlineArray(repeating: 0))

  var shape: Shape {
    var shape = Shape()
    for l in 0..<outputRank { shape.append(counts[l]) }
    return shape
  }

  /// Elements that are summed up for each of the output.
  var sumCount: Int {
    var n = 1
    for l in outputRank..<labelCount { n *= counts[l] }
    return n
  }

  /// Of labels that are known: `strides` has an entry for each operand.
  init(
    counts labels: [Int], outputRank: Int, strides: [InlineArray<16, Int>]
  ) {
    operandCount = strides.count
    labelCount = labels.count
    self.outputRank = outputRank
    for (l, n) in labels.enumerated() { counts[l] = n }
    for (i, s) in strides.enumerated() { self.strides[i] = s }
  }

  init(_ context: NodeContext) throws(ApusError) {
    operandCount = context.inputs.count
    guard let text = context.string("equation") else {
      throw context.error(.invalidModel, "the attribute equation is missing")
    }
    let (terms, output) = try EinsumEquation.parse(text, context)
    try context.require(
      terms.count == operandCount, .invalidModel,
      "the equation \(text) is for \(terms.count) inputs, the node has \(operandCount)")

    // How many dimensions the ellipsis stands for; they are labels of their own, named 128 and up
    // from the last one backwards, so that those of different operands broadcast.
    var hidden = 0
    for (i, term) in terms.enumerated() {
      guard let shape = context.optionalInput(i)?.shape else {
        throw context.error(.invalidModel, "input \(i) is left out")
      }
      let hasEllipsis = term.contains(EinsumEquation.ellipsis)
      let named = term.count - (hasEllipsis ? 1 : 0)
      try context.require(
        hasEllipsis ? shape.rank >= named : shape.rank == named,
        "input \(i) is \(shape); the equation \(text) names \(named) dimensions")
      if hasEllipsis { hidden = max(hidden, shape.rank - named) }
    }

    func expand(_ term: [UInt8], _ hiddenCount: Int) -> [UInt8] {
      var labels: [UInt8] = []
      for c in term {
        if c == EinsumEquation.ellipsis {
          for k in 0..<hiddenCount { labels.append(UInt8(128 + hiddenCount - 1 - k)) }
        } else {
          labels.append(c)
        }
      }
      return labels
    }

    var names: [UInt8] = expand(output, hidden)
    outputRank = names.count
    try context.require(
      outputRank <= Shape.maximumRank, .unsupported,
      "the output would have \(outputRank) dimensions; at most 8 are allowed")
    for (i, name) in names.enumerated() {
      try context.require(
        !names[..<i].contains(name), .invalidModel,
        "the equation \(text) names a dimension of the output twice")
    }
    for (i, term) in terms.enumerated() {
      let x = context.input(i).shape
      let hasEllipsis = term.contains(EinsumEquation.ellipsis)
      let labels = expand(term, hasEllipsis ? x.rank - term.count + 1 : 0)
      for (d, name) in labels.enumerated() {
        if !names.contains(name) { names.append(name) }
        try context.require(
          names.count <= EinsumEquation.maximumLabels, .unsupported,
          "the equation \(text) has more than \(EinsumEquation.maximumLabels) indices")
        let l = names.firstIndex(of: name) ?? 0
        try context.require(
          counts[l] == x[d] || counts[l] == 1 || x[d] == 1,
          "input \(i) is \(x), whose dimension \(d) does not fit the length \(counts[l])")
        if x[d] != 1 { counts[l] = x[d] }
      }
    }
    labelCount = names.count
    for (i, term) in terms.enumerated() {
      let x = context.input(i).shape
      let hasEllipsis = term.contains(EinsumEquation.ellipsis)
      let labels = expand(term, hasEllipsis ? x.rank - term.count + 1 : 0)
      for (d, name) in labels.enumerated() {
        let l = names.firstIndex(of: name) ?? 0
        if x[d] != 1 { strides[i][l] += x.product(d + 1, x.rank) }
      }
    }
    // Every label of the output must be some input's.
    for l in 0..<outputRank {
      var isKnown = names[l] >= 128
      for term in terms where term.contains(names[l]) { isKnown = true }
      try context.require(
        isKnown, .invalidModel, "the output of the equation \(text) names an index of no input")
    }
    var all = 1
    for l in 0..<labelCount {
      let (product, overflow) = all.multipliedReportingOverflow(by: max(1, counts[l]))
      try context.require(!overflow, "the equation \(text) is too much to compute")
      all = product
    }
  }

  private static var ellipsis: UInt8 { UInt8(ascii: ".") }

  /// The labels of each input and of the output, an ellipsis as one point.
  private static func parse(
    _ text: Name, _ context: NodeContext
  ) throws(ApusError) -> (terms: [[UInt8]], output: [UInt8]) {
    var terms: [[UInt8]] = [[]]
    var output: [UInt8]?
    var i = 0
    while i < text.count {
      let c = text.start[i]
      i += 1
      if c == UInt8(ascii: " ") { continue }
      if c == UInt8(ascii: ","), output == nil {
        terms.append([])
      } else if c == UInt8(ascii: "-"), output == nil, i < text.count,
        text.start[i] == UInt8(ascii: ">")
      {
        i += 1
        output = []
      } else if c == ellipsis, i + 1 < text.count, text.start[i] == c, text.start[i + 1] == c {
        i += 2
        let term = output ?? terms[terms.count - 1]
        try context.require(
          !term.contains(c), .invalidModel, "the equation \(text) has two ellipses in one term")
        if output == nil { terms[terms.count - 1].append(c) } else { output?.append(c) }
      } else if (c | 0x20) >= UInt8(ascii: "a") && (c | 0x20) <= UInt8(ascii: "z") {
        if output == nil { terms[terms.count - 1].append(c) } else { output?.append(c) }
      } else {
        throw context.error(
          .invalidModel, "the equation \(text) cannot be read at position \(i - 1)")
      }
      try context.require(
        terms.count <= maximumOperands && terms[terms.count - 1].count <= 9
          && (output?.count ?? 0) <= 9, .unsupported,
        "the equation \(text) has more than 8 inputs, or 8 dimensions")
    }
    return (terms, output ?? implicitOutput(terms))
  }

  /// Without an arrow: the ellipsis, then what stands in the inputs once, in alphabetical order.
  private static func implicitOutput(_ terms: [[UInt8]]) -> [UInt8] {
    var output: [UInt8] = []
    for c in ellipsis..<UInt8(128) {
      var occurrences = 0
      for term in terms {
        for other in term where other == c { occurrences += 1 }
      }
      if occurrences == 1 || (c == ellipsis && occurrences > 0) { output.append(c) }
    }
    return output
  }
}
