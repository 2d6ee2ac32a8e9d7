/// Makes damaged copies of an ONNX model. Most follow the wire format, since a reader refuses the
/// others at once.
struct Mutator {
  private let original: Message
  /// Other models, to take parts from.
  private let others: [Message]
  private var random: Random

  init(_ original: Message, others: [Message], seed: UInt64) {
    self.original = original
    self.others = others
    random = Random(seed)
  }

  mutating func next() -> [UInt8] {
    let model = original.clone()
    for _ in 0...random.below(4) { change(model) }
    var bytes = model.encoded
    if random.one(in: 8) { spoil(&bytes) }
    return bytes
  }

  // MARK: Bytes

  /// Flips, sets, cuts and inserts bytes anywhere: lengths that lie, keys of other types.
  private mutating func spoil(_ bytes: inout [UInt8]) {
    for _ in 0...random.below(3) where !bytes.isEmpty {
      let at = random.below(bytes.count)
      switch random.below(6) {
      case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
      case 1: bytes[at] ^= 1 << UInt8(random.below(8))
      case 2: bytes[at] = random.pick([0, 1, 0x7F, 0x80, 0xFF])
      case 3: bytes.removeSubrange(at..<min(at + 1 + random.below(8), bytes.count))
      case 4:
        let run = [UInt8](repeating: random.pick([0, 0x80, 0xFF]), count: 1 + random.below(12))
        bytes.insert(contentsOf: run, at: at)
      default: bytes.removeSubrange(at...)
      }
    }
  }

  // MARK: Fields

  private mutating func change(_ model: Message) {
    var all: [Message] = []
    model.walk { all.append($0) }
    // Each kind of message as often as another, so that dimensions do not outnumber nodes.
    let kinds = Set(all.map(\.type.name)).sorted()
    let kind = random.pick(kinds)
    let message = random.pick(all.filter { $0.type.name == kind })
    guard !message.fields.isEmpty, !random.one(in: 6) else {
      return restructure(model, all)
    }
    let i = random.below(message.fields.count)
    let field = message.fields[i]
    switch random.below(8) {
    case 0: message.fields.remove(at: i)
    case 1: message.fields.insert(field, at: random.below(message.fields.count + 1))
    case 2: message.fields.swapAt(i, random.below(message.fields.count))
    case 3 where random.one(in: 4):
      message.fields[i].number = UInt64(1 + random.below(30))
    case 4:
      // The same field of the same kind of message, from elsewhere.
      let source = random.one(in: 2) ? model : random.pick(others)
      var found: [Message.Content] = []
      source.walk { other in
        guard other.type === message.type else { return }
        for f in other.fields where f.number == field.number { found.append(f.content) }
      }
      guard !found.isEmpty else { return }
      var content = random.pick(found)
      if case .message(let inner) = content { content = .message(inner.clone()) }
      message.fields[i].content = content
    default: message.fields[i].content = changed(field.content, of: message, model)
    }
  }

  private mutating func changed(
    _ content: Message.Content, of message: Message, _ model: Message
  ) -> Message.Content {
    switch content {
    case .varint(let value): return .varint(number(value))
    case .fixed32(let value): return .fixed32(float(value))
    case .fixed64(let value): return .fixed64(number(value))
    case .message(let inner):
      change(inner)
      return content
    case .bytes(let bytes): return .bytes(changed(bytes, of: message, model))
    }
  }

  private mutating func number(_ value: UInt64) -> UInt64 {
    switch random.below(4) {
    case 0: return UInt64(bitPattern: Int64(random.below(8) - 2))
    case 1: return value ^ 1 << UInt64(random.below(64))
    case 2: return value &+ UInt64(bitPattern: Int64(random.below(5) - 2))
    default: return random.pick(Mutator.numbers)
    }
  }

  private static let numbers: [UInt64] = [
    16, 32, 100, 1000, 65_535, 65_536, 1 << 20, 1 << 28, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
    1 << 32, 1 << 40, 1 << 61, 1 << 62, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000,
    0x8000_0000_0000_0001, 0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_FFFF_FFFF,
  ]

  private mutating func float(_ value: UInt32) -> UInt32 {
    switch random.below(3) {
    case 0: return value ^ 1 << UInt32(random.below(32))
    case 1: return UInt32(truncatingIfNeeded: random.next())
    default:
      return random.pick([0, 0x8000_0000, 0x3F80_0000, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000,
        0x7F7F_FFFF, 1, 0x5F00_0000, 0xDF00_0000])
    }
  }

