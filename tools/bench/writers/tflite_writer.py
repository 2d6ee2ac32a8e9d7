"""TensorFlow Lite: channels last, normalisation folded into convolutions.

`layout` says, for each input and output, in which order its dimensions lie there and what shape
they have. Of a network of integers.py the file has int8 tensors: its uint8 ones less 128.
"""

import json
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from network import LEAK, Layer, Network, NotSupported, folded, scale_and_shift
from writers import tflite_recurrent
from writers.tflite_file import File, Operator

Fused = schema.ActivationFunctionType
FUSED = {None: Fused.NONE, "relu": Fused.RELU, "relu6": Fused.RELU6}
# The channels last; a signal is an image of height 1.
ORDERS = {2: [0, 1], 3: [0, 2, 1], 4: [0, 2, 3, 1], 5: [0, 2, 3, 4, 1]}


def write(network: Network, path: Path, layout: Path) -> None:
    writer = _Writer(network)
    network.write_layers(writer)
    ends = [[writer.numbers[n] for n in names] for names in (network.inputs, network.outputs)]
    path.write_bytes(writer.bytes_of(*ends, network.name))
    there = {n: writer.layout(n) for n in [*network.inputs, *network.outputs]}
    layout.write_text(json.dumps({**there, "outputs": network.outputs}))


