"""ONNX: what apus, ONNX Runtime and OpenVINO read, and what MNN's converter does."""

from pathlib import Path
from typing import List

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from network import EPSILON, LEAK, Layer, Network

OPSET, IR_VERSION = 17, 8


def write(network: Network, path: Path) -> None:
    graph = _Graph(network)
    network.write_layers(graph)
    values = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, network.shapes[n]) for n in names]
        for names in (network.inputs, network.outputs)
    ]
    made = helper.make_graph(graph.nodes, "network", *values, graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


class _Graph:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.nodes: List[onnx.NodeProto] = []
        self.weights: List[onnx.TensorProto] = []

    # ---- Parts

    def node(self, operator: str, inputs: List[str], outputs: List[str], **attributes) -> None:
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, outputs, name, **attributes))

    def weight(self, name: str, array: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weights_of(self, layer: Layer, *names: str) -> List[str]:
        return [self.weight(f"{layer.outputs[0]}.{n}", layer.weights[n]) for n in names]

    def activated(self, layer: Layer) -> str:
        """The name for what comes before a layer's activation, which `after` appends."""
        return layer.outputs[0] + (".linear" if layer.attributes.get("activation") else "")

    def after(self, layer: Layer) -> None:
        function = layer.attributes.get("activation")
        if function:
            self.apply(function, self.activated(layer), layer.outputs[0])

    def apply(self, function: str, x: str, y: str) -> None:
        if function == "relu6":
            ends = [self.weight(f"{y}.{n}", np.float32(v)) for n, v in (("low", 0), ("high", 6))]
            self.node("Clip", [x, *ends], [y])
        elif function == "leaky":
            self.node("LeakyRelu", [x], [y], alpha=LEAK)
        else:
            self.node({"relu": "Relu"}[function], [x], [y])

    # ---- Layers

    def conv(self, layer: Layer) -> None:
        a, out = layer.attributes, self.activated(layer)
        normalized = "scale" in layer.weights
        weights = self.weights_of(layer, "weight", *([] if normalized else ["bias"]))
        to = out + ".conv" if normalized else out
        pads = [p[0] for p in a["pads"]] + [p[1] for p in a["pads"]]
        self.node("Conv", [layer.inputs[0], *weights], [to], kernel_shape=a["kernel"],
                  strides=a["stride"], pads=pads, group=a["groups"])  # fmt: skip
        if normalized:
            self.normalize(layer, to, out)
        self.after(layer)

    def normalize(self, layer: Layer, x: str, y: str) -> None:
        weights = self.weights_of(layer, "scale", "shift", "mean", "variance")
        self.node("BatchNormalization", [x, *weights], [y], epsilon=EPSILON)

    def batch_norm(self, layer: Layer) -> None:
        self.normalize(layer, layer.inputs[0], self.activated(layer))
        self.after(layer)

    def pool(self, layer: Layer) -> None:
        a = layer.attributes
        pads = [p[0] for p in a["pads"]] + [p[1] for p in a["pads"]]
        self.node("AveragePool" if a["average"] else "MaxPool", layer.inputs, layer.outputs,
                  kernel_shape=a["kernel"], strides=a["stride"], pads=pads)  # fmt: skip

    def global_average(self, layer: Layer) -> None:
        pooled = layer.outputs[0] + ".pooled"
        self.node("GlobalAveragePool", layer.inputs, [pooled])
        self.node("Flatten", [pooled], layer.outputs, axis=1)

    def upsample(self, layer: Layer) -> None:
        scales = self.weight(layer.outputs[0] + ".scales", np.array([1, 1, 2, 2], np.float32))
        self.node("Resize", [layer.inputs[0], "", scales], layer.outputs, mode="nearest",
                  coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip

    def flatten(self, layer: Layer) -> None:
        self.node("Flatten", layer.inputs, layer.outputs, axis=1)

    def dense(self, layer: Layer) -> None:
        x, out = layer.inputs[0], self.activated(layer)
        if len(self.network.shapes[x]) == 2:
            weights = self.weights_of(layer, "weight", "bias")
            self.node("Gemm", [x, *weights], [out], transB=1)
        else:
            name = layer.outputs[0]
            weight = self.weight(f"{name}.weight", layer.weights["weight"].T)
            bias = self.weights_of(layer, "bias")[0]
            self.node("MatMul", [x, weight], [f"{name}.product"])
            self.node("Add", [f"{name}.product", bias], [out])
        self.after(layer)

    def add(self, layer: Layer) -> None:
        self.node("Add", layer.inputs, [self.activated(layer)])
        self.after(layer)

    def concat(self, layer: Layer) -> None:
        self.node("Concat", layer.inputs, layer.outputs, axis=1)

    def activation(self, layer: Layer) -> None:
        self.apply(layer.attributes["activation"], layer.inputs[0], layer.outputs[0])

    def softmax(self, layer: Layer) -> None:
        self.node("Softmax", layer.inputs, layer.outputs, axis=-1)

    def steps(self, layer: Layer) -> None:
        self.node("Transpose", layer.inputs, layer.outputs, perm=[2, 0, 1])

    def recurrent(self, layer: Layer) -> None:
        a, name = layer.attributes, layer.outputs[0]
        weights = self.weights_of(layer, "weight", "recurrence", "bias")
        x, *state = layer.inputs
        attributes = {
            "hidden_size": a["hidden"],
            "direction": "bidirectional" if a["bidirectional"] else "forward",
        }
        if a["cell"] == "GRU":
            attributes["linear_before_reset"] = 1
        raw = f"{name}.directions"
        inputs = [x, *weights, *(["", *state] if state else [])]
        self.node(a["cell"], inputs, [raw, *layer.outputs[1:]], **attributes)
        if a["bidirectional"]:
            # steps, directions, batch, hidden: the directions' numbers side by side.
            self.node("Transpose", [raw], [f"{raw}.last"], perm=[0, 2, 1, 3])
            shape = self.weight(f"{name}.shape", np.array([0, 0, -1], np.int64))
            self.node("Reshape", [f"{raw}.last", shape], [name])
        else:
            axes = self.weight(f"{name}.axes", np.array([1], np.int64))
            self.node("Squeeze", [raw, axes], [name])

    def onnx(self, layer: Layer) -> None:
        attributes = dict(layer.attributes)
        operator = attributes.pop("operator")
        weights = self.weights_of(layer, *layer.weights)
        self.node(operator, layer.inputs + weights, layer.outputs, **attributes)
