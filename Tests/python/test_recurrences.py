"""The pass that makes one RNN, LSTM or GRU of its steps: against ONNX Runtime on the model as it
was, and by the nodes that are left."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
import pytest
from onnx import helper

from onnx_models import check, model, operators
from unrolled import Graph, Style, Unroll, normal

STEPS, BATCH, INPUTS, UNITS = 5, 3, 4, 6


def fused(
    folder: Path, g: Graph, inputs: Mapping[str, Sequence], outputs: Sequence[str],
    batch: int = BATCH, **options,
) -> Counter:
    """Imports with and without the pass; both agree with ONNX Runtime. The operators that are left
    with it."""
    arrays = {
        name: normal(*(batch if d == "n" else d for d in shape)) for name, shape in inputs.items()}
    proto = model(g.nodes, inputs, outputs, g.weights, **options)
    check(folder, proto, arrays, "--without-pass", "fuse-recurrences", atol=1e-5)
    written_out = len(operators(folder))
    check(folder, proto, arrays, atol=1e-5)
    left = Counter(operators(folder))
    assert sum(left.values()) <= written_out
    return left


def states(cell: str, style: Style = Style()) -> dict:
    shape = (1, "n", UNITS) if style.three_axes else ("n", UNITS)
    return {"h0": shape, **({"c0": shape} if cell == "LSTM" else {})}


def sequence(style: Style = Style()) -> dict:
    return {"x": ("n", STEPS, INPUTS) if style.batch_first else (STEPS, "n", INPUTS)}


def unroll(g: Graph, cell: str, style: Style, **options) -> Unroll:
    return Unroll(
        g, cell, "x", STEPS, INPUTS, UNITS, style, "h0", "c0" if cell == "LSTM" else "", **options)


STYLES = {
    "gemm": Style(), "matmul": Style("matmul", cut="slices"), "slices": Style(cut="slices"),
    "slice of x": Style(take="slice"), "split of x": Style(take="split"),
    "batch first": Style(batch_first=True), "reverse": Style(reverse=True),
    "reverse, batch first": Style(batch_first=True, reverse=True, take="slice"),
    "ahead": Style("ahead"), "ahead, split": Style("ahead", take="split", batch_first=True),
    "three axes": Style("matmul", three_axes=True, take="slice"),
    "three axes, ahead": Style("ahead", three_axes=True),
    "three axes, ahead, reverse": Style("ahead", three_axes=True, take="split", reverse=True),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_styles(tmp_path: Path, cell: str, style: str) -> None:
    """Every state is an output, and the last ones: one node, and what puts its results in shape."""
    options = STYLES[style]
    g = Graph()
    layer = unroll(g, cell, options)
    axis = 1 if options.batch_first and not options.three_axes else 0
    layer.stack(axis, "y", backward=options.reverse)
    outputs = ["y", layer.h[-1]] + ([layer.c[-1]] if cell == "LSTM" else [])
    left = fused(tmp_path, g, {**sequence(options), **states(cell, options)}, outputs)
    assert left[cell] == 1
    # Turned around where the batch comes first; the states' axis of directions.
    assert set(left) <= {cell, "Squeeze", "Unsqueeze", "Transpose"}, left
    assert left["Transpose"] == (axis + options.batch_first if axis else options.batch_first)
    assert sum(left.values()) <= 8, left


@pytest.mark.parametrize("mixture", [0, 1, 2])
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("reset_before", [False, True])
def test_ways_to_write_a_gru(
    tmp_path: Path, mixture: int, inverted: bool, reset_before: bool
) -> None:
    g = Graph()
    style = Style(mixture=mixture, inverted=inverted, reset_before=reset_before)
    layer = unroll(g, "GRU", style)
    left = fused(tmp_path, g, {**sequence(), **states("GRU")}, [layer.h[-1]])
    assert left == {"GRU": 1, "Unsqueeze": 1, "Squeeze": 1}


@pytest.mark.parametrize("products", ["joined", "gates"])
@pytest.mark.parametrize("forget_bias", [0, 1])
def test_ways_to_write_an_lstm(tmp_path: Path, products: str, forget_bias: float) -> None:
    g = Graph()
    layer = unroll(g, "LSTM", Style(products, forget_bias=forget_bias))
    left = fused(tmp_path, g, {**sequence(), **states("LSTM")}, [layer.h[-1], layer.c[-1]])
    assert left == {"LSTM": 1, "Unsqueeze": 2, "Squeeze": 2}


@pytest.mark.parametrize("activation", ["Tanh", "Relu", "Sigmoid"])
@pytest.mark.parametrize("products", ["gemm", "joined"])
def test_activations_of_an_rnn(tmp_path: Path, activation: str, products: str) -> None:
    g = Graph()
    layer = unroll(g, "RNN", Style(products, activation=activation))
    left = fused(tmp_path, g, {**sequence(), **states("RNN")}, [layer.h[-1]])
    assert left == {"RNN": 1, "Unsqueeze": 1, "Squeeze": 1}


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("free", [False, True])
def test_states_that_start_from_zeros(tmp_path: Path, cell: str, free: bool) -> None:
    """Of a fixed batch what the first step makes of its state is a constant."""
    g = Graph()
    if free:
        g.nodes.append(helper.make_node("Shape", ["x"], ["n"], start=1, end=2))
        shape = g.add("Concat", "n", g.ints(UNITS), axis=0)
        zeros = g.add("ConstantOfShape", shape)
    else:
        zeros = g.weight(np.zeros((BATCH, UNITS), np.float32))
    layer = Unroll(g, cell, "x", STEPS, INPUTS, UNITS, Style(), zeros, zeros)
    layer.stack(0, "y")
    left = fused(tmp_path, g, {"x": (STEPS, "n" if free else BATCH, INPUTS)}, ["y"])
    assert left == {cell: 1, "Squeeze": 1}


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_layers_above_each_other(tmp_path: Path, cell: str) -> None:
    """Two layers and both directions, the states of all in one tensor as PyTorch has them."""
    g = Graph()
    ends, outputs = [], "x"
    kinds = "hc" if cell == "LSTM" else "h"
    for level in range(2):
        ways = []
        for way in range(2):
            start = [
                g.add("Gather", f"{k}0", g.weight(np.int64(2 * level + way)), axis=0) for k in kinds]
            style = Style(batch_first=level == 0, reverse=way == 1)
            layer = Unroll(
                g, cell, outputs, STEPS, 2 * UNITS if level else INPUTS, UNITS, style, *start)
            ways.append(layer.stack(0, "", backward=way == 1))
            ends += [g.add("Unsqueeze", layer.h[-1], g.ints(0))]
        outputs = g.add("Concat", *ways, axis=2, y="y" if level else "")
    g.add("Concat", *ends, axis=0, y="hn")
    left = fused(
        tmp_path, g,
        {"x": ("n", STEPS, INPUTS), **{f"{k}0": (4, "n", UNITS) for k in kinds}}, ["y", "hn"])
    assert left[cell] == 4
    assert set(left) <= {cell, "Gather", "Squeeze", "Unsqueeze", "Concat", "Transpose"}
    assert sum(left.values()) <= 36, left


@pytest.mark.parametrize("products", ["ahead", "joined"])
def test_inputs_that_are_joined(tmp_path: Path, products: str) -> None:
    """Both directions of the layer below side by side, as PyTorch's newer exporter writes nn.RNN;
    or [x, h] · W where x is joined itself."""
    g = Graph()
    ways = [g.add("Relu", "x"), g.add("Neg", "x")]
    both = g.add("Concat", *ways, axis=2)
    layer = Unroll(g, "RNN", both, STEPS, 2 * INPUTS, UNITS, Style(products), "h0")
    left = fused(tmp_path, g, {**sequence(), **states("RNN")}, [layer.h[-1]])
    assert left == {"RNN": 1, "Relu": 1, "Neg": 1, "Concat": 1, "Unsqueeze": 1, "Squeeze": 1}


def test_steps_that_are_read_one_by_one(tmp_path: Path) -> None:
    """Two layers in one loop, and an output from every second step."""
    g = Graph()
    style = Style()
    below = Unroll(g, "LSTM", "x", STEPS, INPUTS, UNITS, style, "h0", "c0")
    above = Unroll(
        g, "LSTM", "", STEPS, UNITS, UNITS, style, "h0", "c0", per_step_x=below.h)
    w = g.weight(normal(UNITS, 2))
    outputs = [g.add("MatMul", h, w) for h in above.h[::2]]
    left = fused(tmp_path, g, {**sequence(), **states("LSTM")}, outputs)
    assert left["LSTM"] == 2 and left["MatMul"] == 3 and left["Sigmoid"] == 0
    assert sum(left.values()) <= 24, left


def test_inputs_of_their_own(tmp_path: Path) -> None:
    """What the steps read are tensors that have nothing to do with each other."""
    g = Graph()
    own = [g.add("Relu", f"x{k}") for k in range(3)]
    layer = Unroll(g, "GRU", "", 3, INPUTS, UNITS, Style(), "h0", per_step_x=own)
    inputs = {f"x{k}": ("n", INPUTS) for k in range(3)}
    left = fused(tmp_path, g, {**inputs, **states("GRU")}, [layer.h[-1]])
    assert left == {"GRU": 1, "Relu": 3, "Unsqueeze": 4, "Concat": 1, "Squeeze": 1}


def test_a_part_of_the_sequence(tmp_path: Path) -> None:
    g = Graph()
    layer = Unroll(g, "LSTM", "x", 4, INPUTS, UNITS, Style(), "h0", "c0")
    left = fused(tmp_path, g, {"x": (7, "n", INPUTS), **states("LSTM")}, [layer.h[-1]])
    assert left == {"LSTM": 1, "Slice": 1, "Unsqueeze": 2, "Squeeze": 1}


def test_an_encoder_and_a_decoder(tmp_path: Path) -> None:
    """Other weights from the third step on: two layers, one after the other."""
    g = Graph()
    first = Unroll(g, "GRU", "x", 3, INPUTS, UNITS, Style(), "h0")
    second = Unroll(g, "GRU", "z", 4, INPUTS, UNITS, Style(), first.h[-1])
    second.stack(1, "y")
    left = fused(
        tmp_path, g, {"x": (3, "n", INPUTS), "z": (4, "n", INPUTS), **states("GRU")}, ["y"])
    assert left["GRU"] == 2 and left["Sigmoid"] == 0


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("start", ["h0", ""])
def test_layers_of_one_step(tmp_path: Path, cell: str, start: str) -> None:
    """PyTorch's older exporter writes an LSTMCell so."""
    g = Graph()
    n = {"LSTM": 4, "GRU": 3, "RNN": 1}[cell]
    weights = [
        g.weight(normal(1, n * UNITS, INPUTS)), g.weight(normal(1, n * UNITS, UNITS)),
        g.weight(normal(1, 2 * n * UNITS))]  # fmt: skip
    attributes = {"linear_before_reset": 1} if cell == "GRU" else {}
    kinds = 2 if cell == "LSTM" else 1
    state = [start and s for s in ("h0", "c0")[:kinds]]
    outputs = []
    for k in range(STEPS):
        x = g.add("Gather", "x", g.weight(np.int64(k)), axis=0)
        before = [s and g.add("Unsqueeze", s, g.ints(0)) for s in state]
        names = [f"{s}_{k}" for s in "hc"[:kinds]]
        g.nodes.append(
            helper.make_node(
                cell, [g.add("Unsqueeze", x, g.ints(0)), *weights, "", *before], ["", *names],
                hidden_size=UNITS, **attributes))
        state = [g.add("Squeeze", name, g.ints(0)) for name in names]
        outputs.append(g.add("Unsqueeze", state[0], g.ints(1)))
    g.add("Concat", *outputs, axis=1, y="y")
    left = fused(tmp_path, g, {**sequence(), **(states(cell) if start else {})}, ["y", *state])
    assert left[cell] == 1 and left["Gather"] == left["Concat"] == 0
    assert sum(left.values()) <= 3 + 2 * kinds + 1, left


