"""Convolutions, pooling and matrix products."""

from __future__ import annotations

from typing import Optional

import numpy as np
from graph_builder import Builder
from graph_values import Refused, Value

from .common import divisor, images, partner, window
from .elementwise import unary


def filters(g: Builder, letter: str, *dims: int) -> np.ndarray:
    """Weights of a size that keeps the activations' size."""
    if letter != "f":
        return g.array(letter, dims, -4, 4)
    scale = 1.5 / np.sqrt(max(1, np.prod(dims[1:])))
    if g.chance(0.3):
        return g.array("f", dims, -1, 1, True)
    return g.array("f", dims, -1.7 * scale, 1.7 * scale, False)


def conv(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or images(g)
    c, options = x.shape[1], window(g, x)
    group = g.choice((1, 1, divisor(g, c), c))
    m = group * g.integer(1, 3 if group > 1 else 6)
    w = g.weight(filters(g, "f", m, c // group, *options["kernel_shape"]))
    bias = [g.weight(g.array("f", [m], -1, 1))] if g.chance(0.5) else []
    if g.chance(0.3):
        del options["kernel_shape"]
    return g.node("Conv", [x, w, *bias], group=group if group > 1 else None, **options)[0]


def conv_transpose(g: Builder) -> Value:
    x = images(g)
    c, options = x.shape[1], window(g, x, auto=False)
    group = g.choice((1, 1, divisor(g, c)))
    m = g.integer(1, 3)
    if "strides" in options and g.chance(0.4):
        options["output_padding"] = [s - 1 for s in options["strides"]]
    # With strides beyond the kernel ONNX Runtime pads less than SAME says.
    strides = options.get("strides", [1] * len(options["kernel_shape"]))
    if g.chance(0.2) and all(s <= k for s, k in zip(strides, options["kernel_shape"])):
        options.pop("pads", None)
        options.pop("output_padding", None)
        options["auto_pad"] = g.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
    w = g.weight(filters(g, "f", c, m, *options["kernel_shape"]))
    bias = [g.weight(g.array("f", [m * group], -1, 1))] if g.chance(0.5) else []
    return g.node("ConvTranspose", [x, w, *bias], group=group if group > 1 else None, **options)[0]


def deform_conv(g: Builder) -> Value:
    x = images(g, (2,))
    c, options = x.shape[1], window(g, x, auto=False)
    group, offset_group, m = divisor(g, c), divisor(g, c), g.integer(1, 3)
    kernel = options["kernel_shape"]
    strides, pads, dilations = (
        options.get(k, d)
        for k, d in (("strides", [1, 1]), ("pads", [0] * 4), ("dilations", [1, 1]))
    )
    out = [
        (s + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
        for i, s in enumerate(x.shape[2:])
    ]
    taps = offset_group * int(np.prod(kernel))
    offsets = g.input("f", [x.dims()[0], 2 * taps, *out], -1.5, 1.5, False)
    w = g.weight(filters(g, "f", m * group, c // group, *kernel))
    bias = g.weight(g.array("f", [m * group], -1, 1)) if g.chance(0.5) else None
    mask = g.input("f", [x.dims()[0], taps, *out], 0, 1) if g.chance(0.5) else None
    return g.node(
        "DeformConv", [x, w, offsets, bias, mask], group=group, offset_group=offset_group, **options
    )[0]


def causal_conv(g: Builder) -> Value:
    x = g.pick("f", 3, where=lambda v: v.fixed(1, 2))
    c, k = x.shape[1], g.integer(2, 4)
    inputs = [
        x,
        g.weight(filters(g, "f", c, 1, k)),
        g.weight(g.array("f", [c])) if g.chance(0.5) else None,
    ]
    if g.chance(0.5):
        inputs.append(g.input("f", [x.dims()[0], c, k - 1]))
    return g.node("CausalConvWithState", inputs, 2, activation=g.choice((None, "silu", "none")))[0]


def max_pool(g: Builder, x: Optional[Value] = None, unpool: bool = False) -> Value:
    x = x or images(g, letters="f" if unpool else "fffbB")
    options = window(g, x, auto=not unpool, dilate=not unpool)
    if unpool:  # windows that do not overlap: no index twice
        options["strides"] = options["kernel_shape"]
        options.pop("pads", None)
        y, where_from = g.node("MaxPool", [x], 2, **options)
        # Where another output_shape is asked for, ONNX counts the indices in the smaller one and
        # ONNX Runtime in that.
        if any(d % k for d, k in zip(x.shape[2:], options["kernel_shape"])):
            raise Refused("windows that do not fill the image")
        shape = [g.node("Shape", [x])[0]] if g.chance(0.5) else []
        return g.node(
            "MaxUnpool", [unary("Tanh", -9, 9, "f", g, y), where_from, *shape], **options
        )[0]
    if g.chance(0.3):
        options["ceil_mode"] = 1
    if x.letter == "f" and x.exact and g.chance(0.3):
        return g.node("MaxPool", [x], 2, storage_order=g.choice((None, 0, 1)), **options)[0]
    # Without indices there is no jump.
    return g.node("MaxPool", [x], **options)[0]


def pool(op: str, g: Builder) -> Value:
    x = images(g)
    options = window(g, x, dilate=g.opset >= (19 if op == "AveragePool" else 18))
    if g.chance(0.3) and (op == "AveragePool" or g.opset >= 18):
        options["ceil_mode"] = 1
    if op == "AveragePool":
        options["count_include_pad"] = g.choice((None, 0, 1))
    else:
        options["p"] = g.choice((None, 1, 2, 3))
    return g.node(op, [x], **options)[0]


def global_pool(op: str, g: Builder, x: Optional[Value] = None) -> Value:
    return g.node(op, [x or images(g)], p=g.choice((None, 1, 3)) if op == "GlobalLpPool" else None)[
        0
    ]


def gemm(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("ffffil", 2)
    left = g.chance(0.3) and x.fixed(0)
    k = x.shape[0 if left else 1]
    if not x.fixed(0 if left else 1):
        raise Refused("a free inner dimension")
    n, right = g.integer(1, 6), g.chance(0.4)
    w = filters(g, x.letter, n, k)
    inputs = [x, g.weight(w if right else np.ascontiguousarray(w.T))]
    if g.chance(0.7):
        inputs.append(g.weight(g.array(x.letter, g.choice(([n], [1, n], [1], [])), -1, 1)))
    return g.node(
        "Gemm",
        inputs,
        transA=int(left) or None,
        transB=int(right) or None,
        alpha=g.choice((None, 1.0, 0.5)),
        beta=g.choice((None, 1.0, 2.0)),
    )[0]


def mat_mul(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("ffffil", range(1, 5), where=lambda v: v.fixed(-1))
    k = x.shape[-1]
    if not x.fixed(-1):
        raise Refused("a free inner dimension")
    if g.chance(0.4):

        def fits(v: Value) -> bool:
            return (
                not x.found
                and v.fixed(v.rank - 1 if v.rank == 1 else v.rank - 2)
                and v.shape[-2:][0] == k
            )

        y = g.pick(x.letter, range(1, 4), where=fits)
    else:
        batch = [2] if g.chance(0.1) and x.rank == 2 and x.fixed() else []
        w = filters(g, x.letter, g.integer(1, 6), k).T
        y = g.weight(np.ascontiguousarray(np.broadcast_to(w, (*batch, *w.shape))))
    if g.chance(0.1) and x.fixed() and x.rank == 2:
        x, y = g.weight(filters(g, x.letter, 3, x.shape[0])), x
    return g.node("MatMul", [x, y])[0]


def einsum(g: Builder) -> Value:
    x = g.pick("ffff", range(1, 4))
    letters = "abc"[: x.rank]
    form = g.integer(0, 3)
    if form == 0:
        y = partner(g, x)
        if y.rank != x.rank or y.shape != x.shape:
            y = x
        return g.node("Einsum", [x, y], equation=f"{letters},{letters}->{letters[:-1]}")[0]
    if form == 1:
        out = "".join(g.rng.permutation(list(letters))[: g.integer(0, x.rank)])
        return g.node("Einsum", [x], equation=f"{letters}->{out}")[0]
    if form == 2 and x.fixed(-1):
        w = g.weight(filters(g, "f", 4, x.shape[-1]))
        return g.node("Einsum", [x, w], equation=f"{letters},z{letters[-1]}->{letters[:-1]}z")[0]
    if x.rank < 2:
        raise Refused("rank")
    return g.node("Einsum", [x, x], equation="...ij,...kj->...ik")[0]
