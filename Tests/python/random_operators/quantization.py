"""8-bit integers. Scales are powers of two and the numbers few digits long:
every quotient and sum is exact."""

from __future__ import annotations

from typing import List, Optional

import numpy as np
from graph_builder import Builder
from graph_values import DTYPES, Value

from .common import images, window


def quantize(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("f", range(1, 5), exact=True)
    letter = g.choice("bB")
    axis = g.integer(0, x.rank - 1)
    per_axis = g.chance(0.3) and x.fixed(axis)
    dims = [x.shape[axis]] if per_axis else []
    scale = g.constant(2.0 ** g.rng.integers(-4, 1, dims), np.float32)
    zero = [g.constant(g.array(letter, dims, 0, 20))] if g.chance(0.8) else []
    return g.node("QuantizeLinear", [x, scale, *zero], exact=True, axis=axis if per_axis else None)[
        0
    ]


def dequantize(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("bB", range(1, 5))
    axis = g.integer(0, x.rank - 1)
    per_axis = g.chance(0.3) and x.fixed(axis)
    dims = [x.shape[axis]] if per_axis else []
    scale = 2.0 ** g.rng.integers(-5, -1, dims) if g.chance(0.5) else g.rng.uniform(0.01, 0.1, dims)
    zero = [g.constant(g.array(x.letter, dims, 0, 20))] if g.chance(0.8) else []
    return g.node(
        "DequantizeLinear",
        [x, g.constant(scale, np.float32), *zero],
        axis=axis if per_axis else None,
    )[0]


def dynamic_quantize(g: Builder) -> Value:
    return g.node("DynamicQuantizeLinear", [g.pick("f", range(1, 4))], 3)[0]


def zero_point(g: Builder, letter: str, *dims: int) -> Value:
    return g.constant(g.array(letter, dims, 0, 5))


def power_scale(g: Builder, *dims: int) -> Value:
    return g.constant(2.0 ** g.rng.integers(-4, -1, dims), np.float32)


def mat_mul_integer(g: Builder) -> Value:
    x = g.pick("bB", range(2, 4), where=lambda v: v.fixed(-1))
    w = g.weight(g.array(g.choice("bB"), [x.shape[-1], g.integer(1, 5)], -50, 50))
    zeros: List[Optional[Value]] = []
    if g.chance(0.6):
        zeros = [zero_point(g, x.letter), zero_point(g, w.letter) if g.chance(0.5) else None]
    return g.node("MatMulInteger", [x, w, *zeros])[0]


def conv_integer(g: Builder) -> Value:
    x = images(g, (2,), "B")
    options, m = window(g, x), g.integer(1, 4)
    w = g.weight(g.array("B", [m, x.shape[1], *options["kernel_shape"]], 0, 50))
    zeros: List[Optional[Value]] = []
    if g.chance(0.6):
        zeros = [zero_point(g, x.letter), zero_point(g, w.letter) if g.chance(0.5) else None]
    return g.node("ConvInteger", [x, w, *zeros], **options)[0]


def qlinear_mat_mul(g: Builder) -> Value:
    x = g.pick("bB", range(2, 4), where=lambda v: v.fixed(-1))
    n = g.integer(1, 5)
    letter = "b" if x.letter == "b" else g.choice("bB")
    w = g.weight(g.array(letter, [x.shape[-1], n], -50, 50))
    return g.node(
        "QLinearMatMul",
        [
            x,
            power_scale(g),
            zero_point(g, x.letter),
            w,
            power_scale(g),
            zero_point(g, letter),
            g.constant(np.float32(4)),
            zero_point(g, x.letter),
        ],
        exact=True,
    )[0]


def qlinear_conv(g: Builder) -> Value:
    x = images(g, (1, 2), "bB")
    options, c = window(g, x), x.shape[1]
    group = g.choice((1, 1, c))
    m = group * g.integer(1, 3)
    letter = "b" if x.letter == "b" else g.choice("bB")
    w = g.weight(g.array(letter, [m, c // group, *options["kernel_shape"]], -50, 50))
    per = [m] if g.chance(0.4) and letter == "b" else []
    bias = [g.constant(g.array("i", [m], -100, 100))] if g.chance(0.5) else []
    return g.node(
        "QLinearConv",
        [
            x,
            power_scale(g),
            zero_point(g, x.letter),
            w,
            power_scale(g, *per),
            g.constant(np.zeros(per, DTYPES[letter])),
            g.constant(np.float32(2)),
            zero_point(g, x.letter),
            *bias,
        ],
        exact=True,
        group=group if group > 1 else None,
        **options,
    )[0]


def quantized_chain(g: Builder) -> Value:
    """A convolution or product as exporters write it for 8 bits."""
    product = g.chance(0.4)
    x = (
        g.pick("f", 2, exact=True, where=lambda v: v.fixed(1))
        if product
        else images(g, (2,), exact=True)
    )
    letter = g.choice("bB")

    def dequantized(v: Value, scale: float, zero: int = 0) -> Value:
        s, z = g.constant(np.float32(scale)), g.constant(np.array(zero, DTYPES[v.letter]))
        return g.node("DequantizeLinear", [v, s, z])[0]

    def both(v: Value, scale: float) -> Value:
        s, z = g.constant(np.float32(scale)), g.constant(np.array(g.integer(0, 9), DTYPES[letter]))
        q = g.node("QuantizeLinear", [v, s, z], exact=True)[0]
        return g.node("DequantizeLinear", [q, s, z])[0]

    x = both(x, 1 / 8)
    if product:
        w = g.constant(g.array("b", [x.shape[1], 4], -20, 20))
        y = g.node("MatMul", [x, dequantized(w, 1 / 16)])[0]
    else:
        options = window(g, x)
        w = g.constant(g.array("b", [3, x.shape[1], *options["kernel_shape"]], -20, 20))
        y = g.node("Conv", [x, dequantized(w, 1 / 16)], **options)[0]
    if g.chance(0.5):
        y = g.node("Relu", [y])[0]
    return both(y, 1 / 4)


def quantized_elements(g: Builder) -> Value:
    """Sums, products, means, joins and functions of quantised tensors. Zero points are even: then it
    makes no difference to halves whether they are added before or after the rounding."""
    letter = g.choice("bB")

    def both(v: Value) -> Value:
        scale = g.constant(np.float32(2.0 ** g.integer(-4, -1)))
        zero = g.constant(np.array(2 * g.integer(0, 9), DTYPES[letter]))
        q = g.node("QuantizeLinear", [v, scale, zero], exact=True)[0]
        return g.node("DequantizeLinear", [q, scale, zero])[0]

    def number() -> Value:
        return g.constant(np.float32(g.choice((0.5, 2, -1.5, 3))))

    x = y = both(images(g, (2,), exact=True))
    for _ in range(g.integer(1, 4)):
        kind = g.integer(0, 5)
        if kind == 0:
            y = g.node(g.choice(("Relu", "Abs", "Neg", "Floor")), [y])[0]
        elif kind == 1:
            y = g.node("LeakyRelu", [y], alpha=0.5)[0]
        elif kind == 2:
            y = g.node(g.choice(("Add", "Mul")), [y, number()])[0]
        elif kind == 3:
            y = g.node(g.choice(("Add", "Mul")), [x, y])[0]
        elif kind == 4 and all(y.fixed(i) and y.shape[i] >= 2 for i in (2, 3)):
            x = y = g.node("AveragePool", [y], exact=True, kernel_shape=[2, 2])[0]
            x = both(x)
        else:
            y = g.node("Concat", [x, y], axis=2)[0]
            x = both(y)
        y = both(y) if g.chance(0.8) else y
    return both(y)
