"""An int8 network as layers like those of network.py: what the writers write integers from.

It is read from the QDQ form that `model-convert export` writes, so that all runtimes multiply the
same integers. Tensors named in `steps` are uint8 and stand for scale * (q - zero). Layers that
multiply have the weights "weight" (int8), "steps" (its scale, for each output channel) and "bias"
(int32, in steps of the input's scale times the weight's).
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import onnx
from network import Layer, Network
from onnx import helper, numpy_helper, shape_inference


class Step(NamedTuple):
    scale: float
    zero: int

    @property
    def low(self) -> float:
        return -self.zero * self.scale

    @property
    def high(self) -> float:
        return (255 - self.zero) * self.scale


def rounded(array: np.ndarray, axis: Optional[int] = None) -> Tuple[np.ndarray, np.ndarray]:
    """Int8 from -127 to 127, and the scale of each place along the axis, or of all."""
    others = tuple(i for i in range(array.ndim) if i != axis) if axis is not None else None
    scale = np.abs(array).max(axis=others, keepdims=True) / np.float32(127)
    return np.rint(array / scale).astype(np.int8), scale.reshape(-1).astype(np.float32)


def read(path: Path, name: str) -> Network:
    reader = _Reader(onnx.load(path), name)
    return reader.network


class _Reader:
    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        graph = shape_inference.infer_shapes(model).graph
        self.network = Network(name)
        self.constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.shapes = {
            v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
            for v in [*graph.input, *graph.output, *graph.value_info]
        }
        # Of a tensor of real numbers, the integers that it is the value of.
        self.integers: Dict[str, str] = {}
        # Of a dequantised constant, its integers and their scales.
        self.weights: Dict[str, Tuple[np.ndarray, np.ndarray]] = {}
        # What a QuantizeLinear makes of the tensor it reads.
        self.becomes = {n.input[0]: n for n in graph.node if n.op_type == "QuantizeLinear"}
        # Tensors that differ from another one in shape alone, by dimensions of 1.
        self.same: Dict[str, str] = {}
        for value in graph.input:
            self.network.inputs[value.name] = np.zeros(self.shapes[value.name], np.float32)
            self.network.shapes[value.name] = self.shapes[value.name]
        self.network.outputs = [o.name for o in graph.output]
        for node in graph.node:
            self.read(node)
        for output in self.network.outputs:
            self.real(output)

    # ---- Tensors

    def step(self, scale: str, zero: str) -> Step:
        return Step(float(self.constants[scale]), int(self.constants[zero]))

    def input(self, name: str) -> str:
        name = self.integers.get(name, name)
        while name in self.same:
            name = self.same[name]
        return name

    def real(self, name: str) -> str:
        """A tensor of real numbers that a layer in floats reads, or an output."""
        made = any(name in layer.outputs for layer in self.network.layers)
        if name in self.integers and not made:
            x = self.input(name)
            self.network.shapes[name] = self.network.shapes[x]
            self.network.layers.append(Layer("dequantize", [x], [name]))
        return name

    def add(self, kind: str, inputs: List[str], output: str, weights=None, **attributes) -> None:
        """A layer that makes integers: straight, or real numbers that are rounded at once."""
        network = self.network
        shape = self.shapes[output]
        quantize = self.becomes.get(output)
        if quantize is not None:
            output = quantize.output[0]
            network.steps[output] = self.step(*quantize.input[1:])
        else:
            network.steps[output] = network.steps[inputs[0]]
        if kind in ("conv", "dense", "add"):
            attributes["activation"] = _activation(network.steps[output])
        if kind in ("global_average", "dense", "flatten"):
            shape = (shape[0], int(np.prod(shape[1:])))
        network.shapes[output] = shape
        network.layers.append(Layer(kind, inputs, [output], attributes, weights or {}))

    # ---- Operators

    def read(self, node: onnx.NodeProto) -> None:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        getattr(self, node.op_type)(node, attributes)

    def QuantizeLinear(self, node, _) -> None:
        if node.input[0] in self.network.inputs:
            self.network.steps[node.output[0]] = self.step(*node.input[1:])
            self.network.shapes[node.output[0]] = self.shapes[node.input[0]]
            self.network.layers.append(Layer("quantize", [node.input[0]], [node.output[0]]))

    def DequantizeLinear(self, node, _) -> None:
        x, scale = node.input[:2]
        if x in self.constants:
            self.weights[node.output[0]] = self.constants[x], self.constants[scale]
        else:
            self.integers[node.output[0]] = x

    def Conv(self, node, attributes) -> None:
        (weight, steps), (bias, _) = (self.weights[n] for n in node.input[1:])
        weights = {"weight": weight, "steps": steps, "bias": bias}
        x = self.input(node.input[0])
        if weight.ndim == 3:  # of one place: a fully connected layer
            assert self.shapes[node.input[0]][2] == 1 and weight.shape[2] == 1
            weights["weight"] = weight[:, :, 0]
            return self.add("dense", [x], node.output[0], weights)
        kernel = weight.shape[2:]
        self.add(
            "conv", [x], node.output[0], weights, kernel=kernel,
            stride=attributes.get("strides", [1] * len(kernel)),
            pads=_pads(attributes, len(kernel)), groups=attributes.get("group", 1),
        )  # fmt: skip

    def pool(self, node, attributes, average: bool) -> None:
        kernel = attributes["kernel_shape"]
        self.add(
            "pool", [self.input(node.input[0])], node.output[0], average=average, kernel=kernel,
            stride=attributes["strides"], pads=_pads(attributes, len(kernel)),
        )  # fmt: skip

    def MaxPool(self, node, attributes) -> None:
        self.pool(node, attributes, average=False)

    def AveragePool(self, node, attributes) -> None:
        self.pool(node, attributes, average=True)

    def GlobalAveragePool(self, node, _) -> None:
        self.add("global_average", [self.input(node.input[0])], node.output[0])

    def Add(self, node, _) -> None:
        self.add("add", [self.input(x) for x in node.input], node.output[0])

    def Concat(self, node, _) -> None:
        self.add("concat", [self.input(x) for x in node.input], node.output[0])

    def Resize(self, node, _) -> None:
        self.add("upsample", [self.input(node.input[0])], node.output[0])

    def LeakyRelu(self, node, _) -> None:
        self.add("activation", [self.input(node.input[0])], node.output[0], activation="leaky")

    def Clip(self, node, _) -> None:
        x = self.input(node.input[0])
        assert int(self.constants[node.input[1]]) == self.network.steps[x].zero
        self.add("activation", [x], node.output[0], activation="relu")

    def Softmax(self, node, _) -> None:
        x, y = self.real(node.input[0]), node.output[0]
        self.network.shapes[y] = self.shapes[y]
        self.network.layers.append(Layer("softmax", [x], [y]))

    def Reshape(self, node, _) -> None:
        x, y = self.input(node.input[0]), node.output[0]
        shape = [n for n in self.shapes[y][1:] if n != 1]
        if [n for n in self.network.shapes[x][1:] if n != 1] == shape:
            self.same[y] = x
        else:
            assert len(shape) == 1
            self.add("flatten", [x], y)

    Squeeze = Flatten = Reshape


def _pads(attributes: dict, rank: int) -> List[Tuple[int, int]]:
    pads = attributes.get("pads", [0] * 2 * rank)
    return list(zip(pads[:rank], pads[rank:]))


def _activation(step: Step) -> Optional[str]:
    """Where the smallest number is 0, rounding does what a ReLU does; where the largest is 6 too,
    what a ReLU6 does. Runtimes that round elsewhere have to be told."""
    if step.zero > 0:
        return None
    return "relu6" if abs(step.high - 6) < 1e-4 else "relu"
