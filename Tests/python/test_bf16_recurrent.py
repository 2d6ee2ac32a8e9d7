"""RNN, LSTM and GRU in bf16 against NumPy in float64, step by step: what is rounded in a step is x and
the h that the step before has put out."""

import numpy as np
import pytest
from bf16 import needs_bf16, rounded
from harness import assert_close, assert_same_bits, random_array, run_node

pytestmark = needs_bf16
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def check(kind, attributes, x, w, r, b, found, h, c, tolerance):
    """`found`: h of each step [T, N, H] of one direction, in its order."""
    units = r.shape[1]
    split = [slice(g * units, (g + 1) * units) for g in range(GATES[kind])]
    bw, br = b[: len(b) // 2].astype(np.float64), b[len(b) // 2 :].astype(np.float64)
    for t in range(len(x)):
        wx = rounded(x[t]) @ rounded(w).T
        rh = rounded(h) @ rounded(r).T
        if kind == "RNN":
            wanted = np.tanh(wx + rh + bw + br)
        elif kind == "LSTM":
            i, o, f, g = (wx[:, s] + rh[:, s] + bw[s] + br[s] for s in split)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            wanted = sigmoid(o) * np.tanh(c)
        else:
            z, reset = (sigmoid(wx[:, s] + rh[:, s] + bw[s] + br[s]) for s in split[:2])
            s = split[2]
            if attributes.get("linear_before_reset"):
                n = np.tanh(wx[:, s] + reset * (rh[:, s] + br[s]) + bw[s])
            else:
                n = np.tanh(wx[:, s] + rounded(np.float32(reset * h)) @ rounded(r[s]).T + br[s] + bw[s])
            wanted = (1 - z) * n + z * h
        assert_close(found[t], wanted, rtol=tolerance, atol=tolerance, what=f"{kind} step {t}")
        h = found[t]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU", "GRU, linear"])
@pytest.mark.parametrize(
    "time,batch,inputs,units",
    [(1, 1, 7, 5), (5, 1, 33, 16), (21, 1, 64, 48), (9, 2, 31, 33), (6, 5, 64, 130), (4, 20, 9, 64)],
)
def test_steps(kind, time, batch, inputs, units):
    rng = np.random.default_rng(time * batch + units)
    kind, _, linear = kind.partition(", ")
    gates = GATES[kind]
    attributes = {"direction": "bidirectional", "hidden_size": units}
    if linear:
        attributes["linear_before_reset"] = 1
    x = random_array(rng, (time, batch, inputs))
    w, r = (random_array(rng, (2, gates * units, n)) * 0.3 for n in (inputs, units))
    b = random_array(rng, (2, 2 * gates * units))
    h = random_array(rng, (2, batch, units))
    feeds = [x, w, r, b, None, h]
    c = np.zeros((2, batch, units))
    if kind == "LSTM":
        c = random_array(rng, (2, batch, units))
        feeds.append(c)
    results = []
    for threads in (1, 2, 3):
        (y,) = run_node(
            kind, feeds, attributes, constants=[1, 2, 3], threads=threads, precision="bf16"
        )
        results.append(y)
        assert_same_bits(y, results[0])
    (plain,) = run_node(kind, feeds, attributes, constants=[1, 2, 3])
    assert not np.array_equal(y, plain), "not in bf16"
    # r⊙h may be rounded to the neighbour where it is next to a half.
    tolerance = 2e-3 if kind == "GRU" and not linear else 1e-5
    for d in range(2):
        order = slice(None) if d == 0 else slice(None, None, -1)
        check(
            kind, attributes, x[order], w[d], r[d], b[d], y[:, d][order], h[d],
            np.float64(c[d]), tolerance,
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_sequence_has_the_same_bits_in_every_batch(kind):
    rng = np.random.default_rng(5)
    x = random_array(rng, (12, 5, 40))
    w, r = (random_array(rng, (1, GATES[kind] * 48, n)) * 0.3 for n in (40, 48))

    def run(part):
        return run_node(kind, [part, w, r], {"hidden_size": 48}, constants=[1, 2], precision="bf16")[0]

    whole = run(x)
    for i in range(5):
        assert_same_bits(run(np.ascontiguousarray(x[:, i : i + 1])), whole[:, :, i : i + 1])


def test_lengths():
    rng = np.random.default_rng(6)
    x = random_array(rng, (9, 3, 20))
    w, r = (random_array(rng, (1, 4 * 32, n)) * 0.3 for n in (20, 32))
    lengths = np.array([4, 9, 6], np.int32)
    for threads in (1, 2):
        (y,) = run_node(
            "LSTM", [x, w, r, None, lengths], {"hidden_size": 32}, constants=[1, 2],
            precision="bf16", threads=threads,
        )  # fmt: skip
        for i, n in enumerate(lengths):
            (one,) = run_node(
                "LSTM", [np.ascontiguousarray(x[:n, i : i + 1]), w, r], {"hidden_size": 32},
                constants=[1, 2], precision="bf16",
            )  # fmt: skip
            assert_same_bits(y[:n, :, i], one[:, :, 0])


def test_without_constant_weights_it_stays_float32():
    rng = np.random.default_rng(7)
    x = random_array(rng, (3, 1, 8))
    w, r = (random_array(rng, (1, 16, n)) for n in (8, 16))
    for constants in ([], [1], [2]):
        a, b = (
            run_node("RNN", [x, w, r], {"hidden_size": 16}, constants=constants, precision=p)[0]
            for p in ("bf16", "float32")
        )
        assert_same_bits(a, b)
