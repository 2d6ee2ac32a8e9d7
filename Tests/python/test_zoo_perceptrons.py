"""Perceptrons, multilayer perceptrons and the optimisers that want all samples at once: what recipes
reach, the models run by the library, and minima against SciPy's on NumPy's own formula of the loss."""

from __future__ import annotations

import subprocess

import locate
import numpy as np
import pytest
from harness import apus
from scipy.optimize import minimize

BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = np.array([0, 1, 1, 0])


def train(recipe, output, *arguments):
    done = subprocess.run(
        [str(locate.model_convert()), "train", str(recipe), "-o", str(output), "--threads", "1",
         *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def recipe(name):
    return locate.REPOSITORY / "recipes" / f"{name}.yaml"


def run(path, x):
    """The model's output for a batch."""
    (y,) = apus.Model(path).session(shapes={"x": x.shape}).run(x.astype(np.float32)).values()
    return y


# MARK: Gates


def test_a_perceptron_learns_what_a_line_divides(tmp_path):
    train(recipe("perceptron"), tmp_path / "p.apus")
    y = run(tmp_path / "p.apus", BITS)
    assert np.array_equal(y > 0, [[0, 0], [0, 1], [0, 1], [1, 1]])


def test_a_perceptron_cannot_learn_the_exclusive_or(tmp_path):
    said = train(recipe("perceptron-xor"), tmp_path / "p.apus")
    # The loss is convex, and its minimum says 1/2 to everything: log 2.
    assert said.startswith("training: loss 0.6931,")
    assert np.allclose(run(tmp_path / "p.apus", BITS), 0.5, atol=1e-3)


@pytest.mark.parametrize("name", ["xor", "xor-sigmoid", "xor-relu"])
def test_a_hidden_layer_learns_it(tmp_path, name):
    train(recipe(name), tmp_path / "p.apus")
    y = run(tmp_path / "p.apus", BITS)
    answers = y.argmax(1) if name == "xor-relu" else (y[:, 0] > 0.5).astype(int)
    assert np.array_equal(answers, XOR)
    sure = y[np.arange(4), XOR] if name == "xor-relu" else np.abs(y[:, 0] - (1 - XOR))
    assert sure.min() > 0.95


# MARK: Digits


def digits():
    table = np.loadtxt(locate.REPOSITORY / "data/digits.csv", delimiter=",", skiprows=1)
    return table[:, 1:] / 16, table[:, 0].astype(int)


def loss_and_gradient(w, x, classes, l2):
    """Mean cross-entropy of softmax(x Aᵀ + b) and λ/2 · |A|², with its derivative."""
    a, b = w[:640].reshape(10, 64), w[640:]
    z = x @ a.T + b
    z = z - z.max(1, keepdims=True)
    log = z - np.log(np.exp(z).sum(1, keepdims=True))
    rows = np.arange(len(x))
    p = np.exp(log)
    p[rows, classes] -= 1
    p /= len(x)
    value = -log[rows, classes].mean() + l2 / 2 * (a**2).sum()
    return value, np.concatenate([(p.T @ x + l2 * a).ravel(), p.sum(0)])


RECIPE = """\
name: softmax regression
model: {{name: mlp, hidden: []}}
data:
  reader: csv
  path: {path}
  label: label
  transforms: [scale: 0.0625]
loss: cross-entropy
regularization: {{l2: 0.01}}
optimizer: {optimizer}
schedule: {schedule}
batch_size: {batch}
epochs: {epochs}
"""


def weights(tmp_path, optimizer, batch, epochs, schedule="constant"):
    """What training ends with, and the data's loss before each update of a full batch."""
    text = RECIPE.format(
        path=locate.REPOSITORY / "data/digits.csv", optimizer=optimizer, batch=batch, epochs=epochs,
        schedule=schedule,
    )  # fmt: skip
    if schedule == "constant":
        text = text.replace("schedule: constant\n", "")
    (tmp_path / "r.yaml").write_text(text)
    train(tmp_path / "r.yaml", tmp_path / "r.apus", "--checkpoint", str(tmp_path / "r.npz"))
    saved = np.load(tmp_path / "r.npz")
    return saved["weights"].astype(np.float64), saved["history"][:, 0]


@pytest.fixture(scope="module")
def minimum():
    x, classes = digits()
    found = minimize(
        loss_and_gradient, np.zeros(650), (x, classes, 0.01), method="L-BFGS-B", jac=True,
        options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-7, "maxfun": 5000},
    )  # fmt: skip
    return found.fun


@pytest.mark.parametrize(
    "optimizer, batch, epochs, schedule, tolerance",
    [
        ("l-bfgs", "full", 300, "constant", 1e-6),
        ("conjugate-gradient", "full", 300, "constant", 1e-6),
        # Gradient descent, and what sees parts of the samples, comes close in its own time.
        ("{name: sgd, learning_rate: 1}", "full", 1500, "constant", 1e-4),
        ("{name: nesterov, learning_rate: 0.5}", "full", 1000, "constant", 1e-6),
        ("{name: sgd, learning_rate: 0.3}", "32", 60, "{name: cosine, final: 0.001}", 1e-3),
        ("{name: adam, learning_rate: 0.01}", "32", 60, "{name: cosine, final: 0.001}", 1e-3),
    ],
)
def test_all_optimisers_reach_the_same_loss(
    tmp_path, minimum, optimizer, batch, epochs, schedule, tolerance
):
    w, _ = weights(tmp_path, optimizer, batch, epochs, schedule)
    x, classes = digits()
    reached = loss_and_gradient(w, x, classes, 0.01)[0]
    assert reached >= minimum * (1 - 1e-9)
    assert reached <= minimum * (1 + tolerance)


def test_l_bfgs_is_like_scipys(tmp_path):
    """From the same start: the same minimum, after a similar number of steps to the same loss."""
    x, classes = digits()
    start, _ = weights(tmp_path, "{name: sgd, learning_rate: 1e-30}", "full", 1)
    steps = []
    theirs = minimize(
        loss_and_gradient, start, (x, classes, 0.01), method="L-BFGS-B", jac=True,
        options={"maxcor": 10, "maxiter": 1000, "ftol": 1e-14, "gtol": 1e-7},
        callback=lambda w: steps.append(loss_and_gradient(w, x, classes, 0)[0]),
    )  # fmt: skip
    w, losses = weights(tmp_path, "{name: l-bfgs, memory: 10}", "full", 300)
    ours, gradient = loss_and_gradient(w, x, classes, 0.01)
    assert abs(ours - theirs.fun) <= 1e-6 * theirs.fun
    assert np.abs(gradient).max() < 1e-5
    assert losses[0] == pytest.approx(loss_and_gradient(start, x, classes, 0)[0], rel=1e-5)

    # Steps until the loss of the data stays within a thousandth of the end's.
    def needed(history):
        away = np.abs(np.asarray(history) / history[-1] - 1) > 1e-3
        return np.flatnonzero(away).max() + 2

    assert 0.6 * needed([losses[0], *steps]) <= needed(losses) <= 1.6 * needed([losses[0], *steps])


def test_a_multilayer_perceptron_knows_digits(tmp_path):
    """recipes/mlp.yaml, and that the library computes what was trained."""
    said = train(recipe("mlp"), tmp_path / "m.apus", "--checkpoint", str(tmp_path / "m.npz"))
    accuracy = float(said.split("accuracy ")[1].split(" %")[0])
    assert accuracy >= 97
    x, classes = digits()
    y = run(tmp_path / "m.apus", x.reshape(-1, 1, 8, 8))
    # NumPy with the trainer's weights.
    w = np.load(tmp_path / "m.npz")["weights"].astype(np.float64)
    layers, at = [], 0
    for inputs, outputs in [(64, 128), (128, 64), (64, 10)]:
        a = w[at : at + inputs * outputs].reshape(outputs, inputs)
        at += inputs * outputs
        layers.append((a, w[at : at + outputs]))
        at += outputs
    z = x
    for i, (a, b) in enumerate(layers):
        z = z @ a.T + b
        z = np.maximum(z, 0) if i < 2 else z
    e = np.exp(z - z.max(1, keepdims=True))
    assert np.abs(y - e / e.sum(1, keepdims=True)).max() < 1e-4
    assert (y.argmax(1) == classes).mean() > 0.97
