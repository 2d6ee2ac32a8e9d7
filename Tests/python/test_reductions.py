"""Reductions, softmax and the normalising operators, against NumPy in float64 and ONNX Runtime."""

import itertools

import numpy as np
import pytest
import scipy.special
from harness import (
    ISAS, apus, assert_close, assert_same_bits, random_array, run_node, run_node_everywhere,
)  # fmt: skip

REDUCTIONS = {
    "ReduceSum": lambda x, a, k: np.sum(x, a, keepdims=k),
    "ReduceMean": lambda x, a, k: np.mean(x, a, keepdims=k),
    "ReduceMax": lambda x, a, k: np.max(x, a, keepdims=k),
    "ReduceMin": lambda x, a, k: np.min(x, a, keepdims=k),
    "ReduceProd": lambda x, a, k: np.prod(x, a, keepdims=k),
    "ReduceL1": lambda x, a, k: np.sum(np.abs(x), a, keepdims=k),
    "ReduceL2": lambda x, a, k: np.sqrt(np.sum(x * x, a, keepdims=k)),
    "ReduceSumSquare": lambda x, a, k: np.sum(x * x, a, keepdims=k),
    "ReduceLogSumExp": lambda x, a, k: scipy.special.logsumexp(x, a, keepdims=k),
    "ReduceLogSum": lambda x, a, k: np.log(np.sum(x, a, keepdims=k)),
}


def values(rng, op, shape):
    if op == "ReduceProd":
        return random_array(rng, shape, 0.8, 1.25)
    if op == "ReduceLogSum":
        return random_array(rng, shape, 0.1, 2)
    return random_array(rng, shape, -2, 2)


def check(op, x, axes, keepdims, **run):
    inputs = [x] if axes is None else [x, np.array(axes, np.int64)]
    attributes = {} if keepdims is None else {"keepdims": int(keepdims)}
    (y,) = run_node(op, inputs, attributes, constants=[1], **run)
    axis = None if not axes else tuple(axes)
    keep = True if keepdims is None else keepdims
    wide = x.astype(np.float64)
    wanted = np.asarray(REDUCTIONS[op](wide, axis, keep))
    # The sum of magnitudes is what a sum's error is relative to.
    scale = np.asarray(REDUCTIONS[op](np.abs(wide), axis, keep)) + np.abs(wanted)
    assert_close(y, wanted, rtol=2e-6, atol=2e-6, scale=scale, what=f"{op} {x.shape} {axes}")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", list(REDUCTIONS))
