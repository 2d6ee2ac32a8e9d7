import NumPyFile

/// Class numbers out of the labels that a file has.
///
/// Labels that are all whole numbers from 0 on are the class numbers themselves; any others become
/// classes in their sorted order.
func classes(ofLabels labels: [String], file: String) throws -> Samples.Targets {
  let numbers = labels.compactMap { Int32($0) }
  if numbers.count == labels.count, let lowest = numbers.min(), let highest = numbers.max(),
    lowest >= 0
  {
    return try classes(ofNumbers: numbers, highest: highest, file: file)
  }
  let names = Set(labels).sorted()
  let positions = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
  return .classes(labels.map { positions[$0]! }, names: names)
}

/// Classes 0...highest.
func classes(ofNumbers numbers: [Int32], highest: Int32, file: String) throws -> Samples.Targets {
  // A regression's targets taken for classes would ask for a network of that many outputs.
  guard highest < 100_000 else {
    throw DataError("\(file): the label \(highest) is too large for a class number")
  }
  return .classes(numbers, names: (0...highest).map(String.init))
}

/// The file's bytes, errors as `DataError`.
func dataBytes(_ path: String) throws -> [UInt8] {
  do {
    return try readBytes(ofFile: path)
  } catch {
    throw DataError("\(error)")
  }
}

