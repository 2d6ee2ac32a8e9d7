"""If, Loop and Scan: bodies are functions of the file. What is right is computed in NumPy, step by
step, as ONNX describes the operators."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import numpy as np
import pytest

import apus
from apus_writer import Writer
from compilers import run_real_time
from harness import add_node


def open_strict(writer: Writer) -> apus.Model:
    return apus.Model.from_bytes(writer.to_bytes())


def choice() -> Writer:
    """y, z = a + b, a − b if the condition holds, else a · 2, b."""
    writer = Writer()
    main = writer.function("main")
    then, other = writer.function("then"), writer.function("else")
    c = main.input("c", "bool", ())
    a, b = (main.input(n, "float32", (2, 3)) for n in "ab")
    ta, tb = (then.input(n, "float32", (2, 3)) for n in "ab")
    (s,), (d,) = add_node(then, "Add", [ta, tb]), add_node(then, "Sub", [ta, tb])
    then.output(s, "s", "float32", (2, 3))
    then.output(d, "d", "float32", (2, 3))
    ea, eb = (other.input(n, "float32", (2, 3)) for n in "ab")
    (m,) = add_node(other, "Mul", [ea, writer.weight(np.float32([2]))])
    other.output(m, "m", "float32", (2, 3))
    other.output(eb)
    y, z = add_node(main, "If", [c, a, b], {"then_branch": 1, "else_branch": 2}, 2)
    main.output(y, "y", "float32", (2, 3))
    main.output(z, "z", "float32", (2, 3))
    return writer


def test_if() -> None:
    session = open_strict(choice()).session()
    rng = np.random.default_rng(1)
    for i in range(8):
        a, b = (rng.standard_normal((2, 3)).astype(np.float32) for _ in range(2))
        found = session.run({"c": np.array(i % 3 == 0), "a": a, "b": b})
        wanted = (a + b, a - b) if i % 3 == 0 else (a * 2, b)
        np.testing.assert_array_equal(found["y"], wanted[0])
        np.testing.assert_array_equal(found["z"], wanted[1])


def test_if_with_branches_of_different_shapes() -> None:
    writer = Writer()
    main = writer.function("main")
    then, other = writer.function("then"), writer.function("else")
    c, x = main.input("c", "bool", ()), main.input("x", "float32", (4,))
    t = then.input("x", "float32", (4,))
    (r,) = add_node(then, "Concat", [t, t], {"axis": 0})
    then.output(r, "r", "float32", (8,))
    e = other.input("x", "float32", (4,))
    (n,) = add_node(other, "Neg", [e])
    other.output(n, "n", "float32", (4,))
    (y,) = add_node(main, "If", [c, x], {"then_branch": 1, "else_branch": 2})
    (z,) = add_node(main, "ReduceSum", [y], {"keepdims": 1})
    main.output(y, "y", "float32", (None,))
    main.output(z, "z", "float32", (1,))
    session = open_strict(writer).session()
    value = np.float32([1, 2, 3, 5])
    for condition in [True, False, True]:
        found = session.run({"c": np.array(condition), "x": value})
        wanted = np.concatenate([value, value]) if condition else -value
        np.testing.assert_array_equal(found["y"], wanted)
        np.testing.assert_array_equal(found["z"], [wanted.sum()])


def fibonacci(maximum: Optional[int], limit: float, stated: Optional[int] = 12) -> Writer:
    """a, b = b, a + b while b < limit, at most `maximum` times; every b is stacked, and a captured
    value times it. Pairs swap: the order of the copies must not matter."""
    writer = Writer()
    main, body = writer.function("main"), writer.function("body")
    a0, b0 = (main.input(n, "float32", (1,)) for n in "ab")
    scale = main.input("scale", "float32", (2,))
    m = main.input("m", "int64", ()) if maximum is None else writer.weight(np.array(maximum))
    body.input("i", "int64", ())
    body.input("go", "bool", ())
    a, b, s = body.input("a", "float32", (1,)), body.input("b", "float32", (1,)), body.input("s", "float32", (2,))
    (c,) = add_node(body, "Add", [a, b])
    (margin,) = add_node(body, "Sub", [writer.weight(np.float32([limit])), c])
    (sign,) = add_node(body, "Relu", [margin])
    (go,) = add_node(body, "Cast", [sign], {"to": 9}, dtypes=["bool"])
    (scaled,) = add_node(body, "Mul", [s, c])
    body.output(go, "more", "bool", (1,))
    body.output(b)
    body.output(c, "c", "float32", (1,))
    (copy,) = add_node(body, "Identity", [c])
    body.output(copy, "bs", "float32", (1,))
    body.output(scaled, "scaled", "float32", (2,))
    made = add_node(main, "Loop", [m, None, a0, b0, scale], {"body": 1, "captures": 1}, 4)
    for t, name, shape in zip(made, ["fa", "fb", "bs", "scaled"], [(1,), (1,), (stated, 1), (stated, 2)]):
        main.output(t, name, "float32", shape)
    return writer


def run_fibonacci(m: int, limit: float, a: float, b: float, scale: np.ndarray):
    bs: List[float] = []
    while len(bs) < m and (not bs or bs[-1] < limit):
        a, b = b, a + b
        bs.append(b)
    return a, b, np.float32(bs).reshape(-1, 1), np.float32(bs)[:, None] * scale


@pytest.mark.parametrize("maximum", [None, 9])
def test_loop(maximum: Optional[int]) -> None:
    writer = fibonacci(maximum, 60)
    session = open_strict(writer).session()
    scale = np.float32([1, -0.5])
    for m in [9, 0, 3, 12, 12] if maximum is None else [9, 9]:
        for a, b in [(0, 1), (5, 8), (50, 30)]:
            feeds = {"a": np.float32([a]), "b": np.float32([b]), "scale": scale}
            if maximum is None:
                feeds["m"] = np.array(m)
            found = session.run(feeds)
            fa, fb, bs, scaled = run_fibonacci(m, 60, a, b, scale)
            assert (found["fa"], found["fb"]) == (fa, fb)
            np.testing.assert_array_equal(found["bs"], bs)
            np.testing.assert_array_equal(found["scaled"], scaled)


def test_a_loop_longer_than_planned_is_an_error() -> None:
    session = open_strict(fibonacci(None, 1e9, stated=5)).session()
    feeds = {"a": np.float32([0]), "b": np.float32([1]), "scale": np.float32([1, 1])}
    with pytest.raises(apus.ApusError, match="more often than the 5 times planned for"):
        session.run({**feeds, "m": np.array(6)})
    assert session.run({**feeds, "m": np.array(5)})["bs"].shape == (5, 1)


def test_a_loop_without_end_is_refused() -> None:
    writer = Writer()
    main, body = writer.function("main"), writer.function("body")
    x = main.input("x", "float32", (1,))
    body.input("i", "int64", ())
    go, v = body.input("go", "bool", ()), body.input("v", "float32", (1,))
    (w,) = add_node(body, "Relu", [v])
    body.output(go)
    body.output(w, "w", "float32", (1,))
    (y,) = add_node(main, "Loop", [None, None, x], {"body": 1})
    main.output(y, "y", "float32", (1,))
    with pytest.raises(apus.ApusError, match="never end"):
        open_strict(writer).session()


def test_a_swap_is_carried_whole() -> None:
    writer = Writer()
    main, body = writer.function("main"), writer.function("body")
    x, y = (main.input(n, "float32", (2,)) for n in "xy")
    body.input("i", "int64", ())
    go = body.input("go", "bool", ())
    a, b = (body.input(n, "float32", (2,)) for n in "ab")
    for t in (go, b, a):
        body.output(t)
    m = writer.weight(np.array(3))
    p, q = add_node(main, "Loop", [m, None, x, y], {"body": 1}, 2)
    main.output(p, "p", "float32", (2,))
    main.output(q, "q", "float32", (2,))
    found = open_strict(writer).session().run({"x": np.float32([1, 2]), "y": np.float32([3, 4])})
    np.testing.assert_array_equal(found["p"], [3, 4])
    np.testing.assert_array_equal(found["q"], [1, 2])


@pytest.mark.parametrize("in_axis,out_axis", [(0, 0), (1, 1), (-1, 0)])
@pytest.mark.parametrize("in_direction,out_direction", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_scan(in_axis: int, out_axis: int, in_direction: int, out_direction: int) -> None:
    """Cumulated sums of slices: state += slice; stacks the state times a captured weight."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4, 5)).astype(np.float32)
    slices = np.moveaxis(x, in_axis, 0)
    n = slices.shape[1]
    factor = rng.standard_normal(n).astype(np.float32)
    writer = Writer()
    main, body = writer.function("main"), writer.function("body")
    s0, xs, f = (
        main.input(name, "float32", shape) for name, shape in [("s", (n,)), ("x", x.shape), ("f", (n,))]
    )
    s, part, g = (body.input(name, "float32", (n,)) for name in "spf")
    (t,) = add_node(body, "Add", [s, part])
    (u,) = add_node(body, "Mul", [t, g])
    body.output(t, "t", "float32", (n,))
    body.output(u, "u", "float32", (n,))
    attributes = {
        "body": 1, "num_scan_inputs": 1, "captures": 1, "scan_input_axes": [in_axis],
        "scan_output_axes": [out_axis], "scan_input_directions": [in_direction],
        "scan_output_directions": [out_direction],
    }  # fmt: skip
    last, stack = add_node(main, "Scan", [s0, xs, f], attributes, 2)
    main.output(last, "last", "float32", (n,))
    main.output(stack, "stack", "float32", (None, None))
    model = open_strict(writer)
    start = rng.standard_normal(n).astype(np.float32)
    for threads in (1, 2):
        found = model.session(threads=threads).run({"s": start, "x": x, "f": factor})
        state, stacked = start.copy(), []
        for part_ in slices[::-1] if in_direction else slices:
            state = state + part_
            stacked.append(state * factor)
        wanted = np.stack(stacked[::-1] if out_direction else stacked, out_axis)
        np.testing.assert_allclose(found["last"], state, rtol=1e-6)
        np.testing.assert_allclose(found["stack"], wanted, rtol=1e-6)


