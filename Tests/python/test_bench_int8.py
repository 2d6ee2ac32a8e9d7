"""What `make bench` times in int8: each runtime's file has the network's integers, and what
multiplies the wrong ones is found."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
import onnxruntime
import pytest
from numpy.lib.stride_tricks import sliding_window_view

BENCH = str(Path(__file__).resolve().parents[2] / "tools/bench")
sys.path.append(BENCH)

import cli  # noqa: E402
import integers  # noqa: E402
import page  # noqa: E402
import rounds  # noqa: E402
from harness import apus  # noqa: E402
from network import LEAK, Layer, Network  # noqa: E402
from networks import CATALOGUE  # noqa: E402
from writers import ncnn_writer, onnx_writer  # noqa: E402

sys.path.remove(BENCH)  # its run.py is not the one that other tests import

Arrays = Dict[str, np.ndarray]


def every_layer() -> Network:
    """Each kind of layer that the measured networks have, small."""
    n = Network("every layer")
    x = n.conv(n.input("x", (1, 3, 21, 21)), 16, 3, 2, "same", activation="relu6")
    x = n.conv(n.depthwise(x, 3, padding="same", activation="relu6"), 24, 1, activation=None)
    x = n.add(n.conv(x, 24, 3, activation=None), x)
    x = n.conv(n.pool(x, 3, 2, "same"), 32, 3, activation="leaky")
    x = n.concat(n.upsample(n.conv(x, 16, 1)), n.conv(n.upsample(x), 16, 1, activation=None))
    x = n.pool(n.conv(n.batch_norm(x), 16, 1, activation=None), 2, 2, kind="average")
    x = n.add(n.activation(x, "relu"), n.conv(x, 16, 3, activation=None), "relu")
    return n.output(n.dense(n.global_average(x), 10))


NETWORKS = {"every layer": every_layer, **{n: CATALOGUE[n] for n in ("lenet", "ds-cnn")}}


class Made:
    """A network in int8: as it was exported, and what it computes in floats and in int8."""

    def __init__(self, make, folder: Path) -> None:
        self.network: Network = make()
        inputs = self.network.inputs
        onnx_writer.write(self.network, folder / "x.onnx")
        random = np.random.default_rng(0)
        shape = (4, *inputs["x"].shape[1:])
        np.save(folder / "drawn.npy", random.standard_normal(shape, np.float32))
        data = ["--calibrate", "drawn.npy", "--observer", "minmax"]
        for command in (["import", "x.onnx", "-o", "x.apus"],
                        ["quantize", "x.apus", *data, "-o", "q.apus"],
                        ["export", "q.apus", "-o", "q.onnx"]):  # fmt: skip
            assert cli.run(*command, cwd=folder).code == 0
        session = onnxruntime.InferenceSession(str(folder / "x.onnx"))
        self.real: Arrays = dict(zip(self.network.outputs, session.run(None, inputs)))
        with apus.Model(folder / "q.apus").session() as ours:
            self.int8: Arrays = ours.run(inputs)
        self.integers = integers.read(folder / "q.onnx", "q")


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, tmp_path_factory) -> Made:
    return Made(NETWORKS[request.param], tmp_path_factory.mktemp("int8"))


# ---- The layers, computed by NumPy


def windows(x: np.ndarray, kernel, stride, pads, fill: float) -> np.ndarray:
    """batch, channels, height, width, then the kernel's places."""
    wide = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    return sliding_window_view(wide, tuple(kernel), (2, 3))[:, :, :: stride[0], :: stride[1]]


