import NumPyFile
import Testing
import Training

private func read(_ text: String, _ reader: CSVReader) throws -> Samples {
  try reader.read(Array(text.utf8), file: "t.csv")
}

@Test func csvReadsTables() throws {
  var reader = CSVReader(label: .name("kind"))
  let named = try read("a,kind,b\r\n1,1,2.5\r\n\r\n\"-3e2\",0,4\r\n", reader)
  #expect(floats(named) == [1, 2.5, -300, 4] && classes(named) == [1, 0] && named.shape == [2])
  #expect(named.classNames == ["0", "1"])

  reader.label = .index(-1)
  let plain = try read("\u{FEFF}1,2,cat\n3,4,\"a \"\"dog\"\"\"\n5,6,cat", reader)
  #expect(floats(plain) == [1, 2, 3, 4, 5, 6])
  #expect(classes(plain) == [1, 0, 1] && plain.classNames == ["a \"dog\"", "cat"])

  reader.label = nil
  reader.values = [.index(0), .name("y")]
  reader.ignored = [.name("note")]
  reader.delimiter = UInt8(ascii: ";")
  let regression = try read("z;x;note;y\n1;2;n/a;3\n4; 5 ;;6\n", reader)
  #expect(floats(regression) == [2, 5] && values(regression) == [1, 3, 4, 6])

  // Numbers alone: no header is seen, and a header can be forced.
  #expect(try read("0,1\n1,2\n", CSVReader(label: .index(0))).count == 2)
  var forced = CSVReader(label: .index(0))
  forced.header = .yes
  #expect(try read("0,1\n1,2\n", forced).count == 1)
}

@Test(arguments: [
  ("l,a,b\n0,1,2\n1,x,3\n", "t.csv:3: column 'a': 'x' is not a number"),
  ("l,a,b\n0,1,2\n\n1,,3\n", "t.csv:4: column 'a': the cell is empty"),
  ("l,a,b\n0,1,nan\n", "t.csv:2: column 'b': 'nan' is not a number"),
  ("l,a,b\n0,1,2\n1,3\n", "t.csv:3: 2 cells, and the lines before it have 3"),
  ("l,a,b\n0,\"1\n2\",2\n", "t.csv:2: column 'a': '1\n2' is not a number"),
  ("l,a,b\n0,\"1,2\n", "t.csv:2: a quoted cell does not end"),
  ("l,a,b\n,1,2\n", "t.csv:2: the label is empty"),
  ("l,a,b\n", "t.csv: the file has a header and no data"),
  ("", "t.csv: the file has no lines"),
  ("label,a\n1,2\n", "t.csv:1: no column is named 'l'; the header has 'label', 'a'"),
  ("l\n1\n", "t.csv: no column is left as input"),
  ("l,a\n4000000,2\n", "t.csv: the label 4000000 is too large for a class number"),
])
func csvSaysWhere(_ text: String, _ expected: String) {
  #expect(message { _ = try read(text, CSVReader(label: .name("l"))) } == expected)
}

@Test func csvSaysWhatIsMissing() {
  #expect(
    message { _ = try read("1,2\n", CSVReader(label: .index(2))) }
      == "t.csv: there is no column 2; a line has 2 cells")
  var reader = CSVReader(label: .name("l"))
  reader.header = .no
  #expect(
    message { _ = try read("1,2\n", reader) }
      == "t.csv: there is no header line that could name a column 'l'")
  #expect(
    message { _ = try reader.read("\(fixtures)/none.csv") } == "none.csv: no such file or directory")
  #expect(
    message { _ = try reader.read("\(fixtures)/cifar") } == "cifar: is a directory, not a file")
  damage(Array("l,a,b\n0,\"1\",2\n1,3,4\n".utf8)) {
    _ = try CSVReader(label: .name("l")).read($0, file: "t.csv")
  }
}

