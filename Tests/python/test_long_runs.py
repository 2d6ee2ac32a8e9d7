"""Recurrent networks step by step for a long time: after 10,000 steps from the last reset libapus still
says what NumPy computes in float64 with the trainer's weights. (Machines with memory: test_zoo_memory.py;
speech in streams: test_zoo_speech.py.)"""

from __future__ import annotations

import subprocess

import locate
import numpy as np
import pytest
from harness import apus

H, E, LAYERS = 24, 8, 2
RECIPE = """
name: letters
model: {{name: char-rnn, cell: {cell}, layers: 2, hidden_size: 24, embedding: 8}}
data: {{reader: text, path: text.txt, vocabulary: characters, split: {{validation: 0.1}}}}
loss: cross-entropy
optimizer: {{name: adam, learning_rate: 0.01}}
window: 16
batch_size: 4
epochs: 3
"""


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


class Reference:
    """The network in float64, gates as ONNX orders them."""

    def __init__(self, cell: str, weights: np.ndarray, tokens: int):
        self.cell, at = cell, 0
        gates = {"lstm": 4, "gru": 3, "rnn": 1}[cell]

        def take(*shape):
            nonlocal at
            n = int(np.prod(shape))
            at += n
            return weights[at - n : at].reshape(shape).astype(np.float64)

        self.table = take(tokens, E)
        self.layers = [
            (take(gates * H, E if i == 0 else H), take(gates * H, H), take(2 * gates * H))
            for i in range(LAYERS)
        ]
        self.out, self.out_bias = take(H, tokens), take(tokens)
        assert at == weights.size
        self.h = np.zeros((LAYERS, H))
        self.c = np.zeros((LAYERS, H))

    def step(self, token: int) -> np.ndarray:
        x = self.table[token]
        for i, (w, r, b) in enumerate(self.layers):
            h = self.h[i]
            bw, br = np.split(b, 2)
            a, p = w @ x + bw, r @ h + br
            if self.cell == "rnn":
                x = np.tanh(a + p)
            elif self.cell == "gru":
                (az, ar, ah), (pz, pr, ph) = np.split(a, 3), np.split(p, 3)
                z = sigmoid(az + pz)
                x = (1 - z) * np.tanh(ah + sigmoid(ar + pr) * ph) + z * h
            else:
                gi, go, gf, gc = np.split(a + p, 4)
                self.c[i] = sigmoid(gf) * self.c[i] + sigmoid(gi) * np.tanh(gc)
                x = sigmoid(go) * np.tanh(self.c[i])
            self.h[i] = x
        return x @ self.out + self.out_bias


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_ten_thousand_steps_do_not_drift(tmp_path, cell):
    (tmp_path / "text.txt").write_text("Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich. " * 40)
    (tmp_path / "r.yaml").write_text(RECIPE.format(cell=cell))
    done = subprocess.run(
        [locate.model_convert(), "train", "r.yaml", "-o", "r.apus", "--checkpoint", "r.npz",
         "--threads", "1"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = apus.Model(str(tmp_path / "r.apus"))
    tokens = len(model.metadata("characters")) + 1
    session = model.session(shapes={"tokens": (1, 1)})
    for _ in range(2):  # what a session that is reset has seen before counts for nothing
        reference = Reference(cell, np.load(tmp_path / "r.npz")["best"], tokens)
        rng = np.random.default_rng(1)
        worst = 0.0
        for token in rng.integers(0, tokens, 10_000):
            (y,) = session.run({"tokens": np.array([[token]], np.int32)}).values()
            wanted = reference.step(token)
            worst = max(worst, np.abs(y.ravel() - wanted).max() / max(1, np.abs(wanted).max()))
        assert worst < 1e-5
        session.reset()
