"""RNN, LSTM and GRU in float64, written from the formulas of the ONNX operator pages."""

from __future__ import annotations

import numpy as np

# name: function of (x, alpha, beta), default alpha, default beta (None: it takes none)
ACTIVATIONS = {
    "Tanh": (lambda x, a, b: np.tanh(x), None, None),
    "Sigmoid": (lambda x, a, b: 1 / (1 + np.exp(-x)), None, None),
    "Relu": (lambda x, a, b: np.maximum(x, 0), None, None),
    "Affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "LeakyRelu": (lambda x, a, b: np.where(x < 0, a * x, x), 0.01, None),
    "ThresholdedRelu": (lambda x, a, b: np.where(x > a, x, 0), 1.0, None),
    "ScaledTanh": (lambda x, a, b: a * np.tanh(b * x), 1.0, 1.0),
    "HardSigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), 0.2, 0.5),
    "Elu": (lambda x, a, b: np.where(x < 0, a * np.expm1(np.minimum(x, 0)), x), 1.0, None),
    "Softsign": (lambda x, a, b: x / (1 + np.abs(x)), None, None),
    "Softplus": (lambda x, a, b: np.logaddexp(0, x), None, None),
}
DEFAULTS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def activations(op, attributes, directions):
    """A list of callables for each direction."""
    names = attributes.get("activations", DEFAULTS[op] * directions)
    alphas = list(attributes.get("activation_alpha", []))
    betas = list(attributes.get("activation_beta", []))
    made = []
    for name in names:
        function, alpha, beta = ACTIVATIONS[name]
        if alpha is not None and alphas:
            alpha = alphas.pop(0)
        if beta is not None and betas:
            beta = betas.pop(0)
        made.append(lambda x, f=function, a=alpha, b=beta: f(x, a, b))
    n = len(DEFAULTS[op])
    return [made[d * n : (d + 1) * n] for d in range(directions)]


def one_direction(op, x, w, r, b, h, c, p, functions, attributes):
    """A sequence x [T, I] of one batch entry; returns all h [T, H] and the last h and c."""
    hidden = r.shape[1]
    limit = attributes.get("clip", np.inf)
    wb, rb = (b[: len(b) // 2], b[len(b) // 2 :]) if b is not None else (0, 0)
    gate = lambda m, i: m[i * hidden : (i + 1) * hidden] if np.ndim(m) else 0.0  # noqa: E731
    act = [lambda v, f=f: f(np.clip(v, -limit, limit)) for f in functions]
    out = []
    for xt in x:
        wx = [gate(w, g) @ xt + gate(wb, g) for g in range(GATES[op])]
        rh = [gate(r, g) @ h + gate(rb, g) for g in range(GATES[op])]
        if op == "RNN":
            h = act[0](wx[0] + rh[0])
        elif op == "LSTM":
            pi, po, pf = (gate(p, g) for g in range(3)) if p is not None else (0, 0, 0)
            i = act[0](wx[0] + rh[0] + pi * c)
            f = act[0](wx[2] + rh[2] + pf * c)
            if attributes.get("input_forget"):
                f = 1 - i
            c = f * c + i * act[1](wx[3] + rh[3])
            o = act[0](wx[1] + rh[1] + po * c)
            h = o * functions[2](c)
        else:
            z = act[0](wx[0] + rh[0])
            reset = act[0](wx[1] + rh[1])
            if attributes.get("linear_before_reset"):
                new = act[1](wx[2] + reset * rh[2])
            else:
                new = act[1](wx[2] + gate(r, 2) @ (reset * h) + gate(rb, 2))
            h = (1 - z) * new + z * h
        out.append(h)
    return np.array(out).reshape(len(x), hidden), h, c


def recurrent(op, inputs, attributes):
    """Y, Y_h and, for the LSTM, Y_c."""
    x, w, r, b, lengths, h0, c0, p = (list(inputs) + [None] * 8)[:8]
    x, w, r = (np.asarray(a, np.float64) for a in (x, w, r))
    b, h0, c0, p = (None if a is None else np.asarray(a, np.float64) for a in (b, h0, c0, p))
    first = attributes.get("layout", 0) == 1
    if first:
        x = x.transpose(1, 0, 2)
        h0, c0 = (None if s is None else s.transpose(1, 0, 2) for s in (h0, c0))
    time, batch, _ = x.shape
    directions, _, hidden = r.shape
    functions = activations(op, attributes, directions)
    y = np.zeros((time, directions, batch, hidden))
    yh = np.zeros((directions, batch, hidden))
    yc = np.zeros_like(yh)
    for d in range(directions):
        backwards = d == 1 or attributes.get("direction") == "reverse"
        for n in range(batch):
            length = time if lengths is None else int(lengths[n])
            sequence = x[:length, n]
            out, yh[d, n], yc[d, n] = one_direction(
                op, sequence[::-1] if backwards else sequence, w[d], r[d],
                None if b is None else b[d],
                np.zeros(hidden) if h0 is None else h0[d, n],
                np.zeros(hidden) if c0 is None else c0[d, n],
                None if p is None else p[d], functions[d], attributes,
            )  # fmt: skip
            y[:length, d, n] = out[::-1] if backwards else out
    if first:
        y, yh, yc = y.transpose(2, 0, 1, 3), yh.transpose(1, 0, 2), yc.transpose(1, 0, 2)
    return [y, yh] + ([yc] if op == "LSTM" else [])
