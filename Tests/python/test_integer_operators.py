"""The pass that makes integer operators of quantised layers (DequantizeLinear → layer →
QuantizeLinear): models that ONNX Runtime's own quantiser makes, and small ones, each against ONNX
Runtime on the model as it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_dynamic,
    quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process

import cli
from onnx_models import check, imported, model, operators, reference, run

RANDOM = np.random.default_rng(21)


def normal(*shape: int, scale: float = 1) -> np.ndarray:
    return (RANDOM.standard_normal(shape) * scale).astype(np.float32)


def node(op: str, inputs: str, outputs: str, **attributes) -> onnx.NodeProto:
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, names, outputs.split(), **attributes)


# ---- Networks that ONNX Runtime's quantiser has quantised ---------------------------------------


def conv_net() -> tuple:
    nodes = [
        node("Conv", "x w1 b1", "c1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", "c1", "r1"),
        node("MaxPool", "r1", "p1", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p1 w2 b2", "c2", kernel_shape=[3, 3], strides=[2, 2]),
        node("Relu", "c2", "r2"),
        node("GlobalAveragePool", "r2", "g"),
        node("Flatten", "g", "f"),
        node("Gemm", "f w3 b3", "y", transB=1),
    ]
    weights = {
        "w1": normal(8, 3, 3, 3, scale=0.2), "b1": normal(8, scale=0.1),
        "w2": normal(16, 8, 3, 3, scale=0.2), "b2": normal(16, scale=0.1),
        "w3": normal(10, 16, scale=0.3), "b3": normal(10, scale=0.1),
    }  # fmt: skip
    return nodes, ("n", 3, 16, 16), weights


def depthwise_net() -> tuple:
    nodes = [
        node("Conv", "x w1 b1", "c1", kernel_shape=[1, 1]),
        node("Clip", "c1 zero six", "r1"),
        node("Conv", "r1 w2 b2", "c2", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=12),
        node("Clip", "c2 zero six", "r2"),
        node("Conv", "r2 w3 b3", "c3", kernel_shape=[1, 1]),
        node("Add", "c3 x", "a"),
        node("Conv", "a w4 b4", "y", kernel_shape=[1, 1]),
    ]
    weights = {
        "w1": normal(12, 6, 1, 1), "b1": normal(12), "w2": normal(12, 1, 3, 3, scale=0.4),
        "b2": normal(12), "w3": normal(6, 12, 1, 1, scale=0.3), "b3": normal(6),
        "w4": normal(4, 6, 1, 1, scale=0.5), "b4": normal(4),
        "zero": np.float32(0), "six": np.float32(6),
    }  # fmt: skip
    return nodes, ("n", 6, 9, 7), weights


def mlp() -> tuple:
    nodes = [
        node("MatMul", "x w1", "m1"), node("Add", "m1 b1", "h1"), node("Relu", "h1", "r1"),
        node("Gemm", "r1 w2 b2", "h2"), node("Sigmoid", "h2", "r2"),
        node("MatMul", "r2 w3", "y"),
    ]  # fmt: skip
    weights = {
        "w1": normal(20, 32, scale=0.3), "b1": normal(32, scale=0.1),
        "w2": normal(32, 24, scale=0.3), "b2": normal(24, scale=0.1),
        "w3": normal(24, 5, scale=0.3),
    }  # fmt: skip
    return nodes, ("n", 20), weights


# What is left in floats after the pass, and in integers.
NETWORKS = {
    "conv": (
        conv_net, {"QLinearConv": 3, "MaxPool": 1, "QLinearGlobalAveragePool": 1},
        {"Conv", "Gemm", "Relu", "GlobalAveragePool"}),
    "depthwise": (depthwise_net, {"QLinearConv": 4, "QLinearAdd": 1}, {"Conv", "Relu", "Add"}),
    "mlp": (mlp, {"QLinearMatMul": 2, "QLinearConv": 1}, {"MatMul", "Gemm"}),
}
TYPES = {"U8S8": (QuantType.QUInt8, QuantType.QInt8), "S8S8": (QuantType.QInt8, QuantType.QInt8)}


class Samples(CalibrationDataReader):
    def __init__(self, arrays) -> None:
        self.arrays = iter(arrays)

    def get_next(self):
        array = next(self.arrays, None)
        return None if array is None else {"x": array}


def floats(make) -> tuple:
    nodes, shape, weights = make()
    proto = model(nodes, {"x": shape}, ["y"], weights, opset=17)
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    return proto, shape


def quantized(folder: Path, make, types: str, per_channel: bool) -> tuple:
    """The model in the QDQ form, and an input."""
    proto, shape = floats(make)
    onnx.save(proto, folder / "float.onnx")
    samples = [normal(4, *shape[1:]) for _ in range(4)]
    activation, weight = TYPES[types]
    quantize_static(
        folder / "float.onnx", folder / "qdq.onnx", Samples(samples),
        quant_format=QuantFormat.QDQ, activation_type=activation, weight_type=weight,
        per_channel=per_channel, calibrate_method=CalibrationMethod.MinMax,
        extra_options={"ActivationSymmetric": types == "S8S8"},
    )  # fmt: skip
    return onnx.load(folder / "qdq.onnx"), normal(64, *shape[1:])


def agree(folder: Path, proto, x: np.ndarray, *arguments: str):
    """At least 99.9 % of the outputs are at most one step of the last quantised layer away from
    ONNX Runtime's."""
    loaded = imported(folder, proto, *arguments)
    result = run(loaded, {"x": x})["y"]
    wanted = reference(proto, {"x": x})["y"]
    last = [n for n in proto.graph.node if n.op_type == "QuantizeLinear"][-1]
    weights = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    step = weights[last.input[1]]
    assert result.shape == wanted.shape and result.dtype == wanted.dtype
    near = np.abs(result - wanted) <= 1.001 * step
    assert near.mean() >= 0.999, (near.mean(), np.abs(result - wanted).max() / step)
    return loaded


