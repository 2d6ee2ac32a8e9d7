"""Builds an ONNX graph node by node and knows each tensor's value, as ONNX Runtime computes it.

Every tensor has two values, one for each size that the free dimension "N" takes (`SIZES`), so that
a generator sees which dimensions are free (those that differ) and what an operator may be fed with.
Each value is kept twice: as it is, and as it becomes where every inexact node so far had a small
error. A node whose result magnifies such errors, or that makes an integer or a decision of
them, is refused (`Refused`): two correct implementations need not agree there. What is left must
agree.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import numpy as np
import onnx
from graph_values import (
    DTYPES,
    NODE_ERROR,
    SIZES,
    TOTAL_ERROR,
    Refused,
    Value,
    agree,
    check,
    evaluate,
    largest,
    short,
)
from onnx import helper, numpy_helper

# Operators whose result is exact wherever their inputs are: they move, compare or round.
EXACT = set(
    """Identity Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Pad Expand Tile
    Gather GatherElements GatherND ScatterElements ScatterND Scatter Where Relu Abs Neg Sign
    Floor Ceil Round Min Max Clip ReduceMax ReduceMin ArgMax ArgMin TopK MaxPool GlobalMaxPool
    MaxUnpool DepthToSpace SpaceToDepth Trilu ReverseSequence CenterCropPad Hardmax OneHot
    Cast CastLike Equal Greater Less GreaterOrEqual LessOrEqual NonZero Upsample EyeLike
    Constant Dropout""".split()
)
# Exact where the numbers are few binary digits long: sums and products.
ARITHMETIC = set(
    """Add Sub Mul Sum MatMul Gemm Conv ConvTranspose ReduceSum ReduceL1 ReduceSumSquare CumSum
    Einsum Col2Im DequantizeLinear Mod LeakyRelu PRelu""".split()
)
# Jumps: an error before them must not decide.
JUMPS = set(
    """Floor Ceil Round Sign Equal Greater Less GreaterOrEqual LessOrEqual ArgMax ArgMin TopK
    Hardmax Cast CastLike Mod NonZero OneHot ThresholdedRelu Shrink QuantizeLinear QLinearConv
    QLinearMatMul MaxPool IsInf""".split()
)
# Jumps at places that only inexact arithmetic finds: even exact inputs may be too near.
BRITTLE = {"DynamicQuantizeLinear", "NonMaxSuppression", "RoiAlign", "MaxRoiPool", "GridSample"}

# The shape of the result depends on data.
FINDS = {"NonZero", "NonMaxSuppression"}


class Builder:
    """A graph in the making. A child builds the body of an If, Loop or Scan: it sees the values of
    its parent and adds no inputs."""

    def __init__(self, rng: np.random.Generator, opset: int, parent: Optional["Builder"] = None):
        self.rng = rng
        self.opset = opset
        self.parent = parent
        self.nodes: List[onnx.NodeProto] = []
        self.weights: List[onnx.TensorProto] = []
        self.inputs: List[Value] = []
        self.pool: List[Value] = []
        self.captured: Dict[str, Value] = {}
        self.operators: List[str] = []
        self.count = parent.count if parent else [0]
        self.noise = parent.noise if parent else np.random.default_rng(1)

    # ---- Chance

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def integer(self, low: int, high: int) -> int:
        """Both included."""
        return int(self.rng.integers(low, high + 1))

    def choice(self, values: Sequence[Any]) -> Any:
        return values[self.integer(0, len(values) - 1)]

    def name(self, prefix: str = "v") -> str:
        self.count[0] += 1
        return f"{prefix}{self.count[0]}"

    def array(
        self,
        letter: str,
        shape: Sequence[int],
        low: float = -2,
        high: float = 2,
        short: Optional[bool] = None,
    ) -> np.ndarray:
        """Random numbers; floats are sometimes multiples of 1/4, of which sums are exact."""
        if letter == "?":
            return np.asarray(self.rng.random(shape) < 0.5)
        if letter != "f":
            low = max(low, 0 if letter == "B" else -100)
            return np.asarray(
                self.rng.integers(int(np.ceil(low)), int(min(high, 100)) + 1, shape), DTYPES[letter]
            )
        if self.chance(0.4) if short is None else short:
            quarters = self.rng.integers(int(np.ceil(low * 4)), int(high * 4) + 1, shape)
            return np.asarray(quarters / 4, np.float32)
        return np.asarray(self.rng.uniform(low, high, shape), np.float32)

    # ---- Values that are there from the start

    def input(
        self,
        letter: str,
        dims: Sequence[Union[int, str]],
        low: float = -2,
        high: float = 2,
        short: Optional[bool] = None,
    ) -> Value:
        """A new input of the graph (of a body: a constant)."""
        if self.parent:
            if "N" in dims:
                raise Refused("a body has no free inputs")
            return self.constant(self.array(letter, dims, low, high, short))
        arrays: List[np.ndarray] = []
        state = self.rng.bit_generator.state
        for size in SIZES:
            self.rng.bit_generator.state = state
            arrays.append(
                self.array(letter, [size if d == "N" else d for d in dims], low, high, short)
            )
        return self.formal(arrays)

    def formal(self, arrays: Sequence[np.ndarray], noisy: Sequence[np.ndarray] = ()) -> Value:
        """An input that has these values in the two runs; of a body, say in the first turn."""
        value = self.own(Value(self.name("x"), arrays, noisy or arrays))
        self.inputs.append(value)
        self.pool.append(value)
        return value

    def own(self, value: Value) -> Value:
        value.owner = self
        return value

    def weight(self, array: np.ndarray) -> Value:
        """A constant, or sometimes an input that stands in its place."""
        if self.parent or not self.chance(0.08) or len(self.inputs) >= 8:
            return self.constant(array)
        value = self.own(Value(self.name("x"), [array, array], [array, array]))
        self.inputs.append(value)
        return value

    def constant(self, array: Any, dtype: Any = None) -> Value:
        """An initialiser or a Constant node."""
        array = np.asarray(array, dtype)
        value = self.own(Value(self.name("c"), [array, array], [array, array]))
        value.constant = True
        if self.chance(0.25):
            attribute: Dict[str, Any] = {"value": numpy_helper.from_array(array)}
            if (
                array.ndim == 1
                and array.size
                and array.dtype in (np.int64, np.float32)
                and self.chance(0.5)
            ):
                key = "value_ints" if array.dtype == np.int64 else "value_floats"
                attribute = {key: array.tolist()}
            if self.opset < 12:
                attribute = {"value": numpy_helper.from_array(array)}
            self.nodes.append(helper.make_node("Constant", [], [value.name], **attribute))
            self.operators.append("Constant")
        elif array.size and self.chance(0.3):
            tensor = helper.make_tensor(
                value.name,
                helper.np_dtype_to_tensor_dtype(array.dtype),
                array.shape,
                array.flatten(),
            )
            self.weights.append(tensor)
        else:
            self.weights.append(numpy_helper.from_array(array, value.name))
        return value

    def ints(self, *values: int) -> Value:
        """Axes, a shape and the like."""
        return self.constant(np.array(values, np.int64))

    # ---- Values that are there already

    def visible(self) -> List[Value]:
        return (self.parent.visible() if self.parent else []) + self.pool

    def pick(
        self,
        letters: str = "f",
        rank: Union[None, int, range] = None,
        low: float = -np.inf,
        high: float = np.inf,
        exact: bool = False,
        where: Callable[[Value], bool] = lambda v: True,
    ) -> Value:
        """A value of one of the types, of a rank, within bounds; where there is none a new input
        or a piece of another. Those that nobody has read yet, and the newest, are preferred."""
        ranks = (
            range(0, 6)
            if rank is None
            else range(rank, rank + 1)
            if isinstance(rank, int)
            else rank
        )
        letter = self.choice(letters)
        fits = [
            v
            for v in self.visible()
            if v.letter == letter and v.rank in ranks and (v.exact or not exact) and where(v)
        ]
        if fits and not self.chance(0.05):
            weights = np.array(
                [(6 if v.readers == 0 else 1) * (1 + 3 * i / len(fits)) for i, v in enumerate(fits)]
            )
            value = fits[int(self.rng.choice(len(fits), p=weights / weights.sum()))]
        else:
            value = self.fresh(letter, ranks, low, high, exact)
            if not where(value):
                raise Refused("no such value")
        if value.letter != "?" and not value.within(low, high):
            value = self.bounded(value, low, high)
        return value

    def fresh(self, letter: str, ranks: range, low: float, high: float, exact: bool) -> Value:
        rank = self.choice(ranks)
        if self.chance(0.5) and (value := self.reshaped(letter, rank, exact)) is not None:
            return value
        if self.parent is None and len(self.inputs) >= 7:
            raise Refused("enough inputs")
        dims: List[Union[int, str]] = [self.choice((1, 2, 3, 4, 5, 6, 8)) for _ in range(rank)]
        if rank and self.parent is None and self.chance(0.8):
            dims[0] = "N"
        low, high = max(low, -4), min(high, 4)
        if low >= high:
            raise Refused("empty bounds")
        return self.input(letter, dims, low, high, True if exact and letter == "f" else None)

    def reshaped(self, letter: str, rank: int, exact: bool) -> Optional[Value]:
        """A value of another rank with its dimensions taken together or apart."""
        fits = [
            v
            for v in self.visible()
            if v.letter == letter
            and v.rank > 0
            and v.rank != rank
            and (v.exact or not exact)
            and v.fixed(*range(1, v.rank))
            and v.arrays[0].size
        ]
        if not fits or rank < 2 or self.opset < 13:
            return None
        value = self.choice(fits)
        rest = int(np.prod(value.shape[1:]))
        dims = [0]
        for _ in range(rank - 2):
            factor = self.choice([f for f in range(1, min(rest, 9) + 1) if rest % f == 0])
            dims.append(factor)
            rest //= factor
        return self.node("Reshape", [value, self.ints(*dims, rest)])[0]

    def bounded(self, value: Value, low: float, high: float) -> Value:
        """Clips a value to what an operator takes."""
        if not np.isfinite([low, high]).any() or self.opset < 12:
            raise Refused("no bounds")
        dtype = value.arrays[0].dtype
        ends: List[Optional[Value]] = []
        for end in (low, high):
            info = np.iinfo(dtype) if dtype != np.float32 else None
            if not np.isfinite(end) or (info and not info.min <= end <= info.max):
                ends.append(None)
            else:
                ends.append(self.constant(np.array(end, dtype)))
        return self.node("Clip", [value, *ends])[0]

    # ---- Nodes

    def node(
        self,
        op: str,
        inputs: Sequence[Optional[Value]],
        outputs: Union[int, Sequence[bool]] = 1,
        exact: Optional[bool] = None,
        hidden: bool = False,
        bodies: Sequence["Builder"] = (),
        **attributes: Any,
    ) -> List[Value]:
        """Adds a node and returns its outputs.

        outputs: their number, or for each whether it is there. exact: that the result is exact
        where the inputs are, which is else decided by the operator. hidden: nobody else may read
        the outputs, and they may be infinite.
        """
        keep = [True] * outputs if isinstance(outputs, int) else list(outputs)
        names = [self.name() if k else "" for k in keep]
        read = list(inputs)
        while read and read[-1] is None:
            read.pop()
        node = helper.make_node(
            op,
            [v.name if v else "" for v in read],
            names,
            name=self.name("n") if self.chance(0.8) else "",
            **{k: v for k, v in attributes.items() if v is not None},
        )
        needed = {v.name: v for v in read if v is not None}
        for body in bodies:
            needed.update(body.captured)
        try:
            results = self._run(op, node, needed, exact, hidden, bodies)
        except Exception as problem:
            if type(problem).__module__.startswith("onnxruntime"):
                raise Refused(f"{op}: {problem}") from None
            raise
        self.nodes.append(node)
        self.operators.append(op)
        for body in bodies:
            self.operators += body.operators
        for value in needed.values():
            value.readers += 1
            if value.owner is not self:
                self.captured[value.name] = value
        values = [
            self.own(Value(name, *pair)) for name, pair in zip([n for n in names if n], results)
        ]
        for value in values:
            value.found = op in FINDS or any(v.found for v in needed.values())
        if not hidden:
            self.pool += values
        return values

    def _run(self, op, node, needed, exact, hidden, bodies):
        """For each output its values and those with errors."""
        values = list(needed.values())
        clean = all(v.exact for v in values)
        plain = [{v.name: v.arrays[i] for v in values} for i in range(2)]
        noisy = [{v.name: v.noisy[i] for v in values} for i in range(2)]
        feeds = plain + ([] if clean else noisy)
        decides = (op in JUMPS and not clean) or op in BRITTLE
        if decides:
            feeds = feeds + [self._shaken(feed, values, 1e-4) for feed in plain * 2]
        found = evaluate(node, self.opset, needed, feeds)
        results = []
        for column in zip(*found):
            arrays = list(column[:2])
            others = list(column[2:4]) if not clean else arrays
            if not hidden:
                check(arrays)
                if decides:
                    agree(arrays, column[-4:-2], 3e-3)
                    agree(arrays, column[-2:], 3e-3)
            if not clean:
                if not hidden:
                    agree(arrays, others, TOTAL_ERROR)
                if all(np.array_equal(a, b, equal_nan=True) for a, b in zip(arrays, others)):
                    others = arrays  # an integer, or a decision that the errors do not reach
            if others is arrays and not self._is_exact(op, exact, values, arrays, bodies):
                others = [a for a in arrays]
            if others is not arrays and arrays[0].dtype == np.float32:
                others = [
                    np.asarray(o + NODE_ERROR * largest(a)
                               * self.noise.standard_normal(a.shape), np.float32)
                    for a, o in zip(arrays, others)
                ]  # fmt: skip
            else:
                others = arrays
            results.append((arrays, others))
        return results

    def _is_exact(self, op, exact, values, arrays, bodies) -> bool:
        if exact is not None:
            return exact
        if op in EXACT or arrays[0].dtype != np.float32:
            return True
        return (
            op in ARITHMETIC
            and all(short(a, 8, 4096) for a in arrays)
            and all(short(a, 4, 16) for v in values for a in v.arrays)
        )

    def _shaken(self, feed, values, error):
        return {
            v.name: np.asarray(feed[v.name] + error * largest(feed[v.name])
                               * self.noise.uniform(-1, 1, feed[v.name].shape), np.float32)
            if v.letter == "f" else feed[v.name]
            for v in values
        }  # fmt: skip

    # ---- The whole

    def body(self, name: str, inputs: Sequence[Value], outputs: Sequence[Value]) -> onnx.GraphProto:
        """This child as the body of an If, Loop or Scan."""
        return helper.make_graph(
            self.nodes, name, [v.info() for v in inputs], [v.info() for v in outputs], self.weights
        )

    def model(self, outputs: Sequence[Value]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "random",
            [v.info() for v in self.inputs],
            [onnx.ValueInfoProto(name=v.name) for v in outputs],
            self.weights,
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10
        )
