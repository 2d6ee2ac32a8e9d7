"""ncnn: layers as text, weights as raw floats, normalisation folded into convolutions.

Of a network of integers.py the convolutions and fully connected layers are int8, as ncnn2int8 makes
them: ncnn's activations have no zero point, so that 127 stands for the number farthest from zero;
what lies between these layers computes in floats, and a convolution that only convolutions read
rounds its outputs at once.
"""

from pathlib import Path
from typing import Dict, List

import numpy as np

import integers
from network import EPSILON, GATES, LEAK, Layer, Network, NotSupported, folded

MAGIC = 7767517
BYTES = 0x000D4B38
# Numbers of fused activations: the number, then parameters.
ACTIVATIONS = {"relu": "9=1", "leaky": f"9=2 -23310=1,{LEAK}", "relu6": "9=3 -23310=2,0.0,6.0"}
SUFFIXES = {1: "1D", 2: "", 3: "3D"}
# Of a gate in ncnn's order, its place in ONNX's.
GATE_ORDER = {"RNN": [0], "LSTM": [0, 2, 1, 3], "GRU": [1, 0, 2]}


def write(network: Network, param: Path, weights: Path) -> None:
    for name in network.inputs:
        shape = network.shapes[name]
        if shape[1 if len(shape) == 3 and shape[0] != 1 else 0] != 1:
            raise NotSupported("one image or sequence at a time")
    writer = _Writer(network)
    network.write_layers(writer)
    lines = writer.with_splits()
    blobs = sum(int(line.split()[3]) for line in lines)
    param.write_text("\n".join([str(MAGIC), f"{len(lines)} {blobs}", *lines, ""]))
    weights.write_bytes(b"".join(writer.weights))