def convolved(x: np.ndarray, weight: np.ndarray, kernel, stride, pads, groups: int) -> np.ndarray:
    patches = windows(x, kernel, stride, pads, 0)
    n, channels, height, width = patches.shape[:4]
    patches = patches.reshape(n, groups, channels // groups, height, width, *kernel)
    weight = weight.reshape(groups, -1, *weight.shape[1:])
    return np.einsum("ngchwij,gocij->ngohw", patches, weight).reshape(n, -1, height, width)


def activated(x: np.ndarray, function) -> np.ndarray:
    top = 6 if function == "relu6" else np.inf
    return {"leaky": lambda: np.where(x < 0, LEAK * x, x), None: lambda: x}.get(
        function, lambda: np.clip(x, 0, top)
    )()


def pooled(x: np.ndarray, average: bool, kernel, stride, pads) -> np.ndarray:
    places = windows(x, kernel, stride, pads, 0 if average else -np.inf)
    return places.mean((4, 5)) if average else places.max((4, 5))


def softmax(x: np.ndarray) -> np.ndarray:
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


class Evaluator:
    """Layers of integers.py, a tensor of integers as the real numbers that it stands for."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def run(self, inputs: Arrays) -> Arrays:
        self.values = {name: value.astype(np.float64) for name, value in inputs.items()}
        for layer in self.network.layers:
            out = layer.outputs[0]
            value = getattr(self, layer.kind)(layer, *[self.values[x] for x in layer.inputs])
            assert value.shape == self.network.shapes[out]
            value = activated(value, layer.attributes.get("activation"))
            self.values[out] = self.rounded(out, value)
        return {name: self.values[name] for name in self.network.outputs}

    def rounded(self, name: str, value: np.ndarray) -> np.ndarray:
        step = self.network.steps.get(name)
        if step is None:
            return value
        return step.scale * (np.clip(np.rint(value / step.scale) + step.zero, 0, 255) - step.zero)

    def product(self, layer: Layer, x: np.ndarray, multiply) -> np.ndarray:
        """The sum of integers and its bias, times what a step of it stands for."""
        weights = layer.weights
        assert weights["weight"].dtype == np.int8 and weights["bias"].dtype == np.int32
        scale = self.network.steps[layer.inputs[0]].scale
        sums = multiply(np.rint(x / scale), weights["weight"].astype(np.float64))
        each = (-1, *[1] * (sums.ndim - 2))
        return (sums + weights["bias"].reshape(each)) * (scale * weights["steps"].reshape(each))

    def conv(self, layer, x):
        a = layer.attributes
        how = [a[k] for k in ("kernel", "stride", "pads", "groups")]
        return self.product(layer, x, lambda x, w: convolved(x, w, *how))

    def dense(self, layer, x):
        return self.product(layer, x, lambda x, w: x @ w.T)

    def pool(self, layer, x):
        return pooled(x, *[layer.attributes[k] for k in ("average", "kernel", "stride", "pads")])

    quantize = dequantize = activation = lambda self, layer, x: x
    add = lambda self, layer, a, b: a + b  # noqa: E731
    concat = lambda self, layer, *parts: np.concatenate(parts, 1)  # noqa: E731
    upsample = lambda self, layer, x: x.repeat(2, 2).repeat(2, 3)  # noqa: E731
    global_average = lambda self, layer, x: x.mean((2, 3))  # noqa: E731
    flatten = lambda self, layer, x: x.reshape(len(x), -1)  # noqa: E731
    softmax = lambda self, layer, x: softmax(x)  # noqa: E731


def test_integers_are_those_of_the_int8_model(made: Made) -> None:
    found = Evaluator(made.integers).run(made.network.inputs)
    assert found.keys() == made.int8.keys()
    ours = rounds.signal_to_noise(made.int8, made.real)
    assert ours > 25, "the int8 model is one of the network"
    assert rounds.signal_to_noise(found, made.int8) > 60


def test_recurrent_weights_are_rounded() -> None:
    weight = np.random.default_rng(0).standard_normal((6, 50), np.float32)
    for axis, count in ((0, 6), (None, 1)):
        q, scale = integers.rounded(weight, axis)
        assert q.dtype == np.int8 and np.abs(q).max() == 127 and scale.shape == (count,)
        assert np.abs(q * scale.reshape(-1, 1) - weight).max() <= scale.max() * 0.501


# ---- ncnn's file, read as ncnn reads it


class NcnnFile:
    """Layers of a .param and their weights of a .bin, as src/modelbin.cpp and each layer's
    load_model have them, computed by NumPy in the way of these layers' forward_int8."""

    def __init__(self, param: Path, weights: Path) -> None:
        magic, _, *lines = param.read_text().splitlines()
        assert magic == "7767517"
        self.lines = [line.split() for line in lines]
        self.data = weights.read_bytes()
        self.at = 0

    def floats(self, count: int) -> np.ndarray:
        return self.take(4 * count).view(np.float32)

    def take(self, count: int) -> np.ndarray:
        assert self.at + count <= len(self.data)
        self.at += count
        return np.frombuffer(self.data[self.at - count : self.at], np.uint8)

    def bytes(self, count: int) -> np.ndarray:
        assert int(self.take(4).view(np.uint32)[0]) == 0x000D4B38, "the tag of int8"
        return self.take(-(-count // 4) * 4)[:count].view(np.int8)

    def run(self, inputs: Arrays) -> Arrays:
        values = {name: value[0].astype(np.float64) for name, value in inputs.items()}
        for kind, _, count, made, *rest in self.lines:
            names = rest[: int(count) + int(made)]
            given = dict(p.split("=", 1) for p in rest[len(names) :])
            if kind == "Input":
                continue
            of = [values.pop(x) for x in names[: int(count)]]  # a blob has one reader
            results = getattr(self, kind)(given, *of)
            values.update(zip(names[int(count) :], [results] * int(made)))
        assert self.at == len(self.data), "every byte is read"
        return {name: value[None] for name, value in values.items()}

    def multiplied(self, given, x, shape: Tuple[int, ...], scales: int, multiply) -> np.ndarray:
        term, outputs = int(given["8"]), int(given["0"])
        weight = self.bytes(int(np.prod(shape))).reshape(shape).astype(np.float64)
        bias, by_weight, by_input = (self.floats(n).astype(float) for n in (outputs, scales, 1))
        rounded = np.clip(np.rint(x * by_input), -127, 127)
        sums = multiply(rounded, weight)
        each = (-1, *[1] * (sums.ndim - 1))
        value = sums / (by_input * by_weight.reshape(each)) + bias.reshape(each)
        value = self.fused(given, value)
        if term > 100:
            top = self.floats(1).astype(float)
            value = np.clip(np.rint(value * top), -127, 127) / top
        return value

    def fused(self, given, x):
        return activated(x, {"0": None, "1": "relu", "3": "relu6"}[given.get("9", "0")])

    def Convolution(self, given, x, groups: int = 1):
        outputs = int(given["0"])
        kernel, stride, pads = self.window(given, "1", "11", "3", "13", ("14", "16"), ("4", "15"))
        shape = (outputs, int(given["6"]) // outputs // int(np.prod(kernel)), *kernel)
        assert int(given["8"]) % 100 == (1 if groups > 1 else 2)
        scales = groups if groups > 1 else outputs
        how = kernel, stride, pads, groups
        multiply = lambda x, w: convolved(x[None], w, *how)[0]  # noqa: E731
        return self.multiplied(given, x, shape, scales, multiply)

    def ConvolutionDepthWise(self, given, x):
        return self.Convolution(given, x, int(given["7"]))

    def InnerProduct(self, given, x):
        outputs = int(given["0"])
        shape = (outputs, int(given["2"]) // outputs)
        return self.multiplied(given, x, shape, outputs, lambda x, w: w @ x.ravel())

    def window(self, given, width, height, across, down, top, left) -> tuple:
        pairs = (height, width), (down, across), top, left
        kernel, stride, *pads = ([int(given[k]) for k in keys] for keys in pairs)
        return kernel, stride, pads

    def Pooling(self, given, x):
        if given.get("4") == "1":
            return x.mean((1, 2))
        how = self.window(given, "1", "11", "2", "12", ("13", "15"), ("3", "14"))
        return pooled(x[None], given["0"] == "1", *how)[0]

    def ReLU(self, given, x):
        return np.where(x < 0, float(given.get("0", 0)) * x, x)

    Split = Dropout = lambda self, given, x: x
    Concat = lambda self, given, *parts: np.concatenate(parts)  # noqa: E731
    BinaryOp = lambda self, given, a, b: a + b  # noqa: E731
    Interp = lambda self, given, x: x.repeat(2, 1).repeat(2, 2)  # noqa: E731
    Flatten = lambda self, given, x: x.ravel()  # noqa: E731
    Softmax = lambda self, given, x: softmax(x)  # noqa: E731


def test_ncnn_file_has_the_integers(made: Made, tmp_path: Path) -> None:
    files = tmp_path / "x.param", tmp_path / "x.bin"
    ncnn_writer.write(made.integers, *files)
    found = NcnnFile(*files).run(made.network.inputs)
    signal = rounds.signal_to_noise(found, made.real)
    # Without zero points a bit of the activations is lost.
    assert signal > rounds.signal_to_noise(made.int8, made.real) - 12


def test_ncnn_recurrent_file(tmp_path: Path) -> None:
    network = Network("LSTM")
    network.output(network.recurrent("LSTM", network.input("x", (5, 1, 7)), 3))
    network.dynamic = True
    ncnn_writer.write(network, tmp_path / "x.param", tmp_path / "x.bin")
    file = NcnnFile(tmp_path / "x.param", tmp_path / "x.bin")
    assert "8=2" in file.lines[1]
    of = network.layers[0].weights
    order = [0, 2, 1, 3]  # input, forget, output, cell
    weight = file.bytes(4 * 3 * 7).reshape(4, 3, 7)
    assert file.take(4).view(np.uint32)[0] == 0
    bias = file.floats(4 * 3).reshape(4, 3)
    recurrence = file.bytes(4 * 3 * 3).reshape(4, 3, 3)
    for q, name in ((weight, "weight"), (recurrence, "recurrence")):
        real = of[name].reshape(4, 3, -1)[order]
        scale = file.floats(4 * 3).reshape(4, 3, 1)
        np.testing.assert_allclose(q / scale, real, atol=0.51 / scale.min())
    np.testing.assert_allclose(bias, of["bias"].reshape(2, 4, 3).sum(0)[order], rtol=1e-6)
    assert file.at == len(file.data)


# ---- The runtimes themselves, where they are installed (tools/bench/requirements.txt)


def installed() -> List[str]:
    packages = {"litert": "ai_edge_litert", "ncnn": "ncnn"}
    return [r for r, package in packages.items() if importlib.util.find_spec(package)]


if installed():

    @pytest.mark.parametrize("runtime", installed())
    def test_runtime_agrees(made: Made, runtime: str, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.syspath_prepend(BENCH)
        if runtime == "ncnn":
            ncnn_writer.write(made.integers, tmp_path / "model.param", tmp_path / "model.bin")
        else:
            from writers import tflite_writer

            tflite_writer.write(made.integers, tmp_path / "model.tflite", tmp_path / "tflite.json")
        module = importlib.import_module(f"runtimes.{runtime}")
        loaded = module.Loaded(tmp_path, made.network.shapes, 1)
        loaded.feed(made.network.inputs)
        loaded.run()
        found = loaded.outputs()
        ours = rounds.signal_to_noise(made.int8, made.real)
        assert rounds.signal_to_noise(found, made.real) > ours - (12 if runtime == "ncnn" else 3)


# ---- What the results are taken for


def test_noise_is_found(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    real = random.standard_normal((1, 1000)).astype(np.float32)
    noise = random.standard_normal(real.shape).astype(np.float32)
    levels = {"apus": 30, "onnxruntime": 29, "openvino": 20, "ncnn": 20, "mnn": 10}
    outputs = {r: real + noise * np.float32(10 ** (-d / 20)) for r, d in levels.items()}
    outputs["litert"] = np.where(real == real[0, 5], np.nan, real)
    np.savez(tmp_path / "reference.npz", y=real)
    for runtime, value in outputs.items():
        np.savez(tmp_path / f"outputs-{runtime}-1.npz", y=value)
    found = rounds.check_signals(tmp_path, list(outputs), 1)
    for runtime, level in levels.items():
        assert found[runtime] == pytest.approx(level, abs=0.5)
    # ncnn has integers of its own; OpenVINO has apus's and lost more than they explain.
    assert rounds.noisy(found) == ["openvino", "mnn", "litert"]
    shuffled = {"y": random.permutation(real[0])[None]}
    assert rounds.signal_to_noise(shuffled, {"y": real}) < 3, "wrong numbers of the right size"
    assert rounds.signal_to_noise({"y": real[0]}, {"y": real}) == -np.inf


def results(**more: float) -> dict:
    no = rounds.Result(failure="not supported: said why")
    made = {r: no for r in page.TITLES}
    for runtime, seconds in (("apus", 0.001), ("litert", 0.002)):
        made[runtime] = rounds.Result(rounds=[seconds] * 3, version="1.2.3", signal=31.4, arena=50)
    for runtime, seconds in more.items():
        made[runtime] = rounds.Result(rounds=[seconds] * 3, arena=100)
    made["peak"] = rounds.Result(rounds=[0.001], operations=4e8)
    return made


def test_page_has_a_part_for_int8(tmp_path: Path) -> None:
    entry = {"name": "n", "title": "Net", "threads": 1, "operations": 1e8}
    float32 = {**entry, "results": results()}
    int8 = {**entry, "results": results(apus_float=0.0025, apus_direct=0.004)}
    page.save([int8], tmp_path / "int8.json")
    page.write([float32], tmp_path, 3, 0.1)
    before = (tmp_path / "performance.md").read_text()
    assert "## Int8" not in before and not (tmp_path / "performance-int8.svg").exists()
    page.write([float32], tmp_path, 3, 0.1, page.saved(tmp_path / "int8.json"))
    text = (tmp_path / "performance.md").read_text()
    assert text.startswith(before)
    part = text[len(before) :]
    assert "400 thousand million operations" in part
    assert "| Net | 2.00 (2.00-2.00) | LiteRT | 25 % |" in part
    assert "| Net | 2.50 | 4.00 | 50 % |" in part
    assert "| Net | 31.4 | no | no | no | no | 31.4 |" in part
    assert "in 1 of 1 networks" in part
    assert "Net</text>" in (tmp_path / "performance-int8.svg").read_text()


def test_older_results_are_read(tmp_path: Path) -> None:
    """Results of a run before there was int8 have no signal."""
    old = results()
    page.save([{"name": "n", "title": "Net", "threads": 1, "results": old}], tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())
    for result in found[0]["results"].values():
        del result["signal"]
    (tmp_path / "r.json").write_text(json.dumps(found))
    assert page.saved(tmp_path / "r.json")[0]["results"]["apus"].seconds == 0.001
