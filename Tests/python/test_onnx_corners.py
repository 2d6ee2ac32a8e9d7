"""The corners of ONNX that importers get wrong, each through `model-convert import` against ONNX
Runtime: what recurrent layers leave out or carry along, padding that is worked out, windows that
hang over, axes that count from the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping, Optional

import numpy as np
import pytest
from onnx import TensorProto, helper

from onnx_models import check, imported, model, reference, run

RANDOM = np.random.default_rng(11)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
T, N, I, H = 5, 3, 4, 6


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


# ---- Recurrent layers ---------------------------------------------------------------------------


def recurrent(
    op: str, directions: int = 1, given: str = "", layout: int = 0, **attributes: Any
) -> Dict[str, Any]:
    """A model of one layer. `given` names the optional inputs that are there: b(ias), l(engths), h,
    c, p(eepholes); the others are left out with "" where one that is there follows."""
    gates = GATES[op]

    def turned(x: np.ndarray) -> np.ndarray:
        return x.swapaxes(0, 1) if layout else x

    weights = {"w": normal(directions, gates * H, I), "r": normal(directions, gates * H, H)}
    inputs = {"x": turned(normal(T, N, I))}
    optional = {"b": "", "l": "", "h": "", "c": "", "p": ""}
    if "b" in given:
        weights["b"] = normal(directions, 2 * gates * H)
        optional["b"] = "b"
    if "l" in given:
        inputs["l"] = np.array([T, 1, 3], np.int32)
        optional["l"] = "l"
    for name in "hc":
        if name in given:
            inputs[name] = turned(normal(directions, N, H))
            optional[name] = name
    if "p" in given:
        weights["p"] = normal(directions, 3 * H)
        optional["p"] = "p"
    names = ["x", "w", "r", *optional.values()]
    names = names[: {"RNN": 6, "GRU": 6, "LSTM": 8}[op]]
    while not names[-1]:
        names.pop()
    outputs = ["y", "y_h", "y_c"][: 3 if op == "LSTM" else 2]
    if directions == 2:
        attributes["direction"] = "bidirectional"
    if layout:
        attributes["layout"] = 1
    layer = helper.make_node(op, names, outputs, "layer", hidden_size=H, **attributes)
    proto = model([layer], {n: a.shape for n, a in inputs.items()}, outputs, weights,
                  types={"l": TensorProto.INT32})  # fmt: skip
    return {"proto": proto, "inputs": inputs, "outputs": outputs}


def check_recurrent(folder: Path, wanted: Optional[Mapping[str, Any]] = None, **parts: Any) -> None:
    check(folder, parts["proto"], parts["inputs"], rtol=1e-4, atol=1e-5, wanted=wanted)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("op", GATES)
def test_sequence_lengths(tmp_path: Path, op: str, directions: int) -> None:
    """y is 0 behind each sequence's end; y_h is the state at the end, backwards at the start."""
    check_recurrent(tmp_path, **recurrent(op, directions, "bl"))


@pytest.mark.parametrize("given", ["", "h", "l", "lh", "bh"])
@pytest.mark.parametrize("op", GATES)
def test_optional_inputs_that_are_left_out(tmp_path: Path, op: str, given: str) -> None:
    check_recurrent(tmp_path, **recurrent(op, 2, given))


@pytest.mark.parametrize("given", ["c", "hc", "p", "bcp", "blhcp"])
@pytest.mark.parametrize("directions", [1, 2])
def test_lstm_cell_state_and_peepholes(tmp_path: Path, directions: int, given: str) -> None:
    check_recurrent(tmp_path, **recurrent("LSTM", directions, given))


@pytest.mark.parametrize("linear", [0, 1])
@pytest.mark.parametrize("given", ["b", "", "bh"])
def test_gru_linear_before_reset(tmp_path: Path, linear: int, given: str) -> None:
    check_recurrent(tmp_path, **recurrent("GRU", 2, given, linear_before_reset=linear))


