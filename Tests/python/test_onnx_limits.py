"""What a hostile ONNX file may cost: small files that ask for enormous models are refused, or imported
without being written out, within the memory and time that their size allows."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import locate
from onnx_models import model

node = helper.make_node
FLOAT = TensorProto.FLOAT
# Of processor time, and of waiting for a machine that has other things to do.
SECONDS, PATIENCE = 10, 100


class Cost(NamedTuple):
    code: int
    stderr: str
    peak: int
    """Bytes of memory."""
    output: int
    """Bytes of the file that was written."""


def cost(folder: Path, proto: onnx.ModelProto) -> Cost:
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    (folder / "m.apus").unlink(missing_ok=True)
    with open(folder / "said", "w+") as said:
        process = subprocess.Popen(
            [str(locate.model_convert()), "import", "m.onnx", "-o", "m.apus"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=said)  # fmt: skip
        start = time.monotonic()
        while True:
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
            if done:
                break
            if time.monotonic() - start > PATIENCE:
                process.kill()
                process.wait()
                pytest.fail(f"the import took more than {PATIENCE} seconds")
            time.sleep(0.01)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert usage.ru_utime + usage.ru_stime < SECONDS
        said.seek(0)
        text = said.read()
    written = (folder / "m.apus").stat().st_size if (folder / "m.apus").exists() else 0
    return Cost(process.returncode, text, usage.ru_maxrss * 1024, written)


@pytest.fixture(scope="module")
def basis(tmp_path_factory: pytest.TempPathFactory) -> int:
    """What the program itself takes."""
    proto = model([node("Relu", ["x"], ["y"])], {"x": (1,)}, ["y"])
    result = cost(tmp_path_factory.mktemp("basis"), proto)
    assert result.code == 0
    return result.peak


def check(folder: Path, proto: onnx.ModelProto, basis: int) -> Cost:
    result = cost(folder, proto)
    assert result.code in (0, 1), result.stderr[-500:]
    assert result.code == 0 or result.stderr.startswith("model-convert: m.onnx: ")
    size = (folder / "m.onnx").stat().st_size
    assert result.peak - basis <= 4 * size + (64 << 20)
    return result


def functions(calls) -> onnx.ModelProto:
    """f0 … of one input and output; `calls` lists, for each, the functions that it calls in turn."""
    made = []
    for i, callees in enumerate(calls):
        names = ["x", *(f"t{k}" for k in range(1, len(callees))), "y"]
        nodes = [
            node(f"f{j}", [a], [b], domain="local") if j is not None else node("Neg", [a], [b])
            for j, a, b in zip(callees, names, names[1:])]  # fmt: skip
        made.append(helper.make_function(
            "local", f"f{i}", ["x"], ["y"], nodes,
            [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)]))  # fmt: skip
    return model(
        [node("f0", ["x"], ["y"], domain="local")], {"x": (3,)}, ["y"], functions=made,
        domains=["local"])


def test_functions_that_call_twice_thirty_deep(tmp_path: Path, basis: int) -> None:
    result = check(tmp_path, functions([[i + 1, i + 1] for i in range(30)] + [[None]]), basis)
    assert result.code == 1 and "too large" in result.stderr
    assert len(result.stderr) < 2000


def test_functions_that_call_as_much_as_may_be(tmp_path: Path, basis: int) -> None:
    result = check(tmp_path, functions([[i + 1, i + 1] for i in range(10)] + [[None]]), basis)
    assert result.code == 0, result.stderr


def chain(names: int) -> onnx.ModelProto:
    """Sums of inputs that each have a name of their own for the one free dimension. No sum can be
    looked at before the one before it is understood, so that each takes another try."""
    sums = [f"s{i}" for i in range(1, names)]
    nodes = [
        node("Add", [a, f"x{i}"], [b])
        for i, (a, b) in enumerate(zip(["x0", *sums], sums), start=1)
    ]
    return model(nodes, {f"x{i}": (f"n{i}", 3) for i in range(names)}, [sums[-1]])


@pytest.mark.parametrize("names", [3, 12])
def test_each_try_may_call_as_much(tmp_path: Path, names: int, basis: int) -> None:
    proto = chain(names)
    calls = functions([[i + 1, i + 1] for i in range(10)] + [[None]])
    proto.functions.extend(calls.functions)
    proto.opset_import.append(helper.make_opsetid("local", 1))
    proto.graph.node.insert(0, node("f0", ["x0"], ["t"], domain="local"))
    proto.graph.output.append(onnx.ValueInfoProto(name="t"))
    result = check(tmp_path, proto, basis)
    assert result.code == 0, result.stderr


def test_each_try_may_read_its_external_data(tmp_path: Path, basis: int) -> None:
    (tmp_path / "w.bin").write_bytes(np.float32([1, 2, 3]).tobytes())
    proto = chain(5)
    proto.graph.node.append(node("Mul", [proto.graph.output[0].name, "w"], ["y"]))
    proto.graph.output[0].name = "y"
    tensor = proto.graph.initializer.add(name="w", dims=[3], data_type=FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    result = check(tmp_path, proto, basis)
    assert result.code == 0, result.stderr


@pytest.mark.parametrize("calls", [[[0]], [[1], [0]], [[0, 0]]], ids=["itself", "circle", "twice"])
def test_functions_that_call_themselves(tmp_path: Path, calls, basis: int) -> None:
    result = check(tmp_path, functions(calls), basis)
    assert result.code == 1


def test_a_branch_that_calls_its_own_function(tmp_path: Path, basis: int) -> None:
    outputs = [onnx.ValueInfoProto(name="b")]
    branch = helper.make_graph([node("f", ["x", "c"], ["b"], domain="local")], "b", [], outputs)
    inner = node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    function = helper.make_function(
        "local", "f", ["x", "c"], ["y"], [inner],
        [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)])
    proto = model(
        [node("f", ["x", "c"], ["y"], domain="local")], {"x": (3,), "c": ()}, ["y"],
        functions=[function], domains=["local"], types={"c": TensorProto.BOOL})
    result = check(tmp_path, proto, basis)
    assert result.code == 1


def test_constants_that_double(tmp_path: Path, basis: int) -> None:
    """Forty constants, each twice as large as the one before."""
    nodes = [node("Concat", [f"t{i}", f"t{i}"], [f"t{i + 1}"], axis=0) for i in range(40)]
    nodes.append(node("ReduceMax", ["t40"], ["m"], keepdims=0))
    nodes.append(node("Add", ["x", "m"], ["y"]))
    proto = model(nodes, {"x": (3,)}, ["y"], {"t0": np.float32([1, 2])})
    check(tmp_path, proto, basis)


@pytest.mark.parametrize("op", ["ConstantOfShape", "Expand", "Tile", "Range", "Pad", "EyeLike"])
def test_large_constants_are_not_written_out(tmp_path: Path, op: str, basis: int) -> None:
    """A 128 MB tensor of a few bytes stays the node that makes it."""
    weights = {"s": np.int64([8192, 4096]), "one": np.float32([[1]]), "r": np.int64([8192, 4096])}
    if op == "ConstantOfShape":
        made = [node(op, ["s"], ["w"])]
    elif op == "Pad":
        weights["s"] = np.int64([0, 0, 8191, 4095])
        made = [node(op, ["one", "s"], ["w"])]
    elif op == "Range":
        weights |= {"a": np.float32(0), "b": np.float32(1 << 25), "c": np.float32(1)}
        made = [node(op, ["a", "b", "c"], ["v"]), node("Reshape", ["v", "r"], ["w"])]
    elif op == "EyeLike":
        made = [node("ConstantOfShape", ["s"], ["v"]), node(op, ["v"], ["w"])]
    else:
        made = [node(op, ["one", "s"], ["w"])]
    proto = model([*made, node("MatMul", ["x", "w"], ["y"])], {"x": (1, 8192)}, ["y"], weights)
    result = check(tmp_path, proto, basis)
    assert result.code == 0, result.stderr
    assert result.output < 1 << 20


# Many small things: what takes time for each pair of them would never end.
COUNT = 30_000


def many(kind: str) -> onnx.ModelProto:
    if kind == "metadata":
        proto = model([node("Relu", ["x"], ["y"])], {"x": (3,)}, ["y"])
        helper.set_model_props(proto, {f"k{i}": "" for i in range(COUNT)})
        return proto
    if kind == "outputs":
        nodes = [node("Relu", ["x"], [f"y{i}"]) for i in range(COUNT // 4)]
        return model(nodes, {"x": (3,)}, [n.output[0] for n in nodes])
    if kind == "inputs":
        names = [f"x{i}" for i in range(COUNT)]
        return model([node("Sum", names[:10], ["y"])], {n: (3,) for n in names}, ["y"])
    if kind == "weights":
        names = {f"x{i}": np.float32(i) for i in range(COUNT)}
        return model([node("Relu", ["x"], ["y"])], {"x": (3,)}, ["y"], names)
    if kind == "weights that begin alike":
        count = COUNT // 3
        weights = {f"w{i}": np.append(np.zeros(70), i).astype(np.float32) for i in range(count)}
        sums = range(0, count, 100)
        nodes = [node("Sum", ["x", *(f"w{i + k}" for k in range(100))], [f"s{i}"]) for i in sums]
        nodes.append(node("Sum", [f"s{i}" for i in sums], ["y"]))
        return model(nodes, {"x": (71,)}, ["y"], weights)
    if kind == "captures":
        names = [f"x{i}" for i in range(COUNT // 8)]
        nodes = [node("Relu", ["x"], [n]) for n in names]
        branch = helper.make_graph(
            [node("Sum", names[k : k + 100], [f"b{k}"]) for k in range(0, len(names), 100)]
            + [node("Sum", [f"b{k}" for k in range(0, len(names), 100)], ["b"])],
            "b", [], [onnx.ValueInfoProto(name="b")])  # fmt: skip
        nodes.append(node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))
        return model(nodes, {"x": (3,), "c": ()}, ["y"], types={"c": TensorProto.BOOL})
    nodes = [node("Neg", [f"t{i}"], [f"t{i + 1}"]) for i in range(COUNT // 4)]
    return model(nodes, {"t0": ("n", 3) if kind == "free nodes" else (3,)}, [nodes[-1].output[0]])


@pytest.mark.parametrize(
    "kind",
    ["metadata", "outputs", "inputs", "weights", "weights that begin alike", "captures", "nodes",
     "free nodes"])  # fmt: skip
def test_many(tmp_path: Path, kind: str, basis: int) -> None:
    result = check(tmp_path, many(kind), basis)
    assert result.code == 0, result.stderr[-500:]


def test_external_data_that_many_tensors_share(tmp_path: Path, basis: int) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(1 << 20))
    proto = model(
        [node("Sum", ["x"] + [f"w{i}" for i in range(500)], ["y"])], {"x": (512, 512)}, ["y"])
    for i in range(500):
        tensor = proto.graph.initializer.add(name=f"w{i}", dims=[512, 512], data_type=FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="w.bin")
    result = check(tmp_path, proto, basis)
    assert result.code == 1 and "more than twice" in result.stderr
