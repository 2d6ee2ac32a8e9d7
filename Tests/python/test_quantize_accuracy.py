"""What quantised networks lose: a depthwise network, a char-rnn, --max-drop, --weights-only."""

import json

import apus_reader
import cli
import locate
import numpy as np
import onnx
import pytest
from harness import ISAS, apus, assert_same_bits
from quantized import (
    constants, export, import_fixture, quantize, refuse, run_apus, run_onnx, signal_to_noise,
    train, write_digits,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accuracy")
    write_digits(folder, 16)
    import_fixture(folder, "depthwise")
    return folder


def outputs(folder, model, part="test.npz"):
    return run_apus(folder / model, {"image": np.load(folder / part)["x"]})[0]


def accuracy(folder, model):
    return np.mean(outputs(folder, model).argmax(1) == np.load(folder / "test.npz")["y"])


DEPTHWISE = ["depthwise.apus", "--calibrate", "train.npz"]
# One scale for a tensor whose channels differ is what equalisation was made for.
COARSE = ["--weights", "per-tensor", "--no-equalization", "--no-bias-correction"]


# MARK: A depthwise network


@pytest.mark.parametrize("observer", ["minmax", "percentile", "mse"])
def test_depthwise(folder, observer):
    report = quantize(folder, *DEPTHWISE, "--observer", observer)
    assert all(layer["is_integer"] for layer in report["layers"])
    assert accuracy(folder, "q.apus") >= accuracy(folder, "depthwise.apus") - 0.01
    assert signal_to_noise(outputs(folder, "depthwise.apus"), outputs(folder, "q.apus")) > 33


def test_what_equalisation_and_bias_correction_are_worth(folder):
    real = outputs(folder, "depthwise.apus")

    def noise(*options):
        quantize(folder, *DEPTHWISE, "--observer", "minmax", *options)
        return signal_to_noise(real, outputs(folder, "q.apus"))

    assert noise(*COARSE) < 15 < 30 < noise(*COARSE[:2], "--no-bias-correction")
    assert noise() > noise("--no-bias-correction") + 0.5
    assert noise() > noise("--no-equalization")


def test_equalisation_keeps_the_function(folder):
    """Its network in floats: what it was to rounding, and no channel is much larger than another."""
    quantize(folder, *DEPTHWISE, *[f"--keep-float={name}" for name in layers(folder)[1:]])
    assert layers(folder, "q.apus")[0] == layers(folder)[0]
    assert signal_to_noise(outputs(folder, "depthwise.apus"), outputs(folder, "q.apus")) > 40
    # Ranges of the channels between two layers: equal, as s = sqrt(r1 / r2) makes them.
    known = constants(export(folder, "q.apus"))
    nodes = {n.name: n for n in export(folder, "q.apus").graph.node}
    names = layers(folder)[1:]
    checked = 0
    for first, second in zip(names, names[1:]):
        w1, w2 = (known.get(nodes[n].input[1]) for n in (first, second))
        if w1 is None or w2 is None or w1.ndim != 4 or w2.ndim != 4:
            continue
        r1 = np.abs(w1).max(axis=(1, 2, 3))
        r2 = np.abs(w2).max(axis=(1, 2, 3) if w2.shape[1] == 1 else (0, 2, 3))
        used = (r1 > 0) & (r2 > 0)
        np.testing.assert_allclose(r1[used], r2[used], rtol=0.05)
        checked += 1
    assert checked >= 8


def layers(folder, model="depthwise.apus"):
    return [
        n.name for n in export(folder, model).graph.node
        if n.op_type in ("Conv", "Gemm", "QLinearConv")
    ]  # fmt: skip


def test_adaptive_rounding(folder):
    """Every weight goes up or down, and the outputs come nearer: on data that it has not seen too."""
    real = outputs(folder, "depthwise.apus")
    for options in [], ["--no-bias-correction"], ["--weights", "per-tensor"]:
        quantize(folder, *DEPTHWISE, *options, output="nearest.apus")
        quantize(folder, *DEPTHWISE, *options, "--rounding", "adaptive", output="adaptive.apus")
        nearest, adaptive = (
            signal_to_noise(real, outputs(folder, f"{name}.apus")) for name in ("nearest", "adaptive")
        )
        assert adaptive > nearest + 0.5, (options, nearest, adaptive)
        weights = [
            [t.stored.astype(int) for t in read(folder, f"{name}.apus").tensors if is_weight(t)]
            for name in ("nearest", "adaptive")
        ]
        steps = np.concatenate([(a - b).ravel() for a, b in zip(*weights)])
        assert np.abs(steps).max() == 1 and 0.01 < np.mean(steps != 0) < 0.5


def read(folder, model):
    return apus_reader.read((folder / model).read_bytes())


def is_weight(tensor):
    return tensor.stored is not None and tensor.dtype == "int8" and tensor.stored.ndim >= 2


def test_layer_by_layer(folder):
    """verify compares what integers stand for with the floats of the same name."""
    quantize(folder, *DEPTHWISE, "--no-equalization", output="alike.apus")
    x = np.load(folder / "test.npz")["x"]
    np.save(folder / "x.npy", x)
    result = cli.run(
        "verify", "alike.apus", "--against", "depthwise.apus", "--input", "x.npy", "--tolerance",
        "9", "--json", cwd=folder,
    )  # fmt: skip
    assert result.code == 0, result.stderr
    rows = json.loads(result.stdout)["tensors"]
    assert sum(row["operator"] == "QLinearConv" for row in rows) >= 11
    for row in rows:
        assert row["sqnr_db"] > 25, row


def test_normalisation_that_nothing_takes_up(tmp_path):
    """A BatchNormalization of its own is computed in integers, as a convolution of one tap."""
    random = np.random.default_rng(0)
    values = [random.normal(size=(6,)).astype(np.float32) for _ in range(3)]
    values.append(np.abs(random.normal(size=(6,))).astype(np.float32) + 0.5)
    w = random.normal(size=(4, 6, 1, 1)).astype(np.float32)
    make = onnx.helper.make_node
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            make("MaxPool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            make("BatchNormalization", ["p", "scale", "bias", "mean", "var"], ["n"], name="norm"),
            make("Relu", ["n"], ["r"]),
            make("Conv", ["r", "w"], ["c"], name="conv"),
            make("Conv", ["r", "w"], ["d"], name="other"),
            make("Add", ["c", "d"], ["y"], name="add"),
        ],
        "net", [tensor("x", 1, ["batch", 6, 8, 8])], [tensor("y", 1, ["batch", 4, 4, 4])],
        [
            onnx.numpy_helper.from_array(a, name)
            for name, a in zip(["scale", "bias", "mean", "var", "w"], [*values, w])
        ],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "net.onnx")
    assert cli.run("import", "net.onnx", "-o", "net.apus", cwd=tmp_path).code == 0
    x = random.normal(size=(64, 6, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    report = quantize(tmp_path, "net.apus", "--calibrate", "x.npz")
    assert [l["name"] for l in report["layers"] if not l["is_integer"]] == []
    assert "norm" in [l["name"] for l in report["layers"]]
    (wanted,) = run_onnx(model, {"x": x})
    assert signal_to_noise(wanted, run_apus(tmp_path / "q.apus", {"x": x})[0]) > 35


def test_same_bits_everywhere(folder):
    quantize(folder, *DEPTHWISE)
    x = np.load(folder / "test.npz")["x"][:7]
    results = [run_apus(folder / "q.apus", {"image": x}, isa)[0] for isa in ISAS]
    for result in results[1:]:
        assert_same_bits(result, results[0])


# MARK: Holding an accuracy


def test_accuracy_is_what_a_run_gives(folder):
    report = quantize(folder, *DEPTHWISE, *COARSE, "--test", "test.npz")
    measured = report["accuracy"]
    assert measured["rows"] == 359 and "is_reached" not in measured
    assert measured["float_accuracy"] == pytest.approx(accuracy(folder, "depthwise.apus"), abs=1e-9)
    assert len(measured["trades"]) == 1
    assert measured["trades"][0]["accuracy"] == pytest.approx(accuracy(folder, "q.apus"), abs=1e-9)


def test_max_drop(folder):
    report = quantize(
        folder, *DEPTHWISE, *COARSE, "--test", "test.npz", "--max-drop", "0.3%", output="held.apus"
    )
    measured = report["accuracy"]
    real, trades = measured["float_accuracy"], measured["trades"]
    assert measured["is_reached"] and len(trades) >= 2
    assert real - trades[0]["accuracy"] > 0.003 >= real - trades[-1]["accuracy"]
    assert trades[-1]["accuracy"] == pytest.approx(accuracy(folder, "held.apus"), abs=1e-9)
    kept = {l["name"] for l in report["layers"] if not l["is_integer"]}
    assert kept == set(trades[-1]["float_layers"])
    assert trades[-1]["bytes"] == (folder / "held.apus").stat().st_size > trades[0]["bytes"]
    assert 0 == trades[0]["float_macs"] < trades[-1]["float_macs"] < trades[-1]["macs"]
    # Already held: nothing is kept.
    report = quantize(folder, *DEPTHWISE, "--test", "test.npz", "--max-drop", "1%")
    assert len(report["accuracy"]["trades"]) == 1


def edges(run, images, count):
    """Images between two of different classes, as near as float32 can tell to where the class
    changes, and their classes."""
    found = []
    for a, b in zip(images, images[1:]):
        low, high = np.float32(0), np.float32(1)
        first, last = run(a), run(b)
        if first == last or len(found) == count:
            continue
        for _ in range(40):
            middle = (low + high) / 2
            if run(a + middle * (b - a)) == first:
                low = middle
            else:
                high = middle
        found.append((a + low * (b - a), first))
    return np.stack([x for x, _ in found]), np.array([y for _, y in found])


def test_an_accuracy_that_cannot_be_held(folder):
    """Samples on the edge between two classes: whatever is rounded, half of them fall over."""
    with apus.Model(folder / "depthwise.apus") as model, model.session() as session:
        x, y = edges(
            lambda image: int(session.run(image[None])["logits"].argmax()),
            np.load(folder / "test.npz")["x"], 24,
        )  # fmt: skip
    np.savez(folder / "edge.npz", x=x)
    np.save(folder / "edge.npy", y)
    result = cli.run(
        "quantize", *DEPTHWISE, "--test", "edge.npz", "--labels", "edge.npy", "--max-drop", "10%",
        "-o", "unheld.apus", cwd=folder, isa="",
    )  # fmt: skip
    assert result.code == 1 and not (folder / "unheld.apus").exists()
    assert "accuracy falls by more than 10.0 points" in result.stderr
    assert "accuracy on 24 samples" in result.stdout


def test_labels_that_do_not_fit(folder):
    np.save(folder / "few.npy", np.zeros(5, np.int64))
    assert "359 samples" in refuse(
        folder, *DEPTHWISE, "--test", "test.npz", "--labels", "few.npy"
    )
    np.savez(folder / "plain.npz", x=np.load(folder / "test.npz")["x"])
    assert "no labels" in refuse(folder, *DEPTHWISE, "--test", "plain.npz")
    np.save(folder / "high.npy", np.full(359, 10))
    message = refuse(folder, *DEPTHWISE, "--test", "test.npz", "--labels", "high.npy")
    assert "class 10" in message and "0 to 9" in message


# MARK: Weights alone


def test_weights_only(folder):
    report = quantize(folder, "depthwise.apus", "--weights-only", output="small.apus")
    assert not any(layer["is_integer"] for layer in report["layers"])
    assert signal_to_noise(outputs(folder, "depthwise.apus"), outputs(folder, "small.apus")) > 30
    # The same network with each weight rounded to its channel's scale, by ONNX Runtime.
    model = export(folder, "depthwise.apus")
    known = constants(model)
    for node in model.graph.node:
        w = known.get(node.input[1]) if node.op_type in ("Conv", "Gemm") else None
        if w is None or w.size < 256 or w.shape[0] * 8 > w.size:
            continue
        scale = np.abs(w).max(axis=tuple(range(1, w.ndim)), keepdims=True) / np.float32(127)
        tensor = next(t for t in model.graph.initializer if t.name == node.input[1])
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.rint(w / scale) * scale, tensor.name))
    x = np.load(folder / "test.npz")["x"]
    (wanted,) = run_onnx(model, {"image": x})
    np.testing.assert_allclose(outputs(folder, "small.apus"), wanted, atol=1e-4)
    assert "quantised already" in refuse(folder, "small.apus", "--weights-only")


