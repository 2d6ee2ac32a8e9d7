"""Operators that move data."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import numpy as np
from graph_builder import Builder
from graph_values import Refused, Value

from .common import (
    ANY, INT64_MAX, axes_form, axis_of, divisor, images, indices, shape_of, some_axes, unsqueeze,
)  # fmt: skip


def concat(g: Builder, x: Optional[Value] = None) -> Value:
    x = x or g.pick(ANY, range(1, 6))
    axis = axis_of(g, x)

    def fits(v: Value) -> bool:
        return (
            v.rank == x.rank
            and not v.found
            and all(
                a.shape[i] == b.shape[i]
                for a, b in zip(x.arrays, v.arrays)
                for i in range(x.rank)
                if i != axis % x.rank
            )
        )

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
    x = g.pick(
        ANY, range(1, 6), where=lambda v: any(v.fixed(i) and d > 1 for i, d in enumerate(v.shape))
    )
    axis = g.choice([i for i, d in enumerate(x.shape) if d > 1 and x.fixed(i)])
    size = x.shape[axis]
    if g.chance(0.5):
        first = g.integer(1, size - 1)
        lengths = (
            [first, size - first]
            if g.chance(0.7) or size - first < 2
            else [first, 1, size - first - 1]
        )
        return g.node("Split", [x, g.ints(*lengths)], len(lengths), axis=axis - x.rank)[-1]
    parts = g.choice(
        [
            n
            for n in range(2, size + 1)
            if size % n == 0 or g.opset >= 18 and size // n > 1 and -(-size // n) * (n - 1) < size
        ]
        or [size]
    )
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
        for values, v in (
            (starts, start),
            (ends, end),
            (axes, i - x.rank * g.integer(0, 1)),
            (steps, step),
        ):
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
    rest = [d for d in x.shape[last[0] + 1 :]]
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
    x = g.pick(
        ANY,
        range(1, 6),
        where=lambda v: 1 in v.shape and all(v.fixed(i) for i, d in enumerate(v.shape) if d == 1),
    )
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
    axes = (
        sorted({a % x.rank for a in some_axes(g, x)})
        if g.opset >= 18 and g.chance(0.5)
        else range(x.rank)
    )
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
    if x.found or y.found:
        return False
    try:
        return all(
            np.prod(np.broadcast_shapes(a.shape, b.shape)) < 2000
            for a, b in zip(x.arrays, y.arrays)
        )
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
    return g.node(
        "GatherND",
        [x, indices(g, [*x.dims()[:batch], 3, depth], -size, size - 1, "l")],
        batch_dims=batch or None,
    )[0]


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
        where_to = g.constant(
            np.broadcast_to(order.reshape(shape), dims) - size * g.integer(0, 1), np.int64
        )
    else:
        where_to = indices(g, dims, -size, size - 1)
    return g.node(
        op,
        [x, where_to, g.input(x.letter, dims)],
        axis=axis,
        **({} if mode is None else {"reduction": mode}),
    )[0]


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
    return g.node(
        "ReverseSequence",
        [x, indices(g, [x.dims()[batch]], 1, steps, "l")],
        batch_axis=batch,
        time_axis=1 - batch,
    )[0]


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
        attributes["nearest_mode"] = g.choice(
            ("floor", "ceil") if transform else (None, "round_prefer_floor", "round_prefer_ceil")
        )
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
        return g.node(
            "Resize",
            [x, None, None, g.ints(*sizes)],
            exact=exact,
            axes=list(range(2, x.rank)),
            **attributes,
        )[0]
    return g.node(
        "Resize", [x, None, None, shape_of(g, x, [0], [1], *sizes)], exact=exact, **attributes
    )[0]
