"""Help that the operators of random graphs share."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from graph_builder import Builder
from graph_values import Refused, Value

# What most operators that move data take.
ANY = "ffffbBil?"
INT64_MAX = (1 << 63) - 1


def partner(
    g: Builder,
    x: Value,
    low: float = -2,
    high: float = 2,
    least: float = -np.inf,
    most: float = np.inf,
    exact: bool = False,
    letter: str = "",
) -> Value:
    """A value of x's type (or another) that broadcasts with it: one that is there (from least to
    most), or a constant (from low to high)."""
    letter = letter or x.letter

    def fits(v: Value) -> bool:
        if x.found or v.found:  # nobody but a run knows whether they broadcast
            return v is x
        try:
            shapes = [np.broadcast_shapes(a.shape, b.shape) for a, b in zip(x.arrays, v.arrays)]
        except ValueError:
            return False
        return len(shapes[0]) <= 5 and np.prod(shapes[0]) < 3000

    if g.chance(0.6):
        try:
            return g.pick(
                letter, where=lambda v: fits(v) and v is not x, low=least, high=most, exact=exact
            )
        except Refused:
            pass
    dims = [d if x.fixed(i) and g.chance(0.6) else 1 for i, d in enumerate(x.shape)]
    return g.weight(g.array(letter, dims[g.integer(0, len(dims)) :], low, high))


def axis_of(g: Builder, x: Value, fixed: bool = False) -> int:
    """An axis, counted from the front or the back."""
    axes = [i for i in range(x.rank) if x.fixed(i) or not fixed]
    if not axes:
        raise Refused("no axis")
    axis = g.choice(axes)
    return axis - x.rank if g.chance(0.4) else axis


def images(
    g: Builder, spatial: Sequence[int] = (1, 2, 2, 2, 3), letters: str = "f", **options
) -> Value:
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


def window(
    g: Builder, x: Value, dilate: bool = True, auto: bool = True, most: int = 3
) -> Dict[str, Any]:
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
    if (
        dilate
        and "SAME" not in result.get("auto_pad", "")
        and g.chance(0.3)
        and all(2 * k - 1 <= s for k, s in zip(kernel, sizes))
    ):
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
