/// Operators whose cases stand in other files than GradientTests.swift.
let otherTestedOperators: Set<String> = elementTestedOperators