# ---- What must stay -----------------------------------------------------------------------------


def assert_stays(folder: Path, g: Graph, inputs: dict, outputs: Sequence[str]) -> None:
    left = fused(folder, g, inputs, outputs)
    assert not {"RNN", "LSTM", "GRU"} & set(left), left


def test_a_cell_state_that_others_read(tmp_path: Path) -> None:
    g = Graph()
    layer = unroll(g, "LSTM", Style())
    assert_stays(tmp_path, g, {**sequence(), **states("LSTM")}, [layer.h[-1], layer.c[2]])


def test_a_gate_that_others_read(tmp_path: Path) -> None:
    g = Graph()
    layer = unroll(g, "GRU", Style())
    gate = next(n.output[0] for n in g.nodes[-8:] if n.op_type == "Sigmoid")
    assert_stays(tmp_path, g, {**sequence(), **states("GRU")}, [layer.h[-1], gate])


def test_a_single_step(tmp_path: Path) -> None:
    g = Graph()
    layer = Unroll(g, "LSTM", "x", 1, INPUTS, UNITS, Style(), "h0", "c0")
    assert_stays(tmp_path, g, {"x": (1, "n", INPUTS), **states("LSTM")}, [layer.h[-1]])


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_inputs_that_depend_on_the_step_before(tmp_path: Path, cell: str) -> None:
    """A decoder that reads what it has written."""
    g = Graph()
    w = g.weight(normal(UNITS, INPUTS))
    fed = ["x0", "x1", "x2"]
    layer = Unroll(
        g, cell, "", 3, INPUTS, UNITS, Style(), "h0", "c0" if cell == "LSTM" else "", per_step_x=fed)
    # x1 and x2 are computed from h0 and h1, before the steps that read them.
    nodes, g.nodes = g.nodes, []
    for n in nodes:
        g.nodes.append(n)
        for k in range(2):
            if n.output[0] == layer.h[k]:
                g.nodes.append(helper.make_node("MatMul", [n.output[0], w], [f"x{k + 1}"]))
    assert_stays(tmp_path, g, {"x0": ("n", INPUTS), **states(cell)}, [layer.h[-1]])


