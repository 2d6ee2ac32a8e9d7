"""Decoders with attention (Bahdanau et al. 2015, Luong et al. 2015) and their beam search in NumPy, one
sequence at a time, with the weights of an exported model."""

import numpy as np
import onnx
from memory_machines import sigmoid, softmax
from onnx import numpy_helper


class Decoder:
    def __init__(self, path, attention, cell):
        """path: an ONNX file, whose loop is the search."""
        self.graph = onnx.load(str(path)).graph
        self.w = {t.name: numpy_helper.to_array(t).astype(np.float64) for t in self.graph.initializer}
        loop = [n for n in self.graph.node if n.op_type == "Loop"][0]
        for body in [a.g for a in loop.attribute if a.name == "body"]:
            for t in body.initializer:
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

    def step(self, rows, token, h, c):
        """Logarithms of the next token's probabilities, and the states."""
        e = self.w["target.weight"][token]
        if self.attention == "additive":
            scores = np.tanh(rows @ self.w["key.weight"] + h @ self.w["query.weight"])
            context = softmax((scores @ self.w["score.weight"])[:, 0]) @ rows
            h, c = self.recurrent("decoder", 0, np.concatenate([e, context]), h, c)
            said = np.concatenate([h, context, e])
        else:
            h, c = self.recurrent("decoder", 0, e, h, c)
            said = h
            if self.attention == "multiplicative":
                context = softmax(rows @ self.w["key.weight"] @ h) @ rows
                said = np.concatenate([h, context])
        logits = said @ self.w["output.weight"] + self.w["output.bias"]
        return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max(), h, c

    def search(self, summary, rows, beams, length):
        """The best sequence, 0 behind its end, and its mean log-probability a token.

        summary: what the first state is made of; rows: what is looked at."""
        h = np.tanh(summary @ self.w["start.weight"] + self.w["start.bias"])
        kept = [(0.0, [], h, np.zeros_like(h), False)]
        for _ in range(length):
            if all(ended for *_, ended in kept):
                break
            candidates = []
            for score, said, h, c, ended in kept:
                if ended:
                    candidates.append((score, said, h, c, True))
                    continue
                p, h2, c2 = self.step(rows, said[-1] if said else 1, h, c)
                for token, q in enumerate(p):
                    candidates.append((score + q, said + [token], h2, c2, token == 0))
            candidates.sort(key=lambda s: -s[0])
            kept = candidates[:beams]
        score, tokens = max(
            ((s / (sum(t != 0 for t in said) + 1), said) for s, said, *_ in kept),
            key=lambda m: m[0],
        )
        return score, (tokens + [0] * length)[:length]


def score_by_steps(model, inputs, tokens):
    """The mean log-probability of what was said and of the end, which a search that has to stop counts
    but does not say, by the functions "encode" and "step" of a model; and where each step looked."""
    encoded = model.session(function="encode", shapes={k: v.shape for k, v in inputs.items()}).run(inputs)
    given = {name: np.array(value) for name, value in encoded.items()}
    step = model.session(function="step", shapes={k: v.shape for k, v in given.items()})
    total, looked, token = 0.0, [], 1
    for wanted in tokens:
        outputs = step.run({"token": np.array([[token]], np.int32), **given})
        logits = np.array(outputs["logits"], np.float64)[0]
        total += logits[wanted] - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        for name in ("h", "c"):
            if name in given:
                given[name] = np.array(outputs[name + ".next"])
        if "attention" in outputs:
            looked.append(np.array(outputs["attention"])[0, 0])
        token = int(wanted)
        if token == 0:
            break
    return total / (np.count_nonzero(tokens) + 1), looked