def test_nested_loops_with_a_choice_inside() -> None:
    """for i < n: for j < 3: x = x + 1 if x < 10 else x − i: captures go through two levels."""
    writer = Writer()
    main, outer, inner = (writer.function(n) for n in ("main", "outer", "inner"))
    then, other = writer.function("then"), writer.function("else")
    n, x = main.input("n", "int64", ()), main.input("x", "float32", ())
    three, one, ten = (writer.weight(np.array(v)) for v in (3, np.float32(1), np.float32(10)))
    oi, ogo, ox = outer.input("i", "int64", ()), outer.input("go", "bool", ()), outer.input("x", "float32", ())
    (of,) = add_node(outer, "Cast", [oi], {"to": 1})
    (r,) = add_node(outer, "Loop", [three, None, ox, of], {"body": 2, "captures": 1})
    outer.output(ogo)
    outer.output(r, "r", "float32", ())
    inner.input("j", "int64", ())
    igo, ix, ii = inner.input("go", "bool", ()), inner.input("x", "float32", ()), inner.input("i", "float32", ())
    (margin,) = add_node(inner, "Sub", [ten, ix])
    (sign,) = add_node(inner, "Relu", [margin])
    (small,) = add_node(inner, "Cast", [sign], {"to": 9}, dtypes=["bool"])
    (v,) = add_node(inner, "If", [small, ix, ii], {"then_branch": 3, "else_branch": 4})
    inner.output(igo)
    inner.output(v, "v", "float32", ())
    tx, _ = then.input("x", "float32", ()), then.input("i", "float32", ())
    (up,) = add_node(then, "Add", [tx, one])
    then.output(up, "up", "float32", ())
    ex, ei = other.input("x", "float32", ()), other.input("i", "float32", ())
    (down,) = add_node(other, "Sub", [ex, ei])
    other.output(down, "down", "float32", ())
    (y,) = add_node(main, "Loop", [n, None, x], {"body": 1})
    main.output(y, "y", "float32", ())
    session = open_strict(writer).session()
    for count, start in [(0, 3.0), (4, 3.0), (9, -2.5), (5, 20.0)]:
        value = start
        for i in range(count):
            for _ in range(3):
                value = value + 1 if value < 10 else value - i
        assert session.run({"n": np.array(count), "x": np.float32(start)})["y"] == np.float32(value)


def test_a_body_of_two_nodes_or_of_itself_is_refused() -> None:
    writer = choice()
    main = writer.functions[0]
    main.nodes[0][3][1] = (1, "function", 1)
    with pytest.raises(apus.ApusError, match="in use elsewhere"):
        open_strict(writer).session()
    main.nodes[0][3][1] = (1, "function", 0)
    with pytest.raises(apus.ApusError, match="in use elsewhere"):
        open_strict(writer).session()


def test_control_flow_allocates_nothing(tmp_path: Path) -> None:
    for name, writer in [("if", choice()), ("loop", fibonacci(9, 60))]:
        path = tmp_path / f"{name}.apus"
        path.write_bytes(writer.to_bytes())
        run_real_time(path, 1000, tmp_path)