def test_weights_of_their_own(tmp_path: Path) -> None:
    g = Graph()
    h = "h0"
    for _ in range(3):
        h = Unroll(g, "GRU", "x", 1, INPUTS, UNITS, Style(), h).h[-1]
    assert_stays(tmp_path, g, {"x": (1, "n", INPUTS), **states("GRU")}, [h])


def test_another_formula(tmp_path: Path) -> None:
    """The forget gate sees the cell state (peepholes), which this form of LSTM does not."""
    g = Graph()
    w, r = g.weight(normal(4 * UNITS, INPUTS)), g.weight(normal(4 * UNITS, UNITS))
    b, p = g.weight(normal(4 * UNITS)), g.weight(normal(UNITS))
    h, c = "h0", "c0"
    for k in range(3):
        x = g.add("Gather", "x", g.weight(np.int64(k)), axis=0)
        sums = g.sum(g.add("Gemm", x, w, b, transB=1), g.add("Gemm", h, r, b, transB=1))
        i, f, n, o = g.add("Split", sums, g.ints(*[UNITS] * 4), outputs=4, axis=1)
        f = g.sum(f, g.mul(p, c))
        i, f, o = (g.add("Sigmoid", v) for v in (i, f, o))
        c = g.sum(g.mul(f, c), g.mul(i, g.add("Tanh", n)))
        h = g.mul(o, g.add("Tanh", c))
    assert_stays(tmp_path, g, {**sequence(), **states("LSTM")}, [h, c])
