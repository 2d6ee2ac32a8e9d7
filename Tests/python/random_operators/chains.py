"""Chains of several operators, as exporters write them and as passes look for them."""

from __future__ import annotations

import numpy as np
from graph_builder import Builder
from graph_values import Value

from .common import images
from .control_flow import SMOOTH
from .elementwise import dropout
from .layers import conv, filters, gemm, global_pool, max_pool
from .rows import batch_normalization
from .shapes import identity


def activation(g: Builder, x: Value) -> Value:
    kind = g.choice(("Relu", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish", "Clip", "Mul"))
    if kind == "Clip":
        return g.node("Clip", [x, g.constant(np.float32(0)), g.constant(np.float32(6))])[0]
    if kind == "Mul":  # Swish as exporters write it
        return g.node("Mul", [x, g.node("Sigmoid", [x])[0]])[0]
    return g.node("HardSigmoid" if kind == "HardSwish" and g.opset < 14 else kind, [x])[0]


def scaled(g: Builder, x: Value) -> Value:
    """A scale or a shift of each channel, as a constant."""
    c = g.weight(g.array("f", [x.shape[1]] + [1] * (x.rank - 2), 0.5, 1.5))
    return g.node(g.choice(("Mul", "Add", "Div", "Sub")), [x, c])[0]


def image_chain(g: Builder) -> Value:
    x = images(g, (2, 2, 2, 1))
    if g.chance(0.2):
        pads = [0, 0] + [g.integer(0, 2) for _ in range(x.rank - 2)]
        x = g.node("Pad", [x, g.ints(*pads, *pads)])[0]
    for _ in range(g.integer(1, 3)):
        start = x
        x = conv(g, x)
        if g.chance(0.6):
            x = batch_normalization(g, x)
        if g.chance(0.3):
            x = scaled(g, x)
        if g.chance(0.8):
            x = activation(g, x)
        if x.shape == start.shape and g.chance(0.7):
            x = g.node("Add", [x, start])[0]
        elif g.chance(0.2) and min(x.shape[2:]) > 1:
            x = max_pool(g, x)
        if g.chance(0.1):
            x = dropout(g, x)
    if g.chance(0.3):
        x = g.node("Flatten", [global_pool("GlobalAveragePool", g, x)])[0]
        x = gemm(g, x)
    return x


def dense_chain(g: Builder) -> Value:
    x = g.pick("f", range(2, 4), where=lambda v: v.fixed(-1))
    for _ in range(g.integer(1, 3)):
        if x.rank == 2 and g.chance(0.3):
            x = gemm(g, x)
        else:
            w = filters(g, "f", g.integer(1, 6), x.shape[-1]).T
            x = g.node("MatMul", [x, g.weight(np.ascontiguousarray(w))])[0]
            if g.chance(0.7):
                x = g.node("Add", [x, g.weight(g.array("f", [x.shape[-1]], -1, 1))])[0]
        if g.chance(0.7):
            x = activation(g, x)
    return x


def transposed_chain(g: Builder) -> Value:
    """What a framework with channels last makes of an operator with channels first."""
    x = g.pick("f", 4)
    x = g.node("Transpose", [x], perm=[0, 2, 3, 1])[0]
    x = activation(g, x)
    if x.fixed(3) and g.chance(0.5):
        x = g.node("Add", [x, g.weight(g.array("f", [x.shape[3]], -1, 1))])[0]
    x = g.node("Transpose", [x], perm=[0, 3, 1, 2])[0]
    return identity(g, x) if g.chance(0.3) else x


def twice(g: Builder) -> Value:
    """The same computation two times."""
    x = g.pick("f", low=-5, high=5)
    op = g.choice(SMOOTH)
    return g.node("Add", [g.node(op, [x])[0], g.node(op, [x])[0]])[0]
