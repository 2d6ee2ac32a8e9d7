"""Networks that several tests run: LeNet-5, a character model with state, a plain stack.

Weights are random: these tests ask for memory, bits and locks, not for accuracy.
"""

from __future__ import annotations

from typing import Callable, Dict

import numpy as np
import pytest
from harness import Writer, add_node, open_model, operators


def random_weight(writer: Writer, rng: np.random.Generator, *shape: int) -> int:
    fan_in = int(np.prod(shape[1:])) or 1
    return writer.weight((rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32))


def lenet(batch="batch", divisor: int = 1) -> Writer:
    """LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) on [batch, 1, 32, 32], or one with fewer
    channels: each number of them divided by `divisor`."""
    c1, c2, c3, h = (n // divisor for n in (6, 16, 120, 84))
    rng = np.random.default_rng(1998)
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (batch, 1, 32, 32))

    def conv(x, out, inp, k):
        w, b = random_weight(writer, rng, out, inp, k, k), random_weight(writer, rng, out)
        (y,) = add_node(f, "Conv", [x, w, b], {"kernel_shape": [k, k]})
        (y,) = add_node(f, "Tanh", [y])
        return y

    def pool(x):
        (y,) = add_node(f, "AveragePool", [x], {"kernel_shape": [2, 2], "strides": [2, 2]})
        return y

    def dense(x, out, inp):
        w, b = random_weight(writer, rng, out, inp), random_weight(writer, rng, out)
        (y,) = add_node(f, "Gemm", [x, w, b], {"transB": 1})
        return y

    x = pool(conv(x, c1, 1, 5))
    x = pool(conv(x, c2, c1, 5))
    x = conv(x, c3, c2, 5)
    (x,) = add_node(f, "Flatten", [x], {"axis": 1})
    (x,) = add_node(f, "Tanh", [dense(x, h, c3)])
    x = dense(x, 10, h)
    (x,) = add_node(f, "Softmax", [x], {"axis": -1})
    f.output(x, "scores", "float32", (batch, 10))
    open_model(writer)
    return writer


def channel_blocks(batch="batch") -> Writer:
    """A network of what computes in channel blocks, on [batch, 3, 13, 11]: every layout of a
    convolution's input, Winograd's transforms, and readers that want the plain layout between."""
    rng = np.random.default_rng(2016)
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (batch, 3, 13, 11))

    def conv(x, out, inp, k, **attributes):
        w, b = random_weight(writer, rng, out, inp, k, k), random_weight(writer, rng, out)
        pads = [k // 2] * 4
        return add_node(f, "Conv", [x, w, b], {"pads": pads, **attributes})[0]

    def residual(x, k, clip):
        (y,) = add_node(f, "Add", [x, conv(x, 16, 16, k)])
        return add_node(f, clip, [y, *([writer.weight(np.float32(-1))] if clip == "Clip" else [])])[0]

    stem = conv(x, 16, 3, 3)
    (stem,) = add_node(f, "Relu", [stem])
    wide = conv(stem, 16, 16, 3, activation_minimum=0.0)
    (total,) = add_node(f, "Add", [wide, stem])
    total = residual(residual(total, 1, "Relu"), 3, "Clip")
    deep = conv(total, 16, 1, 3, group=16)
    scale = [writer.weight(np.abs(rng.normal(size=16)).astype(np.float32)) for _ in range(4)]
    (deep,) = add_node(f, "BatchNormalization", [deep, *scale])
    (both,) = add_node(f, "Concat", [deep, total], {"axis": 1})
    less = conv(both, 20, 32, 1, strides=[2, 2])
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    (most,) = add_node(f, "MaxPool", [less], window)
    (mean,) = add_node(f, "AveragePool", [less], window)
    (sign,) = add_node(f, "Softmax", [mean], {"axis": 1})
    (joint,) = add_node(f, "Mul", [sign, most])
    (y,) = add_node(f, "GlobalAveragePool", [joint])
    # A volume, and groups.
    (volume,) = add_node(f, "Reshape", [less, writer.weight(np.array([0, 20, 7, 3, 2]))])
    (volume,) = add_node(f, "Conv", [volume, random_weight(writer, rng, 24, 20, 3, 3, 3)],
                         {"pads": [1] * 6, "strides": [1, 1, 2]})  # fmt: skip
    window = {"kernel_shape": [2, 3, 1], "pads": [1, 1, 0, 1, 1, 0], "strides": [2, 1, 1]}
    (most,) = add_node(f, "MaxPool", [volume], window)
    (mean,) = add_node(f, "AveragePool", [volume], window)
    (volume,) = add_node(f, "Sub", [most, mean])
    (volume,) = add_node(f, "Conv", [volume, random_weight(writer, rng, 40, 12, 1, 3, 1)], {"group": 2})
    f.output(y, "y", "float32", (batch, 20, 1, 1))
    f.output(volume, "volume", "float32", (batch, 40, 4, 1, 1))
    f.output(total, "total", "float32", (batch, 16, 13, 11))
    open_model(writer)
    return writer


def stack() -> Writer:
    """Two recurrent layers on top of each other, and a convolution of the sequence, with work for
    several threads."""
    rng = np.random.default_rng(1990)
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (1, 32, 25))
    w = random_weight(writer, rng, 64, 32, 9)
    (x,) = add_node(f, "Conv", [x, w], {"pads": [4, 4]})
    (x,) = add_node(f, "Transpose", [x], {"perm": [2, 0, 1]})
    for _ in range(2):
        w, r = (random_weight(writer, rng, 1, 4 * 64, 64) for _ in "wr")
        (x,) = add_node(f, "LSTM", [x, w, r], {"hidden_size": 64})
        (x,) = add_node(f, "Squeeze", [x, writer.weight(np.array([1]))])
    f.output(x, "y", "float32", (25, 1, 64))
    open_model(writer)
    return writer


