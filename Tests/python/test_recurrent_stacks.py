"""Recurrent layers that read one another, which threads compute at once: the same bits as one by one,
and only where nothing but the sequence connects them."""

from __future__ import annotations

import json
from pathlib import Path

import cli
import numpy as np
import pytest
from harness import BEST_ISA, ISAS, Writer, add_node, assert_same_bits, open_model, random_array

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


class Net:
    """A network of recurrent layers over a sequence; its outputs are the last layer's Y, and what
    `show` is called with."""

    def __init__(self, time: int, batch: int, inputs: int, batch_first: bool = False):
        self.rng = np.random.default_rng(time)
        self.writer = Writer()
        self.f = self.writer.function("main")
        self.batch_first = batch_first
        self.batch = batch
        shape = (batch, time, inputs) if batch_first else (time, batch, inputs)
        self.x = self.f.input("x", "float32", shape)
        self.inputs = {"x": random_array(self.rng, shape)}

    def weight(self, *shape: int) -> int:
        return self.writer.weight(random_array(self.rng, shape) / np.float32(np.sqrt(shape[-1])))

    def states(self, units: int) -> tuple:
        return (self.batch, 1, units) if self.batch_first else (1, self.batch, units)

    def layer(self, kind, x, inputs, units, h=None, c=None, directions=1, lengths=None, **attributes):
        """Y, with its axis of directions taken out, Y_h and, of an LSTM, Y_c."""
        rows = GATES[kind] * units
        given = [x, self.weight(directions, rows, inputs), self.weight(directions, rows, units)]
        given += [self.weight(directions, 2 * rows), lengths, h, c]
        while given[-1] is None:
            given.pop()
        outputs = add_node(
            self.f, kind, given,
            {"hidden_size": units, "layout": int(self.batch_first), **attributes},
            outputs=3 if kind == "LSTM" else 2,
        )  # fmt: skip
        axis = self.writer.weight(np.array([2 if self.batch_first else 1]))
        if directions == 1:
            (outputs[0],) = add_node(self.f, "Squeeze", [outputs[0], axis])
        return outputs

    def show(self, *tensors: int) -> None:
        for t in tensors:
            self.f.output(t, f"y{len(self.f.outputs)}", "float32")

    def joined(self, folder: Path, threads: int = 2) -> int:
        """Layers that have no step of their own."""
        (folder / "net.apus").write_bytes(self.writer.to_bytes())
        done = cli.run(
            "inspect", "net.apus", "--json", "--threads", str(threads), cwd=folder, isa=BEST_ISA)
        assert done.code == 0, done.stderr
        found = json.loads(done.stdout)
        steps = set(found["arena"]["step_layers"])
        return sum(
            layer["operator"] in GATES and i not in steps for i, layer in enumerate(found["layers"]))

    def check(self, isa: str) -> None:
        """Three runs, for states to be carried from one to the next."""
        model = open_model(self.writer, isa=isa)
        wanted = []
        for threads in (1, 2, 3, 8):
            with model.session(threads=threads) as session:
                for run in range(3):
                    found = {k: v.copy() for k, v in session.run(self.inputs).items()}
                    if threads == 1:
                        wanted.append(found)
                    for name in found:
                        message = f"{name}, {threads} threads, run {run}"
                        assert_same_bits(found[name], wanted[run][name], message)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("time", [9, 16, 17, 31])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_stack(kind, time, batch, isa, tmp_path):
    n = Net(time, batch, 75, batch_first=time == 17)
    x, inputs = n.x, 75
    for units in (128, 112, 120):
        x, h = n.layer(kind, x, inputs, units)[:2]
        n.show(h)
        inputs = units
    n.show(x)
    n.check(isa)
    assert n.joined(tmp_path) == 2
    assert n.joined(tmp_path, threads=1) == 0


@pytest.mark.parametrize("linear", [0, 1])
def test_gru_of_either_kind(linear, tmp_path):
    n = Net(25, 1, 80)
    x, first = n.layer("GRU", n.x, 80, 80, linear_before_reset=linear)
    y, second = n.layer("GRU", x, 80, 80, linear_before_reset=linear)
    n.show(y, first, second)
    n.check(BEST_ISA)
    assert n.joined(tmp_path) == 1