@pytest.mark.parametrize("op", GATES)
def test_clip(tmp_path: Path, op: str) -> None:
    check_recurrent(tmp_path, **recurrent(op, 2, "bh", clip=0.4))


@pytest.mark.parametrize(
    "op, activations, numbers",
    [
        ("RNN", ["Relu", "Tanh"], {}),
        ("RNN", ["LeakyRelu", "Affine"],
         {"activation_alpha": [0.3, 0.5], "activation_beta": [0.1]}),
        ("GRU", ["HardSigmoid", "Softsign"] * 2,
         {"activation_alpha": [0.25, 0.15], "activation_beta": [0.4, 0.6]}),
        ("LSTM", ["HardSigmoid", "Tanh", "Relu", "Sigmoid", "Softsign", "Tanh"], {}),
        ("LSTM", ["Sigmoid", "ScaledTanh", "Elu", "Sigmoid", "Tanh", "ThresholdedRelu"],
         {"activation_alpha": [0.8, 0.7, 0.2], "activation_beta": [1.1]}),
    ],
)  # fmt: skip
def test_activation_lists(tmp_path: Path, op: str, activations, numbers) -> None:
    """The lists of alphas and betas have an entry for each activation that takes one."""
    check_recurrent(tmp_path, **recurrent(op, 2, "b", activations=activations, **numbers))


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("op", GATES)
def test_layout_1_has_the_batch_first(tmp_path: Path, op: str, directions: int) -> None:
    """ONNX Runtime has no layout 1: it runs the same layer with the batch second."""
    given = "blhc" if op == "LSTM" else "blh"
    parts = recurrent(op, directions, given, layout=1)
    turned = recurrent(op, directions, given)["proto"]
    del turned.graph.initializer[:]
    turned.graph.initializer.extend(parts["proto"].graph.initializer)
    inputs = {n: a if n == "l" else a.swapaxes(0, 1) for n, a in parts["inputs"].items()}
    wanted = reference(turned, inputs)
    # y is [time, directions, batch, hidden] there and [batch, time, directions, hidden] here.
    wanted["y"] = wanted["y"].transpose(2, 0, 1, 3)
    for name in parts["outputs"][1:]:
        wanted[name] = wanted[name].swapaxes(0, 1)
    check_recurrent(tmp_path, wanted, **parts)


def test_a_free_batch_and_length(tmp_path: Path) -> None:
    layer = helper.make_node("LSTM", ["x", "w", "r"], ["y", "", "c"], hidden_size=H)
    proto = model([layer], {"x": ("time", "batch", I)}, ["y", "c"],
                  {"w": normal(1, 4 * H, I), "r": normal(1, 4 * H, H)})  # fmt: skip
    loaded = imported(tmp_path, proto)
    for shape in [(1, 1, I), (7, 2, I)]:
        x = normal(*shape)
        for name, array in reference(proto, {"x": x}).items():
            np.testing.assert_allclose(run(loaded, {"x": x})[name], array, rtol=1e-4, atol=1e-5)


# ---- Windows ------------------------------------------------------------------------------------

WINDOWS = [
    ("Conv", "SAME_UPPER", {}), ("Conv", "SAME_LOWER", {}),
    ("Conv", "SAME_UPPER", {"strides": [2, 3]}), ("Conv", "SAME_LOWER", {"strides": [3, 2]}),
    ("MaxPool", "SAME_UPPER", {"strides": [2, 2]}), ("MaxPool", "SAME_LOWER", {"strides": [2, 2]}),
    ("AveragePool", "SAME_UPPER", {"strides": [2, 2]}),
    ("AveragePool", "SAME_LOWER", {"count_include_pad": 1}), ("LpPool", "SAME_LOWER", {}),
]  # fmt: skip