def char_rnn(hidden: int = 64, symbols: int = 256, characters: str = "") -> Writer:
    """Two LSTM layers that read one token or many and keep their state."""
    rng = np.random.default_rng(1997)
    writer = Writer()
    if characters:
        symbols = len(characters) + 1
        writer.metadata = [("characters", characters)]
    states = [writer.state(f"{n}{k}", (1, 1, hidden)) for k in range(2) for n in "hc"]
    f = writer.function("main")
    x = f.input("tokens", "int32", ("T", 1))
    (x,) = add_node(f, "Gather", [random_weight(writer, rng, symbols, hidden), x], {"axis": 0})
    for layer in range(2):
        h, c = states[2 * layer : 2 * layer + 2]
        w = random_weight(writer, rng, 1, 4 * hidden, hidden)
        r = random_weight(writer, rng, 1, 4 * hidden, hidden)
        b = random_weight(writer, rng, 1, 8 * hidden)
        y, next_h, next_c = add_node(
            f, "LSTM", [x, w, r, b, None, h, c], {"hidden_size": hidden}, outputs=3
        )
        f.update(h, next_h)
        f.update(c, next_c)
        (x,) = add_node(f, "Squeeze", [y, writer.weight(np.array([1]))])
    (x,) = add_node(f, "MatMul", [x, random_weight(writer, rng, hidden, symbols)])
    (x,) = add_node(f, "Add", [x, random_weight(writer, rng, symbols)])
    f.output(x, "logits", "float32", ("T", 1, symbols))
    open_model(writer)
    return writer


def stack() -> Writer:
    """Nodes of the simplest operators: a state, a view, float16 weights that are expanded."""
    rng = np.random.default_rng(7)
    writer = Writer()
    h = writer.state("h", initial=rng.standard_normal((8, 16)).astype(np.float32))
    f = writer.function("main")
    x = f.input("x", "float32", (8, 16))
    (a,) = add_node(f, "Relu", [x])
    (b,) = add_node(f, "Concat", [a, h], {"axis": 1})
    (t,) = add_node(f, "Transpose", [b], {"perm": [1, 0]})
    halves = writer.weight(rng.standard_normal((32, 8)).astype(np.float16))
    (c,) = add_node(f, "Concat", [t, halves], {"axis": 1})
    (v,) = add_node(f, "Reshape", [c, writer.weight(np.array([4, -1]))])
    f.output(v, "y", "float32", (4, 128))
    f.update(h, a)
    open_model(writer)
    return writer


MODELS: Dict[str, Callable[[], Writer]] = {
    "lenet": lenet, "channel_blocks": channel_blocks, "char_rnn": char_rnn, "stack": stack,
}  # fmt: skip

_NEEDS = {
    "lenet": ["Conv", "AveragePool", "Gemm", "Softmax", "Tanh"],
    "channel_blocks": ["Conv", "BatchNormalization", "GlobalAveragePool"],
    "char_rnn": ["LSTM", "MatMul", "Add", "Gather"],
    "stack": ["Relu", "Concat", "Transpose", "Reshape"],
}


def make(name: str, **options) -> Writer:
    missing = [op for op in _NEEDS[name] if op not in operators()]
    if missing:
        pytest.skip(f"this build has no {', '.join(missing)}")
    return MODELS[name](**options)