@pytest.mark.parametrize("per_channel", [False, True], ids=["tensor", "channel"])
@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(tmp_path: Path, name: str, types: str, per_channel: bool) -> None:
    make, wanted, gone = NETWORKS[name]
    proto, x = quantized(tmp_path, make, types, per_channel)
    agree(tmp_path, proto, x)
    left = Counter(operators(tmp_path))
    assert {op: left[op] for op in wanted} == wanted, left
    assert not gone & set(left), left
    # Without the pass everything stays, and the numbers are those of the floats between the pairs.
    agree(tmp_path, proto, x, "--without-pass", "integer-operators")
    assert "QLinearConv" not in operators(tmp_path)


def test_dynamic_quantisation(tmp_path: Path) -> None:
    for make in (conv_net, mlp):
        proto, shape = floats(make)
        onnx.save(proto, tmp_path / "float.onnx")
        quant_pre_process(
            tmp_path / "float.onnx", tmp_path / "ready.onnx", skip_symbolic_shape=True)
        quantize_dynamic(tmp_path / "ready.onnx", tmp_path / "dynamic.onnx", per_channel=True)
        dynamic = onnx.load(tmp_path / "dynamic.onnx")
        assert {n.op_type for n in dynamic.graph.node} & {"ConvInteger", "MatMulInteger"}
        check(tmp_path, dynamic, {"x": normal(5, *shape[1:])}, rtol=1e-4, atol=1e-5)


# ---- One idiom each -----------------------------------------------------------------------------


