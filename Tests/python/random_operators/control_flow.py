"""If, Loop and Scan: their bodies are made of operators that keep shape and bounds."""

from __future__ import annotations

from typing import Any, Dict, Optional

import numpy as np
from graph_builder import Builder
from graph_values import Value


SMOOTH = ["Tanh", "Sigmoid", "Relu", "Abs", "Softsign", "Neg", "Sin"]


def step(g: Builder, x: Value) -> Value:
    """One node that keeps x's shape and bounds."""
    if g.chance(0.4):
        return g.node(g.choice(("Add", "Sub", "Mul")), [x, partner_of_shape(g, x)])[0]
    return g.node(g.choice(SMOOTH), [x])[0]


def partner_of_shape(g: Builder, x: Value) -> Value:
    same = [
        v
        for v in g.visible()
        if v.letter == x.letter
        and not v.found
        and all(a.shape == b.shape for a, b in zip(v.arrays, x.arrays))
    ]
    if same and g.chance(0.6):
        return g.choice(same)
    return g.constant(g.array(x.letter, [], -1, 1))


def steps(g: Builder, x: Value, most: int = 4) -> Value:
    for _ in range(g.integer(1, most)):
        x = step(g, x)
    return g.node("Tanh", [x])[0]


def condition(g: Builder) -> Value:
    """A scalar that is true or false: a constant, an input, or computed."""
    if g.chance(0.3):
        return g.input("?", [])
    if g.chance(0.3):
        return g.constant(np.array(g.chance(0.5)))
    x = g.pick("fil", exact=True)
    total = g.node("ReduceMax", [x], keepdims=0)[0]
    return g.node("Greater", [total, g.constant(g.array(x.letter, [], 0, 2, True))])[0]


def if_(g: Builder) -> Value:
    x = g.pick("f", range(1, 4))
    chosen = condition(g)
    bodies, graphs = [], []
    for name in ("then_branch", "else_branch"):
        body = Builder(g.rng, g.opset, g)
        ends = [steps(body, x)]
        if g.chance(0.3) and x.rank > 1:
            ends = (
                [body.node("Transpose", ends)[0]]
                if x.shape[0] == x.shape[-1] and x.fixed()
                else ends
            )
        bodies.append(body)
        graphs.append(body.body(name, [], ends))
    return g.node(
        "If", [chosen], 1, exact=False, bodies=bodies, then_branch=graphs[0], else_branch=graphs[1]
    )[0]


def loop(g: Builder) -> Value:
    """for or while, with a carried value and perhaps one that is collected."""
    x = g.pick("f", range(1, 4), low=-8, high=8)
    turns = g.integer(1, 4)
    scan = g.chance(0.5)
    body = Builder(g.rng, g.opset, g)
    turn = body.formal([np.array(0, np.int64)] * 2)
    go = body.formal([np.array(True)] * 2)
    carried = body.formal(x.arrays, x.noisy)
    y = steps(body, carried, 3)
    if g.chance(0.4):
        number = body.node("Cast", [turn], to=1)[0]
        y = body.node("Tanh", [body.node("Add", [y, number])[0]])[0]
    if scan or g.chance(0.5):  # a planned bound: the number of turns is known
        count: Optional[Value] = g.constant(np.array(turns, np.int64))
    else:
        count = g.input("l", [], turns, turns)
    if g.chance(0.3):
        go = body.node("Less", [turn, body.constant(np.int64(g.integer(0, 3)))])[0]
    else:
        go = body.node("Identity", [go])[0]
    outputs = [go, y]
    if scan:
        outputs.append(step(body, carried))
    start = g.constant(np.array(True)) if g.chance(0.5) else None
    graph = body.body("body", body.inputs, outputs)
    return g.node(
        "Loop", [count, start, x], len(outputs) - 1, exact=False, bodies=[body], body=graph
    )[0]


def scan(g: Builder) -> Value:
    sequence = g.pick("f", range(2, 4), low=-8, high=8)
    axis = g.integer(0, sequence.rank - 1)
    arrays = [[np.take(a, 0, axis) for a in which] for which in (sequence.arrays, sequence.noisy)]
    body = Builder(g.rng, g.opset, g)
    state_dims = [d for i, d in enumerate(sequence.dims()) if i != axis]
    start = g.input("f", state_dims, -1, 1)
    state = body.formal(start.arrays)
    element = body.formal(*arrays)
    y = body.node("Tanh", [body.node("Add", [state, steps(body, element, 2)])[0]])[0]
    z = step(body, y)
    graph = body.body("body", [state, element], [y, z])
    attributes: Dict[str, Any] = {}
    if axis or g.chance(0.3):
        attributes["scan_input_axes"] = [axis]
    if g.chance(0.3):
        attributes["scan_input_directions"] = [1]
    if g.chance(0.3):
        attributes["scan_output_axes"] = [g.integer(0, len(state_dims))]
    if g.chance(0.3):
        attributes["scan_output_directions"] = [1]
    return g.node(
        "Scan",
        [start, sequence],
        2,
        exact=False,
        bodies=[body],
        body=graph,
        num_scan_inputs=1,
        **attributes,
    )[-1]
