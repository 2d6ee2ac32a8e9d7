"""Shapes, positions and constants."""

from __future__ import annotations

from typing import Optional

import numpy as np
from graph_builder import Builder
from graph_values import DTYPES, ONNX_TYPES, Value
from onnx import numpy_helper

from .common import ANY
from .elementwise import binary


def shape(g: Builder) -> Value:
    x = g.pick(ANY, range(1, 6))
    attributes = {}
    if g.opset >= 15 and g.chance(0.5):
        attributes = {"start": g.integer(0, x.rank - 1), "end": g.choice((None, x.rank, 99))}
    return g.node("Shape", [x], **attributes)[0]


def constant_of_shape(g: Builder) -> Value:
    value = None
    if g.chance(0.8):
        value = numpy_helper.from_array(g.array(g.choice("fBil?"), [1]))
    if g.chance(0.5):
        dims = g.ints(*(g.integer(1, 4) for _ in range(g.integer(1, 3))))
    else:
        dims = g.node("Shape", [g.pick(ANY, range(1, 4))])[0]
    return g.node("ConstantOfShape", [dims], value=value)[0]


def range_(g: Builder) -> Value:
    letter = g.choice("fil")
    start, step = g.integer(-3, 3), g.choice((1, 2, 1, 3))
    if letter == "l" and g.chance(0.5):
        x = g.pick(ANY, range(1, 4))
        size = g.node("Size", [x])[0]
        return g.node("Range", [g.constant(np.int64(0)), size, g.constant(np.int64(step))])[0]
    dtype = DTYPES[letter]
    end = start + step * g.integer(1, 9)
    if g.chance(0.3):
        start, end, step = end, start, -step
    return g.node(
        "Range", [g.constant(np.array(v, dtype)) for v in (start, end, step)], exact=True
    )[0]


def size(g: Builder) -> Value:
    return g.node("Size", [g.pick(ANY)])[0]


def eye_like(g: Builder) -> Value:
    return g.node(
        "EyeLike",
        [g.pick("fil", 2)],
        k=g.choice((None, 1, -1, 0)),
        dtype=g.choice((None, ONNX_TYPES["f"], ONNX_TYPES["l"])),
    )[0]


def trilu(g: Builder) -> Value:
    x = g.pick("fffl", range(2, 5))
    k = [g.constant(np.int64(g.integer(-2, 2)))] if g.chance(0.6) else []
    return g.node("Trilu", [x, *k], upper=g.choice((None, 0, 1)))[0]


def one_hot(g: Builder) -> Value:
    depth = g.integer(2, 6)
    x = g.pick("il", range(1, 4), low=-depth, high=depth - 1)
    values = g.weight(g.array(g.choice("fl"), [2]))
    return g.node("OneHot", [x, g.ints(depth), values], axis=g.choice((None, *range(-1, x.rank))))[
        0
    ]


def non_zero(g: Builder) -> Value:
    return g.node("NonZero", [g.pick("ffil?", range(1, 4), exact=True)])[0]


def identity(g: Builder, x: Optional[Value] = None) -> Value:
    return g.node("Identity", [x or g.pick(ANY)])[0]


def constant(g: Builder) -> Value:
    value = g.constant(g.array(g.choice(ANY), [g.integer(1, 3) for _ in range(g.integer(0, 3))]))
    return binary("Add", "f", g, g.node("Identity", [value])[0])