class Pairs:
    """A graph of quantised tensors: q and dq add nodes that quantise and dequantise."""

    def __init__(self) -> None:
        self.nodes: list = []
        self.weights: dict = {}

    def parameters(self, scale, zero, kind) -> str:
        name = f"k{len(self.weights)}"
        self.weights[name + "s"] = np.asarray(scale, np.float32)
        self.weights[name + "z"] = np.broadcast_to(np.asarray(zero, kind), np.shape(scale)).copy()
        return f"{name}s {name}z"

    def q(self, x: str, scale, zero, kind=np.uint8, y: str = "") -> str:
        y = y or x + ".q"
        self.nodes.append(
            node("QuantizeLinear", f"{x} {self.parameters(scale, zero, kind)}", y))
        return y

    def dq(self, x: str, scale, zero, kind=np.uint8, axis: int = 1, y: str = "") -> str:
        y = y or f"d{len(self.nodes)}"
        self.nodes.append(
            node("DequantizeLinear", f"{x} {self.parameters(scale, zero, kind)}", y, axis=axis))
        return y

    def pair(self, x: str, scale, zero, kind=np.uint8, y: str = "") -> str:
        return self.dq(self.q(x, scale, zero, kind), scale, zero, kind, y=y)

    def weight(self, array: np.ndarray, scale, axis: int = 0) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = array.astype(np.int8)
        return self.dq(name, scale, 0, np.int8, axis=axis)

    def add(self, op: str, inputs: str, **attributes) -> str:
        y = f"v{len(self.nodes)}"
        self.nodes.append(node(op, inputs, y, **attributes))
        return y

    def check(self, folder: Path, x: np.ndarray, types=None) -> Counter:
        proto = model(self.nodes, {"x": x.shape}, ["y"], self.weights, types=types or {})
        result = run(imported(folder, proto), {"x": x})["y"]
        wanted = reference(proto, {"x": x})["y"]
        # Where ONNX Runtime computes floats, a sum that lies between two steps may go to either.
        last = [n for n in self.nodes if n.op_type == "QuantizeLinear"][-1]
        step = self.weights[last.input[1]]
        np.testing.assert_allclose(result, wanted, rtol=0, atol=1.001 * step)
        assert (np.abs(result - wanted) <= 0.001 * step).mean() >= 0.99
        left = Counter(operators(folder))
        self.check_export(folder, x, result, left)
        return left

    def check_export(self, folder: Path, x: np.ndarray, result, left: Counter) -> None:
        """Written as ONNX and imported again it is the same, in either form."""
        for form in [(), ("--integer-operators",)]:
            done = cli.run("export", "m.apus", "-o", "n.onnx", *form, cwd=folder)
            assert done.code == 0, done.stderr
            again = onnx.load(folder / "n.onnx")
            onnx.checker.check_model(again)
            (folder / "again").mkdir(exist_ok=True)
            back = imported(folder / "again", again)
            assert Counter(operators(folder / "again")) == left
            np.testing.assert_array_equal(run(back, {"x": x})["y"], result)


def bytes_(*shape: int) -> np.ndarray:
    return RANDOM.integers(-100, 100, shape)


def conv(g: Pairs, x: str, channels=(4, 3), bias: str = "") -> str:
    w = g.weight(bytes_(*channels, 3, 3), 0.01)
    return g.add("Conv", f"{x} {w} {bias}", kernel_shape=[3, 3])


# Scale and zero point of the output, what the clip leaves in the graph.
@pytest.mark.parametrize(
    "clip, scale, zero, left",
    [
        (("Relu",), 0.05, 0, 0), (("Relu",), 0.05, 30, 1), (("Clip", 0, 6), 6 / 255, 0, 0),
        (("Clip", 0, 6), 0.1, 0, 1), (("Clip", -1, 1.5), 0.02, 100, 1), (("Relu",), 0.05, 255, 1),
    ],
)  # fmt: skip
def test_clips_become_limits(tmp_path: Path, clip, scale, zero, left) -> None:
    g = Pairs()
    c = conv(g, g.pair("x", 0.03, 120))
    if clip[0] == "Clip":
        g.weights["low"], g.weights["high"] = (np.float32(v) for v in clip[1:])
        c = g.add("Clip", f"{c} low high")
    else:
        c = g.add("Relu", c)
    g.pair(c, scale, zero, y="y")
    assert g.check(tmp_path, normal(2, 3, 8, 8)) == {
        "QuantizeLinear": 1, "QLinearConv": 1, "DequantizeLinear": 1, **({"Clip": 1} if left else {})}


