"""Random ONNX graphs over the whole list of operators, each a function of a seed.

    graph = generate(seed)         # .model, .inputs and .wanted for two sizes of "N", .operators
    python Tests/python/random_graphs.py 0 500        # what they cover
    python Tests/python/random_graphs.py 7 -o m.onnx  # one as a file

A new operator takes one line in `OPERATORS`: its name and a function that adds it to a `Builder`,
between which opsets, and how often. Its inputs come from `pick` (a value that is there, within
bounds), `partner` (one that broadcasts with another) and `weight`; what ONNX Runtime has no kernel
for, what would be infinite and what hangs on rounding errors is refused by `Builder.node` and
something else is tried.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
import onnx
from graph_builder import DTYPES, SIZES, Builder, Refused, Value
from onnx import TensorProto, helper

FLOAT, INTEGERS, ANY = "f", "bBil", "ffffbBil?"
INT64_MAX = (1 << 63) - 1
ONNX_TYPES = {k: helper.np_dtype_to_tensor_dtype(d) for k, d in DTYPES.items()}


# ---- Help --------------------------------------------------------------------------------------


def partner(g: Builder, x: Value, low: float = -2, high: float = 2, least: float = -np.inf,
            most: float = np.inf, exact: bool = False, letter: str = "") -> Value:
    """A value of x's type (or another) that broadcasts with it: one that is there (from least to
    most), or a constant (from low to high)."""
    letter = letter or x.letter

    def fits(v: Value) -> bool:
        try:
            shapes = [np.broadcast_shapes(a.shape, b.shape) for a, b in zip(x.arrays, v.arrays)]
        except ValueError:
            return False
        return len(shapes[0]) <= 5 and np.prod(shapes[0]) < 3000

    if g.chance(0.6):
        try:
            return g.pick(letter, where=lambda v: fits(v) and v is not x,
                          low=least, high=most, exact=exact)
        except Refused:
            pass
    dims = [d if x.fixed(i) and g.chance(0.6) else 1 for i, d in enumerate(x.shape)]
    return g.weight(g.array(letter, dims[g.integer(0, len(dims)):], low, high))


def axis_of(g: Builder, x: Value, fixed: bool = False) -> int:
    """An axis, counted from the front or the back."""
    axes = [i for i in range(x.rank) if x.fixed(i) or not fixed]
    if not axes:
        raise Refused("no axis")
    axis = g.choice(axes)
    return axis - x.rank if g.chance(0.4) else axis


def images(g: Builder, spatial: Sequence[int] = (1, 2, 2, 2, 3), letters: str = "f", **options) -> Value:
    """A value (N, C, …) whose channels and spatial dimensions are fixed."""
    rank = g.choice(spatial) + 2

    def fits(v: Value) -> bool:
        return v.fixed(*range(1, rank)) and v.shape[1] <= 16

    if g.chance(0.2) and g.parent is None and len(g.inputs) < 6:
        dims = ["N" if g.chance(0.8) else 2, g.choice((1, 2, 3, 4, 6, 8))]
        sizes = [g.integer(3, {3: 12, 4: 9, 5: 5}[rank]) for _ in range(rank - 2)]
        return g.input(g.choice(letters), [*dims, *sizes])
    return g.pick(letters, rank, where=fits, **options)


def divisor(g: Builder, n: int) -> int:
    return g.choice([d for d in range(1, n + 1) if n % d == 0])


def window(g: Builder, x: Value, dilate: bool = True, auto: bool = True, most: int = 3) -> Dict[str, Any]:
    """kernel_shape, strides, dilations and pads (or auto_pad) that x's spatial axes admit."""
    sizes = x.shape[2:]
    kernel = [g.integer(1, min(most, s)) for s in sizes]
    result: Dict[str, Any] = {"kernel_shape": kernel}
    if g.chance(0.5):
        result["strides"] = [g.integer(1, 2) for _ in sizes]
    if auto and g.chance(0.3):
        result["auto_pad"] = g.choice(("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"))
    elif g.chance(0.5):
        result["pads"] = [g.integer(0, k - 1) for k in kernel * 2]
    # ONNX Runtime has no dilations with SAME.
    if dilate and "SAME" not in result.get("auto_pad", "") and g.chance(0.3) and all(2 * k - 1 <= s for k, s in zip(kernel, sizes)):
        result["dilations"] = [2 for _ in sizes]
    return result


def axes_form(g: Builder, since: int, axes: Optional[Sequence[int]]):
    """Axes as inputs and attributes: attributes before the opset `since`."""
    if axes is None:
        return [], {}
    return ([], {"axes": list(axes)}) if g.opset < since else ([g.ints(*axes)], {})


def some_axes(g: Builder, x: Value) -> List[int]:
    chosen = [i for i in range(x.rank) if g.chance(0.5)] or [g.integer(0, x.rank - 1)]
    return [i - x.rank if g.chance(0.3) else i for i in chosen]


def shape_of(g: Builder, x: Value, *parts: Any) -> Value:
    """A shape computed in the graph: each part is a number or, as a list [i], x's dimension i."""
    shape = g.node("Shape", [x])[0]
    pieces = []
    for part in parts:
        if isinstance(part, list):
            if g.chance(0.5):
                taken = g.node("Gather", [shape, g.constant(np.int64(part[0]))])[0]
                pieces.append(unsqueeze(g, taken, 0))
            else:
                pieces.append(g.node("Slice", [shape, g.ints(part[0]), g.ints(part[0] + 1)])[0])
        else:
            pieces.append(g.ints(part))
    return g.node("Concat", pieces, axis=0)[0]


def unsqueeze(g: Builder, x: Value, *axes: int) -> Value:
    inputs, attributes = axes_form(g, 13, axes)
    return g.node("Unsqueeze", [x, *inputs], **attributes)[0]


def indices(g: Builder, dims: Sequence[Any], low: int, high: int, letters: str = "il") -> Value:
    """Integers from low to high: a constant, a new input or values that are there."""
    letter = g.choice(letters)
    if "N" in dims or g.chance(0.3):
        return g.input(letter, dims, low, high)
    return g.constant(g.array(letter, dims, low, high))


# ---- Element by element ------------------------------------------------------------------------


def unary(op: str, low: float, high: float, letters: str, g: Builder, x: Optional[Value] = None,
          **attributes: Any) -> Value:
    if x is None:
        bounds = (low, high)
        x = g.pick(letters, low=low, high=high) if letters[0] == "f" else g.pick(letters)
    return g.node(op, [x], **{k: round(g.rng.uniform(*v), 2) if isinstance(v, tuple) else g.choice(v)
                              for k, v in attributes.items() if g.chance(0.7)})[0]


