"""Runs operators through libapus, from models that the independent writer makes.

    y, = run_node("Relu", [x])
    y, = run_node("Conv", [x, w, b], {"strides": [2, 2]}, constants=[1, 2], isa="avx2")

    @pytest.mark.parametrize("isa", ISAS)
    def test_relu(isa): ...

`ISAS` holds the kernel modules that this processor runs; conftest.py prints those left out.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np

import locate

locate.prepare()

import apus  # noqa: E402  (after locate has said where it is)
from apus_writer import DTYPES, Function, Writer  # noqa: E402

ALL_ISAS = ["baseline", "avx2", "avx512", "avx512vnni"]
BEST_ISA = apus.build_info().best_instruction_set
ISAS = ALL_ISAS[: ALL_ISAS.index(BEST_ISA) + 1]
SKIPPED_ISAS = ALL_ISAS[len(ISAS) :]


class OperatorInfo(NamedTuple):
    """A row of the registry."""

    name: str
    opcode: int
    attributes: "Dict[str, tuple[int, str]]"  # name -> key and type
    inputs: "tuple[int, int]"
    outputs: "tuple[int, int]"
    required_inputs: int
    notes: str


@functools.lru_cache(maxsize=None)
def operators() -> Dict[str, OperatorInfo]:
    """The registry of this build, by operator name."""
    text = subprocess.run(
        [str(locate.model_convert()), "operators", "--json"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return {
        row["name"]: OperatorInfo(
            row["name"],
            row["opcode"],
            {a["name"]: (k, a["type"]) for k, a in enumerate(row["attributes"])},
            tuple(row["inputs"]),
            tuple(row["outputs"]),
            row["requiredInputs"],
            row["notes"],
        )
        for row in json.loads(text)
    }


def encode_attributes(op: str, attributes: Mapping[str, Any]) -> list:
    """Attributes by name as the (key, type, value) triples of the file."""
    specs = operators()[op].attributes
    triples = []
    for name, value in attributes.items():
        if name not in specs:
            raise KeyError(f"{op} has no attribute {name}; it has {', '.join(specs) or 'none'}")
        key, kind = specs[name]
        if kind in ("ints", "floats"):
            value = list(np.atleast_1d(np.asarray(value)).tolist())
        triples.append((key, kind, value))
    return triples


def add_node(
    function: Function,
    op: str,
    inputs: Sequence[Optional[int]],
    attributes: Mapping[str, Any] = {},
    outputs: int = 1,
    dtypes: Optional[Sequence[str]] = None,
    wanted: Optional[Sequence[bool]] = None,
    name: str = "",
) -> List[Optional[int]]:
    """`Function.node` by operator name and attribute names."""
    return function.node(
        operators()[op].opcode, inputs, outputs, encode_attributes(op, attributes), dtypes, wanted,
        name,
    )  # fmt: skip


# ---- Whole models


_TYPE = re.compile(r"node (\d+) .*: output (\d+) is (\w+), but the file states type")
_SHAPE = re.compile(r"node (\d+) .*: output (\d+) is \[([^\]]*)\], but the file states")


def open_model(writer: Writer, isa: Optional[str] = None) -> apus.Model:
    """Opens what the writer has made. Types and ranks of tensors that a test did not state (rank
    unknown: outputs must state one) are taken from the planner's own errors, so that a test need
    not know them; the results' values and shapes are what it checks."""
    nodes = [node for f in writer.functions for node in f.nodes]
    for f in writer.functions:
        for t in f.outputs:
            record = writer.tensors[t]
            if record.shape is None:
                record.shape = ()
                record.name = record.name or f"y{f.outputs.index(t)}"
    seen = set()
    while True:
        model = apus.Model.from_bytes(writer.to_bytes(), isa=isa)
        for f in writer.functions:
            try:
                model.session(function=f.name).close()
            except apus.ApusError as error:
                if error.message in seen:
                    return model
                seen.add(error.message)
                if _correct(writer, nodes, error.message):
                    break
        else:
            return model


