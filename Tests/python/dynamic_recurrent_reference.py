"""The arithmetic that Sources/Operators/Recurrent/DynamicQuantizeRecurrent.swift states of
DynamicQuantizeRNN, LSTM and GRU, in NumPy: integers and their scales as stated, the rest in float64."""

from __future__ import annotations

import numpy as np
from recurrent_reference import GATES, activations

F = np.float32


def quantized(x):
    """A row as uint8 (in int64), its scale and its zero point."""
    low, high = min(x.min(initial=0), F(0)), max(x.max(initial=0), F(0))
    scale = (high - low) / F(255) if high > low else F(1)
    zero = np.rint(np.clip(-low / scale, F(0), F(255)))
    q = np.clip(np.rint(x / scale) + zero, 0, 255)
    return q.astype(np.int64), scale, int(zero)


class Matrix:
    """One direction's W or R: integers [depth, columns], a scale and a zero point for each column."""

    def __init__(self, q, scales, zeros):
        columns = q.shape[1]
        self.w = q.astype(np.int64) - np.broadcast_to(np.asarray(zeros, np.int64), columns)
        self.scales = np.broadcast_to(np.asarray(scales, F), columns)

    @property
    def floats(self):
        """[columns, depth], as the float operators have them."""
        return (self.w * self.scales.astype(np.float64)).T

    def product(self, x, error=0.0):
        """The product with a row, and what of it is open where x is known to `error` only: elements
        that near to half a step may be rounded either way."""
        x = x.astype(F)
        q, scale, zero = quantized(x)
        sums = (q - zero) @ self.w
        y = sums.astype(F) * (scale * self.scales)
        place = x.astype(np.float64) / scale
        near = np.abs(place - np.floor(place) - 0.5) * scale < error
        slack = np.abs(self.w[near]).sum(axis=0) * (scale * self.scales)
        return y.astype(np.float64), slack.astype(np.float64)


def one_step(op, w, r, x, h, c, b, p, functions, attributes):
    """h and c behind a step from x, h and c (float32), and how far h may be off where the rounding of
    r⊙h is open."""
    hidden = len(h)
    limit = attributes.get("clip", np.inf)
    act = [lambda v, f=f: f(np.clip(v, -limit, limit)) for f in functions]
    gates = GATES[op]
    b = np.zeros(2 * gates * hidden) if b is None else b.astype(np.float64)
    wb, rb = b[: gates * hidden], b[gates * hidden :]
    part = lambda v, g: v[g * hidden : (g + 1) * hidden]  # noqa: E731
    wx, rh = w.product(x)[0] + wb, r.product(h)[0] + rb
    if op == "RNN":
        return act[0](wx + rh), None, 0.0
    if op == "LSTM":
        p = np.zeros(3 * hidden) if p is None else p.astype(np.float64)
        i = act[0](part(wx, 0) + part(rh, 0) + part(p, 0) * c)
        f = act[0](part(wx, 2) + part(rh, 2) + part(p, 2) * c)
        if attributes.get("input_forget"):
            f = 1 - i
        c = f * c + i * act[1](part(wx, 3) + part(rh, 3))
        o = act[0](part(wx, 1) + part(rh, 1) + part(p, 1) * c)
        return o * functions[2](c), c, 0.0
    z = act[0](part(wx, 0) + part(rh, 0))
    reset = act[0](part(wx, 1) + part(rh, 1))
    slack = 0.0
    if attributes.get("linear_before_reset"):
        new = act[1](part(wx, 2) + reset * part(rh, 2))
    else:
        product, slack = r.product(reset * h, 1e-6 * np.abs(h).max(initial=0))
        new = act[1](part(wx, 2) + part(product, 2) + part(rb, 2))
        slack = 2 * part(slack, 2)
    return (1 - z) * new + z * h, None, slack


def recurrent_steps(op, matrices, inputs, attributes, y):
    """Y, Y_h and, for the LSTM, Y_c as the steps make them, and how far each may be off. Each step
    starts from the h that `y` has of the one before, so that rounding, which turns the smallest
    difference into a whole step of the integers, cannot tell two correct implementations apart.

    matrices: for each direction W and R. inputs: X, B, lengths, initial h, initial c, P.
    """
    x, b, lengths, h0, c0, p = inputs
    if attributes.get("layout", 0) == 1:
        x = x.transpose(1, 0, 2)
        h0, c0 = (None if s is None else s.transpose(1, 0, 2) for s in (h0, c0))
        y = y.transpose(1, 2, 0, 3)
    time, batch, _ = x.shape
    directions, hidden = y.shape[1], y.shape[3]
    functions = activations(op, attributes, directions)
    wanted, slacks = np.zeros(y.shape), np.zeros(y.shape)
    yh, yc, slack_h = (np.zeros((directions, batch, hidden)) for _ in range(3))
    for d in range(directions):
        backwards = d == 1 or attributes.get("direction") == "reverse"
        for n in range(batch):
            length = time if lengths is None else int(lengths[n])
            h = np.zeros(hidden, F) if h0 is None else h0[d, n]
            c = np.zeros(hidden) if c0 is None else c0[d, n].astype(np.float64)
            slack = 0.0
            for t in range(length)[:: -1 if backwards else 1]:
                new, c, slack = one_step(
                    op, *matrices[d], x[t, n], h, c, None if b is None else b[d],
                    None if p is None else p[d], functions[d], attributes)
                wanted[t, d, n], slacks[t, d, n] = new, slack
                yh[d, n], slack_h[d, n] = new, slack
                h = y[t, d, n]
            if length == 0:
                yh[d, n] = h
            yc[d, n] = 0 if c is None else c
    found, slacks = [wanted, yh, yc], [slacks, slack_h, np.zeros_like(yc)]
    if attributes.get("layout", 0) == 1:
        for values in (found, slacks):
            values[0] = values[0].transpose(2, 0, 1, 3)
            values[1:] = [v.transpose(1, 0, 2) for v in values[1:]]
    count = 3 if op == "LSTM" else 2
    return found[:count], slacks[:count]


def quantize_weights(w, per_channel, dtype, symmetric=True):
    """Float weights [D, columns, depth] as ONNX Runtime's quantiser makes them: integers
    [D, depth, columns], scales and zero points [D, columns] or [D]."""
    axis = 2 if per_channel else (1, 2)
    if symmetric:
        scale = np.abs(w).max(axis=axis) / F(127)
        zero = np.full(scale.shape, 128 if dtype == np.uint8 else 0)
    else:
        low, high = np.minimum(w.min(axis=axis), 0), np.maximum(w.max(axis=axis), 0)
        scale = ((high - low) / F(255)).astype(F)
        zero = np.rint(-low / np.maximum(scale, F(1e-30))) - (0 if dtype == np.uint8 else 128)
    scale = np.where(scale == 0, F(1), scale).astype(F)
    wide = scale[:, :, None] if per_channel else scale[:, None, None]
    zeros = zero[:, :, None] if per_channel else zero[:, None, None]
    limits = np.iinfo(dtype)
    q = np.clip(np.rint(w / wide) + zeros, limits.min, limits.max).astype(dtype)
    return np.ascontiguousarray(q.transpose(0, 2, 1)), scale, zero.astype(dtype)
