"""The values of an ONNX graph's tensors, as ONNX Runtime computes them, and what makes them do."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

# What "N" is in the two runs.
SIZES = (2, 3)

# Letters for element types.
DTYPES = {
    "f": np.dtype(np.float32), "b": np.dtype(np.int8), "B": np.dtype(np.uint8),
    "i": np.dtype(np.int32), "l": np.dtype(np.int64), "?": np.dtype(bool),
}  # fmt: skip
ONNX_TYPES = {letter: helper.np_dtype_to_tensor_dtype(dtype) for letter, dtype in DTYPES.items()}
LETTERS = {dtype: letter for letter, dtype in DTYPES.items()}

# The error of a node, and the greatest that may have come of all of them, in parts of the largest
# element.
NODE_ERROR, TOTAL_ERROR = 2e-7, 4e-6
LARGEST, LARGEST_INTEGER, MOST_ELEMENTS, HIGHEST_RANK = 2e3, 1 << 24, 6000, 6


class Refused(Exception):
    """The node does not do here: something else must be tried."""


class Value:
    """A tensor of the graph."""

    def __init__(
        self, name: str, arrays: Sequence[np.ndarray], noisy: Sequence[np.ndarray]
    ) -> None:
        self.name = name
        self.arrays = list(arrays)
        self.noisy = list(noisy)
        assert all(isinstance(a, np.ndarray) for a in self.arrays + self.noisy)
        self.constant = False
        self.found = False  # a shape that only a run finds, or made of one
        self.readers = 0
        self.owner: Any = None  # the Builder that made it

    @property
    def shape(self) -> Tuple[int, ...]:
        """Of the first run; `fixed` tells what holds in both."""
        return self.arrays[0].shape

    @property
    def rank(self) -> int:
        return self.arrays[0].ndim

    @property
    def letter(self) -> str:
        return LETTERS[self.arrays[0].dtype]

    @property
    def exact(self) -> bool:
        return all(a is b for a, b in zip(self.arrays, self.noisy))

    def fixed(self, *axes: int) -> bool:
        """Whether the dimensions (all, if none is named) are the same in both runs."""
        shapes = [a.shape for a in self.arrays]
        return not (self.found and (axes or self.rank)) and all(
            shapes[0][i] == shapes[1][i] for i in (axes or range(self.rank))
        )

    def dims(self) -> List[Union[int, str]]:
        """The shape with "N" in it; refused where a dimension is free and not N."""
        result: List[Union[int, str]] = []
        for pair in zip(*(a.shape for a in self.arrays)):
            if pair[0] != pair[1] and pair != SIZES:
                raise Refused("a dimension that depends on N in another way")
            result.append(pair[0] if pair[0] == pair[1] else "N")
        return result

    def info(self) -> onnx.ValueInfoProto:
        """Name, type and shape; free dimensions other than N have no name."""
        dims = [
            n if n == m else "N" if (n, m) == SIZES else None
            for n, m in zip(*(a.shape for a in self.arrays))
        ]
        return helper.make_tensor_value_info(
            self.name, helper.np_dtype_to_tensor_dtype(self.arrays[0].dtype), dims
        )

    def within(self, low: float, high: float) -> bool:
        return all(a.size == 0 or (a.min() >= low and a.max() <= high) for a in self.arrays)


def short(array: np.ndarray, digits: int, largest: float) -> bool:
    """Whether every number has at most `digits` binary digits behind the point."""
    if array.dtype != np.float32:
        return True
    return bool((np.abs(array) <= largest).all() and (array * 2**digits % 1 == 0).all())


def evaluate(
    node: onnx.NodeProto,
    opset: int,
    inputs: Dict[str, Value],
    feeds: Sequence[Dict[str, np.ndarray]],
) -> List[List[np.ndarray]]:
    """The node's outputs for each of the feeds. Constants are initialisers, as in the graph."""
    graph = helper.make_graph(
        [node], "node",
        [
            helper.make_tensor_value_info(v.name, ONNX_TYPES[v.letter], None)
            for v in inputs.values() if not v.constant
        ],
        [onnx.ValueInfoProto(name=name) for name in node.output if name],
        [numpy_helper.from_array(v.arrays[0], v.name) for v in inputs.values() if v.constant],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    try:
        session: Any = ort_session(model)
    except NoKernel:  # for this operator, opset or type
        return reference(model, inputs, feeds)
    names = [v.name for v in inputs.values() if not v.constant]
    return [
        [np.asarray(a) for a in session.run(None, {name: feed[name] for name in names})]
        for feed in feeds
    ]  # fmt: skip


def reference(model: onnx.ModelProto, inputs: Dict[str, Value], feeds) -> List[List[np.ndarray]]:
    """What the onnx package's own implementation computes."""
    names = [v.name for v in inputs.values() if not v.constant]
    try:
        session = ReferenceEvaluator(model)
        return [
            [np.asarray(a) for a in session.run(None, {name: feed[name] for name in names})]
            for feed in feeds
        ]  # fmt: skip
    except Exception as problem:
        raise Refused(f"{model.graph.node[0].op_type}: {problem}") from None


def ort_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def largest(array: np.ndarray) -> float:
    """The magnitude of the largest finite element."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0))


def check(arrays: Sequence[np.ndarray]) -> None:
    """Refuses what no graph goes on well with."""
    for array in arrays:
        if array.dtype.char not in "fbBilq?" or array.dtype == np.float64:
            raise Refused(f"type {array.dtype}")
        if array.size == 0 or array.size > MOST_ELEMENTS or array.ndim > HIGHEST_RANK:
            raise Refused(f"shape {array.shape}")
        if array.dtype == np.float32:
            if not np.isfinite(array).all() or np.abs(array).max() > LARGEST:
                raise Refused("large numbers")
            if 0 < np.abs(array).max() < 1e-3:
                raise Refused("small numbers")
        elif array.dtype.itemsize >= 4 and np.abs(array).max() > LARGEST_INTEGER:
            raise Refused("large integers")


def agree(arrays, others, tolerance: float) -> None:
    """Refuses a result that errors in the inputs change by more than the tolerance."""
    for array, other in zip(arrays, others):
        if array.shape != other.shape:
            raise Refused("a shape that errors decide")
        if array.dtype == np.float32:
            if not np.abs(array - other).max(initial=0) <= tolerance * np.abs(array).max(initial=0):
                raise Refused("errors grow")
        elif not np.array_equal(array, other):
            raise Refused("an integer that errors decide")
