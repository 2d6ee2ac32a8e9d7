import ModelFormat

/// Every operator, one line each. Opcodes are pinned in the operators' own files.
public let operators: [Operator] = [
  reluOperator,
  leakyReluOperator,
  eluOperator,
  seluOperator,
  celuOperator,
  thresholdedReluOperator,
  sigmoidOperator,
  hardSigmoidOperator,
  tanhOperator,
  softplusOperator,
  softsignOperator,
  geluOperator,
  hardSwishOperator,
  mishOperator,
  swishOperator,
  expOperator,
  logOperator,
  sqrtOperator,
  reciprocalOperator,
  absOperator,
  negOperator,
  signOperator,
  floorOperator,
  ceilOperator,
  roundOperator,
  erfOperator,
  sinOperator,
  cosOperator,
  identityOperator,
  reshapeOperator,
  flattenOperator,
  squeezeOperator,
  unsqueezeOperator,
  transposeOperator,
  concatOperator,
  splitOperator,
  sliceOperator,
  padOperator,
  gatherOperator,
  expandOperator,
  castOperator,
  whereOperator,
  rnnOperator,
  lstmOperator,
  gruOperator,
]

/// The operator with this number, or nil.
public func findOperator(opcode: UInt16) -> Operator? {
  for i in operators.indices where operators[i].opcode == opcode { return operators[i] }
  return nil
}

/// The operator with this ONNX name, or nil.
public func findOperator(named name: Name) -> Operator? {
  for i in operators.indices where Name(operators[i].name) == name { return operators[i] }
  return nil
}
