/// What would work in place of an operator, for the report; "" where there is nothing to say.
func alternative(_ op: String) -> String { alternatives[op] ?? "" }

private let alternatives: [String: String] = [
  "Bernoulli": random, "Multinomial": random, "RandomNormal": random, "RandomNormalLike": random,
  "RandomUniform": random, "RandomUniformLike": random,
  "SequenceMap": sequences,
  "Optional": sequences, "OptionalGetElement": sequences, "OptionalHasElement": sequences,
  "StringConcat": strings, "StringNormalizer": strings, "StringSplit": strings,
  "RegexFullMatch": strings, "TfIdfVectorizer": strings, "ImageDecoder": strings,
  "Adam": training, "Adagrad": training, "Momentum": training, "Gradient": training,
  "SoftmaxCrossEntropyLoss": training, "NegativeLogLikelihoodLoss": training,
  "DFT": signals, "STFT": signals, "MelWeightMatrix": signals, "HannWindow": signals,
  "HammingWindow": signals, "BlackmanWindow": signals,
]

private let random = "pass random numbers in as an input"
private let sequences = "export with tensors in place of sequences (stack or concatenate them)"
private let strings = "do this outside of the model and pass tensors in"
private let training = "export the model for inference, without its loss"
private let signals = "compute the spectrum outside of the model and pass it in"
