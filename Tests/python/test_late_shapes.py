"""Shapes that depend on values: known when planning (constants, and what is computed of them), or
only in the run (a bound is planned, the real shape reported). NumPy says what is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import apus
from apus_writer import Writer
from compilers import run_real_time
from harness import add_node, open_model


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def late_reshape(bound=(6, 2)) -> Writer:
    """y = Relu(Reshape(x, shape)), the shape an input: what the file states of Reshape's output is
    the bound."""
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (3, 4))
    shape = f.input("shape", "int64", (2,))
    (r,) = add_node(f, "Reshape", [x, shape])
    writer.tensors[r].shape = bound
    (y,) = add_node(f, "Relu", [r])
    f.output(y, "y", "float32", (None, None))
    return writer


def test_arithmetic_on_constants_is_done_when_planning() -> None:
    """Concat, Gather and Mul of weights make the shape of a Reshape: no step is left of them."""
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (2, 3, 4))
    dims = writer.weight(ints(2, 3, 4))
    (last,) = add_node(f, "Gather", [dims, writer.weight(ints(1, 2))], {"axis": 0}, dtypes=["int64"])
    (twice,) = add_node(f, "Mul", [last, writer.weight(ints(1, 2))], dtypes=["int64"])
    (shape,) = add_node(f, "Concat", [twice, writer.weight(ints(-1))], {"axis": 0}, dtypes=["int64"])
    (y,) = add_node(f, "Reshape", [x, shape])
    f.output(y, "y", "float32", (None, None, None))
    f.output(shape, "shape", "int64", (3,))
    model = open_model(writer)
    session = model.session()
    value = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    found = session.run({"x": value})
    np.testing.assert_array_equal(found["shape"], [3, 8, -1])
    np.testing.assert_array_equal(found["y"], value.reshape(3, 8, -1))
    # x, and the two copies that outputs are: nothing for the constants in between.
    assert session.memory.arena_lower_bound == 96 + 96 + 24


def test_a_shape_known_in_the_run() -> None:
    session = open_model(late_reshape()).session()
    x = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
    for shape in [(6, 2), (2, 6), (1, 12), (-1, 3), (4, 3)]:
        found = session.run({"x": x, "shape": ints(*shape)})["y"]
        np.testing.assert_array_equal(found, np.maximum(x, 0).reshape(shape))


def test_bound_before_real_shape_after() -> None:
    session = open_model(late_reshape()).session()
    assert session.outputs[0].shape == (6, 2)
    x = np.ones((3, 4), np.float32)
    assert session.run({"x": x, "shape": ints(3, 4)})["y"].shape == (3, 4)
    assert session.outputs[0].shape == (6, 2)


def test_what_does_not_fit_is_an_error_and_no_more() -> None:
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (1, 4))
    shape = f.input("shape", "int64", (2,))
    (y,) = add_node(f, "Expand", [x, shape])
    f.output(y, "y", "float32", (3, 4))
    session = apus.Model.from_bytes(writer.to_bytes()).session()
    value = np.arange(4, dtype=np.float32).reshape(1, 4)
    with pytest.raises(apus.ApusError, match=r"output 0 is \[5, 4\], more than the \[3, 4\] planned") as e:
        session.run({"x": value, "shape": ints(5, 4)})
    assert e.value.status == apus.Status.INVALID_SHAPE
    with pytest.raises(apus.ApusError, match="Expand"):
        session.run({"x": value, "shape": ints(3, 7)})
    for n in [3, 2, 1]:
        found = session.run({"x": value, "shape": ints(n, 4)})["y"]
        np.testing.assert_array_equal(found, np.broadcast_to(value, (n, 4)))


def test_without_a_bound_the_missing_value_is_named() -> None:
    with pytest.raises(apus.ApusError, match=r"node 0 \(Reshape\): input 1 must be a constant"):
        open_model(late_reshape(bound=None)).session()


def test_every_kind_of_node_behind_a_late_shape() -> None:
    """A matrix product, a reduction, a Concat and a state behind a tensor of unknown size."""
    rng = np.random.default_rng(1)
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (6, 4))
    shape = f.input("shape", "int64", (2,))
    w = rng.standard_normal((4, 5)).astype(np.float32)
    (r,) = add_node(f, "Reshape", [x, shape])
    writer.tensors[r].shape = (6, 4)
    (p,) = add_node(f, "MatMul", [r, writer.weight(w)])
    (s,) = add_node(f, "ReduceSum", [p, writer.weight(ints(1))], {"keepdims": 1})
    (c,) = add_node(f, "Concat", [p, s], {"axis": 1})
    (t,) = add_node(f, "ReduceSum", [c, writer.weight(ints(0, 1))], {"keepdims": 0})
    state = writer.state("total", initial=np.zeros((), np.float32))
    (total,) = add_node(f, "Add", [state, t])
    f.update(state, total)
    f.output(c, "c", "float32", (None, None))
    f.output(total, "sum", "float32", ())
    session = open_model(writer).session()
    wanted = 0.0
    for _ in range(3):
        value = rng.standard_normal((6, 4)).astype(np.float32)
        found = session.run({"x": value, "shape": ints(6, 4)})
        product = value.astype(np.float64) @ w
        both = np.concatenate([product, product.sum(1, keepdims=True)], 1)
        wanted += both.sum()
        np.testing.assert_allclose(found["c"], both, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found["sum"], wanted, rtol=1e-4, atol=1e-3)


def test_a_run_with_late_shapes_allocates_nothing(tmp_path: Path) -> None:
    """As for the whole models: 1,000 runs without the allocator, a lock or a system call. Inputs are
    zeros: a Reshape to [0, 0] copies its input's dimensions."""
    path = tmp_path / "late.apus"
    writer = late_reshape(bound=(3, 4))
    open_model(writer)
    path.write_bytes(writer.to_bytes())
    run_real_time(path, 1000, tmp_path)
