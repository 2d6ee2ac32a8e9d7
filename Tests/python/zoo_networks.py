"""The zoo's networks at their papers' size: written by `model-convert zoo`, exported, given random
weights and statistics of batch normalisation, imported, run and compared with ONNX Runtime."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

import locate
from light_networks import _session
from pytorch_cases import difference

TOLERANCE = 1e-4
SPREAD = 0.1
"""See light_networks: outputs that hardly hang on the picture would agree whatever the layers do."""


class Comparison(NamedTuple):
    worst: float
    spread: float


def tool(*arguments: object) -> str:
    command = [str(locate.model_convert()), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def picture(size: int, seed: int) -> np.ndarray:
    """Squares of random colours under noise."""
    random = np.random.default_rng(seed)
    squares = random.standard_normal((1, 3, 7, 7), np.float32)
    side = -(-size // 7)
    image = np.kron(squares, np.ones((side, side), np.float32))[:, :, :size, :size]
    return image + 0.5 * random.standard_normal(image.shape, np.float32)


def with_statistics(model: onnx.ModelProto, image: np.ndarray, seed: int = 0) -> onnx.ModelProto:
    """Random scales and shifts of every BatchNormalization, its mean and variance nearly those of
    its input, and random biases; layer by layer, each measured behind those before it."""
    random = np.random.default_rng(seed)
    initial = {x.name: x for x in model.graph.initializer}

    def put(name: str, array: np.ndarray) -> None:
        initial[name].CopyFrom(numpy_helper.from_array(array.astype(np.float32), name))

    norms = [n for n in model.graph.node if n.op_type == "BatchNormalization"]
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        if not norms:
            # What Relu makes positive would grow from layer to layer, and the picture drown in it.
            weight = numpy_helper.to_array(initial[node.input[1]])
            weight = weight - weight.mean(tuple(range(1, weight.ndim)), keepdims=True)
            put(node.input[1], weight * np.sqrt(1 / (1 - 1 / np.pi)))
        if len(node.input) > 2:
            bias = numpy_helper.to_array(initial[node.input[2]])
            put(node.input[2], 0.1 * random.standard_normal(bias.shape))
    for node in norms:
        maps = numpy_helper.to_array(initial[node.input[1]]).shape
        put(node.input[1], random.uniform(0.7, 1.3, maps))
        put(node.input[2], 0.1 * random.standard_normal(maps))
    if not norms:
        return model
    # One run in which each normalisation takes the statistics of its own input.
    measured = onnx.ModelProto()
    measured.CopyFrom(model)
    nodes, wanted = [], []
    for node in model.graph.node:
        if node.op_type != "BatchNormalization":
            nodes.append(node)
            continue
        (x, scale, shift), y = node.input[:3], node.output[0]
        nodes += [
            helper.make_node("ReduceMean", [x, "places"], [f"{y}.m"]),
            helper.make_node("Sub", [x, f"{y}.m"], [f"{y}.c"]),
            helper.make_node("Mul", [f"{y}.c"] * 2, [f"{y}.s"]),
            helper.make_node("ReduceMean", [f"{y}.s", "places"], [f"{y}.w"]),
            # A map that Relu has put out has none.
            helper.make_node("Max", [f"{y}.w", "least"], [f"{y}.v"]),
            helper.make_node("Sqrt", [f"{y}.v"], [f"{y}.d"]),
            helper.make_node("Div", [f"{y}.c", f"{y}.d"], [f"{y}.n"]),
            helper.make_node("Unsqueeze", [scale, "sides"], [f"{y}.a"]),
            helper.make_node("Unsqueeze", [shift, "sides"], [f"{y}.b"]),
            helper.make_node("Mul", [f"{y}.n", f"{y}.a"], [f"{y}.e"]),
            helper.make_node("Add", [f"{y}.e", f"{y}.b"], [y]),
        ]
        wanted += [f"{y}.m", f"{y}.v"]
    del measured.graph.node[:]
    measured.graph.node.extend(nodes)
    for name, array in {
        "places": np.array([0, 2, 3]), "sides": np.array([1, 2]),
        "least": np.array(0.01, np.float32),
    }.items():  # fmt: skip
        measured.graph.initializer.append(numpy_helper.from_array(array, name))
    measured.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    session = _session(measured.SerializeToString())
    results = dict(zip(wanted, session.run(wanted, {session.get_inputs()[0].name: image})))
    for node in norms:
        mean, variance = (results[f"{node.output[0]}.{x}"].ravel() for x in "mv")
        put(node.input[3], mean + np.sqrt(variance) * random.uniform(-0.1, 0.1, mean.shape))
        put(node.input[4], variance * random.uniform(0.7, 1.4, mean.shape))
    return model


def compare(folder: Path, name: str) -> Comparison:
    """With Winograd's transforms, as a session has them by default, but for the deepest networks: there
    their rounding adds up to a little more than the tolerance (ResNet-101 and 152 1.8e-4, VGG-19 1.1e-4)."""
    import apus

    winograd = name not in ("resnet-101", "resnet-152", "vgg-19")

    written, exported, imported = (folder / f"net.{x}" for x in ("apus", "onnx", "again.apus"))
    tool("zoo", name, "-o", written)
    tool("export", written, "-o", exported)
    model = onnx.load(exported)
    size = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    onnx.save(with_statistics(model, picture(size, 1)), exported)
    tool("import", exported, "-o", imported)
    peer = _session(str(exported))
    session = apus.Model(str(imported)).session(threads=2, winograd=winograd)
    worst, wanted = 0.0, []
    for seed in (2, 3):
        inputs = {peer.get_inputs()[0].name: picture(size, seed)}
        wanted.append(peer.run(None, inputs)[0])
        worst = max(worst, difference(session.run(inputs)["logits"], wanted[-1]))
    return Comparison(worst, difference(*wanted))