@pytest.mark.parametrize("scale", [None, 0.0003, 0.0007], ids=["float", "steps", "other"])
def test_biases(tmp_path: Path, scale) -> None:
    g = Pairs()
    x = g.pair("x", 0.03, 120)
    if scale is None:
        g.weights["b"] = (bytes_(4) * 0.01).astype(np.float32)
        bias = "b"
    else:
        g.weights["b"] = (bytes_(4) * 30).astype(np.int32)
        bias = g.dq("b", scale, 0, np.int32)
    g.pair(conv(g, x, bias=bias), 0.05, 128, y="y")
    assert g.check(tmp_path, normal(1, 3, 8, 8)) == {
        "QuantizeLinear": 1, "QLinearConv": 1, "DequantizeLinear": 1}


MOVES = [
    ("Reshape", {}, {"s": np.int64([2, 12])}), ("Flatten", {"axis": 2}, {}),
    ("Transpose", {"perm": [0, 2, 1, 3]}, {}), ("Slice", {}, {"a": [1], "b": [9], "axis": [2]}),
    ("Squeeze", {}, {"s": np.int64([0])}), ("Pad", {}, {"s": np.int64([0, 0, 1, 1, 0, 0, 0, 2])}),
    ("Pad", {"mode": "edge"}, {"s": np.int64([0, 0, 1, 1, 0, 0, 0, 2])}),
    ("Pad", {}, {"s": np.int64([0, 0, 1, 1, 0, 0, 0, 2]), "v": np.float32(0.33)}),
    ("MaxPool", {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}, {}),
]  # fmt: skip


@pytest.mark.parametrize("op, attributes, extra", MOVES)
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_moving_operators_take_the_integers(
    tmp_path: Path, op: str, attributes, extra, kind
) -> None:
    g = Pairs()
    g.weights.update({k: np.asarray(v) for k, v in extra.items()})
    x = g.pair("x", 0.02, 5, kind)
    g.pair(g.add(op, " ".join([x, *extra]), **attributes), 0.02, 5, kind, y="y")
    assert g.check(tmp_path, normal(1, 2, 3, 4)) == {
        "QuantizeLinear": 1, op: 1, "DequantizeLinear": 1}


def test_branches_join_in_integers(tmp_path: Path) -> None:
    g = Pairs()
    x = g.pair("x", 0.03, 120)
    a = g.pair(conv(g, x), 0.05, 128)
    b = g.pair(g.add("Relu", conv(g, x)), 0.05, 128)
    g.pair(g.add("Concat", f"{a} {b}", axis=1), 0.05, 128, y="y")
    assert g.check(tmp_path, normal(1, 3, 6, 6)) == {
        "QuantizeLinear": 1, "QLinearConv": 2, "Clip": 1, "Concat": 1, "DequantizeLinear": 1}


def test_concat_of_different_steps(tmp_path: Path) -> None:
    g = Pairs()
    x = g.pair("x", 0.03, 120)
    a = g.pair(conv(g, x), 0.05, 128)
    b = g.pair(conv(g, x), 0.06, 128)
    g.weights["c"] = bytes_(1, 2, 4, 4).astype(np.int8)
    c = g.dq("c", 0.04, 3, np.int8)
    g.pair(g.add("Concat", f"{a} {b} {c}", axis=1), 0.05, 128, y="y")
    assert g.check(tmp_path, normal(1, 3, 6, 6)) == {
        "QuantizeLinear": 1, "QLinearConv": 2, "QLinearConcat": 1, "DequantizeLinear": 1}


