"""A network as a list of layers with weights, in no file format: what the writers write from.

Shapes are batch, channels, then one to three spatial dimensions; sequences are steps, batch,
features, as in ONNX. Weights are random, seeded by the network's name, and He-scaled so that the
numbers stay of one size through the layers. The methods of `Network` append a layer and return the
name of the tensor that it computes.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

Sizes = Union[int, Sequence[int]]
# Before and after, for each spatial dimension.
Padding = List[Tuple[int, int]]

EPSILON = 1e-5
LEAK = 0.1
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


class NotSupported(Exception):
    """A format or runtime has no way to compute the network; the sentence says what it lacks."""


@dataclass
class Layer:
    kind: str
    inputs: List[str]
    outputs: List[str]
    attributes: dict = field(default_factory=dict)
    weights: Dict[str, np.ndarray] = field(default_factory=dict)


class Network:
    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self.layers: List[Layer] = []
        self.inputs: Dict[str, np.ndarray] = {}
        self.outputs: List[str] = []
        self.shapes: Dict[str, Tuple[int, ...]] = {}
        # Of tensors of integers, what these stand for (integers.py).
        self.steps: Dict[str, object] = {}
        # Recurrent layers have int8 weights; what these multiply is rounded as it comes.
        self.dynamic = False
        self.multiplications = 0  # and as many additions, in a run
        self._random = np.random.default_rng([zlib.crc32(name.encode()), seed])

    def write_layers(self, writer: object) -> None:
        """Gives each layer to the writer's method of its kind."""
        for layer in self.layers:
            method = getattr(writer, layer.kind, None)
            if method is None:
                raise NotSupported("operators of this network")
            method(layer)

    # ---- Inputs, outputs, weights

    def input(self, name: str, shape: Sequence[int], positive: bool = False) -> str:
        value = self.normal(shape, 1)
        self.inputs[name] = np.abs(value) if positive else value
        self.shapes[name] = tuple(shape)
        return name

    def output(self, *names: str) -> "Network":
        self.outputs += names
        return self

    def normal(self, shape: Sequence[int], deviation: float) -> np.ndarray:
        drawn = self._random.standard_normal(tuple(shape), dtype=np.float32)
        return drawn * np.float32(deviation)

    def append(
        self, kind: str, inputs: List[str], shape: Sequence[int], weights=None, **attributes
    ) -> str:
        name = f"t{len(self.shapes)}"
        self.layers.append(Layer(kind, inputs, [name], attributes, weights or {}))
        self.shapes[name] = tuple(int(n) for n in shape)
        return name

    # ---- Images and signals

    def conv(
        self, x: str, channels: int, kernel: Sizes, stride: Sizes = 1,
        padding: Union[str, Padding] = "half",
        groups: int = 1, normalized: bool = True, activation: Optional[str] = "relu",
    ) -> str:  # fmt: skip
        """`padding`: "half" of the kernel on both sides, "same" as TensorFlow means it, "valid"."""
        batch, inner, *size = self.shapes[x]
        kernel, stride = sizes(kernel, len(size)), sizes(stride, len(size))
        pads = padding_of(padding, size, kernel, stride)
        fan_in = inner // groups * math.prod(kernel)
        gain = 2 if activation in ("relu", "relu6", "leaky") else 1
        weights = {
            "weight": self.normal((channels, inner // groups, *kernel), math.sqrt(gain / fan_in))
        }
        if normalized:
            weights.update(self.normalization(channels))
        else:
            weights["bias"] = self.normal((channels,), 0.1)
        shape = (batch, channels, *windows(size, kernel, stride, pads))
        self.multiplications += math.prod(shape) * fan_in
        return self.append(
            "conv", [x], shape, weights,
            kernel=kernel, stride=stride, pads=pads, groups=groups, activation=activation,
        )  # fmt: skip

    def depthwise(self, x: str, kernel: Sizes = 3, stride: Sizes = 1, **rest) -> str:
        channels = self.shapes[x][1]
        return self.conv(x, channels, kernel, stride, groups=channels, **rest)

    def normalization(self, channels: int) -> Dict[str, np.ndarray]:
        return {
            "scale": 1 + self.normal((channels,), 0.1),
            "shift": self.normal((channels,), 0.1),
            "mean": self.normal((channels,), 0.1),
            "variance": np.exp(self.normal((channels,), 0.1)),
        }

    def batch_norm(self, x: str, activation: Optional[str] = "relu") -> str:
        weights = self.normalization(self.shapes[x][1])
        return self.append("batch_norm", [x], self.shapes[x], weights, activation=activation)

    def pool(self, x: str, kernel: Sizes, stride: Sizes, padding="valid", kind: str = "max") -> str:
        batch, channels, *size = self.shapes[x]
        kernel, stride = sizes(kernel, len(size)), sizes(stride, len(size))
        pads = padding_of(padding, size, kernel, stride)
        shape = (batch, channels, *windows(size, kernel, stride, pads))
        return self.append(
            "pool", [x], shape, average=kind == "average", kernel=kernel, stride=stride, pads=pads
        )

    def global_average(self, x: str) -> str:
        """The mean over the spatial dimensions, which go: batch, channels."""
        return self.append("global_average", [x], self.shapes[x][:2])

    def upsample(self, x: str) -> str:
        """Twice as high and wide, each value repeated."""
        batch, channels, height, width = self.shapes[x]
        return self.append("upsample", [x], (batch, channels, 2 * height, 2 * width))

    def flatten(self, x: str) -> str:
        batch, *rest = self.shapes[x]
        return self.append("flatten", [x], (batch, math.prod(rest)))

    # ---- Anything

    def dense(self, x: str, units: int, activation: Optional[str] = None) -> str:
        *outer, inner = self.shapes[x]
        weights = {
            "weight": self.normal(
                (units, inner), math.sqrt((2 if activation == "relu" else 1) / inner)
            ),
            "bias": self.normal((units,), 0.1),
        }
        self.multiplications += math.prod(outer) * inner * units
        return self.append("dense", [x], (*outer, units), weights, activation=activation)

    def add(self, a: str, b: str, activation: Optional[str] = None) -> str:
        return self.append("add", [a, b], self.shapes[a], activation=activation)

    def concat(self, *parts: str) -> str:
        """Along the channels."""
        batch, _, *size = self.shapes[parts[0]]
        return self.append(
            "concat", list(parts), (batch, sum(self.shapes[p][1] for p in parts), *size)
        )

    def activation(self, x: str, function: str) -> str:
        return self.append("activation", [x], self.shapes[x], activation=function)

    def softmax(self, x: str) -> str:
        """Over the last dimension."""
        return self.append("softmax", [x], self.shapes[x])

    def onnx(
        self, operator: str, inputs: List[str], shape: Sequence[int], weights=None, **attributes
    ) -> str:
        """An operator of ONNX that only ONNX's formats can say. `weights` are further inputs."""
        return self.append("onnx", inputs, shape, weights, operator=operator, **attributes)

    # ---- Sequences

    def steps(self, x: str) -> str:
        """A signal (batch, channels, time) as a sequence (time, batch, channels)."""
        batch, channels, time = self.shapes[x]
        return self.append("steps", [x], (time, batch, channels))

    def recurrent(
        self, cell: str, x: str, hidden: int, bidirectional: bool = False, state: Sequence[str] = ()
    ) -> str:
        """RNN (tanh), GRU (with the reset after the matrix product, as PyTorch has it) or LSTM.

        Gates lie as in ONNX: z r h, i o f c. `state` names the tensors that hold the first hidden
        state (and cell state); with it the last states are outputs of the network. Without, they
        start from zero.
        """
        steps, batch, inner = self.shapes[x]
        directions, gates = 1 + bidirectional, GATES[cell]
        scale = 1 / math.sqrt(hidden)
        weights = {
            "weight": self.normal((directions, gates * hidden, inner), 1 / math.sqrt(inner)),
            "recurrence": self.normal((directions, gates * hidden, hidden), scale),
            "bias": self.normal((directions, 2 * gates * hidden), 0.1),
        }
        self.multiplications += steps * batch * directions * gates * hidden * (inner + hidden)
        name = self.append(
            "recurrent", [x, *state], (steps, batch, directions * hidden), weights,
            cell=cell, hidden=hidden, bidirectional=bidirectional,
        )  # fmt: skip
        for tensor in state:
            last = f"next_{tensor}"
            self.layers[-1].outputs.append(last)
            self.shapes[last] = self.shapes[tensor]
            self.output(last)
        return name


def sizes(value: Sizes, rank: int) -> Tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def padding_of(padding: Union[str, Padding], size, kernel, stride) -> Padding:
    if padding == "valid":
        return [(0, 0)] * len(size)
    if padding == "half":
        return [(k // 2, k // 2) for k in kernel]
    if padding == "same":
        whole = [
            max(0, (math.ceil(n / s) - 1) * s + k - n) for n, k, s in zip(size, kernel, stride)
        ]
        return [(p // 2, p - p // 2) for p in whole]
    return list(padding)


def windows(size, kernel, stride, pads: Padding) -> List[int]:
    return [(n + sum(p) - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, pads)]


def folded(layer: Layer) -> Tuple[np.ndarray, np.ndarray]:
    """The weight and bias of a convolution with its normalisation folded in."""
    weight = layer.weights["weight"]
    if "bias" in layer.weights:
        return weight, layer.weights["bias"]
    factor, term = scale_and_shift(layer)
    return weight * factor.reshape(-1, *[1] * (weight.ndim - 1)), term


def scale_and_shift(layer: Layer) -> Tuple[np.ndarray, np.ndarray]:
    """A normalisation as a factor and a term for each channel."""
    of = {name: array.astype(np.float64) for name, array in layer.weights.items()}
    factor = of["scale"] / np.sqrt(of["variance"] + EPSILON)
    term = of["shift"] - of["mean"] * factor
    return factor.astype(np.float32), term.astype(np.float32)