def _correct(writer: Writer, nodes: list, message: str) -> bool:
    """Puts right what the file states of an output, if that is what the message is about."""
    if match := _TYPE.match(message):
        record = writer.tensors[nodes[int(match[1])][2][int(match[2])]]
        if match[3] in DTYPES and match[3] != record.dtype:
            record.dtype = match[3]
            return True
    if match := _SHAPE.match(message):
        record = writer.tensors[nodes[int(match[1])][2][int(match[2])]]
        rank = len(match[3].split(",")) if match[3] else 0
        if record.shape is not None and len(record.shape) != rank:
            record.shape = (None,) * rank
            return True
    return False


# ---- One node


def node_writer(
    op: str,
    inputs: Sequence[Optional[np.ndarray]],
    attributes: Mapping[str, Any] = {},
    outputs: Union[int, Sequence[bool]] = 1,
    constants: Sequence[int] = (),
    shapes: Optional[Mapping[int, Sequence[Any]]] = None,
) -> Writer:
    """A model of one node, as `node_model` opens it, put right where it states wrong types."""
    writer = _node_writer(op, inputs, attributes, outputs, constants, shapes)
    open_model(writer).close()
    return writer


def node_model(
    op: str,
    inputs: Sequence[Optional[np.ndarray]],
    attributes: Mapping[str, Any] = {},
    outputs: Union[int, Sequence[bool]] = 1,
    constants: Sequence[int] = (),
    isa: Optional[str] = None,
    shapes: Optional[Mapping[int, Sequence[Any]]] = None,
) -> apus.Model:
    """A model of one node. Its inputs are x0, x1 … (by position; `constants` are weights instead,
    None is left out), its outputs y0, y1 ….

    Args:
        outputs: how many, or for each whether it is asked for.
        shapes: what the file declares of input i instead of its array's shape, for free dimensions.
    """
    return open_model(_node_writer(op, inputs, attributes, outputs, constants, shapes), isa)


def _node_writer(
    op: str,
    inputs: Sequence[Optional[np.ndarray]],
    attributes: Mapping[str, Any],
    outputs: Union[int, Sequence[bool]],
    constants: Sequence[int],
    shapes: Optional[Mapping[int, Sequence[Any]]],
) -> Writer:
    writer = Writer()
    function = writer.function("main")
    tensors: List[Optional[int]] = []
    for i, array in enumerate(inputs):
        if array is None:
            tensors.append(None)
            continue
        array = np.asarray(array)
        if i in constants:
            tensors.append(writer.weight(array))
        else:
            shape = (shapes or {}).get(i, array.shape)
            tensors.append(function.input(f"x{i}", array.dtype.name, shape))
    wanted = [True] * outputs if isinstance(outputs, int) else list(outputs)
    made = add_node(function, op, tensors, attributes, len(wanted), wanted=wanted)
    for i, t in enumerate(made):
        if t is not None:
            # The first input's rank is the likeliest; open_model corrects it.
            first = inputs[0] if inputs and inputs[0] is not None else np.zeros(())
            function.output(t, f"y{i}", "float32", (None,) * np.ndim(first))
    return writer


def run_node(
    op: str,
    inputs: Sequence[Optional[np.ndarray]],
    attributes: Mapping[str, Any] = {},
    outputs: Union[int, Sequence[bool]] = 1,
    constants: Sequence[int] = (),
    isa: Optional[str] = None,
    threads: int = 1,
    shapes: Optional[Mapping[int, Sequence[Any]]] = None,
    precision: str = "float32",
) -> List[np.ndarray]:
    """Builds a model of one node, runs it once, and returns the outputs asked for, in order.

    Args as `node_model`. Errors are `apus.ApusError`, as the library reports them.
    """
    with node_model(op, inputs, attributes, outputs, constants, isa, shapes) as model:
        feeds = {
            f"x{i}": np.asarray(array)
            for i, array in enumerate(inputs)
            if array is not None and i not in constants
        }
        bound = {f"x{i}": np.shape(inputs[i]) for i in (shapes or {}) if i not in constants}
        with model.session(threads, bound, precision=precision) as session:
            results = session.run(feeds)
            return [results[t.name] for t in session.outputs]


