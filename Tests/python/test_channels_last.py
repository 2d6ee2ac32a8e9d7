"""Quantised layers that follow one another: their tensors lie with channels last, which nothing shows
from outside. The same bits as ONNX Runtime, layer by layer, on every kernel module and for every number
of threads."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Tuple, Union

import numpy as np
import onnx
import onnxruntime
import pytest
from harness import ISAS, apus, assert_same_bits
from onnx import helper, numpy_helper
from onnx_models import convert

SPATIAL = {1: (37,), 2: (13, 11), 3: (5, 7, 6)}


class Network:
    """Layers of random sizes, each with a scale that keeps what it writes within the bytes."""

    def __init__(
        self, rng: np.random.Generator, rank: int, channels: int, dtype: type,
        is_lowest: bool = False,
    ) -> None:  # fmt: skip
        """is_lowest: zero is the lowest byte everywhere, as behind ReLU."""
        self.rng, self.rank, self.dtype, self.is_lowest = rng, rank, dtype, is_lowest
        self.batch = int(rng.integers(1, 3))
        self.shape = [self.batch, channels, *SPATIAL[rank]]
        self.input_shape = list(self.shape)
        self.nodes: List[onnx.NodeProto] = []
        self.weights: List[onnx.TensorProto] = []
        self.scale, self.zero = 0.05, self.byte()
        self.name = self.node(
            "QuantizeLinear", ["x", self.weight(np.float32(0.05)), self.weight(self.zero)])

    def byte(self) -> np.ndarray:
        info = np.iinfo(self.dtype)
        if self.is_lowest:
            return np.array(info.min, self.dtype)
        return np.array(self.rng.integers(info.min + 60, info.max - 60), self.dtype)

    def weight(self, array: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, inputs: List[str], **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def parameters(self, rows: int, depth: int) -> Tuple[np.ndarray, str, str, List[str]]:
        """Weights' scales, and the output's scale and zero point."""
        scales = self.rng.uniform(0.002, 0.01, rows if self.rng.integers(2) else ())
        y = 0.05 * float(np.mean(scales)) * 60 * np.sqrt(depth) * self.scale / 0.05
        before = [self.weight(np.float32(self.scale)), self.weight(self.zero)]
        self.scale, self.zero = y, self.byte()
        return (
            scales.astype(np.float32), self.weight(np.float32(y)), self.weight(self.zero), before)

    def random_weights(self, shape: Tuple[int, ...], scales: np.ndarray) -> Tuple[str, str]:
        """And their zero points: mostly as bytes with a sign have them, sometimes anywhere."""
        dtype = [np.int8, np.uint8][self.rng.integers(2)] if self.dtype == np.uint8 else np.int8
        info = np.iinfo(dtype)
        usual = 0 if dtype == np.int8 else 128
        zero = int(self.rng.choice([usual, usual, info.min, info.max, usual + 7]))
        zero = zero if dtype == np.uint8 else 0  # ONNX Runtime takes no other
        w = self.rng.integers(info.min, info.max + 1, shape).astype(dtype)
        return self.weight(w), self.weight(np.full(scales.shape, zero, dtype))

    def conv(
        self, rows: int, kernel: Union[int, Tuple[int, ...]], stride: Union[int, Tuple[int, ...]],
        dilation: int, pad: Union[int, Tuple[int, ...]], group: int,
    ) -> None:  # fmt: skip
        kernels = [kernel] * self.rank if isinstance(kernel, int) else list(kernel)
        strides = [stride] * self.rank if isinstance(stride, int) else list(stride)
        pads = [pad] * 2 * self.rank if isinstance(pad, int) else list(pad)
        channels = self.shape[1] // group
        size = [
            (d + begin + end - (k - 1) * dilation - 1) // s + 1
            for d, k, s, begin, end in zip(
                self.shape[2:], kernels, strides, pads, pads[self.rank :])]  # fmt: skip
        if min(size) < 1:
            return
        scales, scale, zero, x = self.parameters(rows, channels * int(np.prod(kernels)))
        w, w_zero = self.random_weights((rows, channels, *kernels), scales)
        inputs = [
            self.name, *x, w, self.weight(scales), w_zero, scale, zero]  # fmt: skip
        if self.rng.integers(3):
            inputs.append(self.weight(self.rng.integers(-9000, 9000, rows).astype(np.int32)))
        self.name = self.node(
            "QLinearConv", inputs, strides=strides, dilations=[dilation] * self.rank,
            pads=pads, group=group)  # fmt: skip
        self.shape = [self.batch, rows, *size]

    def product(self, is_gate: bool, is_shared: bool) -> None:
        """With itself, or with a number for each channel, all items' own or the same."""
        scale, zero = self.scale, self.zero
        own = [self.name, self.weight(np.float32(scale)), self.weight(zero)]
        other = list(own)
        if is_gate:
            other = [
                self.node("GlobalMaxPool", [self.node("DequantizeLinear", own)]), *own[1:]]
            other[0] = self.node("QuantizeLinear", other)
        if is_shared:
            other[0] = self.weight(
                self.rng.integers(0, 100, (1, *self.shape[1:2], *[1] * self.rank)).astype(self.dtype))
        factors = [own, other][:: self.rng.choice([-1, 1])]
        self.scale, self.zero = 40 * scale * scale, self.byte()
        result = [self.weight(np.float32(self.scale)), self.weight(self.zero)]
        self.name = self.node(
            "QLinearMul", [*factors[0], *factors[1], *result], domain="com.microsoft")

    def add_layer(self) -> None:
        rng, channels = self.rng, self.shape[1]
        kind = rng.choice(
            ["conv", "pointwise", "depthwise", "groups", "pool", "clip", "product", "gate", "resize"])
        if kind == "conv":
            self.conv(int(rng.integers(1, 70)), int(rng.integers(1, 4)), int(rng.integers(1, 3)),
                      int(rng.integers(1, 3)), int(rng.integers(0, 2)), 1)  # fmt: skip
        elif kind == "pointwise":
            self.conv(int(rng.integers(1, 150)), 1, 1, 1, 0, 1)
        elif kind == "depthwise":
            self.conv(channels, int(rng.integers(1, 6)), int(rng.integers(1, 4)),
                      int(rng.integers(1, 3)), int(rng.integers(0, 3)), channels)  # fmt: skip
        elif kind == "groups":
            group = int(rng.choice([g for g in (2, 3, 4, 8) if channels % g == 0] or [1]))
            self.conv(group * int(rng.integers(1, 20)), 3, 1, 1, 1, group)
        elif kind == "clip":
            limits = sorted(self.rng.integers(-90, 90, 2) + (128 if self.dtype == np.uint8 else 0))
            self.name = self.node(
                "Clip", [self.name, *(self.weight(np.array(v, self.dtype)) for v in limits)])
        elif kind in ("product", "gate"):
            self.product(kind == "gate", kind == "gate" and rng.integers(2) > 0)
        elif kind == "resize":
            size = [int(rng.integers(1, 2 * d + 1)) for d in self.shape[2:]]
            self.name = self.node(
                "Resize", [self.name, "", "", self.weight(np.int64([*self.shape[:2], *size]))],
                mode="nearest", nearest_mode="floor",
                coordinate_transformation_mode="asymmetric")  # fmt: skip
            self.shape[2:] = size
        elif self.dtype == np.uint8 and min(self.shape[2:]) >= 3:
            stride = int(rng.integers(1, 3))
            self.name = self.node(
                "MaxPool", [self.name], kernel_shape=[3] * self.rank, strides=[stride] * self.rank,
                pads=[1] * 2 * self.rank)  # fmt: skip
            self.shape[2:] = [(d - 1) // stride + 1 for d in self.shape[2:]]

    def finish(self) -> onnx.ModelProto:
        """A dense layer behind it all."""
        flat = self.node("Flatten", [self.name])
        depth = int(np.prod(self.shape[1:]))
        w = self.rng.integers(-128, 128, (depth, 19)).astype(np.int8)
        scales, scale, zero, x = self.parameters(19, depth)
        y = self.node(
            "QLinearMatMul",
            [flat, *x, self.weight(w), self.weight(scales),
             self.weight(np.zeros(scales.shape, np.int8)), scale, zero])  # fmt: skip
        last = self.node("DequantizeLinear", [y, scale, zero])
        whole = self.node(
            "DequantizeLinear",
            [self.name, self.weight(np.float32(1)), self.weight(np.zeros((), self.dtype))])
        shapes = [self.input_shape, [self.batch, 19], self.shape]
        x_info, y_info, whole_info = (
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in zip(["x", last, whole], shapes))
        graph = helper.make_graph(self.nodes, "net", [x_info], [y_info, whole_info], self.weights)
        model = helper.make_model(
            graph, ir_version=8,
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
        onnx.checker.check_model(model)
        return model


def by_onnx_runtime(model: onnx.ModelProto, x: np.ndarray) -> List[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


def check(model: onnx.ModelProto, x: np.ndarray, path: Path, what: str) -> None:
    wanted = by_onnx_runtime(model, x)
    assert convert(path, model).code == 0
    for isa in ISAS:
        opened = apus.Model(str(path / "m.apus"), isa=isa)
        for threads in (1, 2, 3):
            with opened.session(threads=threads) as session:
                for _ in range(2):
                    found: Dict[str, np.ndarray] = session.run({"x": x})
                    for y, w in zip(found.values(), wanted):
                        assert_same_bits(y, w, f"{what}, {isa}, {threads} threads")


@pytest.mark.parametrize("seed", range(40))
def test_random_networks(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    rank = int(rng.choice([1, 2, 2, 2, 3]))
    network = Network(rng, rank, int(rng.choice([1, 2, 3, 4, 7, 16, 33])), [np.uint8, np.int8][seed % 2])
    for _ in range(int(rng.integers(1, 6))):
        network.add_layer()
    model = network.finish()
    x = rng.normal(0, 2.5, network.input_shape).astype(np.float32)
    check(model, x, tmp_path, ", ".join(n.op_type for n in network.nodes))


@pytest.mark.parametrize(
    "channels, rows, kernel, stride, group, size",
    [
        (64, 64, 3, 1, 1, (56, 57)),  # several units of rows
        (3, 32, 7, 2, 1, (65, 64)),  # words along a row
        (1, 48, 5, 1, 1, (40, 28)),
        (512, 80, 1, 1, 1, (14, 9)),
        (256, 320, 3, 1, 1, (5, 4)),  # threads divide output channels
        (96, 96, 5, 2, 96, (40, 39)),
        (144, 144, 3, 1, 144, (29, 30)),
        (16, 16, 3, 1, 16, (64, 80)),
        (24, 40, 1, (2, 1), 1, (2, 9)),  # one row of two
    ],
)
def test_large_layers(
    channels: int, rows: int, kernel: int, stride: Union[int, Tuple[int, ...]], group: int,
    size: Tuple[int, int],
    tmp_path: Path,
) -> None:  # fmt: skip
    rng = np.random.default_rng(5)
    network = Network(rng, 2, channels, np.uint8)
    network.batch = 2
    network.shape = network.input_shape = [2, channels, *size]
    network.conv(rows, kernel, stride, 1, kernel // 2, group)
    x = rng.normal(0, 2.5, network.input_shape).astype(np.float32)
    check(network.finish(), x, tmp_path, "one layer")


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(
    "channels, rows, kernel, stride, pads, size",
    [
        (32, 64, 3, 1, (1, 1, 1, 1), (5, 14)),
        (16, 32, 3, 1, (1, 1, 1, 1), (33, 56)),
        (512, 96, 3, 1, (1, 1, 1, 1), (40, 28)),  # several units of rows
        (32, 64, 3, 2, (1, 1, 1, 1), (29, 28)),  # the last window ends inside
        (32, 32, 3, 2, (0, 0, 1, 1), (28, 28)),  # the first begins inside
        (32, 32, 3, 2, (1, 1, 1, 1), (28, 27)),  # both are outside
        (32, 32, 2, 1, (1, 1, 0, 0), (14, 14)),
        (32, 32, 2, 1, (0, 0, 1, 1), (14, 14)),
        (32, 32, 3, 1, (3, 1, 3, 1), (6, 14)),  # windows that see nothing
        (32, 32, 5, 1, (1, 1, 1, 1), (9, 16)),
        (32, 32, 5, 1, (2, 2, 2, 2), (9, 14)),
        (32, 48, 3, 1, (1, 1, 1, 1), (14, 14)),
        (32, 64, 3, 1, (1, 1, 1, 1), (7, 7)),  # a tile has parts of two rows
        (32, 64, 3, 1, (1, 1, 1, 1), (3, 21)),
        (32, 64, 1, 1, (1, 1, 1, 1), (12, 12)),
        (1, 32, 3, 1, (1, 1, 1, 1), (14, 14)),  # words along a row
    ],
)
def test_zeros_around_the_input(
    channels: int, rows: int, kernel: int, stride: int, pads: Tuple[int, ...],
    size: Tuple[int, int], dtype: type, tmp_path: Path,
) -> None:  # fmt: skip
    """Where the bytes of zeros are 0, windows are not summed beyond the input."""
    rng = np.random.default_rng(6)
    network = Network(rng, 2, channels, dtype, is_lowest=True)
    network.batch = 2
    network.shape = network.input_shape = [2, channels, *size]
    network.conv(rows, kernel, stride, 1, pads, 1)
    network.conv(32, 3, 1, 1, 1, 1)
    x = rng.normal(1, 2.5, network.input_shape).astype(np.float32)
    check(network.finish(), x, tmp_path, "two layers")


@pytest.mark.parametrize("pad", [0, 1])
def test_slices_of_zeros_around_a_volume(pad: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    network = Network(rng, 3, 32, np.uint8, is_lowest=True)
    network.shape = network.input_shape = [network.batch, 32, 3, 5, 14]
    network.conv(32, (1, 3, 3), 1, 1, (pad, 1, 1, pad, 1, 1), 1)
    x = rng.normal(1, 2.5, network.input_shape).astype(np.float32)
    check(network.finish(), x, tmp_path, f"{pad} slices of zeros")