# MARK: A recurrent network

CHARACTERS = """
name: letters
model: {name: char-rnn, cell: lstm, layers: 2, hidden_size: 96, embedding: 32}
data:
  reader: text
  path: PATH
  suffixes: [.md]
  vocabulary: characters
  minimum_count: 10
  split: {validation: 0.1}
loss: cross-entropy
optimizer: {name: adam, learning_rate: 0.01}
clipping: {norm: 5}
window: 32
batch_size: 32
epochs: 2
seed: 1
"""


def bits(path, text):
    """Bits for a character of the text, one run after the other, the states carried on."""
    with apus.Model(path) as model:
        numbers = {c: i + 1 for i, c in enumerate(model.metadata("characters"))}
        tokens = np.array([numbers.get(c, 0) for c in text], np.int32)
        with model.session(shapes={"tokens": (50, 1)}) as session:
            total, count = 0.0, 0
            for i in range(0, len(tokens) - 51, 50):
                (y,) = session.run({"tokens": tokens[i : i + 50, None]}).values()
                y = y[:, 0].astype(np.float64)
                y -= np.log(np.exp(y).sum(1, keepdims=True))
                total -= y[np.arange(50), tokens[i + 1 : i + 51]].sum()
                count += 50
    return total / count / np.log(2)


def test_char_rnn(tmp_path):
    recipe = CHARACTERS.replace("PATH", str(locate.REPOSITORY / "docs"))
    train(tmp_path, recipe, "letters")
    text = (locate.REPOSITORY / "docs/onnx.md").read_text()[:8000]
    real = bits(tmp_path / "letters.apus", text)
    assert real < 4.2
    report = quantize(tmp_path, "letters.apus", "--calibrate", "letters.yaml")
    assert all(layer["is_integer"] for layer in report["layers"])
    assert report["int8_bytes"] < 0.3 * report["float_bytes"]
    assert bits(tmp_path / "q.apus", text) < 1.01 * real
    quantize(tmp_path, "letters.apus", "--weights-only")
    assert bits(tmp_path / "q.apus", text) < 1.005 * real
