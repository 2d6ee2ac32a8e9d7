// Checks over all pairs of records, in time that hardly grows faster than the file: a damaged or
// hostile file of some megabytes must be refused as fast as one is opened.

extension ModelFile {
  /// Inputs of nodes and outputs of functions may share their lists, so that a small file could
  /// state an enormous number of them.
  private static var maximumListed: Int { 1 << 24 }

  /// Likewise for the bytes of the names that functions and their tensors bear.
  private static var maximumNameBytes: Int { 1 << 26 }

  func checkListLengths() throws(ApusError) {
    var listed = 0
    for i in 0..<count(.nodes) {
      listed += Int(node(i).inputCount)
      guard listed <= ModelFile.maximumListed else {
        throw ApusError(
          .corruptFile, "node \(i): more than \(ModelFile.maximumListed) inputs up to here")
      }
    }
    listed = 0
    var bytes = 0
    for f in 0..<count(.functions) {
      let r = function(f)
      listed += Int(r.inputCount) + Int(r.outputCount)
      bytes += Int(r.nameLength)
      guard listed <= ModelFile.maximumListed else {
        throw ApusError(
          .corruptFile,
          "function \(f): more than \(ModelFile.maximumListed) inputs and outputs up to here")
      }
      bytes += nameBytes(r.inputs, r.inputCount) + nameBytes(r.outputs, r.outputCount)
      guard bytes <= ModelFile.maximumNameBytes else {
        throw ApusError(
          .corruptFile,
          "function \(f): more than \(ModelFile.maximumNameBytes) bytes of names up to here")
      }
    }
  }

  /// Bytes of the names of the listed tensors; what does not exist has none, and is found later.
  private func nameBytes(_ first: UInt32, _ number: UInt32) -> Int {
    guard UInt64(first) + UInt64(number) <= UInt64(count(.indices)) else { return 0 }
    var bytes = 0
    for i in 0..<Int(number) {
      let t = Int(index(Int(first) + i))
      if t < count(.tensors) { bytes += Int(tensor(t).nameLength) }
    }
    return bytes
  }

  /// A name that stands in the list twice, or nil.
  ///
  /// - Complexity: O(n log n) comparisons of names of one length.
  func findDuplicate(_ names: [Name]) -> Name? {
    var order: [Int] = []
    order.reserveCapacity(names.count)
    for i in names.indices { order.append(i) }
    mergeSort(&order) { names[$0].precedes(names[$1]) }
    var i = 1
    while i < order.count {
      if names[order[i - 1]] == names[order[i]] { return names[order[i]] }
      i += 1
    }
    return nil
  }

  /// The next value of a state is there when its function ends, and is its only one.
  func checkStateUpdates(_ writer: [Int]) throws(ApusError) {
    var order: [Int] = []
    order.reserveCapacity(count(.states))
    for i in 0..<count(.states) {
      let r = state(i)
      guard writer[Int(r.next)] == Int(r.function) else {
        throw ApusError(
          .corruptFile,
          "state \(i): tensor \(r.next) is not written by function \(functionName(function(Int(r.function))))"
        )
      }
      order.append(i)
    }
    mergeSort(&order) { (a, b) in
      let (x, y) = (state(a), state(b))
      return x.function != y.function ? x.function < y.function : x.state < y.state
    }
    var i = 1
    while i < order.count {
      let (x, y) = (state(order[i - 1]), state(order[i]))
      guard x.function != y.function || x.state != y.state else {
        throw ApusError(
          .corruptFile,
          "state \(order[i]): tensor \(y.state) is updated twice by function \(functionName(function(Int(y.function))))"
        )
      }
      i += 1
    }
  }
}
