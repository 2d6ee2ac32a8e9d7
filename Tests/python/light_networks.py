"""The nine light_* networks of the onnx package: a well-known structure each, whose weights are
ConstantOfShape; imported, run and compared with ONNX Runtime."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Dict, NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

import locate
from pytorch_cases import difference

FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"
NAMES = sorted(path.stem for path in FOLDER.glob("light_*.onnx"))
TOLERANCE = 1e-4
SPREAD = 0.1
"""Of random weights: a network whose outputs hardly hang on the image would agree whatever its
layers do."""


class Comparison(NamedTuple):
    worst: float
    """The largest difference from ONNX Runtime, in parts of the largest element of an output."""
    spread: float
    """How far ONNX Runtime's outputs for different inputs are apart, in parts of the largest
    element: the least of all outputs."""


def with_constant_weights(name: str) -> onnx.ModelProto:
    """The network as it is, with the Softmax's input as an output too."""
    model = onnx.load(FOLDER / f"{name}.onnx")
    last = model.graph.node[-1]
    if last.op_type == "Softmax":
        model.graph.output.append(onnx.ValueInfoProto(name=last.input[0]))
    return model


def with_random_weights(name: str, seed: int = 0) -> onnx.ModelProto:
    """Random numbers in the place of every ConstantOfShape, such that activations stay of order one
    and follow the input to the last layer: weights after He, and the mean and variance of every
    BatchNormalization nearly those of its input."""
    model, random = with_constant_weights(name), np.random.default_rng(seed)
    graph = model.graph
    shapes = {x.name: numpy_helper.to_array(x) for x in graph.initializer}
    for node in [n for n in graph.node if n.op_type == "ConstantOfShape"]:
        array = _draw(graph, node.output[0], tuple(shapes[node.input[0]]), random)
        graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        graph.node.remove(node)
    _drop_unused(model)
    _set_statistics(model, random)
    return model


def _draw(
    graph: onnx.GraphProto, name: str, shape: tuple, random: np.random.Generator
) -> np.ndarray:
    """What suits the first node that takes the tensor."""
    node = next(n for n in graph.node if name in n.input)
    if node.op_type == "Unsqueeze":
        return _draw(graph, node.output[0], shape, random)
    position = list(node.input).index(name)
    if node.op_type in ("Conv", "Gemm") and position == 1:
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        rows_first = node.op_type == "Gemm" and not transposed
        axes = (0,) if rows_first else tuple(range(1, len(shape)))
        array = random.standard_normal(shape, np.float32)
        array *= np.float32(np.sqrt(2 / np.prod([shape[a] for a in axes])))
        if not any(n.op_type == "BatchNormalization" for n in graph.node):
            # What Relu makes positive would grow from layer to layer, and the image drown in it.
            array -= array.mean(axes, keepdims=True)
            array *= np.float32(np.sqrt(1 / (1 - 1 / np.pi)))
        # Softmax turns differences of large numbers into factors.
        last = [n for n in graph.node if n.op_type in ("Conv", "Gemm")][-1]
        return array * np.float32(0.5 if node == last else 1)
    if node.op_type == "Mul" or node.op_type == "BatchNormalization" and position in (1, 4):
        return random.uniform(0.7, 1.3, shape).astype(np.float32)
    return random.standard_normal(shape, np.float32) * np.float32(0.1)


def _drop_unused(model: onnx.ModelProto) -> None:
    """Leaves the weights that a node takes, and the image as the only input."""
    graph = model.graph
    taken = {name for node in graph.node for name in node.input}
    weights = {x.name for x in graph.initializer}
    for unused in [x for x in graph.initializer if x.name not in taken]:
        graph.initializer.remove(unused)
    for weight in [x for x in graph.input if x.name in weights]:
        graph.input.remove(weight)
    model.ir_version = 4  # the first in which weights need not be inputs