def run_node_everywhere(
    op: str,
    inputs: Sequence[Optional[np.ndarray]],
    attributes: Mapping[str, Any] = {},
    outputs: Union[int, Sequence[bool]] = 1,
    constants: Sequence[int] = (),
    threads: Sequence[int] = (1,),
) -> Dict[str, List[np.ndarray]]:
    """`run_node` on every kernel module that this processor runs, by module. With several numbers
    of threads the results must be the same bits for each."""
    results = {}
    for isa in ISAS:
        for count in threads:
            found = run_node(op, inputs, attributes, outputs, constants, isa, count)
            if isa in results:
                for i, (a, b) in enumerate(zip(results[isa], found)):
                    assert_same_bits(a, b, f"{op} output {i}, {isa}, {count} threads")
            else:
                results[isa] = found
    return results


# ---- Comparing


def assert_close(
    found: np.ndarray,
    wanted: np.ndarray,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    scale: Union[None, float, np.ndarray] = None,
    what: str = "",
) -> None:
    """Shape, type and values. `wanted` may be float64: the comparison is made in it.

    The allowed error is atol + rtol·|wanted|, or atol + rtol·scale where the caller gives a scale:
    the sum of the magnitudes that were added up is the right one for sums that cancel.
    """
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, wanted {wanted.shape}"
    if wanted.dtype.kind in "iub":
        assert found.dtype == wanted.dtype, f"{what}: {found.dtype}, wanted {wanted.dtype}"
        np.testing.assert_array_equal(found, wanted, err_msg=what)
        return
    f, w = found.astype(np.float64), wanted.astype(np.float64)
    same = (f == w) | (np.isnan(f) & np.isnan(w))
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0, np.abs(f - w))
        allowed = atol + rtol * (np.abs(w) if scale is None else np.abs(scale))
    allowed = np.where(np.isfinite(w), allowed, 0)
    wrong = ~(error <= allowed)
    if wrong.any():
        at = np.unravel_index(np.argmax(np.where(wrong, np.nan_to_num(error, nan=np.inf), -1)), f.shape)
        raise AssertionError(
            f"{what}: {int(wrong.sum())} of {f.size} elements differ; at {tuple(map(int, at))} "
            f"{found[at]!r} was found, {wanted[at]!r} wanted (shape {f.shape})"
        )


def assert_same_bits(a: np.ndarray, b: np.ndarray, what: str = "") -> None:
    assert a.shape == b.shape and a.dtype == b.dtype, what
    assert a.tobytes() == b.tobytes(), f"{what}: the bits differ"


def ulp_error(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """|found − wanted| in units of the last place of float32 at `wanted` (a float64 reference)."""
    wanted = np.asarray(wanted, np.float64)
    spacing = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.float64)
    return np.abs(np.asarray(found, np.float64) - wanted) / spacing


def random_array(
    rng: np.random.Generator, shape: Sequence[int], low: float = -1.0, high: float = 1.0
) -> np.ndarray:
    """float32, uniform."""
    return rng.uniform(low, high, tuple(shape)).astype(np.float32)


def transposed_at_random(
    rng: np.random.Generator, a: np.ndarray, b: np.ndarray, attributes: dict
) -> List[np.ndarray]:
    """Gemm's A and B, each transposed or not; `attributes` get transA and transB to match."""
    inputs = [a, b]
    for i, name in enumerate(["transA", "transB"]):
        if rng.integers(2):
            attributes[name] = 1
            inputs[i] = np.ascontiguousarray(inputs[i].T)
    return inputs