def test_parts_of_a_split(tmp_path: Path) -> None:
    g = Pairs()
    x = g.pair("x", 0.03, 120)
    g.nodes.append(node("Split", x, "s0 s1", axis=1, num_outputs=2))
    parts = [g.pair(s, 0.03, 120) for s in ("s0", "s1")]
    a, b = (g.pair(conv(g, part, (2, 2)), 0.05, 128) for part in parts)
    g.nodes.append(node("Add", f"{a} {b}", "y"))
    assert g.check(tmp_path, normal(1, 4, 6, 6)) == {
        "QuantizeLinear": 1, "Split": 1, "QLinearConv": 2, "DequantizeLinear": 2, "Add": 1}


# ---- Sums, means and functions of one number ----------------------------------------------------


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_sums_and_products(tmp_path: Path, op: str, kind) -> None:
    g = Pairs()
    a = g.pair("x", 0.0213, 5, kind)
    b = g.pair(g.add("Transpose", a, perm=[0, 1, 3, 2]), 0.0307, 7, kind)
    g.weights["c"] = bytes_(3, 1, 1).astype(np.int8)
    s = g.pair(g.add(op, f"{a} {b}"), 0.0319, 9, kind)
    g.pair(g.add("Relu", g.add(op, f"{s} {g.dq('c', 0.0109, 0, np.int8)}")), 0.0211, 0, kind, y="y")
    left = g.check(tmp_path, normal(2, 3, 9, 9))
    assert left == {
        "QuantizeLinear": 1, "QLinearLookup": 1, "Transpose": 1, "QLinear" + op: 2,
        "DequantizeLinear": 1, **({"Clip": 1} if kind == np.int8 else {})}  # fmt: skip


MEANS = [
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, None),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}, None),
    ("GlobalAveragePool", {}, None), ("ReduceMean", {}, [2, 3]),
    ("ReduceMean", {"keepdims": 0}, [-1, 2]),
]  # fmt: skip


@pytest.mark.parametrize("op, attributes, axes", MEANS)
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_means(tmp_path: Path, op: str, attributes: dict, axes, kind) -> None:
    g = Pairs()
    x = g.pair("x", 0.02, 5, kind)
    if axes:
        g.weights["axes"] = np.int64(axes)
        x += " axes"
    g.pair(g.add(op, x, **attributes), 0.017, 9, kind, y="y")
    left = g.check(tmp_path, normal(2, 30, 8, 8))
    wanted = "QLinearAveragePool" if op == "AveragePool" else "QLinearGlobalAveragePool"
    assert left == {
        "QuantizeLinear": 1, wanted: 1, "DequantizeLinear": 1,
        **({"Squeeze": 1} if attributes.get("keepdims") == 0 else {})}  # fmt: skip


def test_means_over_other_axes_stay(tmp_path: Path) -> None:
    g = Pairs()
    g.weights["axes"] = np.int64([1, 2])
    g.pair(g.add("ReduceMean", g.pair("x", 0.02, 5) + " axes"), 0.017, 9, y="y")
    assert g.check(tmp_path, normal(2, 3, 8, 8))["ReduceMean"] == 1


FUNCTIONS = [
    ("Sigmoid", {}), ("Tanh", {}), ("LeakyRelu", {"alpha": 0.1}), ("LeakyRelu", {}),
    ("HardSwish", {}), ("HardSigmoid", {}), ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.4}),
    ("Elu", {"alpha": 0.7}), ("Selu", {}), ("Celu", {"alpha": 0.8}), ("Gelu", {}),
    ("Gelu", {"approximate": "tanh"}), ("Softplus", {}), ("Softsign", {}), ("Mish", {}), ("Exp", {}),
    ("Abs", {}), ("Neg", {}), ("Erf", {}), ("Sin", {}), ("Cos", {}), ("ThresholdedRelu", {}),
    ("Floor", {}), ("Ceil", {}), ("Round", {}), ("Sign", {}), ("Log", {}), ("Sqrt", {}),
    ("Reciprocal", {}), ("Relu", {}),
]  # fmt: skip