class _Writer(File):
    def __init__(self, network: Network) -> None:
        self.network = network
        super().__init__()
        self.numbers: Dict[str, int] = {}
        # Tensors that are sequences (steps, batch, features), whose dimensions keep their order.
        self.sequences = set()
        for layer in network.layers:
            if layer.kind in ("recurrent", "steps"):
                self.sequences.update(layer.outputs)
            if layer.kind == "recurrent":
                self.sequences.update(layer.inputs)
            if layer.inputs[0] in self.sequences and layer.kind in (
                "dense",
                "softmax",
                "activation",
            ):
                self.sequences.update(layer.outputs)
        for name in network.inputs:
            self.tensor(name)

    # ---- Tensors

    def layout(self, name: str) -> dict:
        shape = self.network.shapes[name]
        order = list(range(len(shape))) if name in self.sequences else ORDERS[len(shape)]
        there = [shape[i] for i in order]
        if len(shape) == 3 and name not in self.sequences:
            there.insert(1, 1)
        return {"order": order, "shape": there}

    def tensor(self, name: str) -> int:
        if name not in self.numbers:
            self.numbers[name] = self.new(name, self.layout(name)["shape"])
            step = self.network.steps.get(name)
            if step:
                self.tensors[self.numbers[name]].type = schema.TensorType.INT8
                self.scale(self.numbers[name], [step.scale], step.zero - 128)
        return self.numbers[name]

    def weights(self, layer: Layer, weight: np.ndarray, bias: np.ndarray, axis: int) -> List[int]:
        """Weight and bias, the output channels along the weight's axis."""
        steps = layer.weights.get("steps")
        if steps is None:
            return [self.constant(weight), self.constant(bias)]
        sums = np.float32(self.network.steps[layer.inputs[0]].scale) * steps
        return [self.constant(weight, steps, axis), self.constant(bias, sums)]

    def finish(self, layer: Layer, code: int, inputs: List[int], options) -> None:
        """An operator with the layer's activation: fused, or after it where it cannot be."""
        function = layer.attributes.get("activation")
        out = self.tensor(layer.outputs[0])
        if function in FUSED:
            options.fusedActivationFunction = FUSED[function]
            self.operator(code, inputs, [out], options)
        else:
            linear = self.new(f"{layer.outputs[0]}.linear", self.shape(out))
            self.operator(code, inputs, [linear], options)
            self.apply(function, linear, out)

    def apply(self, function: str, x: int, y: int) -> None:
        if function == "leaky":
            options = schema.LeakyReluOptionsT()
            options.alpha = LEAK
            self.operator(Operator.LEAKY_RELU, [x], [y], options)
        else:
            self.operator({"relu": Operator.RELU, "relu6": Operator.RELU6}[function], [x], [y])

    def windows(self, layer: Layer, options, x: int):
        """Sets stride and padding; returns the tensor to read, padded where the format has no word
        for the padding. The zeros are right for a maximum too: it comes after a ReLU here."""
        a = layer.attributes
        kernel, stride = list(a["kernel"]), list(a["stride"])
        pads = [tuple(p) for p in a["pads"]]
        if len(kernel) == 1:
            kernel, stride, pads = [1, *kernel], [1, *stride], [(0, 0), *pads]
        size = self.shape(x)[1:-1]
        options.strideH, options.strideW = stride[-2:]
        if len(kernel) == 3:
            options.strideD = stride[0]
        same = [_same(*of) for of in zip(size, kernel, stride)]
        options.padding = schema.Padding.SAME if pads == same else schema.Padding.VALID
        if pads != same and any(any(p) for p in pads):
            around = np.array([(0, 0), *pads, (0, 0)], np.int32)
            wide = [n + sum(p) for n, p in zip(self.shape(x), around)]
            padded = self.alike(f"{layer.outputs[0]}.padded", wide, x)
            self.operator(Operator.PAD, [x, self.constant(around)], [padded], schema.PadOptionsT())
            x = padded
        return x, kernel

    # ---- Layers

    def conv(self, layer: Layer) -> None:
        weight, bias = folded(layer)
        if weight.ndim == 3:
            weight = weight[:, :, None]
        x = self.tensor(layer.inputs[0])
        if weight.ndim == 5:
            options, code, order = schema.Conv3DOptionsT(), Operator.CONV_3D, [2, 3, 4, 1, 0]
        elif layer.attributes["groups"] > 1:
            options, code, order = (
                schema.DepthwiseConv2DOptionsT(),
                Operator.DEPTHWISE_CONV_2D,
                [1, 2, 3, 0],
            )
            options.depthMultiplier = 1
        else:
            options, code, order = schema.Conv2DOptionsT(), Operator.CONV_2D, [0, 2, 3, 1]
        options.dilationWFactor = options.dilationHFactor = options.dilationDFactor = 1
        x, _ = self.windows(layer, options, x)
        weights = self.weights(layer, weight.transpose(order), bias, axis=order.index(0))
        self.finish(layer, code, [x, *weights], options)

    def pool(self, layer: Layer) -> None:
        if len(layer.attributes["kernel"]) == 3:
            self.pool_3d(layer)
            return
        options = schema.Pool2DOptionsT()
        x, kernel = self.windows(layer, options, self.tensor(layer.inputs[0]))
        options.filterHeight, options.filterWidth = kernel
        average = layer.attributes["average"]
        code = Operator.AVERAGE_POOL_2D if average else Operator.MAX_POOL_2D
        steps, y = self.network.steps, layer.outputs[0]
        if steps.get(layer.inputs[0]) == steps.get(y):
            self.finish(layer, code, [x], options)
        else:  # pooling keeps the scale
            pooled = self.alike(f"{y}.pooled", self.layout(y)["shape"], x)
            self.operator(code, [x], [pooled], options)
            self.operator(Operator.QUANTIZE, [pooled], [self.tensor(y)], schema.QuantizeOptionsT())

    def pool_3d(self, layer: Layer) -> None:
        """There is no pooling over three dimensions: over each frame, then over pairs of frames."""
        x, y = (self.tensor(n) for n in layer.inputs + layer.outputs)
        _, depth, *frame = self.shape(x)
        _, new_depth, height, width, channels = self.shape(y)
        step, *kernel = layer.attributes["kernel"]
        if layer.attributes["average"] or layer.attributes["kernel"] != layer.attributes["stride"]:
            raise NotSupported("pooling over three dimensions")
        frames = self.new(f"{layer.outputs[0]}.frames", (depth, *frame))
        pooled = self.new(f"{layer.outputs[0]}.pooled", (depth, height, width, channels))
        self.reshape(x, frames)
        self.maximum(frames, pooled, kernel)
        if step > 1:
            shape = (new_depth, step, height * width, channels)
            groups = self.new(f"{layer.outputs[0]}.groups", shape)
            self.reshape(pooled, groups)
            pooled = self.new(f"{layer.outputs[0]}.deep", (new_depth, 1, *shape[2:]))
            self.maximum(groups, pooled, (step, 1))
        self.reshape(pooled, y)

    def maximum(self, x: int, y: int, kernel: Sequence[int]) -> None:
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = options.strideH, options.strideW = kernel
        options.padding = schema.Padding.VALID
        self.operator(Operator.MAX_POOL_2D, [x], [y], options)

    def global_average(self, layer: Layer) -> None:
        x = self.tensor(layer.inputs[0])
        options = schema.ReducerOptionsT()
        options.keepDims = False
        axes = self.constant(np.arange(1, len(self.shape(x)) - 1, dtype=np.int32))
        self.operator(Operator.MEAN, [x, axes], [self.tensor(layer.outputs[0])], options)

    def batch_norm(self, layer: Layer) -> None:
        factor, term = scale_and_shift(layer)
        x = self.tensor(layer.inputs[0])
        scaled = self.new(f"{layer.outputs[0]}.scaled", self.shape(x))
        self.operator(Operator.MUL, [x, self.constant(factor)], [scaled], schema.MulOptionsT())
        self.finish(layer, Operator.ADD, [scaled, self.constant(term)], schema.AddOptionsT())

    def dense(self, layer: Layer) -> None:
        weight, x = layer.weights["weight"], layer.inputs[0]
        made = next((other for other in self.network.layers if x in other.outputs), None)
        if made and made.kind == "flatten":
            # The numbers come with the channels last: so do the weights for them.
            shape = self.network.shapes[made.inputs[0]][1:]
            order = [i - 1 for i in ORDERS[len(shape) + 1][1:]]
            weight = (
                weight.reshape(-1, *shape)
                .transpose(0, *[i + 1 for i in order])
                .reshape(weight.shape)
            )
        options = schema.FullyConnectedOptionsT()
        options.keepNumDims = len(self.network.shapes[x]) > 2
        weights = self.weights(layer, weight, layer.weights["bias"], axis=0)
        self.finish(layer, Operator.FULLY_CONNECTED, [self.tensor(x), *weights], options)

    def add(self, layer: Layer) -> None:
        self.finish(
            layer, Operator.ADD, [self.tensor(x) for x in layer.inputs], schema.AddOptionsT()
        )

    def concat(self, layer: Layer) -> None:
        options = schema.ConcatenationOptionsT()
        options.axis = len(self.shape(self.tensor(layer.inputs[0]))) - 1
        self.finish(layer, Operator.CONCATENATION, [self.tensor(x) for x in layer.inputs], options)

    def activation(self, layer: Layer) -> None:
        self.apply(
            layer.attributes["activation"], *[self.tensor(n) for n in layer.inputs + layer.outputs]
        )

    def quantize(self, layer: Layer) -> None:
        numbers = [[self.tensor(n)] for n in layer.inputs + layer.outputs]
        self.operator(Operator.QUANTIZE, *numbers, schema.QuantizeOptionsT())

    def dequantize(self, layer: Layer) -> None:
        numbers = [[self.tensor(n)] for n in layer.inputs + layer.outputs]
        self.operator(Operator.DEQUANTIZE, *numbers, schema.DequantizeOptionsT())

    def softmax(self, layer: Layer) -> None:
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        names = layer.inputs + layer.outputs
        self.operator(Operator.SOFTMAX, *[[self.tensor(n)] for n in names], options)

    def upsample(self, layer: Layer) -> None:
        x, y = (self.tensor(n) for n in layer.inputs + layer.outputs)
        size = self.constant(np.array(self.shape(y)[1:3], np.int32))
        options = schema.ResizeNearestNeighborOptionsT()
        self.operator(Operator.RESIZE_NEAREST_NEIGHBOR, [x, size], [y], options)

    def reshape(self, x: int, y: int) -> None:
        options = schema.ReshapeOptionsT()
        options.newShape = self.shape(y)
        self.operator(
            Operator.RESHAPE, [x, self.constant(np.array(self.shape(y), np.int32))], [y], options
        )

    def flatten(self, layer: Layer) -> None:
        self.reshape(*[self.tensor(n) for n in layer.inputs + layer.outputs])

    def steps(self, layer: Layer) -> None:
        if self.network.shapes[layer.inputs[0]][0] != 1:
            raise NotSupported("sequences of a batch")
        self.flatten(layer)

    def recurrent(self, layer: Layer) -> None:
        tflite_recurrent.write(self, layer)


def _same(size: int, kernel: int, stride: int):
    whole = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return whole // 2, whole - whole // 2