@Test func npzReadsClassesAndValues() throws {
  let named = try NumPyReader().read("\(fixtures)/classes.npz")
  #expect(named.shape == [2, 3] && named.count == 4 && classes(named) == [1, 0, 2, 1])
  #expect(floats(named) == (0..<24).map { Float($0) })
  let regression = try NumPyReader().read("\(fixtures)/values.npz")
  #expect(floats(regression) == (0..<24).map { Float($0) })
  #expect(values(regression) == [0, 1, 2, 3, 4, 5, 6, 7])
  guard case .values(_, shape: [2]) = regression.targets else {
    Issue.record("the targets' shape is lost")
    return
  }
  var other = NumPyReader()
  other.targets = "z"
  #expect(
    message { _ = try other.read("\(fixtures)/classes.npz") }
      == "classes.npz: there is no array 'z'; there are 'x', 'y'")
}

@Test func idxReadsImages() throws {
  for suffix in ["", ".gz"] {
    let samples = try IDXReader().read(
      images: "\(fixtures)/images-idx3-ubyte\(suffix)", labels: "\(fixtures)/labels-idx1-ubyte\(suffix)")
    #expect(samples.shape == [1, 5, 4] && classes(samples) == [2, 0, 1])
    #expect(floats(samples) == (0..<60).map { Float($0 * 7 % 256) })
  }
  for (name, factor) in [("short", 1), ("int", 1), ("float", 0.25), ("double", 0.25)] as [(String, Float)] {
    let samples = try IDXReader().read(
      images: "\(fixtures)/\(name)-idx2", labels: "\(fixtures)/labels-idx1-ubyte")
    #expect(samples.shape == [2] && floats(samples) == (0..<6).map { (Float($0) - 2) * factor })
  }
}

@Test func idxRefusesDamage() throws {
  let labels = "\(fixtures)/labels-idx1-ubyte"
  #expect(
    message { _ = try IDXReader().read(images: labels, labels: labels) }
      == "labels-idx1-ubyte: images must have samples and rows, and the shape is [3]")
  for name in ["images-idx3-ubyte", "images-idx3-ubyte.gz"] {
    let whole = try readBytes(ofFile: "\(fixtures)/\(name)")
    try withFiles([:]) { folder in
      let refused = damage(Array(whole)) { bytes in
        try withFiles(["x": bytes]) { _ = try IDXReader().read(images: $0 + "/x", labels: labels) }
      }
      #expect(refused > 60)
    }
  }
  // 2³² × 2³² × 2³² elements.
  try withFiles(["x": [0, 0, 8, 3] + [UInt8](repeating: 0xFF, count: 12)]) { folder in
    #expect(throws: DataError.self) { try IDXReader().read(images: folder + "/x", labels: labels) }
  }
}

@Test func cifarReadsRecords() throws {
  let samples = try CIFARReader().read("\(fixtures)/cifar")
  #expect(samples.shape == [3, 32, 32] && classes(samples) == [3, 4, 6, 7])
  for (record, factor) in [1, 2, 2, 3].enumerated() {
    let pixels = floats(samples)[(record * 3072)..<((record + 1) * 3072)]
    #expect(pixels.elementsEqual((0..<3072).map { Float($0 * factor % 251) }))
  }
  #expect(classes(try CIFARReader().read("\(fixtures)/cifar/test_batch.bin")) == [9])
  #expect(classes(try CIFARReader().read("\(fixtures)/cifar", prefix: "test")) == [9])
  #expect(
    message { _ = try CIFARReader().read("\(fixtures)/cmyk.jpg") }!.hasSuffix(
      "bytes are no whole number of CIFAR-10's records of 3073 bytes"))
  try withFiles(["x.bin": [10] + [UInt8](repeating: 0, count: 3072)]) { folder in
    #expect(
      message { _ = try CIFARReader().read(folder + "/x.bin") }
        == "\(folder)/x.bin: record 0: class 10; CIFAR-10 has classes 0 to 9")
  }
}
