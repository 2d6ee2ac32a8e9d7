"""The recurrent networks of the zoo: recipes in small train, what they learn is judged by numbers
that NumPy computes from the data, and what is written runs in libapus and in ONNX Runtime alike."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import locate
import numpy as np
import onnx
import onnxruntime
import pytest
from harness import apus
from onnx import numpy_helper

ADDING = """
model: {name: sequence, cell: CELL, hidden_size: 32}
data: {reader: adding-problem, length: 20, count: 3000, split: {test: 0.2}}
loss: mse
optimizer: {name: adam, learning_rate: 0.02}
clipping: {norm: 1}
batch_size: 32
epochs: EPOCHS
"""


def train(folder: Path, recipe: str, *arguments: str) -> str:
    """Trains, leaves net.apus and net.onnx in the folder and returns what was said at the end."""
    (folder / "r.yaml").write_text(recipe)
    command = [locate.model_convert(), "train", "r.yaml", "-o", "net.apus", "--threads", "1"]
    command += ["--export-onnx", "net.onnx", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def samples(folder: Path, part: str = "test") -> tuple[np.ndarray, np.ndarray]:
    command = [locate.model_convert(), "samples", "r.yaml", "--part", part, "-o", f"{part}.npz"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    arrays = np.load(folder / f"{part}.npz")
    return arrays["x"], arrays["y"]


def run_apus(folder: Path, *inputs: np.ndarray) -> np.ndarray:
    model = apus.Model(folder / "net.apus")
    arrays = {t.name: x for t, x in zip(model.inputs, inputs)}
    (y,) = model.session(shapes={k: x.shape for k, x in arrays.items()}).run(arrays).values()
    return y


def run_onnx(folder: Path, *inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(folder / "net.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {t.name: x for t, x in zip(session.get_inputs(), inputs)})[0]


def figure(said: str, name: str) -> float:
    return float(re.search(rf"test: .*?\b{name} ([\d.e-]+)", said)[1])


@pytest.mark.parametrize("cell,epochs", [("rnn", 1), ("gru", 5), ("lstm", 6)])
def test_adding_problem(cell, epochs, tmp_path):
    """In 20 steps; the trainer's error is that of the file's answers, and LSTM and GRU solve it."""
    said = train(tmp_path, ADDING.replace("CELL", cell).replace("EPOCHS", str(epochs)))
    x, y = samples(tmp_path)
    assert x.shape == (600, 20, 2)
    np.testing.assert_allclose((x[:, :, 0] * x[:, :, 1]).sum(axis=1), y.ravel(), atol=1e-6)
    answers = run_apus(tmp_path, x)
    np.testing.assert_allclose(answers, run_onnx(tmp_path, x), atol=1e-5)
    error = ((answers - y.reshape(answers.shape)) ** 2).mean()
    assert error == pytest.approx(figure(said, "loss"), rel=1e-3)
    if cell != "rnn":
        assert error < 0.01 < ((y - 1) ** 2).mean() / 10
        # With weights of 8 bits as well.
        command = [locate.model_convert(), "quantize", "net.apus", "--dynamic", "-o", "net.apus"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        rounded = run_apus(tmp_path, x)
        assert 0 < np.abs(rounded - answers).max() < 0.2
        assert ((rounded - y.reshape(answers.shape)) ** 2).mean() < 0.01


@pytest.mark.parametrize("network", ["elman", "jordan"])
def test_sunspots(network, tmp_path):
    """The recipes themselves: better than persistence, whose error NumPy computes of the table."""
    recipe = (locate.REPOSITORY / "recipes" / f"sunspots-{network}.yaml").read_text()
    said = train(tmp_path, recipe.replace("../data", str(locate.REPOSITORY / "data")))
    series = np.loadtxt(locate.REPOSITORY / "data" / "sunspots.csv", delimiter=",", skiprows=1)
    assert series.shape == (309, 2) and series[0].tolist() == [1700, 5]
    held_out = round(0.2 * (309 - 22))
    numbers = series[:, 1] / 100
    persistence = np.sqrt(((numbers[-held_out:] - numbers[-held_out - 1 : -1]) ** 2).mean())
    assert persistence == pytest.approx(figure(said, "persistence rmse"), rel=1e-3)
    x, y = samples(tmp_path)
    np.testing.assert_allclose(y.ravel(), numbers[-held_out:], atol=1e-6)
    np.testing.assert_allclose(x[-1].ravel(), numbers[-23:-1], atol=1e-6)
    answers = run_apus(tmp_path, x)
    np.testing.assert_allclose(answers, run_onnx(tmp_path, x), atol=1e-5)
    error = np.sqrt(((answers.ravel() - y.ravel()) ** 2).mean())
    assert error == pytest.approx(figure(said, "rmse"), rel=1e-3)
    assert error < 0.75 * persistence
    if network == "jordan":
        np.testing.assert_allclose(answers, jordan(tmp_path, x), atol=1e-5)


def jordan(folder: Path, x: np.ndarray) -> np.ndarray:
    """The paper's recurrence, with the file's weights."""
    w = {t.name: numpy_helper.to_array(t) for t in onnx.load(folder / "net.onnx").graph.initializer}
    state = np.zeros((len(x), 1))
    for t in range(x.shape[1]):
        sums = x[:, t] @ w["hidden.input_weight"].T + state @ w["hidden.state_weight"].T
        y = np.tanh(sums + w["hidden.bias"]) @ w["output.weight"].T + w["output.bias"]
        state = 0.5 * state + y
    return y


SOURCE = """\
import Graph