@pytest.mark.parametrize("op, attributes", FUNCTIONS)
def test_functions_become_tables(tmp_path: Path, op: str, attributes: dict) -> None:
    """All 256 values, into either type."""
    for kind, scale in [(np.uint8, 0.03), (np.int8, 0.11)]:
        g = Pairs()
        info = np.iinfo(kind)
        zero = info.min if op in ("Log", "Sqrt", "Reciprocal") else int(info.min + 120)
        g.pair(g.add(op, g.pair("x", scale, zero, kind), **attributes), 0.013, zero, kind, y="y")
        x = (np.arange(info.min, info.max + 1) - zero).astype(np.float32) * np.float32(scale)
        assert g.check(tmp_path, x[None]) == {
            "QuantizeLinear": 1, "QLinearLookup": 1, "DequantizeLinear": 1}


CONSTANTS = [
    ("Add", "x c"), ("Add", "c x"), ("Sub", "x c"), ("Sub", "c x"), ("Mul", "x c"), ("Mul", "c x"),
    ("Div", "x c"), ("Div", "c x"), ("Pow", "x c"), ("PRelu", "x c"), ("Clip", "x a b"),
]  # fmt: skip


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("op, inputs", CONSTANTS)
def test_operators_with_a_number(tmp_path: Path, op: str, inputs: str, quantised: bool) -> None:
    g = Pairs()
    # Steps without a common divisor: few results lie halfway between two.
    g.weights.update({"a": np.float32(-0.5), "b": np.float32(1.25), "c": np.float32(3)})
    names = {"x": g.pair("x", 0.0311, 120), "a": "a", "b": "b", "c": "c"}
    if quantised and op != "Clip":
        g.weights["c"] = np.uint8(13)
        names["c"] = g.dq("c", 0.25, 1)
    g.pair(g.add(op, " ".join(names[i] for i in inputs.split())), 0.0217, 100, y="y")
    x = (np.arange(256) - 120).astype(np.float32) * np.float32(0.0311)
    assert g.check(tmp_path, x[None]) == {
        "QuantizeLinear": 1, "QLinearLookup": 1, "DequantizeLinear": 1}


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("gate", ["Sigmoid", "HardSigmoid", "Tanh"])
def test_gates_become_tables(tmp_path: Path, gate: str, pairs: bool) -> None:
    """x · Sigmoid(x) and the like, with a pair of its own for the gate or without one."""
    g = Pairs()
    x = g.pair("x", 0.05, 120)
    s = g.add(gate, x)
    if pairs:
        s = g.pair(s, 1 / 128, 100)
    g.pair(g.add("Mul", f"{s} {x}"), 0.03, 20, y="y")
    x = (np.arange(256) - 120).astype(np.float32) * np.float32(0.05)
    assert g.check(tmp_path, x[None]) == {
        "QuantizeLinear": 1, "QLinearLookup": 1, "DequantizeLinear": 1}


def test_functions_behind_each_other_are_one_table(tmp_path: Path) -> None:
    """HardSwish as PyTorch writes it: x · Clip(x + 3; 0, 6) / 6, each with its pair."""
    g = Pairs()
    g.weights.update({
        "three": np.float32(3), "zero": np.float32(0), "six": np.float32(6)})
    x = g.pair("x", 0.05, 120)
    a = g.pair(g.add("Add", f"{x} three"), 0.05, 60)
    c = g.pair(g.add("Clip", f"{a} zero six"), 6 / 255, 0)
    m = g.pair(g.add("Mul", f"{x} {c}"), 0.2, 20)
    g.pair(g.add("Div", f"{m} six"), 0.04, 30, y="y")
    x = (np.arange(256) - 120).astype(np.float32) * np.float32(0.05)
    assert g.check(tmp_path, x[None]) == {
        "QuantizeLinear": 1, "QLinearLookup": 1, "DequantizeLinear": 1}


