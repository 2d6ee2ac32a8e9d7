"""Embeddings: what was never seen in training is told apart by the cosine; the library's embeddings are
NumPy's with the trainer's weights, and their ROC area is what training said."""

from __future__ import annotations

import subprocess

import locate
import numpy as np
import pytest
from harness import apus


DIGITS = """\
name: digits
model: {{name: embedding, embedding_loss: {loss}, unseen: ["7", "8", "9"]}}
data:
  reader: csv
  path: {path}
  label: label
  transforms: [{{reshape: [1, 8, 8]}}, {{resize: [16, 16]}}, {{scale: 0.0625}}]
optimizer: {{name: adam, learning_rate: 0.002}}
batch_size: 64
epochs: 4
"""


def train(folder, recipe, *arguments):
    done = subprocess.run(
        [str(locate.model_convert()), "train", str(recipe), "-o", "e.apus", "--checkpoint", "e.npz",
         "--report", "e.html", "--threads", "1", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def digits():
    table = np.loadtxt(locate.REPOSITORY / "data/digits.csv", delimiter=",", skiprows=1)
    unseen = table[:, 0] >= 7
    x = table[unseen, 1:].reshape(-1, 8, 8)
    # Twice the size, bilinear: the places of the new pixels' centres, at the edge the edge's own value.
    at = np.clip((np.arange(16) + 0.5) / 2 - 0.5, 0, 7)
    low = np.minimum(at.astype(int), 6)
    weight = at - low
    rows = x[:, low] * (1 - weight)[:, None] + x[:, low + 1] * weight[:, None]
    pictures = rows[:, :, low] * (1 - weight) + rows[:, :, low + 1] * weight
    return pictures[:, None] / 16, table[unseen, 0]


def numpys(folder, x):
    """Convolutions, normalisation, pooling, a dense layer and length 1, in float64."""
    w, at = np.load(folder / "e.npz")["weights"].astype(np.float64), 0

    def take(*shape):
        nonlocal at
        n = int(np.prod(shape))
        at += n
        return w[at - n : at].reshape(shape)

    channels = 1
    for i, filters in enumerate([16, 32, 64]):
        kernel = take(filters, channels, 3, 3)
        scale, shift, mean, variance = (take(filters) for _ in range(4))
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
        x = np.einsum("nchwij,fcij->nfhw", windows, kernel, optimize=True)
        column = (slice(None), None, None)
        x = (x - mean[column]) / np.sqrt(variance + 1e-5)[column] * scale[column] + shift[column]
        x = np.maximum(x, 0)
        if i < 2:
            n, c, h, v = x.shape
            x = x.reshape(n, c, h // 2, 2, v // 2, 2).max((3, 5))
        channels = filters
    x = x.reshape(len(x), -1) @ take(32, 1024).T + take(32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def area(y, classes):
    """How often a pair of one class has a higher cosine than a pair of two, by ranks (Mann, Whitney)."""
    i, j = np.triu_indices(len(y), 1)
    same = classes[i] == classes[j]
    scores = np.round((y[i] * y[j]).sum(1).astype(np.float64), 6)
    _, number, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[number]
    n = same.sum()
    return (ranks[same].sum() - n * (n + 1) / 2) / (n * (len(same) - n))


@pytest.mark.parametrize("loss", ["triplet", "centre"])
def test_the_library_computes_and_training_says_the_truth(tmp_path, loss):
    path = locate.REPOSITORY / "data/digits.csv"
    (tmp_path / "r.yaml").write_text(DIGITS.format(loss=loss, path=path))
    said = train(tmp_path, "r.yaml")
    x, classes = digits()
    (y,) = apus.Model(tmp_path / "e.apus").session(shapes={"image": x.shape}).run(
        x.astype(np.float32)).values()  # fmt: skip
    assert np.abs(y - numpys(tmp_path, x)).max() < 1e-4
    # Seven digits are few to learn from what tells others apart; a guess has one half.
    reached = area(y, classes)
    assert reached > 0.65
    told = float(said.split("ROC area ")[1].split(" %")[0])
    assert abs(told - 100 * reached) < 0.02


@pytest.mark.parametrize("name", ["embedding", "embedding-centre"])
def test_signs_never_seen_are_told_apart(tmp_path, name):
    said = train(tmp_path, locate.REPOSITORY / f"recipes/{name}.yaml", "--epochs", "6")
    assert float(said.split("ROC area ")[1].split(" %")[0]) > 95
    page = (tmp_path / "e.html").read_text()
    assert "True pairs accepted, by false ones" in page and "false pairs accepted" in page