def clip(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("fffbBil")
    low, high = (g.constant(np.array(v, x.arrays[0].dtype)) if g.chance(0.8) else None
                 for v in (g.integer(0, 1) / (2 if x.letter == "f" else 1), g.integer(2, 4)))
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
        y = g.weight(g.array(g.choice("fil"), [], 0, 3, True).round())
    return g.node("Pow", [x, y])[0]


def mod(g: Builder) -> Value:
    x = g.pick("bBilf", exact=True)
    y = partner(g, x, 1, 5, 1, 50, True)
    return g.node("Mod", [x, y], exact=True, fmod=1 if x.letter == "f" or g.chance(0.3) else None)[0]


def prelu(g: Builder) -> Value:
    x = g.pick("fffil", range(1, 6))
    dims = [d if x.fixed(i) and g.chance(0.6) else 1 for i, d in enumerate(x.shape)]
    return g.node("PRelu", [x, g.weight(g.array(x.letter, dims[g.integer(0, x.rank - 1):], 0, 2))])[0]


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
    detect = {} if op == "IsNaN" else {
        "detect_negative": g.choice((None, 0, 1)), "detect_positive": g.choice((None, 0, 1))}
    return g.node(op, [y], **detect)[0]


def cast(g: Builder, like: bool = False) -> Value:
    x = g.pick("ffbBil?", exact=True)
    # A number that its new type cannot hold is defined for integers alone.
    to = g.choice([t for t in "fbBil?" if x.letter not in "f" or t in "f?" or all(
        np.iinfo(DTYPES[t]).min <= a.min() and a.max() <= np.iinfo(DTYPES[t]).max for a in x.arrays)])
    if like:
        return g.node("CastLike", [x, g.pick(to)])[0]
    return g.node("Cast", [x], to=ONNX_TYPES[to])[0]


def gelu(g: Builder) -> Value:
    return g.node("Gelu", [g.pick("f", low=-4, high=9)], approximate=g.choice((None, "none", "tanh")))[0]


def dropout(g: Builder, x: Optional[Value] = None) -> Value:
    ratio = [g.constant(np.float32(0.3))] if g.chance(0.5) else []
    return g.node("Dropout", [x or g.pick("f"), *ratio], g.choice((1, 2)))[0]


# ---- Rows, reductions, normalisations ----------------------------------------------------------


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
    return g.node(op, [x], axis=axis_of(g, x), keepdims=g.choice((None, 0, 1)),
                  select_last_index=g.choice((None, 0, 1)))[0]


def top_k(g: Builder) -> Value:
    x = g.pick("ffil", range(1, 6), exact=True)
    axis = axis_of(g, x, True)
    k = g.ints(g.integer(1, x.shape[axis]))
    return g.node("TopK", [x, k], 2, axis=axis, largest=g.choice((None, 0, 1)))[0]


def cum_sum(g: Builder) -> Value:
    x = g.pick("ffil", range(1, 6))
    axis = g.constant(np.array(axis_of(g, x), g.choice((np.int32, np.int64))))
    return g.node("CumSum", [x, axis], exclusive=g.choice((None, 0, 1)), reverse=g.choice((None, 0, 1)))[0]


def batch_normalization(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or images(g)
    c = x.shape[1]
    vectors = [g.weight(g.array("f", [c], *bounds)) for bounds in ((0.5, 1.5), (-1, 1), (-1, 1), (0.5, 2))]
    return g.node("BatchNormalization", [x, *vectors], epsilon=g.choice((None, 1e-3)))[0]


def instance_normalization(g: Builder) -> Value:
    x = images(g)
    c = x.shape[1]
    return g.node("InstanceNormalization", [x, g.weight(g.array("f", [c])), g.weight(g.array("f", [c]))],
                  epsilon=g.choice((None, 0.1)))[0]


def group_normalization(g: Builder) -> Value:
    x = images(g)
    groups = divisor(g, x.shape[1])
    c = x.shape[1] if g.opset >= 21 else groups
    return g.node("GroupNormalization", [x, g.weight(g.array("f", [c])), g.weight(g.array("f", [c]))],
                  num_groups=groups, epsilon=g.choice((None, 0.1)))[0]


def layer_normalization(op: str, g: Builder) -> Value:
    x = g.pick("f", range(2, 6), where=lambda v: v.fixed(-1))
    first = max(i for i in range(x.rank) if not x.fixed(i)) + 1 if not x.fixed() else 0
    axis = g.integer(max(first, 0), x.rank - 1)
    if op == "LayerNormalization" and np.prod(x.shape[axis:]) < 3:
        raise Refused("too few elements for a deviation")
    scale = [g.weight(g.array("f", x.shape[axis:])) for _ in range(2)]
    attributes = {"axis": axis - x.rank if g.chance(0.5) or axis == x.rank - 1 else axis,
                  "epsilon": g.choice((None, 1e-2))}
    if op == "RMSNormalization":
        return g.node(op, [x, scale[0]], **attributes)[0]
    keep = g.choice(([True], [True], [True, True, True], [True, False, True]))
    return g.node(op, [x, *scale[:g.integer(1, 2)]], keep, **attributes)[0]


def lrn(g: Builder) -> Value:
    return g.node("LRN", [images(g, (2,))], size=g.choice((1, 3, 5)), alpha=g.choice((None, 0.1)),
                  beta=g.choice((None, 0.5)), bias=g.choice((None, 2.0)))[0]


def mean_variance(g: Builder) -> Value:
    x = g.pick("f", 4)
    return g.node("MeanVarianceNormalization", [x], axes=g.choice((None, [0, 2, 3], [1, 2], [-1, -2])))[0]


def lp_normalization(g: Builder) -> Value:
    x = g.pick("f", range(1, 5))
    return g.node("LpNormalization", [x], axis=axis_of(g, x), p=g.choice((None, 1, 2)))[0]


# ---- Convolution, pooling, matrices ------------------------------------------------------------


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
    if g.chance(0.2):
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
    strides, pads, dilations = (options.get(k, d) for k, d in (
        ("strides", [1, 1]), ("pads", [0] * 4), ("dilations", [1, 1])))
    out = [(s + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
           for i, s in enumerate(x.shape[2:])]
    taps = offset_group * int(np.prod(kernel))
    offsets = g.input("f", [x.dims()[0], 2 * taps, *out], -1.5, 1.5, False)
    w = g.weight(filters(g, "f", m * group, c // group, *kernel))
    bias = g.weight(g.array("f", [m * group], -1, 1)) if g.chance(0.5) else None
    mask = g.input("f", [x.dims()[0], taps, *out], 0, 1) if g.chance(0.5) else None
    return g.node("DeformConv", [x, w, offsets, bias, mask], group=group, offset_group=offset_group,
                  **options)[0]


def causal_conv(g: Builder) -> Value:
    x = g.pick("f", 3, where=lambda v: v.fixed(1, 2))
    c, k = x.shape[1], g.integer(2, 4)
    inputs = [x, g.weight(filters(g, "f", c, 1, k)), g.weight(g.array("f", [c])) if g.chance(0.5) else None]
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
        shape = []
        if g.chance(0.3) or any(d % k for d, k in zip(x.shape[2:], options["kernel_shape"])):
            shape = [g.node("Shape", [x])[0]]
        return g.node("MaxUnpool", [unary("Tanh", -9, 9, "f", g, y), where_from, *shape], **options)[0]
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
    return g.node(op, [x or images(g)], p=g.choice((None, 1, 3)) if op == "GlobalLpPool" else None)[0]


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
    return g.node("Gemm", inputs, transA=int(left) or None, transB=int(right) or None,
                  alpha=g.choice((None, 1.0, 0.5)), beta=g.choice((None, 1.0, 2.0)))[0]


def mat_mul(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("ffffil", range(1, 5), where=lambda v: v.fixed(-1))
    k = x.shape[-1]
    if not x.fixed(-1):
        raise Refused("a free inner dimension")
    if g.chance(0.4):
        def fits(v: Value) -> bool:
            return v.fixed(v.rank - 1 if v.rank == 1 else v.rank - 2) and v.shape[-2:][0] == k
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


# ---- Moving data -------------------------------------------------------------------------------


def concat(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick(ANY, range(1, 6))
    axis = axis_of(g, x)

    def fits(v: Value) -> bool:
        return v.rank == x.rank and all(
            a.shape[i] == b.shape[i] for a, b in zip(x.arrays, v.arrays)
            for i in range(x.rank) if i != axis % x.rank)

    values = [x]
    for _ in range(g.integer(0, 2)):
        others = [i for i in range(x.rank) if i != axis % x.rank]
        if g.chance(0.4) and (x.fixed(*others) if others else True):
            dims = [g.integer(1, 3) if i == axis % x.rank else d for i, d in enumerate(x.shape)]
            values.insert(g.integer(0, len(values)), g.weight(g.array(x.letter, dims)))
        else:
            values.append(g.pick(x.letter, x.rank, where=fits))
    return g.node("Concat", values, axis=axis)[0]


def split(g: Builder) -> Value:
    x = g.pick(ANY, range(1, 6), where=lambda v: any(v.fixed(i) and d > 1 for i, d in enumerate(v.shape)))
    axis = g.choice([i for i, d in enumerate(x.shape) if d > 1 and x.fixed(i)])
    size = x.shape[axis]
    if g.chance(0.5):
        first = g.integer(1, size - 1)
        lengths = [first, size - first] if g.chance(0.7) or size - first < 2 else [first, 1, size - first - 1]
        return g.node("Split", [x, g.ints(*lengths)], len(lengths), axis=axis - x.rank)[-1]
    parts = g.choice([n for n in range(2, size + 1) if size % n == 0 or g.opset >= 18 and size // n > 1 and -(-size // n) * (n - 1) < size] or [size])
    # ONNX Runtime crashes where an output is left out.
    return g.node("Split", [x], parts, axis=axis, num_outputs=parts if g.opset >= 18 else None)[0]


def slice_(g: Builder) -> Value:
    x = g.pick(ANY, range(1, 6))
    starts, ends, axes, steps = [], [], [], []
    for i in sorted({a % x.rank for a in some_axes(g, x)}):
        size = min(a.shape[i] for a in x.arrays)
        start = g.integer(0, size - 1)
        end, step = g.integer(start + 1, size), g.choice((1, 1, 1, 2))
        if g.chance(0.3):
            end = INT64_MAX
        if g.chance(0.2):
            start, end, step = -1, g.choice((-INT64_MAX, -size - 1)), -step
        elif g.chance(0.3) and x.fixed(i):
            start -= size
        for values, v in ((starts, start), (ends, end), (axes, i - x.rank * g.integer(0, 1)), (steps, step)):
            values.append(v)
    inputs = [g.ints(*starts), g.ints(*ends)]
    if axes != list(range(len(axes))) or steps != [1] * len(steps) or g.chance(0.5):
        inputs.append(g.ints(*axes))
        if steps != [1] * len(steps) or g.chance(0.5):
            inputs.append(g.ints(*steps))
    return g.node("Slice", [x, *inputs])[0]


def reshape(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick(ANY, range(1, 6))
    last = [i for i in range(x.rank) if not x.fixed(i)][-1:] or [-1]
    rest = [d for d in x.shape[last[0] + 1:]]
    if g.chance(0.3):
        return g.node("Reshape", [x, g.ints(-1)])[0]
    elements = int(np.prod(rest))
    first = divisor(g, elements)
    tail = g.choice(([elements], [first, elements // first], [1, elements]))
    if last[0] < 0:
        front: List[Any] = [-1] if g.chance(0.3) else [1]
        if front == [-1]:
            tail = tail[1:] if tail[0] == 1 or g.chance(0.5) else tail
    elif last[0] == 0 and g.chance(0.5):
        return g.node("Reshape", [x, shape_of(g, x, [0], *tail)])[0]
    else:
        front = [0] * (last[0] + 1)
        if g.chance(0.3):
            front, tail = ([-1], tail) if last[0] == 0 else (front, [-1])
    return g.node("Reshape", [x, g.ints(*front, *tail)])[0]


def squeeze(g: Builder) -> Value:
    x = g.pick(ANY, range(1, 6), where=lambda v: 1 in v.shape and all(
        v.fixed(i) for i, d in enumerate(v.shape) if d == 1))
    axes = [i for i, d in enumerate(x.shape) if d == 1 and x.fixed(i)]
    chosen = [g.choice(axes) - x.rank * g.integer(0, 1)] if g.chance(0.7) else axes
    inputs, attributes = axes_form(g, 13, chosen if g.chance(0.8) else None)
    return g.node("Squeeze", [x, *inputs], **attributes)[0]


def unsqueezed(g: Builder) -> Value:
    x = g.pick(ANY, range(0, 5))
    axes = {g.integer(0, x.rank) for _ in range(g.integer(1, 2))}
    rank = x.rank + len(axes)
    return unsqueeze(g, x, *(a - rank if g.chance(0.3) else a for a in axes))


def flatten(g: Builder) -> Value:
    x = g.pick(ANY, range(1, 6))
    return g.node("Flatten", [x], axis=g.choice((None, *range(-x.rank, x.rank + 1))))[0]


def transpose(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick(ANY, range(2, 6))
    perm = None if g.chance(0.3) else [int(i) for i in g.rng.permutation(x.rank)]
    if x.rank == 4 and g.chance(0.5):
        perm = g.choice(([0, 2, 3, 1], [0, 3, 1, 2]))
    return g.node("Transpose", [x], perm=perm)[0]


def pad(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("fffffbBil?", range(1, 5))
    mode = g.choice((None, "constant", "reflect", "edge", *(["wrap"] if g.opset >= 19 else [])))
    smallest = np.minimum(*(np.array(a.shape) for a in x.arrays))
    axes = sorted({a % x.rank for a in some_axes(g, x)}) if g.opset >= 18 and g.chance(0.5) else range(x.rank)
    low = -1 if g.chance(0.15) else 0
    pads = [g.integer(low if smallest[i] > 3 else 0, min(2, smallest[i] - 1)) for i in [*axes] * 2]
    inputs: List[Optional[Value]] = [x, g.ints(*pads)]
    if mode in (None, "constant") and g.chance(0.5):
        inputs.append(g.constant(g.array(x.letter, [])))
    if len(pads) < 2 * x.rank:
        inputs += [None] * (3 - len(inputs)) + [g.ints(*axes)]
    return g.node("Pad", inputs, mode=mode)[0]


def expand(g: Builder) -> Value:
    x = g.pick("fffBil?", range(0, 4))
    dims = [g.integer(1, 3) if d == 1 and x.fixed(i) else 1 for i, d in enumerate(x.shape)]
    if g.chance(0.4):
        other = g.pick(ANY, range(1, 4), where=lambda v: can_broadcast(x, v))
        return g.node("Expand", [x, g.node("Shape", [other])[0]])[0]
    return g.node("Expand", [x, g.ints(*([2] if g.chance(0.4) else []), *dims)])[0]


def can_broadcast(x: Value, y: Value) -> bool:
    try:
        return all(np.prod(np.broadcast_shapes(a.shape, b.shape)) < 2000 for a, b in zip(x.arrays, y.arrays))
    except ValueError:
        return False


def tile(g: Builder) -> Value:
    x = g.pick("fffBil?", range(1, 4))
    return g.node("Tile", [x, g.ints(*(g.choice((1, 1, 2, 3)) for _ in range(x.rank)))])[0]


def gather(g: Builder) -> Value:
    x = g.pick(ANY, range(1, 5))
    axis = axis_of(g, x)
    size = min(a.shape[axis] for a in x.arrays)
    dims = g.choice(([], [1], [3], [2, 2], ["N"], ["N", 2]))
    return g.node("Gather", [x, indices(g, dims, -size, size - 1)], axis=axis)[0]


def gather_elements(g: Builder) -> Value:
    x = g.pick(ANY, range(1, 5))
    axis = axis_of(g, x)
    size = min(a.shape[axis] for a in x.arrays)
    dims = x.dims()
    if x.fixed(axis):
        dims[axis] = g.integer(1, 4)
    return g.node("GatherElements", [x, indices(g, dims, -size, size - 1)], axis=axis)[0]


def gather_nd(g: Builder) -> Value:
    x = g.pick(ANY, range(1, 5))
    batch = g.integer(0, x.rank - 1) if g.chance(0.4) else 0
    depth = g.integer(1, x.rank - batch)
    size = min(a.shape[i] for a in x.arrays for i in range(batch, batch + depth))
    return g.node("GatherND", [x, indices(g, [*x.dims()[:batch], 3, depth], -size, size - 1, "l")],
                  batch_dims=batch or None)[0]


def reduction(g: Builder, letter: str) -> Optional[str]:
    if g.opset < 16 or letter == "?":
        return None
    return g.choice((None, "none", "add", "mul", *(["min", "max"] if g.opset >= 18 else [])))


def scatter_elements(g: Builder, op: str = "ScatterElements") -> Value:
    x = g.pick("fffBil", range(1, 5))
    axis = axis_of(g, x, True)
    size = x.shape[axis]
    mode = None if op == "Scatter" else reduction(g, x.letter)
    dims = x.dims()
    if mode in (None, "none"):  # no place twice: a permutation
        order = g.rng.permutation(size)[: g.integer(1, size)]
        dims[axis] = len(order)
        if "N" in dims:
            dims = [1 if d == "N" else d for d in dims]
        shape = [1] * x.rank
        shape[axis] = len(order)
        where_to = g.constant(np.broadcast_to(order.reshape(shape), dims) - size * g.integer(0, 1),
                              np.int64)
    else:
        where_to = indices(g, dims, -size, size - 1)
    return g.node(op, [x, where_to, g.input(x.letter, dims)], axis=axis,
                  **({} if mode is None else {"reduction": mode}))[0]


def scatter_nd(g: Builder) -> Value:
    x = g.pick("fffBil", range(1, 5))
    depth = g.integer(1, x.rank)
    sizes = [min(a.shape[i] for a in x.arrays) for i in range(depth)]
    mode = reduction(g, x.letter)
    places = g.rng.permutation(int(np.prod(sizes)))[: g.integer(1, 4)]
    if mode not in (None, "none"):
        places = np.concatenate([places, places[:1]])
    found = np.stack(np.unravel_index(places, sizes), -1)
    updates = g.input(x.letter, [len(places), *x.dims()[depth:]])
    return g.node("ScatterND", [x, g.constant(found, np.int64), updates], reduction=mode)[0]


def depth_to_space(g: Builder) -> Value:
    x = g.pick("fff", 4, where=lambda v: v.fixed(1))
    b = g.choice([b for b in (1, 2, 3) if x.shape[1] % (b * b) == 0])
    return g.node("DepthToSpace", [x], blocksize=b, mode=g.choice((None, "DCR", "CRD")))[0]


def space_to_depth(g: Builder) -> Value:
    x = g.pick("f", 4, where=lambda v: v.fixed(2, 3))
    b = g.choice([b for b in (1, 2, 3) if x.shape[2] % b == 0 and x.shape[3] % b == 0])
    return g.node("SpaceToDepth", [x], blocksize=b)[0]


def reverse_sequence(g: Builder) -> Value:
    x = g.pick("fffil", range(2, 5))
    batch = g.integer(0, 1)
    if not x.fixed(1 - batch):
        batch = 1 - batch
    steps = min(a.shape[1 - batch] for a in x.arrays)
    return g.node("ReverseSequence", [x, indices(g, [x.dims()[batch]], 1, steps, "l")],
                  batch_axis=batch, time_axis=1 - batch)[0]


def center_crop_pad(g: Builder) -> Value:
    x = g.pick("fffil", range(1, 5))
    axes = [a for a in sorted({a % x.rank for a in some_axes(g, x)}) if x.fixed(a)]
    if not axes:
        raise Refused("no fixed axis")
    lengths = g.ints(*(g.integer(1, x.shape[a] + 2) for a in axes))
    return g.node("CenterCropPad", [x, lengths], axes=axes)[0]


def col2im(g: Builder) -> Value:
    image, block = [g.integer(3, 6), g.integer(3, 6)], [g.integer(1, 3), g.integer(1, 3)]
    pads = [g.integer(0, 1) for _ in range(4)] if g.chance(0.5) else None
    strides = [g.integer(1, 2) for _ in range(2)] if g.chance(0.5) else None
    blocks = 1
    for i in range(2):
        padded = image[i] + (pads[i] + pads[i + 2] if pads else 0)
        blocks *= (padded - block[i]) // (strides[i] if strides else 1) + 1
    x = g.input("f", ["N", g.integer(1, 2) * block[0] * block[1], blocks])
    return g.node("Col2Im", [x, g.ints(*image), g.ints(*block)], pads=pads, strides=strides)[0]


def resize(g: Builder, upsample: bool = False) -> Value:
    x = images(g, (1, 2, 2), "fffB")
    spatial = x.rank - 2
    # Factors whose products with any size are exact, and no coordinate at a tie of nearest.
    if upsample:
        scales = g.constant([1, 1, *(g.choice((1, 2, 3)) for _ in range(spatial))], np.float32)
        return g.node("Upsample", [x, scales], mode=g.choice((None, "nearest")))[0]
    mode = g.choice((None, "nearest", "linear", "cubic"))
    if x.letter != "f" or (spatial != 2 and mode == "cubic"):
        mode = "nearest"
    attributes: Dict[str, Any] = {"mode": mode}
    transform = g.choice((None, "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"))
    if mode in (None, "nearest"):
        transform = g.choice(("asymmetric", "asymmetric", None))
        attributes["nearest_mode"] = g.choice(("floor", "ceil") if transform else
                                              (None, "round_prefer_floor", "round_prefer_ceil"))
    attributes["coordinate_transformation_mode"] = transform
    if mode == "cubic":
        attributes["exclude_outside"] = g.choice((None, 0, 1))
        attributes["cubic_coeff_a"] = g.choice((None, -0.5))
    if mode in ("linear", "cubic") and g.opset >= 18 and transform != "align_corners":
        attributes["antialias"] = g.choice((None, None, 1))
    exact = True if mode in (None, "nearest") else None
    if g.chance(0.5):
        factors = (1, 2, 3) if mode in (None, "nearest") else (0.5, 1, 1.5, 2)
        scales = g.constant([1, 1, *(g.choice(factors) for _ in range(spatial))], np.float32)
        return g.node("Resize", [x, None, scales], exact=exact, **attributes)[0]
    sizes = [d * g.integer(1, 2) if exact else g.integer(1, 2 * d) for d in x.shape[2:]]
    if g.opset >= 18 and g.chance(0.4):
        return g.node("Resize", [x, None, None, g.ints(*sizes)], exact=exact,
                      axes=list(range(2, x.rank)), **attributes)[0]
    return g.node("Resize", [x, None, None, shape_of(g, x, [0], [1], *sizes)], exact=exact, **attributes)[0]


# ---- Shapes and positions ----------------------------------------------------------------------


def shape(g: Builder) -> Value:
    x = g.pick(ANY, range(1, 6))
    attributes = {}
    if g.opset >= 15 and g.chance(0.5):
        attributes = {"start": g.integer(0, x.rank - 1), "end": g.choice((None, x.rank, 99))}
    return g.node("Shape", [x], **attributes)[0]


def constant_of_shape(g: Builder) -> Value:
    value = None
    if g.chance(0.8):
        value = onnx.numpy_helper.from_array(g.array(g.choice("fBil?"), [1]))
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
    return g.node("Range", [g.constant(np.array(v, dtype)) for v in (start, end, step)], exact=True)[0]


def size(g: Builder) -> Value:
    return g.node("Size", [g.pick(ANY)])[0]


def eye_like(g: Builder) -> Value:
    return g.node("EyeLike", [g.pick("fil", 2)], k=g.choice((None, 1, -1, 0)),
                  dtype=g.choice((None, ONNX_TYPES["f"], ONNX_TYPES["l"])))[0]


def trilu(g: Builder) -> Value:
    x = g.pick("fffl", range(2, 5))
    k = [g.constant(np.int64(g.integer(-2, 2)))] if g.chance(0.6) else []
    return g.node("Trilu", [x, *k], upper=g.choice((None, 0, 1)))[0]


def one_hot(g: Builder) -> Value:
    depth = g.integer(2, 6)
    x = g.pick("il", range(1, 4), low=-depth, high=depth - 1)
    values = g.weight(g.array(g.choice("fl"), [2]))
    return g.node("OneHot", [x, g.ints(depth), values], axis=g.choice((None, *range(-1, x.rank))))[0]


def non_zero(g: Builder) -> Value:
    return g.node("NonZero", [g.pick("ffil?", range(1, 4), exact=True)])[0]


def identity(g: Builder, x: Optional[Value] = None) -> Value:
    return g.node("Identity", [x or g.pick(ANY)])[0]


def constant(g: Builder) -> Value:
    value = g.constant(g.array(g.choice(ANY), [g.integer(1, 3) for _ in range(g.integer(0, 3))]))
    return binary("Add", "f", g, g.node("Identity", [value])[0])


# ---- Vision ------------------------------------------------------------------------------------


def rois(g: Builder, x: Value, count: int, first: bool) -> np.ndarray:
    h, w = x.shape[2:]
    corners = np.stack([g.rng.uniform(0, w / 2, count), g.rng.uniform(0, h / 2, count),
                        g.rng.uniform(w / 2, w, count), g.rng.uniform(h / 2, h, count)], -1)
    if first:
        corners = np.concatenate([g.rng.integers(0, 2, (count, 1)), corners], -1)
    return corners.astype(np.float32)


def max_roi_pool(g: Builder) -> Value:
    x = images(g, (2,))
    if min(a.shape[0] for a in x.arrays) < 2:
        raise Refused("one image")
    return g.node("MaxRoiPool", [x, g.weight(rois(g, x, 3, True))], pooled_shape=[g.integer(1, 3), 2],
                  spatial_scale=g.choice((None, 0.5)))[0]


def roi_align(g: Builder) -> Value:
    x = images(g, (2,))
    images_ = min(a.shape[0] for a in x.arrays)
    batch = g.constant(g.rng.integers(0, images_, 3), np.int64)
    transform = g.choice((None, "output_half_pixel", "half_pixel")) if g.opset >= 16 else None
    return g.node("RoiAlign", [x, g.weight(rois(g, x, 3, False)), batch],
                  coordinate_transformation_mode=transform, output_height=g.integer(1, 3),
                  output_width=g.integer(1, 3), sampling_ratio=g.integer(0, 2),
                  spatial_scale=g.choice((None, 0.5)), mode=g.choice((None, "avg")))[0]


def non_max_suppression(g: Builder) -> Value:
    n, boxes = g.choice((1, 2)), g.integer(2, 6)
    corners = g.rng.uniform(0, 2, (n, boxes, 4))
    if center := g.chance(0.5):
        corners = np.abs(corners) + 0.1
    else:
        corners[..., 2:] = corners[..., :2] + 1.5
    # Scores that differ by more than rounding does.
    scores = g.rng.permutation(2 * n * boxes).reshape(n, 2, boxes) / (2.0 * n * boxes)
    inputs = [g.formal([a.astype(np.float32)] * 2) for a in (corners, scores)]
    inputs += [g.ints(g.integer(1, 3)), g.constant([0.4], np.float32), g.constant([0.21], np.float32)]
    return g.node("NonMaxSuppression", inputs[: g.integer(3, 5)], center_point_box=int(center))[0]


def grid_sample(g: Builder) -> Value:
    x = images(g, (2, 2, 3) if g.opset >= 20 else (2,))
    spatial = x.rank - 2
    if spatial == 2 and g.opset >= 20 and g.chance(0.5):
        size = [a.shape[0] for a in x.arrays]
        theta = g.input("f", [x.dims()[0], 2, 3], -0.8, 0.8, False)
        dims = shape_of(g, x, [0], 1, g.integer(2, 5), g.integer(2, 5))
        grid = g.node("AffineGrid", [theta, dims], align_corners=g.choice((None, 0, 1)))[0]
    else:
        grid = g.input("f", [x.dims()[0], *(g.integer(2, 4) for _ in range(spatial)), spatial], -1.2, 1.2,
                       False)
    modes = ("linear", "nearest", "cubic") if g.opset >= 20 else ("bilinear", "nearest", "bicubic")
    mode = g.choice(modes[:2] if spatial == 3 else modes)
    return g.node("GridSample", [x, grid], mode=mode, align_corners=g.choice((None, 0, 1)),
                  padding_mode=g.choice((None, "zeros", "border", "reflection")))[0]


def affine_grid(g: Builder) -> Value:
    three = g.chance(0.3)
    theta = g.input("f", ["N", 3, 4] if three else ["N", 2, 3])
    dims = shape_of(g, theta, [0], 2, *([2] if three else []), g.integer(1, 4), g.integer(2, 4))
    return g.node("AffineGrid", [theta, dims], align_corners=g.choice((None, 0, 1)))[0]


# ---- Recurrent, attention ----------------------------------------------------------------------


def recurrent(kind: str, g: Builder) -> Value:
    x = g.pick("f", 3, low=-8, high=8, where=lambda v: v.fixed(2))
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    direction = g.choice((None, "forward", "reverse", "bidirectional"))
    d, h, i = 2 if direction == "bidirectional" else 1, g.integer(1, 5), x.shape[2]
    steps, batch = (np.array([a.shape[k] for a in x.arrays]) for k in (0, 1))
    inputs: List[Optional[Value]] = [
        x, g.weight(g.array("f", [d, gates * h, i], -0.7, 0.7)),
        g.weight(g.array("f", [d, gates * h, h], -0.7, 0.7))]
    inputs.append(g.weight(g.array("f", [d, 2 * gates * h], -0.5, 0.5)) if g.chance(0.6) else None)
    lengths = None
    if g.chance(0.3):
        lengths = g.input("i", [x.dims()[1]], 1, int(steps.min()))
    inputs.append(lengths)
    for _ in range(2 if kind == "LSTM" else 1):
        inputs.append(g.input("f", [d, x.dims()[1], h], -1, 1) if g.chance(0.4) else None)
    if kind == "LSTM" and g.chance(0.3):
        inputs.append(g.weight(g.array("f", [d, 3 * h], -0.5, 0.5)))
    attributes: Dict[str, Any] = {"hidden_size": h, "direction": direction}
    if g.chance(0.3):
        per = {"RNN": [["Tanh"], ["Relu"], ["Sigmoid"]], "GRU": [["Sigmoid", "Tanh"], ["HardSigmoid", "Tanh"]],
               "LSTM": [["Sigmoid", "Tanh", "Tanh"], ["Sigmoid", "Softsign", "Tanh"]]}[kind]
        attributes["activations"] = [a for _ in range(d) for a in g.choice(per)]
    if kind == "GRU":
        attributes["linear_before_reset"] = g.choice((None, 0, 1))
    if kind == "LSTM" and g.chance(0.1):
        attributes["input_forget"] = 1
    keep = [g.chance(0.7) for _ in range(3 if kind == "LSTM" else 2)]
    keep[0] |= not any(keep)
    y = g.node(kind, inputs, keep, **attributes)[0]
    if keep[0] and d == 1 and g.chance(0.5):
        axes, more = axes_form(g, 13, [1])
        return g.node("Squeeze", [y, *axes], **more)[0]
    return y


def attention(g: Builder) -> Value:
    heads, shared, q, k, d = g.choice((2, 4)), g.choice((1, 2)), g.integer(1, 4), g.integer(1, 4), g.choice((2, 4))
    flat = g.chance(0.5)
    sizes = [(heads, q, d), (shared, k, d), (shared, k, d + g.integer(0, 1))]
    if flat:
        inputs = [g.input("f", ["N", s, h * w], -2, 2) for h, s, w in sizes]
        attributes = {"q_num_heads": heads, "kv_num_heads": shared}
    else:
        inputs = [g.input("f", ["N", *s], -2, 2) for s in sizes]
        attributes = {}
    if g.chance(0.4):
        inputs.append(g.weight(g.array(g.choice("f"), [q, k], -1, 1)))
    return g.node("Attention", inputs, is_causal=g.choice((None, 0, 1)) , scale=g.choice((None, 0.3)),
                  softcap=g.choice((None, 2.0)), **attributes)[0]


# ---- 8-bit integers ----------------------------------------------------------------------------
# Scales are powers of two and the numbers few digits long: every quotient and sum is exact.


def quantize(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("f", range(1, 5), exact=True)
    letter = g.choice("bB")
    axis = g.integer(0, x.rank - 1)
    per_axis = g.chance(0.3) and x.fixed(axis)
    dims = [x.shape[axis]] if per_axis else []
    scale = g.constant(2.0 ** g.rng.integers(-4, 1, dims), np.float32)
    zero = [g.constant(g.array(letter, dims, 0, 20))] if g.chance(0.8) else []
    return g.node("QuantizeLinear", [x, scale, *zero], exact=True, axis=axis if per_axis else None)[0]


def dequantize(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick("bB", range(1, 5))
    axis = g.integer(0, x.rank - 1)
    per_axis = g.chance(0.3) and x.fixed(axis)
    dims = [x.shape[axis]] if per_axis else []
    scale = 2.0 ** g.rng.integers(-5, -1, dims) if g.chance(0.5) else g.rng.uniform(0.01, 0.1, dims)
    zero = [g.constant(g.array(x.letter, dims, 0, 20))] if g.chance(0.8) else []
    return g.node("DequantizeLinear", [x, g.constant(scale, np.float32), *zero],
                  axis=axis if per_axis else None)[0]


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
    return g.node("QLinearMatMul", [
        x, power_scale(g), zero_point(g, x.letter), w, power_scale(g), zero_point(g, letter),
        g.constant(np.float32(4)), zero_point(g, x.letter)], exact=True)[0]


def qlinear_conv(g: Builder) -> Value:
    x = images(g, (1, 2), "bB")
    options, c = window(g, x), x.shape[1]
    group = g.choice((1, 1, c))
    m = group * g.integer(1, 3)
    letter = "b" if x.letter == "b" else g.choice("bB")
    w = g.weight(g.array(letter, [m, c // group, *options["kernel_shape"]], -50, 50))
    per = [m] if g.chance(0.4) and letter == "b" else []
    bias = [g.constant(g.array("i", [m], -100, 100))] if g.chance(0.5) else []
    return g.node("QLinearConv", [
        x, power_scale(g), zero_point(g, x.letter), w, power_scale(g, *per),
        g.constant(np.zeros(per, DTYPES[letter])), g.constant(np.float32(2)), zero_point(g, x.letter),
        *bias], exact=True, group=group if group > 1 else None, **options)[0]


def quantized_chain(g: Builder) -> Value:
    """Convolution or product as exporters write it for 8 bits: between Dequantize- and QuantizeLinear."""
    product = g.chance(0.4)
    x = g.pick("f", 2, exact=True, where=lambda v: v.fixed(1)) if product else images(g, (2,), exact=True)
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


# ---- Control flow ------------------------------------------------------------------------------

SMOOTH = ["Tanh", "Sigmoid", "Relu", "Abs", "Softsign", "Neg", "Sin"]


def step(g: Builder, x: Value) -> Value:
    """One node that keeps x's shape and bounds."""
    if g.chance(0.4):
        return g.node(g.choice(("Add", "Sub", "Mul")), [x, partner_of_shape(g, x)])[0]
    return g.node(g.choice(SMOOTH), [x])[0]


def partner_of_shape(g: Builder, x: Value) -> Value:
    same = [v for v in g.visible() if v.letter == x.letter and all(
        a.shape == b.shape for a, b in zip(v.arrays, x.arrays))]
    if same and g.chance(0.6):
        return g.choice(same)
    return g.constant(g.array(x.letter, [], -1, 1))


def steps(g: Builder, x: Value, most: int = 4) -> Value:
    for _ in range(g.integer(1, most)):
        x = step(g, x)
    return g.node("Tanh", [x])[0]


def condition(g: Builder) -> Value:
    """A scalar that is true or false: a constant, an input, or computed."""
    if g.chance(0.3):
        return g.input("?", [])
    if g.chance(0.3):
        return g.constant(np.array(g.chance(0.5)))
    x = g.pick("fil", exact=True)
    total = g.node("ReduceMax", [x], keepdims=0)[0]
    return g.node("Greater", [total, g.constant(g.array(x.letter, [], 0, 2, True))])[0]


def if_(g: Builder) -> Value:
    x = g.pick("f", range(1, 4))
    chosen = condition(g)
    bodies, graphs = [], []
    for name in ("then_branch", "else_branch"):
        body = Builder(g.rng, g.opset, g)
        ends = [steps(body, x)]
        if g.chance(0.3) and x.rank > 1:
            ends = [body.node("Transpose", ends)[0]] if x.shape[0] == x.shape[-1] and x.fixed() else ends
        bodies.append(body)
        graphs.append(body.body(name, [], ends))
    return g.node("If", [chosen], 1, exact=False, bodies=bodies, then_branch=graphs[0],
                  else_branch=graphs[1])[0]


def loop(g: Builder) -> Value:
    """for or while, with a carried value and perhaps one that is collected."""
    x = g.pick("f", range(1, 4), low=-8, high=8)
    turns = g.integer(1, 4)
    scan = g.chance(0.5)
    body = Builder(g.rng, g.opset, g)
    turn = body.formal([np.array(0, np.int64)] * 2)
    go = body.formal([np.array(True)] * 2)
    carried = body.formal(x.arrays, x.noisy)
    y = steps(body, carried, 3)
    if g.chance(0.4):
        number = body.node("Cast", [turn], to=1)[0]
        y = body.node("Tanh", [body.node("Add", [y, number])[0]])[0]
    if scan or g.chance(0.5):  # a planned bound: the number of turns is known
        count: Optional[Value] = g.constant(np.array(turns, np.int64))
    else:
        count = g.input("l", [], turns, turns)
    if g.chance(0.3):
        go = body.node("Less", [turn, body.constant(np.int64(g.integer(0, 3)))])[0]
    else:
        go = body.node("Identity", [go])[0]
    outputs = [go, y]
    if scan:
        outputs.append(step(body, carried))
    start = g.constant(np.array(True)) if g.chance(0.5) else None
    graph = body.body("body", body.inputs, outputs)
    return g.node("Loop", [count, start, x], len(outputs) - 1, exact=False, bodies=[body], body=graph)[0]


def scan(g: Builder) -> Value:
    sequence = g.pick("f", range(2, 4), low=-8, high=8)
    axis = g.integer(0, sequence.rank - 1)
    arrays = [[np.take(a, 0, axis) for a in which] for which in (sequence.arrays, sequence.noisy)]
    body = Builder(g.rng, g.opset, g)
    state_dims = [d for i, d in enumerate(sequence.dims()) if i != axis]
    start = g.input("f", state_dims, -1, 1)
    state = body.formal(start.arrays)
    element = body.formal(*arrays)
    y = body.node("Tanh", [body.node("Add", [state, steps(body, element, 2)])[0]])[0]
    z = step(body, y)
    graph = body.body("body", [state, element], [y, z])
    attributes: Dict[str, Any] = {}
    if axis or g.chance(0.3):
        attributes["scan_input_axes"] = [axis]
    if g.chance(0.3):
        attributes["scan_input_directions"] = [1]
    if g.chance(0.3):
        attributes["scan_output_axes"] = [g.integer(0, len(state_dims))]
    if g.chance(0.3):
        attributes["scan_output_directions"] = [1]
    return g.node("Scan", [start, sequence], 2, exact=False, bodies=[body], body=graph,
                  num_scan_inputs=1, **attributes)[-1]


# ---- Chains that passes look for ---------------------------------------------------------------


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


# ---- The list ----------------------------------------------------------------------------------


class Operator(NamedTuple):
    add: Callable[[Builder], Value]
    since: int = 13
    """The first opset in which the function is right."""
    until: int = 99
    weight: float = 1.0


def of(add: Callable[..., Any], *arguments: Any, since: int = 13, until: int = 99, weight: float = 1.0,
       **options: Any) -> Operator:
    return Operator(partial(add, *arguments, **options), since, until, weight)


def each(names: str, add: Callable[..., Any], *arguments: Any, **options: Any) -> Dict[str, Operator]:
    return {name: of(add, name, *arguments, **options) for name in names.split()}


OPERATORS: Dict[str, Operator] = {
    # Name, domain, types.
    **each("Relu", unary, -99, 99, "fffbil", since=7), **each("Abs Sign", unary, -99, 99, "fffbBil"),
    **each("Neg", unary, -99, 99, "fffbil"), **each("Sqrt", unary, 0.05, 99, "f", since=7),
    **each("Reciprocal", unary, 0.2, 50, "f"), **each("Exp", unary, -5, 4, "f", since=7),
    **each("Log", unary, 0.2, 50, "f"), **each("Floor Ceil Round", unary, -99, 99, "f"),
    **each("Sigmoid Tanh", unary, -20, 20, "f", since=7), **each("Sin Cos", unary, -9, 9, "f"),
    **each("Softplus Softsign HardSigmoid Erf Atan Asinh", unary, -20, 20, "f"),
    **each("HardSwish", unary, -20, 20, "f", since=14), **each("Mish", unary, -20, 20, "f", since=18),
    **each("Tan", unary, -1.2, 1.2, "f"), **each("Asin Acos Atanh", unary, -0.9, 0.9, "f"),
    **each("Sinh Cosh", unary, -4, 4, "f"), **each("Acosh", unary, 1.2, 50, "f"),
    **each("Elu LeakyRelu Celu", unary, -20, 20, "f", alpha=(0.1, 1.5)),
    **each("ThresholdedRelu", unary, -20, 20, "f", alpha=(0.1, 1.5)),
    **each("Selu", unary, -20, 20, "f", alpha=(0.5, 2), gamma=(0.5, 2)),
    **each("Swish", unary, -20, 20, "f", since=24, alpha=(0.5, 1.5), weight=3),
    **each("Shrink", unary, -20, 20, "ffbil", lambd=(0.3, 1), bias=(0, 0.5)),
    **each("Not", unary, 0, 0, "?"), "Gelu": of(gelu, since=20), "Clip": of(clip, since=12),
    **each("Add Sub Mul", binary, "fffffil", since=7, weight=1.5), "Div": of(div), "Pow": of(power),
    "Mod": of(mod), "PRelu": of(prelu), **each("Min Max", variadic, "ffBil"),
    **each("Sum Mean", variadic, "f"), **each("Equal", compare, "fbBil?"),
    **each("Greater Less GreaterOrEqual LessOrEqual", compare, "ffbBil"),
    **each("And Or Xor", logic), "Where": of(where), **each("IsNaN IsInf", is_special),
    "Cast": of(cast), "CastLike": of(cast, like=True, since=15), "Dropout": of(dropout),
    # Rows, reductions, normalisations.
    **each("Softmax LogSoftmax Hardmax", soft),
    **each("ReduceSum ReduceMean", reduce, -50, 50, "fffil"), **each("ReduceL1 ReduceL2", reduce, -50, 50, "ffi"),
    **each("ReduceSumSquare", reduce, -9, 9, "ffil"), **each("ReduceMax ReduceMin", reduce, -99, 99, "ffbBil"),
    **each("ReduceProd", reduce, 0.5, 1.6, "f"), **each("ReduceLogSum", reduce, 0.2, 50, "f"),
    **each("ReduceLogSumExp", reduce, -6, 6, "f"), **each("ArgMax ArgMin", arg), "TopK": of(top_k),
    "CumSum": of(cum_sum), "BatchNormalization": of(batch_normalization, since=9),
    "InstanceNormalization": of(instance_normalization),
    "GroupNormalization": of(group_normalization, since=21),
    "LayerNormalization": of(layer_normalization, "LayerNormalization", since=17),
    "RMSNormalization": of(layer_normalization, "RMSNormalization", since=23, weight=2),
    "LRN": of(lrn), "MeanVarianceNormalization": of(mean_variance), "LpNormalization": of(lp_normalization),
    # Convolution, pooling, matrices.
    "Conv": of(conv, since=7, weight=2), "ConvTranspose": of(conv_transpose),
    "DeformConv": of(deform_conv, since=19), "CausalConvWithState": of(causal_conv, since=27, weight=4),
    "MaxPool": of(max_pool, since=12), "MaxUnpool": of(max_pool, unpool=True),
    **each("AveragePool LpPool", pool), **each("GlobalAveragePool GlobalMaxPool GlobalLpPool", global_pool),
    "Gemm": of(gemm, since=11), "MatMul": of(mat_mul, since=9, weight=1.5), "Einsum": of(einsum),
    # Moving data.
    "Concat": of(concat, since=7), "Split": of(split), "Slice": of(slice_), "Reshape": of(reshape),
    "Squeeze": of(squeeze), "Unsqueeze": of(unsqueezed), "Flatten": of(flatten),
    "Transpose": of(transpose, since=7), "Pad": of(pad), "Expand": of(expand), "Tile": of(tile),
    "Gather": of(gather, since=11), "GatherElements": of(gather_elements), "GatherND": of(gather_nd),
    "ScatterElements": of(scatter_elements), "ScatterND": of(scatter_nd),
    "Scatter": of(scatter_elements, op="Scatter", since=9, until=10, weight=3),
    "DepthToSpace": of(depth_to_space), "SpaceToDepth": of(space_to_depth),
    "ReverseSequence": of(reverse_sequence), "CenterCropPad": of(center_crop_pad, since=18),
    "Col2Im": of(col2im, since=18), "Resize": of(resize),
    "Upsample": of(resize, upsample=True, since=9, until=9, weight=4),
    # Shapes and positions.
    "Shape": of(shape), "Size": of(size), "Constant": of(constant),
    "ConstantOfShape": of(constant_of_shape), "Range": of(range_), "EyeLike": of(eye_like),
    "Trilu": of(trilu, since=14), "OneHot": of(one_hot), "NonZero": of(non_zero),
    "Identity": of(identity, since=7),
    # Vision.
    "MaxRoiPool": of(max_roi_pool), "RoiAlign": of(roi_align), "NonMaxSuppression": of(non_max_suppression),
    "GridSample": of(grid_sample, since=16), "AffineGrid": of(affine_grid, since=20),
    # Recurrent, attention, control flow.
    **each("RNN LSTM GRU", recurrent), "Attention": of(attention, since=23, weight=2),
    "If": of(if_, since=13), "Loop": of(loop), "Scan": of(scan),
    # 8-bit integers.
    "QuantizeLinear": of(quantize), "DequantizeLinear": of(dequantize),
    "DynamicQuantizeLinear": of(dynamic_quantize), "MatMulInteger": of(mat_mul_integer),
    "ConvInteger": of(conv_integer), "QLinearMatMul": of(qlinear_mat_mul), "QLinearConv": of(qlinear_conv),
}  # fmt: skip

CHAINS = [
    of(image_chain, weight=3), of(dense_chain), of(transposed_chain), of(twice), of(quantized_chain, weight=2),
]


class Graph(NamedTuple):
    seed: int
    model: onnx.ModelProto
    inputs: List[Dict[str, np.ndarray]]
    """For each size of N."""
    wanted: List[Dict[str, np.ndarray]]
    """The outputs, node by node, of ONNX Runtime."""
    operators: List[str]
    refused: Dict[str, str]


def generate(seed: int, everything: bool = False) -> Graph:
    """The graph of a seed; with `everything`, each tensor is an output."""
    rng = np.random.default_rng([seed, 1])
    opset = g_opset(rng, seed)
    g = Builder(rng, opset)
    names = [n for n, o in OPERATORS.items() if o.since <= opset <= o.until]
    weights = np.array([OPERATORS[n].weight for n in names])
    chains = [c for c in CHAINS if c.since <= opset]
    count = int(rng.choice([5, 8, 12, 20, 30, 40, 60]))
    count = g.integer(5, count)
    refused: Dict[str, str] = {}
    # Each operator of the list has its turn.
    wanted = [names[(seed * 3 + i) % len(names)] for i in range(3)]
    for attempt in range(6 * count):
        if len(g.nodes) >= count and not wanted:
            break
        chosen = "a chain"
        try:
            if wanted and g.chance(0.3):
                chosen = wanted.pop()
                OPERATORS[chosen].add(g)
            elif chains and g.chance(0.12):
                p = np.array([c.weight for c in chains])
                chains[int(rng.choice(len(chains), p=p / p.sum()))].add(g)
            else:
                chosen = str(rng.choice(names, p=weights / weights.sum()))
                OPERATORS[chosen].add(g)
        except Refused as why:
            refused[chosen] = str(why)
    return finish(g, seed, everything, refused)


def g_opset(rng: np.random.Generator, seed: int) -> int:
    if seed % 25 == 24:
        return 9 if seed % 50 == 24 else 10
    return int(rng.choice([*range(13, 28), 17, 18, 21, 23, 24, 27, 27]))


def finish(g: Builder, seed: int, everything: bool, refused: Dict[str, str]) -> Graph:
    produced = [v for v in g.pool if not any(v is i for i in g.inputs)]
    outputs = [v for v in produced if v.readers == 0]
    if not everything and len(outputs) > 6:  # some stay dead code
        outputs = [v for v in outputs if g.chance(0.8)] or outputs
    outputs += [v for v in produced if v.readers and (everything or g.chance(0.05))]
    inputs = [{v.name: v.arrays[i] for v in g.inputs} for i in range(2)]
    wanted = [{v.name: v.arrays[i] for v in outputs} for i in range(2)]
    return Graph(seed, g.model(outputs), inputs, wanted, g.operators, refused)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, nargs="?")
    parser.add_argument("-o", "--output")
    arguments = parser.parse_args()
    covered: Dict[str, int] = {}
    for seed in range(arguments.first, arguments.last or arguments.first + 1):
        graph = generate(seed)
        for op in graph.operators:
            covered[op] = covered.get(op, 0) + 1
        if arguments.output:
            onnx.save(graph.model, arguments.output)
        if not arguments.last:
            print(graph.operators, graph.refused)
    for op in sorted(covered):
        print(op, covered[op])


if __name__ == "__main__":
    main()