def test_another_scale(tmp_path: Path) -> None:
    """From one scale to another, before and behind what moves elements."""
    g = Pairs()
    x = g.pair("x", 0.05, 120)
    a = g.pair(g.add("Transpose", x, perm=[1, 0]), 0.03, 100)
    g.pair(g.add("Relu", a), 0.02, 0, np.int8, y="y")
    assert g.check(tmp_path, normal(30, 40)) == {
        "QuantizeLinear": 1, "QLinearLookup": 2, "Transpose": 1, "DequantizeLinear": 1}


def test_pooling_without_a_pair_of_its_own(tmp_path: Path) -> None:
    """Only the layers' inputs are quantised: the pool runs in the integers on either side."""
    g = Pairs()
    c = g.add("Relu", conv(g, g.pair("x", 0.03, 120)))
    p = g.pair(g.add("MaxPool", c, kernel_shape=[2, 2]), 0.05, 0)
    g.weights["shape"] = np.int64([1, 4, 20])
    r = g.add("Reshape", f"{p} shape")
    w = g.weight(bytes_(20, 6), [0.01, 0.02, 0.03, 0.01, 0.02, 0.03], axis=1)
    g.pair(g.add("MatMul", f"{r} {w}"), 0.4, 100, y="y")
    assert g.check(tmp_path, normal(1, 3, 7, 8)) == {
        "QuantizeLinear": 1, "QLinearConv": 1, "MaxPool": 1, "Reshape": 1, "QLinearMatMul": 1,
        "DequantizeLinear": 1}  # fmt: skip


def test_weights_quantised_in_the_graph(tmp_path: Path) -> None:
    """Fake quantisation in training leaves a float weight between a pair."""
    g = Pairs()
    g.weights["w"] = normal(4, 3, 3, 3)
    w = g.pair("w", 0.02, 0, np.int8)
    c = g.add("Conv", f"{g.pair('x', 0.03, 120)} {w}", kernel_shape=[3, 3])
    g.pair(c, 0.1, 128, y="y")
    assert g.check(tmp_path, normal(1, 3, 8, 8)) == {
        "QuantizeLinear": 1, "QLinearConv": 1, "DequantizeLinear": 1}


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_gemm(tmp_path: Path, transposed: int, per_channel: bool, bias: bool) -> None:
    g = Pairs()
    scale = [0.01, 0.02, 0.015, 0.03, 0.005] if per_channel else 0.01
    w = g.weight(
        bytes_(5, 7) if transposed else bytes_(7, 5), scale, axis=0 if transposed else 1)
    g.weights["b"] = (bytes_(5) * 0.01).astype(np.float32)
    x = g.pair("x", 0.03, 120)
    g.pair(g.add("Gemm", f"{x} {w} {'b' if bias else ''}", transB=transposed), 0.05, 128, y="y")
    left = g.check(tmp_path, normal(6, 7))
    assert left["QLinearConv" if bias else "QLinearMatMul"] == 1 and "Gemm" not in left


def test_what_others_read_stays_a_float(tmp_path: Path) -> None:
    """The sums of the convolution are an output too."""
    g = Pairs()
    c = conv(g, g.pair("x", 0.03, 120))
    q = g.pair(c, 0.05, 128)
    g.nodes.append(node("Sub", f"{c} {q}", "y"))
    left = g.check(tmp_path, normal(1, 3, 8, 8))
    assert left["Conv"] == 1 and "QLinearConv" not in left


def test_outputs_of_integers(tmp_path: Path) -> None:
    """The quantised tensors are outputs themselves: y, and a copy of an input's integers."""
    g = Pairs()
    g.q(conv(g, g.dq("x", 0.03, 120)), 0.05, 128, y="y")
    g.q(g.dq("x", 0.03, 120), 0.03, 120, y="z")
    x = RANDOM.integers(0, 256, (1, 3, 8, 8)).astype(np.uint8)
    proto = model(
        g.nodes, {"x": x.shape}, ["y", "z"], g.weights, types={"x": TensorProto.UINT8})
    check(tmp_path, proto, {"x": x}, rtol=0, atol=0)
    assert Counter(operators(tmp_path)) == {"QLinearConv": 1, "Identity": 1}