@pytest.mark.parametrize("kernel", [(2, 4), (3, 2)])
@pytest.mark.parametrize("op, auto_pad, attributes", WINDOWS)
def test_auto_pad_with_even_kernels(tmp_path: Path, op, auto_pad, attributes, kernel) -> None:
    """The odd element of padding lies at the end (UPPER) or at the start (LOWER)."""
    attributes = {"auto_pad": auto_pad, "kernel_shape": kernel, **attributes}
    weights = {"w": normal(3, 2, *kernel)} if op == "Conv" else {}
    node = helper.make_node(op, ["x", *weights], ["y"], **attributes)
    proto = model([node], {"x": (1, 2, 7, 9)}, ["y"], weights)
    check(tmp_path, proto, {"x": normal(1, 2, 7, 9)}, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize(
    "pads, size", [([0, 0, 0, 0], (7, 8)), ([1, 1, 1, 1], (6, 9)), ([0, 1, 1, 0], (4, 5))])
def test_ceil_mode(tmp_path: Path, op: str, pads, size) -> None:
    """A last window that begins in the padding is no window."""
    attributes = {"kernel_shape": [3, 2], "strides": [2, 3], "pads": pads, "ceil_mode": 1}
    proto = model([helper.make_node(op, ["x"], ["y"], **attributes)], {"x": (1, 2, *size)}, ["y"])
    check(tmp_path, proto, {"x": normal(1, 2, *size)}, rtol=1e-4, atol=1e-5)


# ---- Axes and operator sets ---------------------------------------------------------------------

AXES = [
    ("Softmax", {"axis": -2}, []), ("LogSoftmax", {"axis": -3}, []),
    ("Concat", {"axis": -2}, ["x"]), ("Flatten", {"axis": -1}, []),
    ("ArgMax", {"axis": -2, "keepdims": 0}, []), ("OneHot", {"axis": -1}, []),
    ("LayerNormalization", {"axis": -2}, [normal(4, 5)]),
    ("Gather", {"axis": -1}, [np.int64([-1, 0])]),
    ("GatherElements", {"axis": -2}, [np.int64([[[-1, 0]]])]), ("CumSum", {}, [np.int64(-2)]),
    ("Squeeze", {}, [np.int64([-4])]), ("Unsqueeze", {}, [np.int64([-1, -3])]),
    ("ReduceMean", {}, [np.int64([-1, -3])]), ("Split", {"axis": -1, "num_outputs": 1}, []),
    ("TopK", {"axis": -2}, [np.int64([2])]),
    ("Slice", {}, [np.int64([-3]), np.int64([-1]), np.int64([-1])]),
]  # fmt: skip


@pytest.mark.parametrize("op, attributes, others", AXES, ids=[case[0] for case in AXES])
def test_negative_axes(tmp_path: Path, op: str, attributes, others) -> None:
    shape = (1, 3, 4, 5) if op == "Squeeze" else (3, 4, 5)
    x = normal(*shape)
    names, weights = ["x"], {}
    if op == "OneHot":
        x = RANDOM.integers(-6, 6, shape)
        others = [np.int64(6), np.float32([2, 7])]
    for i, other in enumerate(others):
        if isinstance(other, str):
            names.append(other)
        else:
            names.append(f"w{i}")
            weights[f"w{i}"] = other
    outputs = ["y", "z"] if op == "TopK" else ["y"]
    types = {"x": TensorProto.INT64} if op == "OneHot" else {}
    node = helper.make_node(op, names, outputs, **attributes)
    proto = model([node], {"x": shape}, outputs, weights, types=types)
    check(tmp_path, proto, {"x": x}, rtol=1e-4)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("opset", [7, 11, 12, 13, 21])
@pytest.mark.parametrize("attributes", [{}, {"axis": 1}, {"axis": 2}], ids=str)
def test_softmax_by_operator_set(tmp_path: Path, op: str, opset: int, attributes) -> None:
    """Before 13 it runs over all axes from 1 on together, since then over the last one alone."""
    node = helper.make_node(op, ["x"], ["y"], **attributes)
    proto = model([node], {"x": (2, 3, 4)}, ["y"], opset=opset)
    check(tmp_path, proto, {"x": normal(2, 3, 4)}, rtol=1e-4)