def _set_statistics(model: onnx.ModelProto, random: np.random.Generator) -> None:
    """Measures every BatchNormalization's input in one run in which it takes the statistics of that
    input itself, and moves them a little at random."""
    measured = onnx.ModelProto()
    measured.CopyFrom(model)
    graph, nodes, wanted = measured.graph, [], []
    norms = [n for n in model.graph.node if n.op_type == "BatchNormalization"]
    if not norms:
        return
    for node in graph.node:
        if node.op_type != "BatchNormalization":
            nodes.append(node)
            continue
        y = node.output[0]
        nodes += [
            helper.make_node("ReduceMean", [node.input[0]], [f"{y}.mean"], axes=[0, 2, 3]),
            helper.make_node("Sub", [node.input[0], f"{y}.mean"], [f"{y}.moved"]),
            helper.make_node("Mul", [f"{y}.moved"] * 2, [f"{y}.square"]),
            helper.make_node("ReduceMean", [f"{y}.square"], [f"{y}.spread"], axes=[0, 2, 3]),
            # A channel that Relu has put out has none.
            helper.make_node("Clip", [f"{y}.spread"], [f"{y}.variance"], min=0.01),
            helper.make_node("Sqrt", [f"{y}.variance"], [f"{y}.deviation"]),
            helper.make_node("Div", [f"{y}.moved", f"{y}.deviation"], [f"{y}.whitened"]),
            helper.make_node("Unsqueeze", [node.input[1]], [f"{y}.scale"], axes=[1, 2]),
            helper.make_node("Unsqueeze", [node.input[2]], [f"{y}.shift"], axes=[1, 2]),
            helper.make_node("Mul", [f"{y}.whitened", f"{y}.scale"], [f"{y}.scaled"]),
            helper.make_node("Add", [f"{y}.scaled", f"{y}.shift"], [y]),
        ]
        wanted += [f"{y}.mean", f"{y}.variance"]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    _drop_unused(measured)
    session = _session(measured.SerializeToString())
    results = dict(zip(wanted, session.run(wanted, _image(session, seed=1))))
    initial = {x.name: x for x in model.graph.initializer}
    for node in norms:
        mean, variance = (results[f"{node.output[0]}.{x}"].ravel() for x in ("mean", "variance"))
        deviation = np.sqrt(variance)
        mean = mean + deviation * random.uniform(-0.1, 0.1, mean.shape)
        variance = variance * random.uniform(0.7, 1.4, mean.shape)
        for name, array in zip(node.input[3:5], (mean, variance)):
            initial[name].CopyFrom(numpy_helper.from_array(array.astype(np.float32), name))


def _session(model) -> onnxruntime.InferenceSession:
    """Of a model's bytes, or of the path of its file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _image(session: onnxruntime.InferenceSession, seed: int) -> Dict[str, np.ndarray]:
    """Squares of random colours under noise; noise alone is averaged away until two images look
    alike."""
    random = np.random.default_rng(seed)
    (x,) = session.get_inputs()
    squares = random.standard_normal((1, 3, 7, 7), np.float32)
    image = np.kron(squares, np.ones((32, 32), np.float32))
    return {x.name: image + 0.5 * random.standard_normal(image.shape, np.float32)}


def compare(folder: Path, model: onnx.ModelProto, positive: bool = False) -> Comparison:
    """Imports the model, and runs it on two images: positive ones where the weights are all alike
    and add up an image's elements, as rounding would be all that is left of a sum near zero."""
    import apus

    path, target = folder / "m.onnx", folder / "m.apus"
    onnx.save(model, path)
    command = [str(locate.model_convert()), "import", str(path), "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    peer, session = _session(str(path)), apus.Model(str(target)).session(threads=2)
    names, worst, wanted = [x.name for x in peer.get_outputs()], 0.0, []
    for seed in (2, 3):
        inputs = _image(peer, seed)
        if positive:
            inputs = {name: np.abs(image) for name, image in inputs.items()}
        wanted.append(peer.run(names, inputs))
        results = session.run(inputs)
        for name, array in zip(names, wanted[-1]):
            worst = max(worst, difference(results[name], array))
    return Comparison(worst, min(difference(a, b) for a, b in zip(*wanted)))
