"""Operators that work element by element."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from graph_builder import Builder
from graph_values import DTYPES, ONNX_TYPES, Value

from .common import partner


def unary(
    op: str,
    low: float,
    high: float,
    letters: str,
    g: Builder,
    x: Optional[Value] = None,
    **attributes: Any,
) -> Value:
    if x is None:
        x = g.pick(letters, low=low, high=high) if letters[0] == "f" else g.pick(letters)
    return g.node(
        op,
        [x],
        **{
            k: round(g.rng.uniform(*v), 2) if isinstance(v, tuple) else g.choice(v)
            for k, v in attributes.items()
            if g.chance(0.7)
        },
    )[0]


def clip(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("fffbBil")
    low, high = (
        g.constant(np.array(v, x.arrays[0].dtype)) if g.chance(0.8) else None
        for v in (g.integer(0, 1) / (2 if x.letter == "f" else 1), g.integer(2, 4))
    )
    return g.node("Clip", [x, low, high])[0]


def binary(op: str, letters: str, g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick(letters)
    pair = [x, partner(g, x)]
    if op in ("Add", "Mul") and g.chance(0.3):
        pair.reverse()
    return g.node(op, pair)[0]


def div(g: Builder) -> Value:
    x = g.pick("ffffil")
    if x.letter == "f":
        y = partner(g, x, 0.5, 2, 0.25, 16)
    else:
        y = partner(g, x, 1, 5, 1, 100)
    return g.node("Div", [x, y])[0]


def power(g: Builder) -> Value:
    x = g.pick("fffil", low=0.1, high=4) if g.chance(0.7) else g.pick("f", low=-3, high=3)
    if x.letter == "f" and g.chance(0.5) and x.within(0.05, 10):
        y = g.weight(g.array("f", x.shape[-1:] if x.fixed() and g.chance(0.5) else [], -2, 2))
    else:
        letter = g.choice("fil")
        y = g.weight(np.asarray(g.array(letter, [], 0, 3).round(), DTYPES[letter]))
    return g.node("Pow", [x, y])[0]


def mod(g: Builder) -> Value:
    x = g.pick("bBilf", exact=True)
    y = partner(g, x, 1, 5, 1, 50, True)
    return g.node("Mod", [x, y], exact=True, fmod=1 if x.letter == "f" or g.chance(0.3) else None)[
        0
    ]


def prelu(g: Builder) -> Value:
    x = g.pick("fffil", range(1, 6))
    dims = [d if x.fixed(i) and g.chance(0.6) else 1 for i, d in enumerate(x.shape)]
    return g.node(
        "PRelu", [x, g.weight(g.array(x.letter, dims[g.integer(0, x.rank - 1) :], 0, 2))]
    )[0]


def variadic(op: str, letters: str, g: Builder) -> Value:
    values = [g.pick(letters)]
    for _ in range(g.choice((0, 1, 1, 2, 3))):
        values.append(partner(g, values[0]))
    return g.node(op, values)[0]


def compare(op: str, letters: str, g: Builder) -> Value:
    x = g.pick(letters, exact=g.chance(0.8))
    return g.node(op, [x, partner(g, x, exact=x.exact)])[0]


def logic(op: str, g: Builder) -> Value:
    x = g.pick("?")
    return g.node(op, [x, partner(g, x)])[0]


def where(g: Builder) -> Value:
    x = g.pick("fffBil?")
    condition = partner(g, x, letter="?")
    return g.node("Where", [condition, x, partner(g, x)])[0]


def is_special(op: str, g: Builder) -> Value:
    """A value in some places of which are NaN and infinities."""
    x = g.pick("f", range(1, 6))
    mask = g.weight(g.array("?", x.shape[-1:] if x.fixed(x.rank - 1) else [1]))
    special = g.constant(np.float32(g.choice((np.nan, np.inf, -np.inf))))
    y = g.node("Where", [mask, special, x], hidden=True)[0]
    detect = (
        {}
        if op == "IsNaN"
        else {"detect_negative": g.choice((None, 0, 1)), "detect_positive": g.choice((None, 0, 1))}
    )
    return g.node(op, [y], **detect)[0]


def cast(g: Builder, like: bool = False) -> Value:
    x = g.pick("ffbBil?", exact=True)
    # A number that its new type cannot hold is defined for integers alone.
    to = g.choice(
        [
            t
            for t in "fbBil?"
            if x.letter not in "f"
            or t in "f?"
            or all(
                np.iinfo(DTYPES[t]).min <= a.min() and a.max() <= np.iinfo(DTYPES[t]).max
                for a in x.arrays
            )
        ]
    )
    if like:
        return g.node("CastLike", [x, g.pick(to)])[0]
    return g.node("Cast", [x], to=ONNX_TYPES[to])[0]


def gelu(g: Builder) -> Value:
    return g.node(
        "Gelu", [g.pick("f", low=-4, high=9)], approximate=g.choice((None, "none", "tanh"))
    )[0]


def dropout(g: Builder, x: Optional[Value] = None) -> Value:
    ratio = [g.constant(np.float32(0.3))] if g.chance(0.5) else []
    return g.node("Dropout", [x or g.pick("f"), *ratio], g.choice((1, 2)))[0]
