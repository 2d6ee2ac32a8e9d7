"""Recurrent layers of TensorFlow Lite. `file` is the writer of the network that they are in."""

from typing import List

import integers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from network import Layer, NotSupported
from writers.tflite_file import Operator

TANH = schema.ActivationFunctionType.TANH
# Of a gate in TensorFlow Lite's order (input, forget, cell, output), its place in ONNX's.
LSTM_ORDER = [0, 2, 3, 1]


def write(file, layer: Layer) -> None:
    """The built-in layers keep their state themselves; it starts from zero."""
    a = layer.attributes
    if a["cell"] == "GRU":
        raise NotSupported("no built-in GRU")
    if len(layer.inputs) > 1:
        _lstm_step(file, layer)
        return
    x, y = (file.tensor(n) for n in (layer.inputs[0], layer.outputs[0]))
    _, batch, _ = file.network.shapes[layer.inputs[0]]
    hidden = a["hidden"]
    bias = layer.weights["bias"].reshape(1 + a["bidirectional"], 2, -1).sum(axis=1)

    def state() -> int:
        return file.new(f"state{len(file.tensors)}", (batch, hidden), variable=True)

    def gates(array: np.ndarray) -> List[int]:
        each = [array.reshape(4, hidden, -1).squeeze()[i] for i in LSTM_ORDER]
        if file.network.dynamic and array.ndim > 1:
            return [file.constant(*integers.rounded(gate)) for gate in each]
        return [file.constant(gate) for gate in each]

    if a["cell"] == "RNN":
        options = schema.SequenceRNNOptionsT()
        options.timeMajor, options.fusedActivationFunction = True, TANH
        matrices = [file.constant(layer.weights[n][0]) for n in ("weight", "recurrence")]
        inputs = [x, *matrices, file.constant(bias[0]), state()]
        file.operator(Operator.UNIDIRECTIONAL_SEQUENCE_RNN, inputs, [y], options)
        return
    sides = [
        ([*gates(w), *gates(r)], gates(b))
        for w, r, b in zip(layer.weights["weight"], layer.weights["recurrence"], bias)
    ]
    none = -1
    if a["bidirectional"]:
        code = Operator.BIDIRECTIONAL_SEQUENCE_LSTM
        options = schema.BidirectionalSequenceLSTMOptionsT()
        options.mergeOutputs = True
        inputs = [x]
        for matrices, biases in sides:  # then no peepholes and no projection
            inputs += [*matrices, *[none] * 3, *biases, *[none] * 2]
        inputs += [state() for _ in range(4)] + [none] * 9  # no auxiliary input
    else:
        code = Operator.UNIDIRECTIONAL_SEQUENCE_LSTM
        options = schema.UnidirectionalSequenceLSTMOptionsT()
        ((matrices, biases),) = sides
        inputs = [x, *matrices, *[none] * 3, *biases, *[none] * 2]
        inputs += [state(), state(), *[none] * 4]
    options.timeMajor, options.fusedActivationFunction = True, TANH
    file.operator(code, inputs, [y], options)


def _lstm_step(file, layer: Layer) -> None:
    """The built-in layer's state cannot be an input: the formula in smaller operators."""
    a, of = layer.attributes, layer.weights
    if a["cell"] != "LSTM" or file.network.shapes[layer.inputs[0]][0] != 1:
        raise NotSupported("a first state over several steps")
    x, h, c = (file.tensor(n) for n in layer.inputs)
    y, last_h, last_c = (file.tensor(n) for n in layer.outputs)
    hidden, shape = a["hidden"], file.shape(h)

    def dense(x: int, weight: np.ndarray, bias: np.ndarray) -> int:
        options = schema.FullyConnectedOptionsT()
        options.keepNumDims = True
        out = file.new(f"product{len(file.tensors)}", (*shape[:-1], 4 * hidden))
        file.operator(
            Operator.FULLY_CONNECTED,
            [x, file.constant(weight), file.constant(bias)],
            [out],
            options,
        )
        return out

    def apply(code: int, *inputs: int, out: int = -1, options=None) -> int:
        out = file.new(f"part{len(file.tensors)}", shape) if out < 0 else out
        file.operator(code, list(inputs), [out], options)
        return out

    terms = [dense(x, of["weight"][0], of["bias"][0, : 4 * hidden]),
             dense(h, of["recurrence"][0], of["bias"][0, 4 * hidden :])]  # fmt: skip
    total = file.new(f"{layer.outputs[0]}.gates", file.shape(terms[0]))
    file.operator(Operator.ADD, terms, [total], schema.AddOptionsT())
    parts = [file.new(f"{layer.outputs[0]}.gate{i}", shape) for i in range(4)]
    options = schema.SplitOptionsT()
    options.numSplits = 4
    file.operator(Operator.SPLIT, [file.constant(np.array(2, np.int32)), total], parts, options)
    i, o, f = (apply(Operator.LOGISTIC, part) for part in parts[:3])
    new = apply(Operator.MUL, i, apply(Operator.TANH, parts[3]), options=schema.MulOptionsT())
    kept = apply(Operator.MUL, f, c, options=schema.MulOptionsT())
    apply(Operator.ADD, kept, new, out=last_c, options=schema.AddOptionsT())
    apply(Operator.MUL, o, apply(Operator.TANH, last_c), out=last_h, options=schema.MulOptionsT())
    file.reshape(last_h, y)
