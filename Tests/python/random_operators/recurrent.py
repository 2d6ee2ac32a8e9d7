"""Recurrent layers and attention."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import numpy as np
from graph_builder import Builder
from graph_values import Value

from .common import axes_form


def recurrent(kind: str, g: Builder) -> Value:
    x = g.pick("f", 3, low=-8, high=8, where=lambda v: v.fixed(2))
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    direction = g.choice((None, "forward", "reverse", "bidirectional"))
    d, h, i = 2 if direction == "bidirectional" else 1, g.integer(1, 5), x.shape[2]
    steps, batch = (np.array([a.shape[k] for a in x.arrays]) for k in (0, 1))
    inputs: List[Optional[Value]] = [
        x,
        g.weight(g.array("f", [d, gates * h, i], -0.7, 0.7)),
        g.weight(g.array("f", [d, gates * h, h], -0.7, 0.7)),
    ]
    inputs.append(g.weight(g.array("f", [d, 2 * gates * h], -0.5, 0.5)) if g.chance(0.6) else None)
    lengths = None
    if g.chance(0.3):
        lengths = g.input("i", [x.dims()[1]], 1, int(steps.min()))
    inputs.append(lengths)
    for _ in range(2 if kind == "LSTM" else 1):
        inputs.append(g.input("f", [d, x.dims()[1], h], -1, 1) if g.chance(0.4) else None)
    if kind == "LSTM" and g.chance(0.3):
        inputs.append(g.weight(g.array("f", [d, 3 * h], -0.5, 0.5)))
    attributes: Dict[str, Any] = {"hidden_size": h, "direction": direction}
    if g.chance(0.3):
        per = {
            "RNN": [["Tanh"], ["Relu"], ["Sigmoid"]],
            "GRU": [["Sigmoid", "Tanh"], ["HardSigmoid", "Tanh"]],
            "LSTM": [["Sigmoid", "Tanh", "Tanh"], ["Sigmoid", "Softsign", "Tanh"]],
        }[kind]
        attributes["activations"] = [a for _ in range(d) for a in g.choice(per)]
    if kind == "GRU":
        attributes["linear_before_reset"] = g.choice((None, 0, 1))
    if kind == "LSTM" and g.chance(0.1):
        attributes["input_forget"] = 1
    keep = [g.chance(0.7) for _ in range(3 if kind == "LSTM" else 2)]
    keep[0] |= not any(keep)
    y = g.node(kind, inputs, keep, **attributes)[0]
    if keep[0] and d == 1 and g.chance(0.5):
        axes, more = axes_form(g, 13, [1])
        return g.node("Squeeze", [y, *axes], **more)[0]
    return y


def attention(g: Builder) -> Value:
    heads, shared, q, k, d = (
        g.choice((2, 4)),
        g.choice((1, 2)),
        g.integer(1, 4),
        g.integer(1, 4),
        g.choice((2, 4)),
    )
    flat = g.chance(0.5)
    sizes = [(heads, q, d), (shared, k, d), (shared, k, d + g.integer(0, 1))]
    if flat:
        inputs = [g.input("f", ["N", s, h * w], -2, 2) for h, s, w in sizes]
        attributes = {"q_num_heads": heads, "kv_num_heads": shared}
    else:
        inputs = [g.input("f", ["N", *s], -2, 2) for s in sizes]
        attributes = {}
    if g.chance(0.4):
        inputs.append(g.weight(g.array(g.choice("f"), [q, k], -1, 1)))
    return g.node(
        "Attention",
        inputs,
        is_causal=g.choice((None, 0, 1)),
        scale=g.choice((None, 0.3)),
        softcap=g.choice((None, 2.0)),
        **attributes,
    )[0]
