"""A step of a neural Turing machine (Graves et al. 2014): an LSTM and 128 cells of 20 numbers."""

from typing import Sequence

import numpy as np

from network import Network

CELLS, WIDTH, HIDDEN = 128, 20, 100


def ntm_step(batch: int = 1) -> Network:
    n = Network("NTM step")
    x = n.input("x", (1, batch, 9))
    memory = n.input("memory", (batch, CELLS, WIDTH))
    read = n.input("read", (batch, WIDTH))
    weighting = (
        n.input("w_read", (batch, CELLS), positive=True),
        n.input("w_write", (batch, CELLS), positive=True),
    )
    for name in weighting:
        n.inputs[name] /= n.inputs[name].sum(axis=1, keepdims=True)
    state = [n.input(name, (1, batch, HIDDEN)) for name in "hc"]

    seen = n.onnx(
        "Concat", [x, _reshape(n, read, (1, batch, WIDTH))], (1, batch, 9 + WIDTH), axis=2
    )
    hidden = _reshape(n, n.recurrent("LSTM", seen, HIDDEN, state=state), (batch, HIDDEN))
    w_read = _address(n, hidden, memory, weighting[0])
    w_write = _address(n, hidden, memory, weighting[1])

    as_row = _reshape(n, w_read, (batch, 1, CELLS))
    new_read = _reshape(n, n.onnx("MatMul", [as_row, memory], (batch, 1, WIDTH)), (batch, WIDTH))
    erase = _reshape(n, _sigmoid(n, n.dense(hidden, WIDTH)), (batch, 1, WIDTH))
    added = _reshape(n, n.onnx("Tanh", [n.dense(hidden, WIDTH)], (batch, WIDTH)), (batch, 1, WIDTH))
    as_column = _reshape(n, w_write, (batch, CELLS, 1))
    whole = (batch, CELLS, WIDTH)
    erased = n.onnx("Mul", [memory, n.onnx("MatMul", [as_column, erase], whole)], whole)
    kept = n.onnx("Sub", [memory, erased], whole)
    new_memory = n.onnx("Add", [kept, n.onnx("MatMul", [as_column, added], whole)], whole)

    out = n.onnx("Concat", [hidden, new_read], (batch, HIDDEN + WIDTH), axis=1)
    return n.output(_sigmoid(n, n.dense(out, 8)), new_memory, new_read, w_read, w_write)


def _address(n: Network, hidden: str, memory: str, before: str) -> str:
    """By content, then interpolated with the last weighting, shifted by -1 to 1 and sharpened."""
    batch = n.shapes[hidden][0]
    one, cells = (batch, 1), (batch, CELLS)
    key = n.onnx("Tanh", [n.dense(hidden, WIDTH)], (batch, WIDTH))
    strength = _softplus(n, n.dense(hidden, 1))
    gate = _sigmoid(n, n.dense(hidden, 1))
    shift = n.onnx("Softmax", [n.dense(hidden, 3)], (batch, 3), axis=1)
    sharpness = _constant(n, "Add", _softplus(n, n.dense(hidden, 1)), 1.0)

    as_column = _reshape(n, key, (batch, WIDTH, 1))
    products = _reshape(n, n.onnx("MatMul", [memory, as_column], (batch, CELLS, 1)), cells)
    lengths = n.onnx("ReduceL2", [memory], cells, axes=[-1], keepdims=0)
    length = n.onnx("ReduceL2", [key], one, axes=[-1], keepdims=1)
    norms = _constant(n, "Add", n.onnx("Mul", [lengths, length], cells), 1e-8)
    likeness = n.onnx("Div", [products, norms], cells)
    content = n.onnx("Softmax", [n.onnx("Mul", [likeness, strength], cells)], cells, axis=1)

    # before + gate (content - before)
    step = n.onnx("Mul", [n.onnx("Sub", [content, before], cells), gate], cells)
    mixed = n.onnx("Add", [before, step], cells)
    shifted = _shifted(n, mixed, shift)
    powers = n.onnx("Pow", [shifted, sharpness], cells)
    total = n.onnx("ReduceSum", [powers], one, {"axes": np.array([-1], np.int64)}, keepdims=1)
    return n.onnx("Div", [powers, total], cells)


def _shifted(n: Network, weighting: str, shift: str) -> str:
    """The circular convolution with three numbers: a sum of three rolled weightings."""
    batch, cells = n.shapes[weighting]
    first = _slice(n, weighting, 0, 1)
    last = _slice(n, weighting, cells - 1, cells)
    rolled = [
        n.onnx("Concat", [_slice(n, weighting, 1, cells), first], (batch, cells), axis=1),
        weighting,
        n.onnx("Concat", [last, _slice(n, weighting, 0, cells - 1)], (batch, cells), axis=1),
    ]
    terms = [
        n.onnx("Mul", [part, _slice(n, shift, i, i + 1)], (batch, cells))
        for i, part in enumerate(rolled)
    ]
    return n.onnx("Add", [n.onnx("Add", terms[:2], (batch, cells)), terms[2]], (batch, cells))


def _slice(n: Network, x: str, start: int, end: int) -> str:
    ends = {k: np.array([v], np.int64) for k, v in (("starts", start), ("ends", end), ("axes", 1))}
    return n.onnx("Slice", [x], (n.shapes[x][0], end - start), ends)


def _reshape(n: Network, x: str, shape: Sequence[int]) -> str:
    return n.onnx("Reshape", [x], shape, {"shape": np.array(shape, np.int64)})


def _constant(n: Network, operator: str, x: str, value: float) -> str:
    return n.onnx(operator, [x], n.shapes[x], {"constant": np.array([value], np.float32)})


def _sigmoid(n: Network, x: str) -> str:
    return n.onnx("Sigmoid", [x], n.shapes[x])


def _softplus(n: Network, x: str) -> str:
    return n.onnx("Softplus", [x], n.shapes[x])