@pytest.mark.parametrize("isa", ISAS)
def test_states_of_their_own(isa, tmp_path):
    """Each layer starts from a state and leaves its next value, in the state's own memory."""
    n = Net(20, 1, 64)
    x = n.x
    for layer in range(2):
        h, c = (
            n.writer.state(f"{name}{layer}", initial=random_array(n.rng, (1, 1, 64))) for name in "hc")
        x, next_h, next_c = n.layer("LSTM", x, 64, 64, h, c)
        n.f.update(h, next_h)
        n.f.update(c, next_c)
    n.show(x)
    n.check(isa)
    assert n.joined(tmp_path) == 1


def states_of_the_first(n):
    """An encoder and a decoder: the second starts where the first ends."""
    y, h, c = n.layer("LSTM", n.x, 64, 64)
    n.show(n.layer("LSTM", y, 64, 64, h, c)[0])


def one_state_for_both(n):
    h, c = (n.f.input(name, "float32", (1, 1, 64)) for name in "hc")
    n.inputs.update(h=random_array(n.rng, (1, 1, 64)), c=random_array(n.rng, (1, 1, 64)))
    # In memory that the layers may write over.
    h, c = (add_node(n.f, "Tanh", [t])[0] for t in (h, c))
    y, *first = n.layer("LSTM", n.x, 64, 64, h, c)
    n.show(*n.layer("LSTM", y, 64, 64, h, c), *first)


def backwards(n):
    n.show(n.layer("LSTM", n.layer("LSTM", n.x, 64, 64)[0], 64, 64, direction="reverse")[0])


def backwards_first(n):
    n.show(n.layer("LSTM", n.layer("LSTM", n.x, 64, 64, direction="reverse")[0], 64, 64)[0])


def both_ways(n):
    y = n.layer("LSTM", n.layer("LSTM", n.x, 64, 64)[0], 64, 64, directions=2, direction="bidirectional")
    n.show(y[0])


def lengths(n):
    length = n.f.input("length", "int32", (1,))
    n.inputs["length"] = np.array([13], np.int32)
    y = n.layer("LSTM", n.x, 64, 64, lengths=length)[0]
    n.show(n.layer("LSTM", y, 64, 64)[0])


def something_between(n):
    (y,) = add_node(n.f, "Tanh", [n.layer("LSTM", n.x, 64, 64)[0]])
    n.show(n.layer("LSTM", y, 64, 64)[0])


def side_by_side(n):
    n.show(n.layer("LSTM", n.x, 64, 64)[0], n.layer("LSTM", n.x, 64, 64)[0])


def too_small(n):
    n.show(n.layer("RNN", n.layer("RNN", n.x, 64, 24)[0], 24, 24)[0])


def whole_sequence_first(n):
    """What the second layer reads are the first one's numbers in another order."""
    y = n.layer("LSTM", n.x, 64, 64)[0]
    (y,) = add_node(n.f, "Reshape", [y, n.writer.weight(np.array([10, 2, 64]))])
    n.show(n.layer("LSTM", y, 64, 64)[0])


@pytest.mark.parametrize(
    "make",
    [states_of_the_first, one_state_for_both, backwards, backwards_first, both_ways, lengths,
     something_between, side_by_side, too_small, whole_sequence_first],
)  # fmt: skip
def test_what_has_to_wait(make, tmp_path):
    n = Net(20, 1, 64)
    make(n)
    n.check(BEST_ISA)
    assert n.joined(tmp_path) == 0


def test_verify_sees_every_layer(tmp_path):
    n = Net(20, 1, 64)
    n.show(n.layer("LSTM", n.layer("LSTM", n.x, 64, 64)[0], 64, 64)[0])
    n.check(BEST_ISA)
    assert n.joined(tmp_path) == 1
    flags = ["--against-isa", "baseline", "--json"]
    found = []
    for threads in ("1", "2"):
        done = cli.run("verify", "net.apus", *flags, "--threads", threads, cwd=tmp_path, isa=BEST_ISA)
        assert done.code == 0, done.stderr
        found.append(json.loads(done.stdout)["tensors"])
    assert found[0] == found[1] and len(found[0]) >= 4
