"""Reductions, normalisations and what else works along axes."""

from __future__ import annotations

from typing import Optional

import numpy as np
from graph_builder import Builder
from graph_values import Refused, Value

from .common import axes_form, axis_of, divisor, images, some_axes


def soft(op: str, g: Builder) -> Value:
    x = g.pick("f", range(1, 6), low=-20, high=20, exact=op == "Hardmax")
    return g.node(op, [x], axis=axis_of(g, x) if g.chance(0.8) else None)[0]


def reduce(op: str, low: float, high: float, letters: str, g: Builder) -> Value:
    x = g.pick(letters, range(1, 6), low=low, high=high)
    axes = some_axes(g, x) if g.chance(0.8) else None
    inputs, attributes = axes_form(g, 13 if op == "ReduceSum" else 18, axes)
    if axes is None and (g.opset >= 18 or op == "ReduceSum" and g.opset >= 13) and g.chance(0.3):
        attributes["noop_with_empty_axes"] = 1
    return g.node(op, [x, *inputs], keepdims=g.choice((None, 0, 1)), **attributes)[0]


def arg(op: str, g: Builder) -> Value:
    x = g.pick("ffBi", range(1, 6), exact=True)
    return g.node(
        op,
        [x],
        axis=axis_of(g, x),
        keepdims=g.choice((None, 0, 1)),
        select_last_index=g.choice((None, 0, 1)),
    )[0]


def top_k(g: Builder) -> Value:
    x = g.pick("ffil", range(1, 6), exact=True)
    axis = axis_of(g, x, True)
    k = g.ints(g.integer(1, x.shape[axis]))
    return g.node("TopK", [x, k], 2, axis=axis, largest=g.choice((None, 0, 1)))[0]


def cum_sum(g: Builder) -> Value:
    x = g.pick("ffil", range(1, 6))
    axis = g.constant(np.array(axis_of(g, x), g.choice((np.int32, np.int64))))
    return g.node(
        "CumSum", [x, axis], exclusive=g.choice((None, 0, 1)), reverse=g.choice((None, 0, 1))
    )[0]


def batch_normalization(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or images(g)
    c = x.shape[1]
    vectors = [
        g.weight(g.array("f", [c], *bounds)) for bounds in ((0.5, 1.5), (-1, 1), (-1, 1), (0.5, 2))
    ]
    return g.node("BatchNormalization", [x, *vectors], epsilon=g.choice((None, 1e-3)))[0]


def instance_normalization(g: Builder) -> Value:
    x = images(g)
    c = x.shape[1]
    return g.node(
        "InstanceNormalization",
        [x, g.weight(g.array("f", [c])), g.weight(g.array("f", [c]))],
        epsilon=g.choice((None, 0.1)),
    )[0]


def group_normalization(g: Builder) -> Value:
    x = images(g)
    groups = divisor(g, x.shape[1])
    c = x.shape[1] if g.opset >= 21 else groups
    return g.node(
        "GroupNormalization",
        [x, g.weight(g.array("f", [c])), g.weight(g.array("f", [c]))],
        num_groups=groups,
        epsilon=g.choice((None, 0.1)),
    )[0]


def layer_normalization(op: str, g: Builder) -> Value:
    x = g.pick("f", range(2, 6), where=lambda v: v.fixed(-1))
    first = max(i for i in range(x.rank) if not x.fixed(i)) + 1 if not x.fixed() else 0
    axis = g.integer(max(first, 0), x.rank - 1)
    if op == "LayerNormalization" and np.prod(x.shape[axis:]) < 3:
        raise Refused("too few elements for a deviation")
    scale = [g.weight(g.array("f", x.shape[axis:])) for _ in range(2)]
    attributes = {
        "axis": axis - x.rank if g.chance(0.5) or axis == x.rank - 1 else axis,
        "epsilon": g.choice((None, 1e-2)),
    }
    if op == "RMSNormalization":
        return g.node(op, [x, scale[0]], **attributes)[0]
    keep = g.choice(([True], [True], [True, True, True], [True, False, True]))
    return g.node(op, [x, *scale[: g.integer(1, 2)]], keep, **attributes)[0]


def lrn(g: Builder) -> Value:
    return g.node(
        "LRN",
        [images(g, (2,))],
        size=g.choice((1, 3, 5)),
        alpha=g.choice((None, 0.1)),
        beta=g.choice((None, 0.5)),
        bias=g.choice((None, 2.0)),
    )[0]


def mean_variance(g: Builder) -> Value:
    x = g.pick("f", 4)
    return g.node(
        "MeanVarianceNormalization", [x], axes=g.choice((None, [0, 2, 3], [1, 2], [-1, -2]))
    )[0]


def lp_normalization(g: Builder) -> Value:
    x = g.pick("f", range(1, 5))
    return g.node("LpNormalization", [x], axis=axis_of(g, x), p=g.choice((None, 1, 2)))[0]
