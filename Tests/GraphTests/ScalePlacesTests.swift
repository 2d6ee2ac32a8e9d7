import Operators
import Testing

/// Every operator in 8-bit integers says where its scales stand: at places that it has, none twice.
@Test func placesOfScales() throws {
  let quantized = operators.filter { $0.name.description.hasPrefix("QLinear") }
  #expect(quantized.count >= 8)
  for op in quantized {
    let name = op.name.description
    let places = try #require(op.scales, "\(name) says nothing")
    let result = try #require(places.result, "\(name) has no scale of its result")
    // Of a join, those of two tensors.
    let count = min(op.inputs.upperBound, 9)
    let tensors = Array(places.tensors(of: count))
    #expect(!tensors.isEmpty, "\(name) has no tensor")
    let all = tensors.flatMap { [$0, $0 + 1, $0 + 2] } + [result, result + 1]
    #expect(Set(all).count == all.count, "\(name): \(all)")
    #expect(all.allSatisfy { $0 < op.inputs.upperBound }, "\(name): \(all)")
  }
}
