"""Small networks of well-known structure with random weights, as ONNX models of floats to quantise:
ResNet-18, MobileNet v1, v2 and v3, SqueezeNet, LeNet-5, DS-CNN, and blocks of newer ones."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Tuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """Nodes one after the other. Every method takes tensors' names and returns one."""

    def __init__(self, channels: int, size: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: List[onnx.NodeProto] = []
        self.weights: Dict[str, np.ndarray] = {}
        self.channels = {"x": channels}
        self.shape = (channels, size, size)

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        y = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [y], name=y, **attributes))
        self.channels[y] = max(self.channels.get(i, 0) for i in inputs)
        return y

    def weight(self, array) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(array, np.float32)
        return name

    def conv(self, x: str, m: int, kernel: int = 3, stride: int = 1, group: int = 1) -> str:
        c = self.channels[x]
        shape = (m, c // group, kernel, kernel)
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        # Channels of different strength, so that scales by channel matter.
        w = self.rng.normal(size=shape) * deviation * self.rng.uniform(0.3, 1.5, (m, 1, 1, 1))
        y = self.add(
            "Conv", x, self.weight(w), self.weight(self.rng.normal(size=m) * 0.1),
            kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4, group=group)  # fmt: skip
        self.channels[y] = m
        return y

    def relu(self, x: str) -> str:
        return self.add("Relu", x)

    def relu6(self, x: str) -> str:
        return self.add("Clip", x, self.number(0), self.number(6))

    def number(self, value: float) -> str:
        return self.weight(np.float32(value))

    def silu(self, x: str) -> str:
        return self.add("Mul", x, self.add("Sigmoid", x))

    def concat(self, *inputs: str) -> str:
        y = self.add("Concat", *inputs, axis=1)
        self.channels[y] = sum(self.channels[x] for x in inputs)
        return y

    def pool(self, op: str, x: str, kernel: int = 2, stride: int = 2, pad: int = 0) -> str:
        return self.add(
            op, x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def classes(self, x: str, n: int = 10, inputs: int = 0) -> str:
        k = inputs or self.channels[x]
        w = self.rng.normal(size=(n, k)) * np.sqrt(1 / k)
        return self.add("Gemm", self.add("Flatten", x), self.weight(w), self.weight(np.zeros(n)), transB=1)

    def model(self, y: str) -> onnx.ModelProto:
        self.nodes[-1].output[0] = "y"
        assert y == f"t{len(self.nodes) - 1}"
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", *self.shape))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(a, name) for name, a in self.weights.items()])  # fmt: skip
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def resnet18() -> Tuple[Net, str]:
    n = Net(3, 48, 1)
    x = n.pool("MaxPool", n.relu(n.conv("x", 8, 7, 2)), 3, 2, 1)
    for stage in range(4):
        for block in range(2):
            m, stride = 8 << stage, 2 if stage and not block else 1
            y = n.conv(n.relu(n.conv(x, m, 3, stride)), m)
            shortcut = n.conv(x, m, 1, stride) if stride == 2 else x
            x = n.relu(n.add("Add", y, shortcut))
    return n, n.classes(n.add("GlobalAveragePool", x))


def mobilenet_v1() -> Tuple[Net, str]:
    n = Net(3, 32, 2)
    x = n.relu6(n.conv("x", 8, 3, 2))
    for m, stride in [(16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (48, 1)]:
        x = n.relu6(n.conv(x, n.channels[x], 3, stride, n.channels[x]))
        x = n.relu6(n.conv(x, m, 1))
    x = n.pool("AveragePool", x, 4, 1)
    return n, n.classes(x)


def mobilenet_v1_of_224() -> Tuple[Net, str]:
    """As published, for 1,000 classes; too large for every test."""
    n = Net(3, 224, 2)
    x = n.relu6(n.conv("x", 32, 3, 2))
    for m, stride in [
        (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)
    ]:  # fmt: skip
        x = n.relu6(n.conv(x, n.channels[x], 3, stride, n.channels[x]))
        x = n.relu6(n.conv(x, m, 1))
    return n, n.classes(n.add("GlobalAveragePool", x), 1000)


def mobilenet_v2() -> Tuple[Net, str]:
    n = Net(3, 32, 3)
    x = n.relu6(n.conv("x", 8, 3, 2))
    for m, stride in [(8, 1), (12, 2), (12, 1), (16, 2), (16, 1), (16, 1)]:
        y = n.relu6(n.conv(x, 4 * n.channels[x], 1))
        y = n.relu6(n.conv(y, n.channels[y], 3, stride, n.channels[y]))
        y = n.conv(y, m, 1)
        x = n.add("Add", x, y) if m == n.channels[x] and stride == 1 else y
    axes = n.weight(0)
    n.weights[axes] = np.int64([2, 3])
    return n, n.classes(n.add("ReduceMean", n.relu6(n.conv(x, 40, 1)), axes, keepdims=0))


def mobilenet_v3() -> Tuple[Net, str]:
    """HardSwish, and squeeze and excitation."""
    n = Net(3, 32, 4)
    x = n.add("HardSwish", n.conv("x", 8, 3, 2))
    for m, stride in [(8, 1), (12, 2), (12, 1)]:
        y = n.add("HardSwish", n.conv(x, 3 * n.channels[x], 1))
        y = n.add("HardSwish", n.conv(y, n.channels[y], 3, stride, n.channels[y]))
        s = n.relu(n.conv(n.add("GlobalAveragePool", y), 6, 1))
        s = n.add("HardSigmoid", n.conv(s, n.channels[y], 1), alpha=1 / 6, beta=0.5)
        y = n.conv(n.add("Mul", y, s), m, 1)
        x = n.add("Add", x, y) if m == n.channels[x] and stride == 1 else y
    return n, n.classes(n.add("GlobalAveragePool", x))


def squeezenet() -> Tuple[Net, str]:
    n = Net(3, 33, 5)
    x = n.pool("MaxPool", n.relu(n.conv("x", 16, 3, 2)), 3, 2)
    for i, (s, e) in enumerate([(4, 12), (4, 16), (6, 20), (6, 24)]):
        q = n.relu(n.conv(x, s, 1))
        x = n.concat(n.relu(n.conv(q, e, 1)), n.relu(n.conv(q, e, 3)))
        if i == 1:
            x = n.pool("MaxPool", x, 3, 2)
    x = n.add("GlobalAveragePool", n.relu(n.conv(x, 10, 1)))
    return n, n.add("Flatten", x)


def lenet5(activation: str = "Relu") -> Tuple[Net, str]:
    n = Net(1, 28, 6)
    x = n.pool("AveragePool", n.add(activation, n.conv("x", 6, 5)))
    x = n.pool("AveragePool", n.add(activation, n.conv(x, 16, 5)))
    x = n.add(activation, n.classes(x, 84, 16 * 49))
    return n, n.classes(x, 10, 84)


def lenet5_tanh() -> Tuple[Net, str]:
    """The quantiser puts no pair between Tanh and AveragePool."""
    return lenet5("Tanh")


def ds_cnn() -> Tuple[Net, str]:
    n = Net(1, 24, 7)
    x = n.relu(n.conv("x", 24, 5, 2))
    for _ in range(4):
        x = n.relu(n.conv(x, 24, 3, 1, 24))
        x = n.relu(n.conv(x, 24, 1))
    return n, n.classes(n.add("GlobalAveragePool", x), 12)


def detector() -> Tuple[Net, str]:
    """SiLU, LeakyRelu, joins of different layers, and larger again: as YOLO."""
    n = Net(3, 32, 8)
    x = n.silu(n.conv("x", 8, 3, 2))
    a = n.silu(n.conv(x, 16, 3, 2))
    b = n.add("LeakyRelu", n.conv(a, 16, 3, 2), alpha=0.1)
    pools = [b]
    for _ in range(2):
        pools.append(n.pool("MaxPool", pools[-1], 3, 1, 1))
    c = n.silu(n.conv(n.concat(*pools), 16, 1))
    scales = n.weight([1, 1, 2, 2])
    c = n.add("Resize", c, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
              nearest_mode="floor")  # fmt: skip
    x = n.add("LeakyRelu", n.conv(n.concat(c, a), 24, 3), alpha=0.1)
    return n, n.conv(x, 18, 1)


def random_network(seed: int) -> Tuple[onnx.ModelProto, tuple]:
    """A dozen layers that join and branch as they like; all tensors are 12 x 12 in the middle."""
    n = Net(3, 12, 1000 + seed)
    rng = n.rng
    made = [n.relu(n.conv("x", 8)), n.conv("x", 8)]

    def function(x: str) -> str:
        op, attributes = [
            ("Relu", {}), ("Sigmoid", {}), ("Tanh", {}), ("LeakyRelu", {"alpha": 0.2}),
            ("HardSwish", {}), ("HardSigmoid", {}), ("Elu", {}), ("Gelu", {}), ("Softplus", {}),
        ][rng.integers(9)]  # fmt: skip
        return n.add(op, x, **attributes)

    def number(x: str) -> str:
        op = ["Add", "Mul", "Sub", "Div"][rng.integers(4)]
        value = n.number(rng.uniform(0.5, 2))
        return n.add(op, *((x, value) if op in ("Sub", "Div") or rng.integers(2) else (value, x)))

    def gate(x: str) -> str:
        s = n.add("Sigmoid", n.conv(n.add("GlobalAveragePool", x), 8, 1))
        return n.add("Mul", *((x, s) if rng.integers(2) else (s, x)))

    def halves(x: str, y: str) -> str:
        return n.conv(n.concat(x, y), 8, 1)

    for _ in range(12):
        x, y = (made[-1 - rng.integers(min(3, len(made)))] for _ in range(2))
        made.append([
            lambda: n.conv(x, 8, int(rng.choice([1, 3]))), lambda: n.conv(x, 8, 3, 1, 8),
            lambda: n.add("Add", x, y), lambda: n.add("Mul", x, y), lambda: halves(x, y),
            lambda: function(x), lambda: n.silu(x), lambda: number(x), lambda: gate(x),
            lambda: n.pool("AveragePool", x, 3, 1, 1), lambda: n.pool("MaxPool", x, 3, 1, 1),
            lambda: n.relu(n.add("Add", x, y)),
        ][rng.integers(12)]())  # fmt: skip
    # Whatever nobody reads is joined at the end.
    read = {i for node in n.nodes for i in node.input}
    rest = [x for x in made if x not in read]
    y = n.conv(n.concat(*rest) if len(rest) > 1 else rest[0], 4, 1)
    return n.model(y), n.shape


NETWORKS: Dict[str, Callable[[], Tuple[Net, str]]] = {
    f.__name__: f
    for f in (resnet18, mobilenet_v1, mobilenet_v2, mobilenet_v3, squeezenet, lenet5,
              lenet5_tanh, ds_cnn, detector)
}


def network(name: str) -> Tuple[onnx.ModelProto, tuple]:
    """The model, whose input is x and output y, and the shape of one item."""
    net, y = NETWORKS[name]()
    return net.model(y), net.shape