def test_reductions(op, isa):
    rng = np.random.default_rng(20)
    for case in range(40):
        shape = tuple(int(d) for d in rng.integers(1, 7, int(rng.integers(1, 6))))
        if case % 5 == 0:
            shape = shape[:2] + (int(rng.integers(17, 150)),)
        count = int(rng.integers(0, len(shape) + 1))
        axes = [int(a) for a in rng.permutation(len(shape))[:count]]
        axes = [a - len(shape) if rng.random() < 0.3 else a for a in axes]
        check(op, values(rng, op, shape), axes or None, bool(rng.integers(0, 2)), isa=isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", list(REDUCTIONS))
def test_every_set_of_axes(op, isa):
    """Each alternation of kept and reduced axes."""
    rng = np.random.default_rng(21)
    x = values(rng, op, (3, 2, 4, 3, 5))
    for count in range(1, 6):
        for axes in itertools.combinations(range(5), count):
            check(op, x, list(axes), False, isa=isa)


@pytest.mark.parametrize("isa", ISAS)
def test_long_sums(isa):
    """The blocks keep the error of a million terms at a few units; added one after the other it
    would be thousands of times as great."""
    rng = np.random.default_rng(22)
    x = rng.uniform(0, 1, 1 << 20).astype(np.float32)
    exact = x.astype(np.float64).sum()
    (row,) = run_node("ReduceSum", [x], {"keepdims": 0}, isa=isa)
    assert abs(row - exact) / exact < 5e-7
    (column,) = run_node("ReduceSum", [x.reshape(-1, 1, 2), np.array([0], np.int64)], constants=[1], isa=isa)
    exact = x.reshape(-1, 2).astype(np.float64).sum(0)
    assert (np.abs(column.ravel() - exact) / exact).max() < 1e-4


def test_no_axes():
    x = random_array(np.random.default_rng(23), (3, 4), 0.5, 2)
    empty = np.zeros(0, np.int64)
    noop = {"noop_with_empty_axes": 1}
    assert run_node("ReduceSum", [x, empty], {"keepdims": 0}, constants=[1])[0].shape == ()
    assert_same_bits(run_node("ReduceSum", [x], noop)[0], x)
    assert_same_bits(run_node("ReduceMean", [x, empty], noop, constants=[1])[0], x)
    assert_close(run_node("ReduceSumSquare", [x], noop)[0], x.astype(float) ** 2)
    assert_close(run_node("ReduceL2", [-x], noop)[0], x)
    assert_close(run_node("ReduceLogSum", [x], noop)[0], np.log(x.astype(float)))
    assert_close(run_node("ReduceLogSumExp", [x], noop)[0], x)


def test_scalars_and_empty_tensors():
    one = np.float32(3)
    for op in REDUCTIONS:
        assert run_node(op, [one])[0].shape == ()
    none = np.zeros((2, 0, 3), np.float32)
    wanted = {"ReduceSum": 0, "ReduceProd": 1, "ReduceMax": -np.inf, "ReduceMin": np.inf,
              "ReduceL2": 0, "ReduceMean": np.nan, "ReduceLogSumExp": -np.inf}  # fmt: skip
    for op, value in wanted.items():
        for axis, shape in [(1, (2, 3)), (2, (2, 0))]:
            (y,) = run_node(op, [none, np.array([axis])], {"keepdims": 0}, constants=[1])
            assert y.shape == shape
            np.testing.assert_array_equal(y, np.full(shape, value, np.float32), err_msg=op)


@pytest.mark.parametrize("isa", ISAS)
def test_special_values(isa):
    for n in (3, 40):
        for axis in (0, 1):
            x = np.zeros((n, n), np.float32)
            line = x[:, 1] if axis == 0 else x[1]
            line[n - 1] = np.nan
            axes = np.array([axis])
            for op in ("ReduceMax", "ReduceMin", "ReduceSum", "ReduceLogSumExp"):
                (y,) = run_node(op, [x, axes], {"keepdims": 0}, constants=[1], isa=isa)
                assert np.isnan(y[1]) and np.isfinite(y[0]), op
            for value, wanted in [(np.inf, np.inf), (-np.inf, np.log(n - 1)), (200.0, 200.0)]:
                line[n - 1] = value
                (y,) = run_node("ReduceLogSumExp", [x, axes], {"keepdims": 0}, constants=[1], isa=isa)
                np.testing.assert_allclose(y[1], wanted, rtol=1e-6)
    (y,) = run_node("ReduceLogSumExp", [np.full(5, -np.inf, np.float32)], isa=isa)
    assert y == -np.inf


@pytest.mark.parametrize("op", list(REDUCTIONS))
@pytest.mark.parametrize("axes", [[0], [1], [2], [0, 2], [1, 2], [0, 1]])
def test_same_bits_for_all_threads(op, axes):
    x = values(np.random.default_rng(24), op, (41, 37, 43))
    run_node_everywhere(op, [x, np.array(axes)], constants=[1], threads=[1, 2, 3, 5, 8])


def test_reduction_errors():
    x = np.ones((2, 3), np.float32)
    for axes, message in [([2], "axis 2 does not exist"), ([0, -2], "twice")]:
        with pytest.raises(apus.ApusError, match=message):
            run_node("ReduceSum", [x, np.array(axes)], constants=[1])
    for op, dtype in [("ReduceSum", "int8"), ("ReduceMean", "bool"), ("ReduceMax", "float16")]:
        with pytest.raises(apus.ApusError, match=f"input 0 is {dtype}; {op} takes float32"):
            run_node(op, [x.astype(dtype)])


# ---- Integers


def integer_reference(op, x, axes, keepdims):
    """NumPy's, in the type itself: sums and products wrap around."""
    options = {"axis": axes, "keepdims": keepdims}
    with np.errstate(all="ignore"):
        if op in ("ReduceMax", "ReduceMin"):
            return {"ReduceMax": np.max, "ReduceMin": np.min}[op](x, **options)
        if op == "ReduceMean":
            return np.trunc(np.mean(x.astype(np.float64), **options))
        wide = {
            "ReduceSum": x, "ReduceProd": x, "ReduceL1": np.abs(x), "ReduceSumSquare": x * x,
            "ReduceL2": x.astype(np.float64) ** 2, "ReduceLogSum": x.astype(np.float64),
            "ReduceLogSumExp": np.exp(x.astype(np.float64)),
        }[op]  # fmt: skip
        total = (np.prod if op == "ReduceProd" else np.sum)(wide, dtype=wide.dtype, **options)
        return {"ReduceL2": np.sqrt, "ReduceLogSum": np.log, "ReduceLogSumExp": np.log}.get(
            op, lambda v: v)(total)  # fmt: skip


@pytest.mark.parametrize("op", list(REDUCTIONS))
def test_integers(op):
    rng = np.random.default_rng(26)
    dtypes = ["int32", "int64"]
    if op in ("ReduceMax", "ReduceMin"):
        dtypes += ["int8", "uint8", "bool"]
    for dtype in dtypes:
        for case in range(20):
            shape = tuple(int(d) for d in rng.integers(1, 9, int(rng.integers(1, 5))))
            if case == 0:
                shape = (3, 517, 2)
            logarithm = op in ("ReduceLogSum", "ReduceLogSumExp")
            big = 12 if logarithm or op == "ReduceL2" else 2**40 if dtype == "int64" else 2**30
            if dtype in ("int8", "uint8", "bool"):
                info = np.iinfo("uint8" if dtype == "bool" else dtype)
                x = rng.integers(info.min, info.max, shape, endpoint=True)
                x = (x > 200 if dtype == "bool" else x).astype(dtype)
            else:
                x = rng.integers(1 if logarithm else -big, big, shape).astype(dtype)
            count = int(rng.integers(0, x.ndim + 1))
            axes = tuple(int(a) for a in rng.permutation(x.ndim)[:count])
            keep = bool(rng.integers(2))
            (y,) = run_node(
                op, [x, np.array(axes, np.int64)], {"keepdims": int(keep)}, constants=[1])
            wanted = integer_reference(op, x, axes or tuple(range(x.ndim)), keep)
            if not logarithm:
                assert_close(y, np.asarray(wanted).astype(dtype), what=f"{op} {shape} {axes}")
                continue
            # In float32: a value next to an integer may lose its fraction one way or the other.
            assert y.dtype == dtype and y.shape == np.shape(wanted)
            assert (np.abs(y + 0.5 - wanted) <= 0.5 + 1e-5).all()


def test_empty_integers():
    x = np.zeros((2, 0), np.int32)
    bounds = np.iinfo(np.int32)
    for op, value in [("ReduceSum", 0), ("ReduceProd", 1), ("ReduceMax", bounds.min),
                      ("ReduceMin", bounds.max), ("ReduceMean", 0)]:  # fmt: skip
        (y,) = run_node(op, [x, np.array([1])], {"keepdims": 0}, constants=[1])
        assert y.tolist() == [value] * 2, op


def test_integers_same_bits_for_all_threads():
    x = np.random.default_rng(27).integers(-(2**31), 2**31, (41, 37, 43)).astype(np.int32)
    for axes in ([0], [2], [0, 2]):
        run_node_everywhere("ReduceSum", [x, np.array(axes)], constants=[1], threads=[1, 2, 3, 8])


# ---- Softmax


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_softmax(op, isa):
    rng = np.random.default_rng(30)
    formula = {"Softmax": scipy.special.softmax, "LogSoftmax": scipy.special.log_softmax}[op]
    for case in range(40):
        shape = tuple(int(d) for d in rng.integers(1, 9, int(rng.integers(1, 5))))
        if case % 4 == 0:
            shape = shape[:2] + (int(rng.integers(15, 120)),)
        axis = int(rng.integers(-len(shape), len(shape)))
        # Up to 1000: e^x alone would overflow.
        x = random_array(rng, shape, -1, 1) * np.float32(rng.choice([1, 30, 1000]))
        attributes = {} if case == 1 else {"axis": axis}
        (y,) = run_node(op, [x], attributes, isa=isa)
        wanted = formula(x.astype(np.float64), attributes.get("axis", -1))
        assert_close(y, wanted, rtol=2e-6, atol=1e-6, what=f"{op} {shape} {axis}")


def test_softmax_same_bits_for_all_threads():
    rng = np.random.default_rng(31)
    for axis in (0, 1, 2):
        for op in ("Softmax", "LogSoftmax"):
            x = random_array(rng, (37, 41, 29), -3, 3)
            run_node_everywhere(op, [x], {"axis": axis}, threads=range(1, 9))


def test_softmax_of_nothing_and_errors():
    assert run_node("Softmax", [np.zeros((0, 3), np.float32)])[0].shape == (0, 3)
    assert run_node("Softmax", [np.zeros((3, 0), np.float32)])[0].shape == (3, 0)
    with pytest.raises(apus.ApusError, match="axis 2"):
        run_node("Softmax", [np.zeros((2, 2), np.float32)], {"axis": 2})