class _Writer:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.readers: Dict[str, List[Layer]] = {}
        for layer in network.layers:
            for x in layer.inputs:
                self.readers.setdefault(x, []).append(layer)
        self.lines: List[tuple] = [("Input", [], [n], "") for n in network.inputs]
        self.weights: List[bytes] = []
        self.same: Dict[str, str] = {}

    def layer(self, kind: str, layer: Layer, parameters: str = "") -> None:
        inputs = [self.same.get(x, x) for x in layer.inputs]
        self.lines.append((kind, inputs, layer.outputs, parameters))

    def tagged(self, array: np.ndarray) -> None:
        """A weight whose storage type, float32, stands before it."""
        self.weights.append(b"\0\0\0\0")
        self.raw(array)

    def bytes(self, array: np.ndarray) -> None:
        """Int8, as the tag says, in whole words."""
        data = array.tobytes()
        self.weights.append(BYTES.to_bytes(4, "little") + data + bytes(-len(data) % 4))

    def raw(self, array: np.ndarray) -> None:
        self.weights.append(np.ascontiguousarray(array, np.float32).tobytes())

    def with_splits(self) -> List[str]:
        """The lines, in which a tensor with several readers goes through a Split, as ncnn wants."""
        readers: Dict[str, int] = {}
        for _, inputs, _, _ in self.lines:
            for x in inputs:
                readers[x] = readers.get(x, 0) + 1
        taken: Dict[str, int] = {}
        lines = []

        def reader(x: str) -> str:
            if readers[x] == 1:
                return x
            taken[x] = taken.get(x, -1) + 1
            return f"{x}_{taken[x]}"

        def add(kind: str, inputs: List[str], outputs: List[str], parameters: str) -> None:
            names = " ".join([*inputs, *outputs])
            lines.append(f"{kind} l{len(lines)} {len(inputs)} {len(outputs)} {names} {parameters}")

        for kind, inputs, outputs, parameters in self.lines:
            add(kind, [reader(x) for x in inputs], outputs, parameters)
            for y in outputs:
                if readers.get(y, 0) > 1:
                    add("Split", [y], [f"{y}_{i}" for i in range(readers[y])], "")
        return lines

    # ---- Layers

    def conv(self, layer: Layer) -> None:
        weight, bias = folded(layer)
        a = layer.attributes
        parameters = [f"0={weight.shape[0]}", f"5=1 6={weight.size}", _window(a, 1, 11, 21, 3)]
        kind = "Convolution"
        if a["groups"] > 1:
            kind = "ConvolutionDepthWise"
            parameters.append(f"7={a['groups']}")
        parameters += _pads(a["pads"], (4, 15), (14, 16), (24, 17))
        if a["activation"]:
            parameters.append(ACTIVATIONS[a["activation"]])
        rounds = self.only_convolutions_read(layer)
        if "steps" in layer.weights:
            parameters.append(f"8={(1 if a['groups'] > 1 else 2) + 100 * rounds}")
        self.layer(kind + SUFFIXES[len(a["kernel"])], layer, " ".join(parameters))
        self.weight_and_bias(layer, weight, bias)
        if rounds:
            self.raw(self.scale(layer.outputs[0]))

    def only_convolutions_read(self, layer: Layer) -> bool:
        readers = self.readers.get(layer.outputs[0], [])
        return bool(readers) and all(r.kind == "conv" and "steps" in r.weights for r in readers)

    def weight_and_bias(self, layer: Layer, weight: np.ndarray, bias: np.ndarray) -> None:
        steps = layer.weights.get("steps")
        if steps is None:
            self.tagged(weight)
            self.raw(bias)
        else:
            self.bytes(weight)
            self.raw(bias * (self.network.steps[layer.inputs[0]].scale * steps))
            # ncnn's scales are the other way round.
            self.raw(1 / steps)
            self.raw(self.scale(layer.inputs[0]))

    def scale(self, name: str) -> np.ndarray:
        step = self.network.steps[name]
        return np.array([127 / max(-step.low, step.high)])

    def pool(self, layer: Layer) -> None:
        a = layer.attributes
        # 5=1: no padding but what is given.
        parameters = [f"0={int(a['average'])} 5=1", _window(a, 1, 11, 21, 2)]
        parameters += _pads(a["pads"], (3, 14), (13, 15), (23, 16))
        self.layer("Pooling" + SUFFIXES[len(a["kernel"])], layer, " ".join(parameters))

    def global_average(self, layer: Layer) -> None:
        rank = len(self.network.shapes[layer.inputs[0]]) - 2
        self.layer("Pooling" + SUFFIXES[rank], layer, "0=1 4=1")

    def batch_norm(self, layer: Layer) -> None:
        of = layer.weights
        out = layer.outputs[0]
        function = layer.attributes["activation"]
        to = f"{out}.normal" if function else out
        self.lines.append(("BatchNorm", layer.inputs, [to], f"0={of['scale'].size} 1={EPSILON}"))
        for name in ("scale", "mean", "variance", "shift"):
            self.raw(of[name])
        self.after(function, to, out)

    def after(self, function: str, x: str, y: str) -> None:
        if function:
            kind, parameters = {"relu": ("ReLU", ""), "leaky": ("ReLU", f"0={LEAK}"),
                                "relu6": ("Clip", "0=0.0 1=6.0")}[function]  # fmt: skip
            self.lines.append((kind, [x], [y], parameters))

    def activation(self, layer: Layer) -> None:
        self.after(layer.attributes["activation"], layer.inputs[0], layer.outputs[0])

    def dense(self, layer: Layer) -> None:
        weight, function = layer.weights["weight"], layer.attributes["activation"]
        more = ACTIVATIONS[function] if function else ""
        if "steps" in layer.weights:
            more += " 8=2"
        self.layer("InnerProduct", layer, f"0={weight.shape[0]} 1=1 2={weight.size} {more}")
        self.weight_and_bias(layer, weight, layer.weights["bias"])

    def add(self, layer: Layer) -> None:
        out, function = layer.outputs[0], layer.attributes["activation"]
        to = f"{out}.sum" if function else out
        self.lines.append(("BinaryOp", layer.inputs, [to], "0=0"))
        self.after(function, to, out)

    def concat(self, layer: Layer) -> None:
        self.layer("Concat", layer, "0=0")

    def upsample(self, layer: Layer) -> None:
        self.layer("Interp", layer, "0=1 1=2.0 2=2.0")

    def flatten(self, layer: Layer) -> None:
        self.layer("Flatten", layer)

    def quantize(self, layer: Layer) -> None:
        """The layers that read integers round by themselves."""
        self.same[layer.outputs[0]] = layer.inputs[0]

    def dequantize(self, layer: Layer) -> None:
        """They leave real numbers: a layer that does nothing gives these the output's name."""
        self.layer("Dropout", layer)

    def softmax(self, layer: Layer) -> None:
        self.layer("Softmax", layer, "0=-1 1=1")

    def steps(self, layer: Layer) -> None:
        self.layer("Permute", layer, "0=1")

    def recurrent(self, layer: Layer) -> None:
        a, cell = layer.attributes, layer.attributes["cell"]
        hidden, gates, order = a["hidden"], GATES[cell], GATE_ORDER[cell]

        def in_order(array: np.ndarray) -> np.ndarray:
            """Directions, gates, hidden, rest: the gates as ncnn has them."""
            return array.reshape(len(array), gates, hidden, -1)[:, order]

        weight = in_order(layer.weights["weight"])
        bias = layer.weights["bias"].reshape(-1, 2, gates, hidden)[:, :, order]
        total = bias.sum(axis=1)
        if cell == "GRU":
            # The candidate's two terms stay apart, for the reset comes between them.
            total = np.concatenate([total[:, :2], bias[:, :, 2]], axis=1)
        parameters = f"0={hidden} 1={weight.size} 2={2 if a['bidirectional'] else 0}"
        recurrence = in_order(layer.weights["recurrence"])
        if self.network.dynamic:
            parts = [integers.rounded(w.reshape(-1, w.shape[-1]), 0) for w in (weight, recurrence)]
            self.layer(cell, layer, parameters + " 8=2")
            self.bytes(parts[0][0])
            self.tagged(total)
            self.bytes(parts[1][0])
            for _, steps in parts:
                self.raw(1 / steps)
        else:
            self.layer(cell, layer, parameters)
            self.tagged(weight)
            self.tagged(total)
            self.tagged(recurrence)


def _window(a: dict, *keys: int) -> str:
    """Kernel and stride. The first three keys are the kernel's width, height and depth; the last is
    the stride's width, its height and depth are ten and twenty further."""
    *kernel, stride = keys
    parts = [f"{key}={size}" for key, size in zip(kernel, a["kernel"][::-1])]
    parts += [f"{stride + 10 * i}={step}" for i, step in enumerate(a["stride"][::-1])]
    return " ".join(parts)


def _pads(pads, *keys) -> List[str]:
    return [f"{before}={p[0]} {after}={p[1]}" for (before, after), p in zip(keys, pads[::-1])]
