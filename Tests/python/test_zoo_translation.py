"""Sequence to sequence: what a model's one function says is what the papers' equations and a beam
search in NumPy say, with the weights of the file."""

import subprocess

import locate
import numpy as np
import onnx
import onnxruntime
import pytest
from memory_machines import sigmoid, softmax
from onnx import numpy_helper

locate.prepare()

import apus  # noqa: E402

KINDS = {
    "additive": ("additive", "gru", 3),
    "multiplicative": ("multiplicative", "lstm", 4),
    "none": ("none", "gru", 2),
    "greedy": ("additive", "lstm", 1),
}
SAYINGS = ["7 March 2021", "Thu 4 Jul 1996", "the 1st of January 2000", "12/31/1999", "3", "§?"]


def train(folder, attention, cell, beams, data="{problem: dates, pairs: 640, test: 64}", epochs=2):
    recipe = folder / "r.yaml"
    recipe.write_text(
        f"model: {{name: translator, attention: {attention}, cell: {cell}, beams: {beams},"
        " embedding: 12, hidden_size: 24, longest: 14}\n"
        f"data: {data}\noptimizer: {{name: adam, learning_rate: 0.01}}\nclipping: {{norm: 5}}\n"
        f"batch_size: 16\nepochs: {epochs}\nseed: 2\n"
    )
    said = subprocess.run(
        [locate.model_convert(), "train", recipe, "-o", folder / "net.apus", "--threads", "1",
         "--export-onnx", folder / "net.onnx", "--report", folder / "r.html"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return said


@pytest.fixture(scope="module", params=list(KINDS))
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    said = train(folder, *KINDS[request.param])
    return request.param, folder, said


def encode(model, text):
    known = model.metadata("source_characters")
    return np.array([known.index(c) + 2 if c in known else 1 for c in text], np.int32)


class Reference:
    """Bahdanau et al. 2015 and Luong et al. 2015, one sequence at a time."""

    def __init__(self, path, attention, cell):
        self.w = {
            t.name: numpy_helper.to_array(t).astype(np.float64)
            for t in onnx.load(str(path)).graph.initializer
        }
        body = [n for n in onnx.load(str(path)).graph.node if n.op_type == "Loop"][0]
        for graph in [a.g for a in body.attribute if a.name == "body"]:
            for t in graph.initializer:
                self.w.setdefault(t.name, numpy_helper.to_array(t).astype(np.float64))
        self.attention, self.cell = attention, cell

    def recurrent(self, name, direction, x, h, c):
        w = self.w[name + ".input_weight"][direction]
        r = self.w[name + ".recurrent_weight"][direction]
        b = self.w[name + ".bias"][direction]
        half = len(b) // 2
        if self.cell == "lstm":
            i, o, f, g = np.split(w @ x + r @ h + b[:half] + b[half:], 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            return sigmoid(o) * np.tanh(c), c
        (wz, wr, wh), (rz, rr, rh) = np.split(w @ x + b[:half], 3), np.split(r @ h + b[half:], 3)
        z, reset = sigmoid(wz + rz), sigmoid(wr + rr)
        return (1 - z) * np.tanh(wh + reset * rh) + z * h, c

    def encode(self, tokens):
        xs = self.w["source.weight"][tokens]
        size = self.w["encoder.recurrent_weight"].shape[2]
        ways = []
        for direction in (0, 1):
            h, c, outputs = np.zeros(size), np.zeros(size), []
            for x in xs if direction == 0 else xs[::-1]:
                h, c = self.recurrent("encoder", direction, x, h, c)
                outputs.append(h)
            ways.append(outputs if direction == 0 else outputs[::-1])
        self.rows = np.hstack([np.array(ways[0]), np.array(ways[1])])
        start = np.tanh(ways[1][0] @ self.w["start.weight"] + self.w["start.bias"])
        return start, np.zeros_like(start)

    def step(self, token, h, c):
        e = self.w["target.weight"][token]
        if self.attention == "additive":
            scores = np.tanh(self.rows @ self.w["key.weight"] + h @ self.w["query.weight"])
            context = softmax((scores @ self.w["score.weight"])[:, 0]) @ self.rows
            h, c = self.recurrent("decoder", 0, np.concatenate([e, context]), h, c)
            said = np.concatenate([h, context, e])
        else:
            h, c = self.recurrent("decoder", 0, e, h, c)
            said = h
            if self.attention == "multiplicative":
                context = softmax(self.rows @ self.w["key.weight"] @ h) @ self.rows
                said = np.concatenate([h, context])
        logits = said @ self.w["output.weight"] + self.w["output.bias"]
        return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max(), h, c

    def search(self, tokens, beams, length):
        """The best sequence, and its mean log-probability a token."""
        h, c = self.encode(tokens)
        kept = [(0.0, [], h, c, False)]
        for _ in range(length):
            if all(ended for *_, ended in kept):
                break
            candidates = []
            for score, said, h, c, ended in kept:
                if ended:
                    candidates.append((score, said, h, c, True))
                    continue
                p, h2, c2 = self.step(said[-1] if said else 1, h, c)
                for token, q in enumerate(p):
                    candidates.append((score + q, said + [token], h2, c2, token == 0))
            candidates.sort(key=lambda s: -s[0])
            kept = candidates[:beams]
        means = [(s / (sum(t != 0 for t in said) + 1), said) for s, said, *_ in kept]
        return max(means, key=lambda m: m[0])


def test_one_call_is_a_beam_search(trained):
    name, folder, _ = trained
    attention, cell, beams = KINDS[name]
    model = apus.Model(str(folder / "net.apus"))
    reference = Reference(folder / "net.onnx", attention, cell)
    known = onnxruntime.InferenceSession(str(folder / "net.onnx"))
    for text in SAYINGS:
        source = encode(model, text)
        said = model.session(shapes={"source": source.shape}).run(source)
        score, tokens = reference.search(source, beams, 14)
        padded = (tokens + [0] * 14)[:14]
        assert list(said["tokens"]) == padded, text
        np.testing.assert_allclose(said["score"], [score], atol=1e-4)
        theirs = known.run(["tokens", "score"], {"source": source})
        assert list(theirs[0]) == padded
        np.testing.assert_allclose(theirs[1], [score], atol=1e-4)


def test_the_report_draws_what_is_looked_at(trained):
    name, folder, said = trained
    assert "exact" in said.splitlines()[-1]
    drawn = "What is looked at for each character" in (folder / "r.html").read_text()
    assert drawn == (name != "none")


def test_pairs_of_a_file(tmp_path):
    (tmp_path / "pairs.tsv").write_text("".join(f"{i}\t{i * 7}\n" for i in range(200)))
    data = f"{{problem: pairs, path: {tmp_path / 'pairs.tsv'}, pairs: 160, validation: 20, test: 20}}"
    assert "test: loss" in train(tmp_path, "additive", "gru", 2, data, epochs=1)
    (tmp_path / "pairs.tsv").write_text("one\tuno\ntwo\n")
    with pytest.raises(subprocess.CalledProcessError) as error:
        train(tmp_path, "additive", "gru", 2, data)
    assert "pairs.tsv:2: a source and a target with a tab between are wanted" in error.value.stderr


def test_dates_are_learned(tmp_path):
    """Days that it has not seen; the whole recipe reaches more."""
    said = train(
        tmp_path, "additive", "gru", 4, "{problem: dates, pairs: 6400, test: 640}", epochs=4
    )
    share = float(said.split("exact ")[-1].split(" %")[0])
    assert share > 90
