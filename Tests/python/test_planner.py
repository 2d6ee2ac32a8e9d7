"""The planner shares memory between tensors, lets nodes work in place and carries states over. None
of that may ever show: random graphs with views, states and many outputs are run for several steps
and compared, exactly, with NumPy, which shares nothing."""

from __future__ import annotations

from typing import Callable, Dict, List, Tuple

import numpy as np
import pytest

import apus
from apus_writer import Writer
from harness import add_node, open_model, operators


class Graph:
    """A random function and what NumPy makes of it."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.writer = Writer()
        self.function = self.writer.function("main")
        self.shapes: Dict[int, Tuple[int, ...]] = {}
        self.program: List[Tuple[int, Callable]] = []  # tensor, how to compute it
        self.constants: Dict[int, np.ndarray] = {}
        self.states: List[Tuple[int, int, np.ndarray]] = []  # state, next, initial
        self.inputs: List[int] = []
        self.outputs: List[int] = []
        self.build()

    def build(self) -> None:
        rng = self.rng
        for i in range(rng.integers(1, 3)):
            shape = self.random_shape()
            t = self.function.input(f"x{i}", "float32", shape)
            self.inputs.append(t)
            self.shapes[t] = shape
        initial = {}
        for i in range(rng.integers(0, 4)):
            shape = self.shapes[self.inputs[0]] if rng.random() < 0.7 else self.random_shape()
            value = rng.integers(-9, 9, shape).astype(np.float32)
            s = self.writer.state(f"s{i}", initial=value)
            self.shapes[s] = shape
            initial[s] = value
        for _ in range(rng.integers(0, 2)):
            value = rng.integers(-9, 9, self.random_shape()).astype(np.float32)
            w = self.writer.weight(value)
            self.shapes[w] = value.shape
            self.constants[w] = value
        for _ in range(rng.integers(1, 14)):
            self.add_random_node()
        if not self.program:
            t = self.inputs[0]
            self.emit("Relu", [t], {}, [(self.shapes[t], lambda v, t=t: np.maximum(v[t], 0))])
        activations = [t for t, _ in self.program]
        for s, value in initial.items():
            fitting = [t for t in activations if self.shapes[t] == self.shapes[s]]
            if fitting:
                n = int(rng.choice(fitting))
                self.function.update(s, n)
                self.states.append((s, n, value))
            else:
                self.states.append((s, s, value))
        # Inputs and states may be outputs too: those keep the name that they have.
        candidates = activations * 2 + self.inputs[:1] + list(initial)
        for t in dict.fromkeys(map(int, rng.permutation(candidates)[: rng.integers(1, 4)])):
            named = t in self.inputs or t in initial
            if named:
                self.function.outputs.append(t)
            else:
                self.function.output(t, f"y{t}", "float32", self.shapes[t])
            self.outputs.append(t)

    def output_name(self, t: int) -> str:
        return self.writer.tensors[t].name

    def random_shape(self) -> Tuple[int, ...]:
        return tuple(int(d) for d in self.rng.integers(1, 5, self.rng.integers(1, 4)))

    def emit(self, op: str, inputs: List[int], attributes: dict, results: List[Tuple[tuple, Callable]]) -> None:
        made = add_node(self.function, op, inputs, attributes, len(results))
        for t, (shape, compute) in zip(made, results):
            self.shapes[t] = tuple(shape)
            self.program.append((t, compute))

    def ints(self, values) -> int:
        return self.writer.weight(np.asarray(values, np.int64))

    def add_random_node(self) -> None:
        rng = self.rng
        t = int(rng.choice(list(self.shapes)))
        shape = self.shapes[t]
        kind = rng.choice(["Relu", "Identity", "Reshape", "Transpose", "Concat", "Split", "Slice", "Add"])
        if kind == "Relu":
            self.emit("Relu", [t], {}, [(shape, lambda v, t=t: np.maximum(v[t], 0))])
        elif kind == "Identity":
            self.emit("Identity", [t], {}, [(shape, lambda v, t=t: v[t])])
        elif kind == "Reshape":
            n = int(np.prod(shape))
            new = (n,) if rng.random() < 0.5 else (1, n)
            self.emit(
                "Reshape", [t, self.ints(new)], {},
                [(new, lambda v, t=t, new=new: v[t].reshape(new))],
            )  # fmt: skip
        elif kind == "Transpose":
            perm = [int(p) for p in rng.permutation(len(shape))]
            self.emit(
                "Transpose", [t], {"perm": perm},
                [([shape[p] for p in perm], lambda v, t=t, perm=perm: v[t].transpose(perm))],
            )  # fmt: skip
        elif kind == "Concat":
            others = [u for u in self.shapes if self.shapes[u] == shape]
            parts = [t] + [int(u) for u in rng.choice(others, rng.integers(1, 3))]
            axis = int(rng.integers(0, len(shape)))
            new = list(shape)
            new[axis] *= len(parts)
            if np.prod(new) < 400:
                self.emit(
                    "Concat", parts, {"axis": axis},
                    [(new, lambda v, p=parts, a=axis: np.concatenate([v[u] for u in p], a))],
                )  # fmt: skip
        elif kind == "Split":
            axis = int(rng.integers(0, len(shape)))
            if shape[axis] >= 2:
                cut = int(rng.integers(1, shape[axis]))
                sizes = [cut, shape[axis] - cut]
                results = []
                for i, size in enumerate(sizes):
                    new = list(shape)
                    new[axis] = size
                    results.append(
                        (new, lambda v, t=t, i=i, c=cut, a=axis: np.split(v[t], [c], a)[i])
                    )
                self.emit("Split", [t, self.ints(sizes)], {"axis": axis}, results)
        elif kind == "Slice":
            axis = int(rng.integers(0, len(shape)))
            start = int(rng.integers(0, shape[axis]))
            new = list(shape)
            new[axis] = shape[axis] - start
            self.emit(
                "Slice", [t, self.ints([start]), self.ints([shape[axis]]), self.ints([axis])], {},
                [(new, lambda v, t=t, s=start, a=axis: np.take(v[t], range(s, v[t].shape[a]), a))],
            )  # fmt: skip
        elif kind == "Add" and "Add" in operators():
            others = [u for u in self.shapes if self.shapes[u] == shape]
            u = int(rng.choice(others))
            self.emit("Add", [t, u], {}, [(shape, lambda v, t=t, u=u: v[t] + v[u])])

    def compute(self, feeds: List[np.ndarray], states: Dict[int, np.ndarray]) -> Dict[int, np.ndarray]:
        values = {**self.constants, **states, **dict(zip(self.inputs, feeds))}
        for t, how in self.program:
            values[t] = np.array(how(values))
        return values


@pytest.mark.parametrize("block", range(8))
def test_random_graphs_match_numpy(block: int) -> None:
    for seed in range(block * 75, block * 75 + 75):
        rng = np.random.default_rng(seed)
        graph = Graph(rng)
        with open_model(graph.writer) as model:
            with model.session(threads=int(rng.integers(1, 4))) as session:
                for _ in range(2):  # the second time after a reset
                    states = {s: value for s, _, value in graph.states}
                    for step in range(4):
                        feeds = [
                            rng.integers(-9, 9, graph.shapes[t]).astype(np.float32)
                            for t in graph.inputs
                        ]
                        wanted = graph.compute(feeds, states)
                        found = session.run({f"x{i}": f for i, f in enumerate(feeds)})
                        for t in graph.outputs:
                            np.testing.assert_array_equal(
                                found[graph.output_name(t)], wanted[t], err_msg=f"seed {seed}, step {step}"
                            )
                        states = {s: wanted[n] for s, n, _ in graph.states}
                    session.reset()


def test_shift_register_of_states() -> None:
    """Three states that hand their values on: the order of the updates must not matter."""
    for order in [(0, 1, 2), (2, 1, 0), (1, 2, 0)]:
        writer = Writer()
        states = [writer.state(f"s{i}", initial=np.full((4,), -i, np.float32)) for i in range(3)]
        function = writer.function("main")
        x = function.input("x", "float32", (4,))
        (nx,) = add_node(function, "Identity", [x])
        hand = [add_node(function, "Identity", [s])[0] for s in states]
        (y,) = add_node(function, "Relu", [states[2]])
        function.output(y, "y", "float32", (4,))
        updates = [(states[0], nx), (states[1], hand[0]), (states[2], hand[1])]
        for k in order:
            function.update(*updates[k])
        with open_model(writer) as model, model.session() as session:
            outputs = [session.run(np.full((4,), v, np.float32))["y"][0] for v in range(5, 11)]
        assert outputs == [0.0, 0.0, 0.0, 5.0, 6.0, 7.0], order


def test_inputs_keep_their_values() -> None:
    """Nothing may work in place on what the caller has written."""
    writer = Writer()
    function = writer.function("main")
    x = function.input("x", "float32", (100,))
    (a,) = add_node(function, "Relu", [x])
    (b,) = add_node(function, "Relu", [a])
    function.output(b, "y", "float32", (100,))
    value = np.linspace(-1, 1, 100, dtype=np.float32)
    kept = value.copy()
    with open_model(writer) as model, model.session() as session:
        session.run(value)
        np.testing.assert_array_equal(value, kept)
        # In place between the two nodes: input and one more buffer.
        assert session.arena_bytes == 2 * 448


def test_lower_bound_is_met_by_a_chain() -> None:
    writer = Writer()
    function = writer.function("main")
    t = function.input("x", "float32", (16, 64))
    for i in range(20):
        perm = [1, 0]
        (t,) = add_node(function, "Transpose", [t], {"perm": perm})
    function.output(t, "y", "float32", (16, 64))
    with open_model(writer) as model, model.session() as session:
        # The input and two buffers in turn.
        assert session.arena_bytes == 3 * 16 * 64 * 4


def test_unknown_function_is_named() -> None:
    writer = Writer()
    function = writer.function("main")
    x = function.input("x", "float32", (1,))
    (y,) = add_node(function, "Relu", [x])
    function.output(y, "y", "float32", (1,))
    with open_model(writer) as model:
        with pytest.raises(apus.ApusError, match="no function nonsense"):
            model.session(function="nonsense")