  /// A text, packed numbers or raw data.
  private mutating func changed(
    _ bytes: [UInt8], of message: Message, _ model: Message
  ) -> [UInt8] {
    var bytes = bytes
    switch random.below(9) {
    case 0:
      // Some text of the model: names change places, so that circles and other operators arise.
      var texts: [[UInt8]] = []
      (random.one(in: 3) ? random.pick(others) : model).walk { other in
        guard other.type === message.type else { return }
        for case .bytes(let text) in other.fields.map(\.content) where text.count < 40 {
          texts.append(text)
        }
      }
      return texts.isEmpty ? [] : random.pick(texts)
    case 1: return []
    case 2: return bytes.isEmpty ? [0] : Array(bytes[0..<random.below(bytes.count)])
    case 3: return bytes + bytes
    case 4:
      // A word of raw data, or eight packed numbers.
      let word = random.one(in: 2) ? number(0) : UInt64(float(0))
      let size = random.pick([4, 8])
      guard bytes.count >= size else { return bytes }
      let at = random.below(bytes.count / size) * size
      for i in 0..<size { bytes[at + i] = UInt8(truncatingIfNeeded: word >> UInt64(8 * i)) }
      return bytes
    case 5:
      // Packed varints, one of them large.
      var packed: [UInt8] = []
      for _ in 0..<random.below(5) { Message.append(UInt64(random.below(4)), &packed) }
      Message.append(number(1), &packed)
      return packed
    case 6: return (0..<random.below(40)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    default:
      guard !bytes.isEmpty else { return [UInt8](repeating: 0x80, count: 9) }
      bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
      return bytes
    }
  }

  // MARK: Structure

  private mutating func restructure(_ model: Message, _ all: [Message]) {
    func every(_ type: MessageType) -> [Message] { all.filter { $0.type === type } }
    switch random.below(8) {
    case 0:
      // Another operator on the same inputs.
      let nodes = every(.node)
      let source = random.pick(others).messages(7).first?.messages(1) ?? []
      guard !nodes.isEmpty, !source.isEmpty else { return }
      let node = random.pick(nodes)
      let other = random.pick(source)
      if let op = other.text(4) { node.set(4, .bytes(op)) }
      if random.one(in: 2) {
        node.fields.removeAll { $0.number == 5 }
        for attribute in other.messages(5) { node.add(5, .message(attribute.clone())) }
      }
    case 1: resizeTensor(every(.tensor))
    case 2: nest(model, every(.graph), every(.node))
    case 3: callBomb(model)
    case 4:
      // Many nodes, each reading the one before it twice.
      guard let graph = model.messages(7).first, let first = graph.messages(1).first,
        let output = first.text(2)
      else { return }
      let op = random.pick(["Add", "Concat", "Mul", "Gemm", "Tile", "Expand", "Einsum"])
      var last = output
      for k in 0..<(1 + random.below(40)) {
        let node = Message(.node)
        node.add(1, .bytes(last))
        node.add(1, .bytes(last))
        last = Array("bomb\(k)".utf8)
        node.add(2, .bytes(last))
        node.add(4, .bytes(Array(op.utf8)))
        if op == "Concat" { node.add(5, .message(intAttribute("axis", 0))) }
        graph.add(1, .message(node))
      }
      let result = Message(.valueInfo)
      result.add(1, .bytes(last))
      graph.add(12, .message(result))
    case 5:
      // Another opset.
      for opset in model.messages(8) where random.one(in: 2) {
        opset.set(2, .varint(UInt64(1 + random.below(29))))
      }
    case 6:
      // An input becomes a constant, or a constant one that is computed.
      guard let graph = model.messages(7).first else { return }
      let inputs = graph.messages(11)
      guard !inputs.isEmpty, let name = random.pick(inputs).text(1) else { return }
      let tensor = Message(.tensor)
      tensor.add(8, .bytes(name))
      tensor.add(2, .varint(random.pick([1, 1, 7, 7, 2, 3, 6, 9, 10, 11, 16])))
      graph.add(5, .message(tensor))
      resizeTensor([tensor])
    default:
      // Two nodes change places, or what they write.
      guard let graph = every(.graph).last, graph.messages(1).count > 1 else { return }
      let nodes = graph.messages(1)
      let (a, b) = (random.pick(nodes), random.pick(nodes))
      if let name = b.text(2) { a.set(random.pick([1, 2]), .bytes(name)) }
    }
  }

  private func intAttribute(_ name: String, _ value: UInt64) -> Message {
    let attribute = Message(.attribute)
    attribute.add(1, .bytes(Array(name.utf8)))
    attribute.add(20, .varint(2))
    attribute.add(3, .varint(value))
    return attribute
  }

  /// Other dimensions, with as much data as they need, where that is not too much.
  private mutating func resizeTensor(_ tensors: [Message]) {
    guard !tensors.isEmpty else { return }
    let tensor = random.pick(tensors)
    var count = 1
    var dimensions: [UInt64] = []
    for _ in 0..<random.below(6) {
      let d = random.pick([0, 1, 1, 2, 2, 3, 4, 8])
      count *= d
      dimensions.append(UInt64(d))
    }
    tensor.fields.removeAll { [1, 4, 5, 7, 9, 10, 11].contains($0.number) }
    for d in dimensions { tensor.add(1, .varint(d)) }
    var size = 4
    for field in tensor.fields where field.number == 2 {
      guard case .varint(let type) = field.content else { continue }
      size = [2: 1, 3: 1, 9: 1, 10: 2, 16: 2, 7: 8, 11: 8][type] ?? 4
    }
    let isSmall = random.one(in: 2)
    let word = random.pick(Mutator.numbers)
    var bytes = [UInt8](repeating: 0, count: count * size)
    for i in bytes.indices {
      if isSmall {
        bytes[i] = i % size == 0 ? UInt8(random.below(5)) : 0
      } else {
        bytes[i] = UInt8(truncatingIfNeeded: word >> UInt64(8 * (i % 8)))
      }
    }
    tensor.add(9, .bytes(bytes))
  }

  /// Graphs within graphs, each the branches of the one node around it.
  private mutating func nest(_ model: Message, _ graphs: [Message], _ nodes: [Message]) {
    guard !graphs.isEmpty, !nodes.isEmpty, let main = model.messages(7).first else { return }
    var inner = random.pick(graphs).clone()
    let op = random.pick(["If", "Loop", "Scan"])
    for k in 0..<(1 + random.below(random.one(in: 4) ? 60 : 4)) {
      let around = Message(.graph)
      let node = Message(.node)
      if let template = random.pick(nodes).text(1) { node.add(1, .bytes(template)) }
      if op != "If" { node.add(1, .bytes([])) }
      node.add(4, .bytes(Array(op.utf8)))
      node.add(2, .bytes(Array("nested\(k)".utf8)))
      for name in op == "If" ? ["then_branch", "else_branch"] : ["body"] {
        let attribute = Message(.attribute)
        attribute.add(1, .bytes(Array(name.utf8)))
        attribute.add(20, .varint(5))
        attribute.add(6, .message(name == "else_branch" && k > 4 ? Message(.graph) : inner.clone()))
        node.add(5, .message(attribute))
      }
      if op == "Scan" { node.add(5, .message(intAttribute("num_scan_inputs", 1))) }
      around.add(1, .message(node))
      let output = Message(.valueInfo)
      output.add(1, .bytes(Array("nested\(k)".utf8)))
      around.add(12, .message(output))
      inner = around
    }
    for node in inner.messages(1) { main.add(1, .message(node)) }
    for output in inner.messages(12) { main.add(12, .message(output)) }
  }

  /// Functions each of which calls the next one several times.
  private mutating func callBomb(_ model: Message) {
    guard let graph = model.messages(7).first, let source = graph.messages(1).first,
      let input = source.text(1)
    else { return }
    let domain = Array("bomb".utf8)
    let depth = 2 + random.below(40)
    func name(_ k: Int) -> [UInt8] { Array("f\(k)".utf8) }
    func call(_ k: Int, _ input: [UInt8], _ output: [UInt8]) -> Message {
      let node = Message(.node)
      node.add(1, .bytes(input))
      node.add(2, .bytes(output))
      node.add(4, .bytes(name(k)))
      node.add(7, .bytes(domain))
      return node
    }
    let last = random.one(in: 8) ? 0 : depth
    for k in 0..<depth {
      let function = Message(.function)
      function.add(1, .bytes(name(k)))
      function.add(10, .bytes(domain))
      function.add(4, .bytes([120]))
      function.add(5, .bytes([121]))
      if k == depth - 1, last == depth {
        let node = source.clone()
        node.set(1, .bytes([120]))
        node.set(2, .bytes([121]))
        function.add(7, .message(node))
      } else {
        let next = k == depth - 1 ? last : k + 1
        function.add(7, .message(call(next, [120], [122])))
        function.add(7, .message(call(next, [122], [121])))
      }
      model.add(25, .message(function))
    }
    let opset = Message(.opset)
    opset.add(1, .bytes(domain))
    opset.add(2, .varint(1))
    model.add(8, .message(opset))
    graph.add(1, .message(call(0, input, Array("boom".utf8))))
    let output = Message(.valueInfo)
    output.add(1, .bytes(Array("boom".utf8)))
    graph.add(12, .message(output))
  }
}

/// splitmix64 (Steele, Lea, Flood 2014).
struct Random {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ n: Int) -> Int { Int(next() % UInt64(n)) }

  mutating func one(in n: Int) -> Bool { below(n) == 0 }

  mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }
}