/// What number {n} is.
public struct Type{n} {{
  public var width{n} = {n}
  // A comment, number {n}.
  func area{n}(_ height: Float, scale: Int) -> Float {{
    return width{n} * height + offset(scale: {n}, name: "text {n}")
  }}
}}
"""

TAGGER = """
model: {name: syntax-tagger, cell: lstm, hidden_size: 24, bidirectional: true, peepholes: true, embedding: 12}
data: {path: source, minimum_count: 1, split: {test: 0.25}}
optimizer: {name: adam, learning_rate: 0.02}
clipping: {norm: 1}
batch_size: 8
epochs: 8
"""

LINES = """
model: {name: line-classifier, cell: gru, hidden_size: 16, bidirectional: true, read: mean, embedding: 12}
data: {path: source, suffixes: [.swift, .py], minimum_count: 1, split: {test: 0.25}}
optimizer: {name: adam, learning_rate: 0.02}
clipping: {norm: 1}
batch_size: 8
epochs: 8
"""


def ragged(model: apus.Model, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    characters = model.metadata("characters")
    lengths = np.array([len(t) for t in texts], np.int32)
    x = np.zeros((len(texts), lengths.max()), np.int32)
    for row, text in zip(x, texts):
        row[: len(text)] = [characters.find(c) + 1 for c in text]
    return x, lengths


@pytest.mark.parametrize("recipe,per_step", [(TAGGER, True), (LINES, False)])
def test_ragged_batches(recipe, per_step, tmp_path):
    """Lines of different lengths, padded, are what they are one by one; and they are learned."""
    (tmp_path / "source").mkdir()
    for n in range(12):
        (tmp_path / "source" / f"t{n}.swift").write_text(SOURCE.format(n=n * 7))
        python = f"import graph\n\ndef area{n}(height):\n    return {n} * height  # a comment\n"
        (tmp_path / "source" / f"t{n}.py").write_text(python)
    said = train(tmp_path, recipe)
    assert float(re.search(r"test: .*accuracy ([\d.]+) %", said)[1]) > 85
    model = apus.Model(tmp_path / "net.apus")
    texts = ["  let height = area(scale: 12)", "// A comment", "return width7 * height + offset(1)"]
    x, lengths = ragged(model, texts)
    together = run_apus(tmp_path, x, lengths)
    # ONNX Runtime's LSTM, GRU take sequence_lens too.
    np.testing.assert_allclose(together, run_onnx(tmp_path, x, lengths), atol=1e-5)
    np.testing.assert_allclose(together.sum(axis=-1), 1, atol=1e-5)
    for i, text in enumerate(texts):
        alone = run_apus(tmp_path, x[i : i + 1, : len(text)], lengths[i : i + 1])[0]
        row = together[i, : len(text)] if per_step else together[i]
        np.testing.assert_allclose(row, alone, atol=1e-6)
    labels = model.metadata("labels").split("\n")
    if per_step:
        assert labels[together[1, 5].argmax()] == "comment"
        assert labels[together[0, 3].argmax()] == "keyword"
