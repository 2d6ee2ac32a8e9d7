"""Outputs of ONNX nodes that nobody reads, and those whose shapes are free or found in a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import cli
from onnx_models import check, imported, model, problems, run
from test_onnx_import import body, node, normal


def exported(folder: Path) -> onnx.ModelProto:
    """folder/m.apus written as ONNX again."""
    result = cli.run("export", "m.apus", "-o", "again.onnx", cwd=folder)
    assert result.code == 0, result
    return onnx.load(folder / "again.onnx")


@pytest.mark.parametrize("lengths", ["", "lengths"])
def test_a_piece_that_nobody_reads(tmp_path: Path, lengths: str) -> None:
    equal = {} if lengths else {"num_outputs": 3}
    proto = model(
        [node("Split", f"x {lengths}", "a b c", axis=1, **equal), node("Relu", "b")],
        {"x": ("n", 7)}, ["y"], {"lengths": np.array([3, 3, 1])} if lengths else {})  # fmt: skip
    check(tmp_path, proto, {"x": normal(2, 7)})


def test_a_result_of_a_body_that_nobody_reads(tmp_path: Path) -> None:
    inner = body(
        [node("Tanh", "s", "t"), node("Mul", "t x", "u"), node("Neg", "u", "v")],
        [("s", TensorProto.FLOAT, (2,)), ("x", TensorProto.FLOAT, (2,))], ["t", "u", "v"])  # fmt: skip
    proto = model(
        [node("Scan", "s0 xs", "last all rest", body=inner, num_scan_inputs=1), node("Relu", "all")],
        {"s0": (2,), "xs": ("n", 2)}, ["y"])  # fmt: skip
    check(tmp_path, proto, {"s0": normal(2), "xs": normal(5, 2)})


def test_a_loop_that_may_stop_stacks_values_with_a_free_dimension(tmp_path: Path) -> None:
    inner = body(
        [node("Less", "i most", "on"), node("Sin", "v", "next"), node("Neg", "v", "w")],
        [("i", TensorProto.INT64, ()), ("go", TensorProto.BOOL, ()),
         ("v", TensorProto.FLOAT, ("n", 3))], ["on", "next", "w"])  # fmt: skip
    proto = model(
        [node("Loop", "m - x", "last all", body=inner), node("Abs", "all")],
        {"x": ("n", 3), "most": ()}, ["last", "y"], {"m": np.int64(4)},
        types={"most": TensorProto.INT64})  # fmt: skip
    loaded = imported(tmp_path, proto)
    for n, most in ((2, 0), (5, 2), (1, 9)):
        x = normal(n, 3)
        values = [x]
        for _ in range(4):
            values.append(np.sin(values[-1]))
        found = run(loaded, {"x": x, "most": np.array(most)})
        # Turn i goes on where i < most; turn 0 runs always.
        count = min(most + 1, 4)
        np.testing.assert_allclose(found["last"], values[count], rtol=1e-5)
        np.testing.assert_allclose(found["y"], np.abs(values[:count]), rtol=1e-5)


def test_the_mask_of_a_dropout_with_a_free_dimension(tmp_path: Path) -> None:
    proto = model([node("Dropout", "x", "y mask")], {"x": ("n", 3)}, ["y", "mask"])
    check(tmp_path, proto, {"x": normal(4, 3)})


def test_only_the_node_at_fault_is_reported(tmp_path: Path) -> None:
    """Of a network with free dimensions, in which the nodes behind have other inputs."""
    proto = model(
        [node("Reshape", "x shape", "a"), node("Relu", "x", "b"), node("Softmax", "b", "c", axis=7)],
        {"x": ("n", 3)}, ["a", "b", "c"], {"shape": np.array([-1, 2, 0, 0])})  # fmt: skip
    lines = problems(tmp_path, proto)
    assert len(lines) == 3 and "Reshape a" in lines[1] and "Softmax c" in lines[2], lines


def found_in_the_run() -> list:
    """Nodes whose value v is the positive elements of x."""
    return [
        node("Greater", "x zero", "is"), node("NonZero", "is", "at"), node("Transpose", "at", "rows"),
        node("GatherND", "x rows", "v"),
    ]  # fmt: skip


NUMBERS = [np.array(x, np.float32) for x in ([1, -2, 3, 4, -5], [-1, -1, -1, -1, 2], [1, 2, 3, 4, 5])]


@pytest.mark.parametrize("x", NUMBERS)
@pytest.mark.parametrize("c", [False, True])
def test_a_branch_reads_a_tensor_whose_size_a_run_finds(tmp_path: Path, x, c: bool) -> None:
    then = body([node("Add", "v v", "a"), node("ReduceMax", "v", "m"), node("Sub", "a m", "b")], [], ["b"])
    other = body([node("Mul", "v two", "d")], [], ["d"])
    proto = model(
        found_in_the_run() + [node("If", "c", "r", then_branch=then, else_branch=other), node("Neg", "r")],
        {"x": (5,), "c": ()}, ["y"], {"zero": np.float32(0), "two": np.float32(2)},
        types={"c": TensorProto.BOOL})  # fmt: skip
    check(tmp_path, proto, {"x": x, "c": np.array(c)})
    check(tmp_path, exported(tmp_path), {"x": x, "c": np.array(c)})


@pytest.mark.parametrize("x", NUMBERS)
def test_a_loop_reads_and_carries_tensors_whose_size_a_run_finds(tmp_path: Path, x) -> None:
    inner = body(
        [node("Identity", "go", "on"), node("Add", "w v", "next"), node("ReduceSum", "next", "s", keepdims=0)],
        [("i", TensorProto.INT64, ()), ("go", TensorProto.BOOL, ()), ("w", TensorProto.FLOAT, (None,))],
        ["on", "next", "s"])  # fmt: skip
    proto = model(
        found_in_the_run() + [node("Loop", "m - v", "last sums", body=inner)], {"x": (5,)},
        ["last", "sums"], {"zero": np.float32(0), "m": np.int64(3)})  # fmt: skip
    check(tmp_path, proto, {"x": x})
    check(tmp_path, exported(tmp_path), {"x": x})
