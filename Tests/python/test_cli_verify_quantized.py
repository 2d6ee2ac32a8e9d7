"""`model-convert verify` of quantised models: its figures against NumPy, and whom it blames for a
fault that was put in on purpose.

A network of three layers in QLinearConv form, made here, stands beside the float one; its integers
come from another run, of a model whose outputs they are.
"""

from __future__ import annotations

import html.parser
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import cli
from apus_writer import Writer
from harness import add_node
from quantized import import_fixture, quantize, run_apus, signal_to_noise, write_digits

FIXTURE = Path(__file__).resolve().parent / "fixtures/quantize/depthwise.onnx"

N, C, SIZE = 8, 8, 6
NAMES = ["a", "b", "c"]


def convolution(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("nchw,mc->nmhw", x, w[:, :, 0, 0]) + b[:, None, None]


class Network:
    """x -> a -> b -> c, 1x1 convolutions, and Relu behind the first two."""

    def __init__(self, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.x = random.normal(size=(N, C, SIZE, SIZE)).astype(np.float32)
        self.weights = [
            (random.normal(size=(C, C, 1, 1)) / np.sqrt(C)).astype(np.float32) for _ in NAMES
        ]
        self.biases = [random.normal(size=C).astype(np.float32) * 0.1 for _ in NAMES]
        self.per_tensor = False
        # Layer -> what the right scale is multiplied with.
        self.scale_factors: "dict[str, float]" = {}
        # Layer -> channels whose integer weights and bias are zero.
        self.dead: "dict[str, int]" = {}

    def real(self) -> "dict[str, np.ndarray]":
        found = {"x": self.x.astype(np.float64)}
        x = found["x"]
        for i, name in enumerate(NAMES):
            x = convolution(x, self.weights[i].astype(np.float64), self.biases[i])
            x = found[name] = np.maximum(x, 0) if i < 2 else x
        return found

    def parameters(self, name: str) -> "tuple[np.float32, int]":
        values = self.real()[name]
        low, high = min(values.min(), 0), max(values.max(), 0)
        scale = (high - low) / 255
        zero = int(np.round(-low / scale))
        return np.float32(scale * self.scale_factors.get(name, 1)), zero

    def write_float(self, path: Path) -> None:
        writer = Writer()
        f = writer.function("main")
        t = f.input("x", "float32", self.x.shape)
        for i, name in enumerate(NAMES):
            w, b = writer.weight(self.weights[i]), writer.weight(self.biases[i])
            (t,) = add_node(f, "Conv", [t, w, b], name=name)
            if i < 2:
                (t,) = add_node(f, "Relu", [t], name=name + ".relu")
                writer.tensors[t].debug_name = name
        f.output(t, "c", "float32", self.x.shape)
        path.write_bytes(writer.to_bytes())

    def write_int8(self, path: Path, shows: str = "") -> None:
        """`shows`: a tensor whose integers are the output instead, to be read by `run`."""
        writer = Writer()
        f = writer.function("main")
        t = f.input("x", "float32", self.x.shape)

        def pair(name: str) -> "tuple[int, int]":
            scale, zero = self.parameters(name)
            return writer.weight(np.array(scale)), writer.weight(np.array(zero, np.uint8))

        (t,) = add_node(f, "QuantizeLinear", [t, *pair("x")], dtypes=["uint8"], name="x.quantize")
        writer.tensors[t].debug_name = "x.integers"
        made, before = {"x": t}, "x"
        for i, name in enumerate(NAMES):
            w = self.weights[i]
            largest = np.abs(w).max() if self.per_tensor else np.abs(w).max((1, 2, 3))
            scales = np.asarray(largest / 127, np.float32)
            q = np.round(w / scales.reshape(-1, 1, 1, 1)).astype(np.int8)
            step = self.parameters(before)[0] * scales
            bias = np.round(self.biases[i] / step).astype(np.int32)
            q[: self.dead.get(name, 0)] = 0
            bias[: self.dead.get(name, 0)] = 0
            (t,) = add_node(
                f, "QLinearConv",
                [t, *pair(before), writer.weight(q), writer.weight(scales),
                 writer.weight(np.zeros(scales.shape, np.int8)), *pair(name),
                 writer.weight(bias)],
                dtypes=["uint8"], name=name,
            )  # fmt: skip
            writer.tensors[t].debug_name = name if i < 2 else "c.integers"
            made[name], before = t, name
        if shows:
            f.output(made[shows], shows, "uint8", self.x.shape)
        else:
            (t,) = add_node(f, "DequantizeLinear", [t, *pair("c")], name="c.dequantize")
            f.output(t, "c", "float32", self.x.shape)
        path.write_bytes(writer.to_bytes())


def verify(folder: Path, network: Network, *options: str) -> cli.Result:
    network.write_float(folder / "float.apus")
    network.write_int8(folder / "int8.apus")
    np.save(folder / "x.npy", network.x)
    result = cli.run(
        "verify", "int8.apus", "--against", "float.apus", "--input", "x.npy", *options, cwd=folder
    )
    return result


def rows(folder: Path, network: Network) -> "dict[str, dict]":
    result = verify(folder, network, "--json")
    return {row["name"]: row for row in json.loads(result.stdout)["tensors"]}


def causes(found: "dict[str, dict]") -> "dict[str, list]":
    """Of the layers that are themselves to blame."""
    return {
        name: row["quantized"]["causes"]
        for name, row in found.items()
        if row.get("quantized", {}).get("guilty")
    }


def integers(folder: Path, network: Network, name: str) -> np.ndarray:
    network.write_int8(folder / "shows.apus", shows=name)
    (found,) = run_apus(folder / "shows.apus", {"x": network.x})
    return found


# MARK: Figures


def broken(kind: str) -> Network:
    network = Network()
    if kind == "clipped":
        network.scale_factors["b"] = 0.3
    elif kind == "wasted":
        network.scale_factors["b"] = 20
    elif kind == "dead":
        network.dead["b"] = 2
    elif kind == "outlier":
        network.x[0, 0, 0, 0] = 400
    return network


@pytest.mark.parametrize("kind", ["whole", "clipped", "wasted", "dead", "outlier"])
def test_figures_are_numpys(tmp_path: Path, kind: str) -> None:
    network = broken(kind)
    found = rows(tmp_path, network)
    assert list(found) == ["x.integers", "a", "b", "c.integers", "c"]
    real = network.real()
    for name, tensor in [("x.integers", "x"), ("a", "a"), ("b", "b"), ("c.integers", "c")]:
        scale, zero = network.parameters(tensor)
        q = integers(tmp_path, network, tensor).astype(np.float64)
        r, x = real[tensor], float(scale) * (q - zero)
        row, quantized = found[name], found[name]["quantized"]
        assert quantized["scale"] == pytest.approx(float(scale), rel=1e-7)
        assert quantized["zero_point"] == zero
        sqnr = 10 * np.log10((r**2).sum() / ((x - r) ** 2).sum())
        assert row["sqnr_db"] == pytest.approx(sqnr, abs=0.01), name
        assert row["max_abs"] == pytest.approx(np.abs(x - r).max(), rel=1e-3)
        beyond = (r < scale * (0.0 - zero - 0.5)) | (r > scale * (255.0 - zero + 0.5))
        clipped = np.mean(beyond & ((q == 0) | (q == 255)))
        assert quantized["clipped_share"] == pytest.approx(clipped, abs=2.5 / q.size)
        assert quantized["range_used"] == (q.max() - q.min() + 1) / 256
        channels = q.swapaxes(0, 1).reshape(C, -1)
        assert quantized["channels"] == C
        constant = np.ptp(channels, axis=1) == 0
        moves = np.ptp(r.swapaxes(0, 1).reshape(C, -1), axis=1) > 0
        assert quantized["dead_channels"] == np.sum(constant & moves)


# MARK: Blame


def test_a_good_network(tmp_path: Path) -> None:
    result = verify(tmp_path, Network())
    assert result.code == 0 and "no SQNR is below 20 dB" in result.stdout
    assert causes(rows(tmp_path, Network())) == {}
    # The worst is first.
    table = [line.split() for line in result.stdout.splitlines()[3:8]]
    sqnr = [float(line[line.index("dB") - 1]) for line in table]
    assert sqnr == sorted(sqnr)
    result = verify(tmp_path, Network(), "--order", "run")
    assert [line.split()[0] for line in result.stdout.splitlines()[3:8]] == list("01234")


def test_a_scale_that_is_too_small(tmp_path: Path) -> None:
    network = broken("clipped")
    found = causes(rows(tmp_path, network))
    assert list(found) == ["b"] and len(found["b"]) == 1
    assert found["b"][0].startswith("outliers clipped: ")
    result = verify(tmp_path, network)
    assert result.code == 1 and "layer 2 (QLinearConv b) has an SQNR of" in result.stderr
    assert "outliers clipped" in result.stderr
    assert "layer 3: error comes from its inputs" in result.stdout
    (cause,) = rows(tmp_path, network)["c.integers"]["quantized"]["causes"]
    assert cause.startswith("error comes from its inputs: b has ")


def test_a_scale_that_is_too_large(tmp_path: Path) -> None:
    found = causes(rows(tmp_path, broken("wasted")))
    assert list(found) == ["b"]
    q = integers(tmp_path, broken("wasted"), "b").astype(float)
    share = (q.max() - q.min() + 1) / 256 * 100
    assert found["b"] == [f"range wasted: {share:.2g} % of the values are used"]


def test_dead_channels(tmp_path: Path) -> None:
    found = causes(rows(tmp_path, broken("dead")))
    assert list(found) == ["b"]
    assert "dead channels: 2 of 8 are constant in int8 and not in float" in found["b"]


def test_an_outlier(tmp_path: Path) -> None:
    found = causes(rows(tmp_path, broken("outlier")))
    first = next(iter(found))
    assert first == "x.integers"
    assert any(cause.endswith("a few outliers stretch it") for cause in found[first])


def test_channels_of_different_scale(tmp_path: Path) -> None:
    """a's first channel is 100 times as large; b takes it back, so that the others count as much.
    a as a whole, of which the first channel is nearly all, is good."""
    network = Network()
    network.weights[0][0] *= 100
    network.biases[0][0] *= 100
    network.weights[1][:, 0] /= 100
    found = rows(tmp_path, network)
    real = network.real()["a"]
    largest = real.max((0, 2, 3))
    ratio = largest.max() / np.sort(largest)[C // 2]
    scale, zero = network.parameters("a")
    x = float(scale) * (integers(tmp_path, network, "a") - float(zero))
    by_channel = 10 * np.log10((real**2).sum((0, 2, 3)) / ((x - real) ** 2).sum((0, 2, 3)))
    median = np.sort(by_channel)[C // 2]
    assert found["a"]["quantized"]["channel_sqnr_db"] == pytest.approx(median, abs=0.01)
    assert found["a"]["sqnr_db"] > 35 and median < 20
    blamed = causes(found)
    assert next(iter(blamed)) == "a"
    assert blamed["a"][0] == f"channels' scales differ by {ratio:.0f}x within one tensor"
    assert any(c.startswith("error comes from its inputs: a") for c in found["b"]["quantized"]["causes"])


def test_weights_with_one_scale(tmp_path: Path) -> None:
    """One large weight, of an input that is always zero, leaves the others few steps."""
    network = Network()
    network.per_tensor = True
    network.biases[0][7] = -100
    network.weights[1][0, 7] = 20
    blamed = causes(rows(tmp_path, network))
    w = network.weights[1].reshape(C, C)
    largest = np.abs(np.round(w / np.float32(np.float32(20) / 127))).max(1)
    assert largest.min() > 0
    text = f"weights: per-tensor scale, channels differ by {127 / largest.min():.0f}x"
    assert blamed == {"b": [text]}
    network.per_tensor = False
    assert not any("per-tensor" in c for cs in causes(rows(tmp_path, network)).values() for c in cs)


# MARK: The page


class Cells(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.layers: "list[str]" = []
        self.titles: "list[str]" = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "g" and "cell" in values.get("class", ""):
            self.layers.append(values["data-layer"])
        self.inside = tag
        if tag == "title":
            self.titles.append("")

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "title":
            self.titles[-1] += data


def test_page(tmp_path: Path) -> None:
    result = verify(tmp_path, broken("clipped"), "--html", "page.html")
    assert "model-convert: wrote page.html" in result.stderr
    text = (tmp_path / "page.html").read_text()
    page = Cells(text)
    assert page.layers == list("01234")
    assert "QLinearConv b" in page.titles[3] and "outliers clipped" in page.titles[3]
    assert "http" not in text  # nothing from elsewhere
    result = verify(tmp_path, broken("clipped"), "--html", "none/page.html")
    assert result.code == 1 and "the page cannot be written there" in result.stderr


# MARK: What quantize makes


@pytest.fixture(scope="module")
def depthwise(tmp_path_factory) -> Path:
    """A depthwise network, the digits, int8 by the defaults and with the coarsest options."""
    folder = tmp_path_factory.mktemp("depthwise")
    write_digits(folder, 16)
    import_fixture(folder, "depthwise")
    data = ["--calibrate", "train.npz"]
    quantize(folder, "depthwise.apus", *data, output="int8.apus")
    coarse = ["--weights", "per-tensor", "--no-equalization", "--no-bias-correction"]
    quantize(folder, "depthwise.apus", *data, *coarse, output="coarse.apus")
    np.save(folder / "x.npy", np.load(folder / "test.npz")["x"])
    return folder


def compare(folder: Path, model: str) -> dict:
    options = ["--against", "depthwise.apus", "--input", "x.npy", "--json"]
    return json.loads(cli.run("verify", model, *options, cwd=folder).stdout)


@pytest.mark.parametrize("model", ["int8.apus", "coarse.apus"])
def test_output_of_a_quantised_network(depthwise: Path, model: str) -> None:
    x = {"image": np.load(depthwise / "x.npy")}
    (real,) = run_apus(depthwise / "depthwise.apus", x, "baseline")
    (found,) = run_apus(depthwise / model, x, "baseline")
    row = compare(depthwise, model)["tensors"][-1]
    assert row["sqnr_db"] == pytest.approx(signal_to_noise(real, found), abs=0.02)


def test_channels_that_quantize_scaled(depthwise: Path) -> None:
    """The float network's own tensors are other numbers; equalised alike they are the same."""
    found = compare(depthwise, "int8.apus")
    assert found["against_equalized"] and found["passed"]
    assert min(row["sqnr_db"] for row in found["tensors"]) > 25
    assert "against_equalized" not in compare(depthwise, "coarse.apus")


def test_coarse_weights_are_blamed(depthwise: Path) -> None:
    """Layer 10's weights are far apart: as many of its channels vanish as NumPy finds."""
    found = compare(depthwise, "coarse.apus")
    (guilty,) = [row for row in found["tensors"] if row.get("quantized", {}).get("guilty")]
    assert found["tensors"][found["first_failure"]] == guilty
    model = onnx.load(FIXTURE)
    (relu,) = [n for n in model.graph.node if n.output[0] == guilty["name"]]
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    made = {n.output[0]: n for n in model.graph.node}
    conv = made[relu.input[0]]
    factor = np.ones(1)
    if conv.op_type == "BatchNormalization":
        scale, _, _, variance = (weights[i] for i in conv.input[1:])
        factor = scale / np.sqrt(variance + 1e-5)
        conv = made[conv.input[0]]
    largest = np.abs(weights[conv.input[1]]).max((1, 2, 3)) * np.abs(factor)
    zeros = np.sum(np.round(largest / largest.max() * 127) == 0)
    assert zeros > 0 and guilty["quantized"]["causes"][-1].endswith(f", {zeros} are all zero")
    assert any(c.startswith("weights: per-tensor scale") for c in guilty["quantized"]["causes"])
