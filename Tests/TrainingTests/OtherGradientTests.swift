/// Operators whose cases stand in other files than GradientTests.swift.
let otherTestedOperators = elementTestedOperators.union(recurrentTestedOperators)
