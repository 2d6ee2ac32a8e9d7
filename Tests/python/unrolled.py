"""Recurrent layers written out step by step, as frameworks export loops over cells.

`Unroll(cell, …)` makes the nodes; the options say how a framework puts it. Gates stand in PyTorch's
order (LSTM i f g o, GRU r z n) unless the style is TensorFlow's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

import numpy as np
import onnx
from onnx import helper

RANDOM = np.random.default_rng(31)


def normal(*shape: int) -> np.ndarray:
    return (RANDOM.standard_normal(shape) * 0.4).astype(np.float32)


@dataclass
class Graph:
    """Nodes and weights, with names made up."""

    nodes: List[onnx.NodeProto] = field(default_factory=list)
    weights: Dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, op: str, *inputs: str, outputs: int = 1, y: str = "", **attributes):
        names = [f"{y or 't'}{len(self.nodes)}_{i}" for i in range(outputs)]
        if y and outputs == 1:
            names = [y]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def weight(self, array) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name

    def ints(self, *values: int) -> str:
        return self.weight(np.int64(values))

    # Sums and products of both orders, so that nothing depends on one.
    def sum(self, a: str, b: str) -> str:
        return self.add("Add", *((a, b) if len(self.nodes) % 2 else (b, a)))

    def mul(self, a: str, b: str) -> str:
        return self.add("Mul", *((a, b) if len(self.nodes) % 2 else (b, a)))

    def slice(self, x: str, axis: int, start: int, end: int, step: int = 1) -> str:
        return self.add(
            "Slice", x, self.ints(start), self.ints(end), self.ints(axis), self.ints(step))


@dataclass
class Style:
    # How the sums of the gates come about: "gemm" (two of them), "matmul" (MatMul and Add), "ahead"
    # (the inputs' products of all steps at once), "joined" ([x, h] · W), "gates" (each on its own).
    products: str = "gemm"
    # "split" or "slices"
    cut: str = "split"
    # How x_t is taken: "gather", "slice", "split".
    take: str = "gather"
    batch_first: bool = False
    reverse: bool = False
    # h is [1, N, H] all along.
    three_axes: bool = False
    # GRU: (1 − z) n + z h, n + z (h − n), (n − z n) + z h
    mixture: int = 0
    inverted: bool = False
    reset_before: bool = False
    activation: str = "Tanh"
    forget_bias: float = 0.0


class Unroll:
    """One layer over `steps` elements of x, from h0 (and c0), names of tensors."""

    def __init__(
        self, g: Graph, cell: str, x: str, steps: int, inputs: int, units: int, style: Style,
        h0: str, c0: str = "", per_step_x: Optional[List[str]] = None,
    ) -> None:
        self.g, self.cell, self.style = g, cell, style
        self.steps, self.inputs, self.units = steps, inputs, units
        n = {"LSTM": 4, "GRU": 3, "RNN": 1}[cell]
        self.gates = n
        self.w, self.r = normal(n * units, inputs), normal(n * units, units)
        self.bw, self.br = normal(n * units), normal(n * units)
        self.shared: Dict[str, str] = {}
        self.axis = 1 if style.batch_first else 0
        self.x = x
        if style.products == "ahead":
            self.x = g.add(
                "Add", g.add("MatMul", x, self.const("W", self.w.T)), self.const("bw", self.bw))
        if style.take == "split":
            parts = g.add(
                "Split", self.x, outputs=steps, axis=self.axis, num_outputs=steps)
            self.parts = [
                p if style.three_axes and not self.axis
                else g.add("Squeeze", p, g.ints(self.axis)) for p in parts]
        h, c = h0, c0
        self.h: List[str] = []
        self.c: List[str] = []
        for k in range(steps):
            t = steps - 1 - k if style.reverse else k
            x_t = per_step_x[k] if per_step_x else self.element(t)
            if cell == "LSTM":
                h, c = self.lstm(x_t, h, c)
                self.c.append(c)
            elif cell == "GRU":
                h = self.gru(x_t, h)
            else:
                h = g.add(style.activation, self.sums(x_t, h))
            self.h.append(h)

    def const(self, name: str, array: np.ndarray) -> str:
        if name not in self.shared:
            self.shared[name] = self.g.weight(array)
        return self.shared[name]

    def element(self, t: int) -> str:
        g = self.g
        if self.style.take == "split":
            return self.parts[t]
        if self.style.take == "gather":
            return g.add("Gather", self.x, g.weight(np.int64(t)), axis=self.axis)
        part = g.slice(self.x, self.axis, t, t + 1)
        return part if self.style.three_axes else g.add("Squeeze", part, g.ints(self.axis))

    def product(self, x: str, name: str, rows: slice) -> str:
        """x · W' + b of some of the gates' rows."""
        g = self.g
        w, b = (self.w, self.bw) if name == "W" else (self.r, self.br)
        key = f"{name}{rows.start}"
        if self.style.products == "gemm" and not self.style.three_axes:
            return g.add(
                "Gemm", x, self.const(key, w[rows]), self.const("b" + key, b[rows]), transB=1)
        y = g.add("MatMul", x, self.const(key + "t", w[rows].T.copy()))
        return g.sum(y, self.const("b" + key, b[rows]))

    def all(self) -> slice:
        return slice(0, self.gates * self.units)

    def x_product(self, x: str) -> str:
        return x if self.style.products == "ahead" else self.product(x, "W", self.all())

    def sums(self, x: str, h: str) -> str:
        if self.style.products == "joined":
            joined = self.g.add("Concat", x, h, axis=-1)
            w = self.const("joined", np.concatenate([self.w, self.r], 1).T.copy())
            return self.g.add(
                "Add", self.g.add("MatMul", joined, w), self.const("b", self.bw + self.br))
        return self.g.sum(self.x_product(x), self.product(h, "R", self.all()))

    def cut(self, x: str) -> list:
        g, h = self.g, self.units
        if self.style.cut == "split":
            lengths = self.const("lengths", np.int64([h] * self.gates))
            return g.add("Split", x, lengths, outputs=self.gates, axis=-1)
        return [g.slice(x, -1, i * h, (i + 1) * h) for i in range(self.gates)]

    def lstm(self, x: str, h: str, c: str) -> tuple:
        g = self.g
        if self.style.products == "gates":
            u = self.units
            parts = [
                g.sum(*(self.product(v, n, slice(k * u, k * u + u)) for v, n in ((x, "W"), (h, "R"))))
                for k in range(4)]  # fmt: skip
        else:
            parts = self.cut(self.sums(x, h))
        i, f, n, o = parts
        if self.style.forget_bias:
            f = g.sum(f, self.const("forget", np.float32(self.style.forget_bias)))
        i, f, o = (g.add("Sigmoid", v) for v in (i, f, o))
        c = g.sum(g.mul(f, c), g.mul(i, g.add("Tanh", n)))
        return g.mul(o, g.add("Tanh", c)), c

    def gru(self, x: str, h: str) -> str:
        g = self.g
        if self.style.reset_before:
            # Keras' layout: two gates at once, the candidate from r · h.
            u = self.units
            gates = g.sum(
                self.product(x, "W", slice(0, 2 * u)), self.product(h, "R", slice(0, 2 * u)))
            r, z = (g.add("Sigmoid", g.slice(gates, -1, k * u, k * u + u)) for k in range(2))
            n = g.sum(
                self.product(x, "W", slice(2 * u, 3 * u)),
                self.product(g.mul(r, h), "R", slice(2 * u, 3 * u)))
        else:
            xr, xz, xn = self.cut(self.x_product(x))
            hr, hz, hn = self.cut(self.product(h, "R", self.all()))
            r = g.add("Sigmoid", g.sum(xr, hr))
            z = g.add("Sigmoid", g.sum(xz, hz))
            n = g.sum(xn, g.mul(r, hn))
        n = g.add("Tanh", n)
        a, b = (h, n) if self.style.inverted else (n, h)
        # (1 − z) a + z b
        if self.style.mixture == 0:
            one = self.const("one", np.float32(1))
            return g.sum(g.mul(g.add("Sub", one, z), a), g.mul(z, b))
        if self.style.mixture == 1:
            return g.sum(a, g.mul(z, g.add("Sub", b, a)))
        return g.sum(g.add("Sub", a, g.mul(z, a)), g.mul(z, b))

    def stack(self, axis: int, y: str, backward: bool = False) -> str:
        """Every step's h along a new axis (h of three axes: along its first)."""
        g = self.g
        parts = self.h
        if not self.style.three_axes:
            parts = [g.add("Unsqueeze", h, g.ints(axis)) for h in parts]
        return g.add("Concat", *(parts[::-1] if backward else parts), axis=axis, y=y)
