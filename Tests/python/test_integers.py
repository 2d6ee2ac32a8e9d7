"""Integer and bool arithmetic, comparisons and logic, with broadcasting, against NumPy."""

import numpy as np
import pytest
from harness import assert_same_bits, run_node, run_node_everywhere
from test_elementwise import broadcastable

INTEGERS = ["int8", "uint8", "int32", "int64"]


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def draw(rng, shape, dtype, small=False):
    """The whole range of the type, or around zero."""
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype == "float32":
        return rng.integers(-4, 5, shape).astype(np.float32) / 2
    info = np.iinfo(dtype)
    low, high = (max(info.min, -5), 5) if small else (info.min, info.max)
    return rng.integers(low, high, shape, dtype=dtype, endpoint=True)


def pairs(rng, dtype, count=12, small=False):
    """Operands that broadcast, chunks and tails and repeated elements among them."""
    shapes = [broadcastable(rng) for _ in range(count)]
    shapes += [((2, 3, 70), (3, 1)), ((5, 131), (131,)), ((1,), (70,)), ((), (3,)), ((0, 3), (3,))]
    for a, b in shapes:
        yield draw(rng, a, dtype, small), draw(rng, b, dtype, small)


def truncated_division(a, b):
    """Towards zero, exactly; 0 where b is 0; wraps where the smallest is divided by −1."""
    flat = [
        0 if y == 0 else (abs(x) // abs(y)) * (1 if (x < 0) == (y < 0) else -1)
        for x, y in zip(a.ravel().tolist(), b.ravel().tolist())
    ]
    wrapped = [v - 2**63 * 2 if v == 2**63 else v for v in flat]
    return np.array(wrapped, np.int64).reshape(a.shape).astype(a.dtype)


def c_remainder(a, b):
    return np.where(b == 0, 0, a - truncated_division(a, b) * b)


def python_remainder(a, b):
    flat = [0 if y == 0 else x % y for x, y in zip(a.ravel().tolist(), b.ravel().tolist())]
    return np.array(flat, np.int64).reshape(a.shape).astype(a.dtype)


ARITHMETIC = {
    "Add": (np.add, {}), "Sub": (np.subtract, {}), "Mul": (np.multiply, {}),
    "Min": (np.minimum, {}), "Max": (np.maximum, {}), "Div": (truncated_division, {}),
    "Mod": (python_remainder, {}), "fmod": (c_remainder, {"fmod": 1}),
}  # fmt: skip


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("op", list(ARITHMETIC))
def test_arithmetic(op, dtype):
    rng = np.random.default_rng(40)
    formula, attributes = ARITHMETIC[op]
    for small in (False, True):
        for a, b in pairs(rng, dtype, small=small):
            (y,) = run_node("Mod" if op == "fmod" else op, [a, b], attributes)
            wanted = np.asarray(formula(*np.broadcast_arrays(a, b))).astype(dtype)
            assert_same_bits(y, wanted, f"{op} {a.shape} {b.shape}")


@pytest.mark.parametrize("dtype", INTEGERS)
def test_extremes(dtype):
    """Nothing traps: divisions by 0, and what does not fit."""
    info = np.iinfo(dtype)
    a = np.array([info.min, info.max, 5, info.min, 0], dtype)
    b = np.array([-1 if info.min < 0 else 1, 0, 0, info.min, 0], dtype)
    (y,) = run_node("Div", [a, b])
    assert y.tolist() == [info.min, 0, 0, 1 if info.min < 0 else 0, 0]
    for fmod in (0, 1):
        assert run_node("Mod", [a, b], {"fmod": fmod})[0].tolist()[1:3] == [0, 0]
    assert_same_bits(run_node("Add", [a, a])[0], a + a)
    assert_same_bits(run_node("Mul", [a, a])[0], a * a)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_one_argument(dtype):
    rng = np.random.default_rng(41)
    signed = dtype != "uint8"
    formulas = {"Abs": np.abs, "Sign": np.sign}
    if signed:
        formulas |= {"Neg": np.negative, "Relu": lambda x: np.maximum(x, 0)}
    for shape in [(), (3, 43), (64,), (0,), (1000,)]:
        x = draw(rng, shape, dtype)
        if x.size > 2:
            x.flat[:3] = np.iinfo(dtype).min, np.iinfo(dtype).max, 0
        for op, formula in formulas.items():
            assert_same_bits(run_node(op, [x])[0], np.asarray(formula(x)).astype(dtype), op)
        low, high = (np.array(v, dtype) for v in ((-7, 90) if signed else (7, 90)))
        assert_same_bits(run_node("Clip", [x, low, high])[0], np.clip(x, low, high))
        assert_same_bits(run_node("Clip", [x, None, high], constants=[2])[0], np.minimum(x, high))
        assert_same_bits(run_node("Clip", [x])[0], x)
        x = draw(rng, shape, dtype, small=True)
        (y,) = run_node("Shrink", [x], {"lambd": 1.5, "bias": 1.25})
        real = x.astype(np.float64)
        wanted = np.where(real < -1.5, real + 1.25, np.where(real > 1.5, real - 1.25, 0))
        assert_same_bits(y, np.trunc(wanted).astype(dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("op", ["Min", "Max"])
def test_any_number_of_inputs(op, dtype):
    rng = np.random.default_rng(42)
    formula = {"Min": np.minimum, "Max": np.maximum}[op]
    for _ in range(8):
        arrays = [draw(rng, s, dtype) for s in broadcastable(rng, int(rng.integers(1, 5)))]
        wanted = arrays[0]
        for a in arrays[1:]:
            wanted = formula(wanted, a)
        assert_same_bits(run_node(op, arrays)[0], np.asarray(wanted))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_prelu(dtype):
    rng = np.random.default_rng(43)
    x, slope = draw(rng, (4, 3, 9), dtype), draw(rng, (3, 1), dtype, small=True)
    assert_same_bits(run_node("PRelu", [x, slope])[0], np.where(x < 0, x * slope, x))


# ---- Comparisons and logic

COMPARISONS = {
    "Equal": np.equal, "Greater": np.greater, "GreaterOrEqual": np.greater_equal,
    "Less": np.less, "LessOrEqual": np.less_equal,
}  # fmt: skip
LOGIC = {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor}


@pytest.mark.parametrize(
    "op, dtype",
    [(op, dtype) for op in COMPARISONS for dtype in [*INTEGERS, "float32"]]
    + [(op, "bool") for op in ["Equal", *LOGIC]])
def test_comparison(op, dtype):
    rng = np.random.default_rng(44)
    formula = {**COMPARISONS, **LOGIC}[op]
    for small in (False, True):
        for a, b in pairs(rng, dtype, small=small):
            (y,) = run_node(op, [a, b])
            assert_same_bits(y, np.asarray(formula(a, b)), f"{op} {a.shape} {b.shape}")


def test_comparison_of_special_values():
    values = np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 1])
    a, b = values[:, None], values[None]
    for op, formula in COMPARISONS.items():
        assert_same_bits(run_node(op, [a, b])[0], formula(a, b), op)


def test_not():
    x = np.random.default_rng(45).random((3, 50)) < 0.5
    assert_same_bits(run_node("Not", [x])[0], ~x)


def test_float_classes():
    x = np.float32([np.nan, -np.nan, np.inf, -np.inf, 0, -0.0, 1e38, -1e38] * 9)
    assert_same_bits(run_node("IsNaN", [x])[0], np.isnan(x))
    assert_same_bits(run_node("IsInf", [x])[0], np.isinf(x))
    assert_same_bits(run_node("IsInf", [x], {"detect_negative": 0})[0], np.isposinf(x))
    assert_same_bits(run_node("IsInf", [x], {"detect_positive": 0})[0], np.isneginf(x))
    nothing = run_node("IsInf", [x], {"detect_positive": 0, "detect_negative": 0})[0]
    assert not nothing.any()


# ---- Remainders of floats


@pytest.mark.parametrize("fmod, formula", [(1, np.fmod), (0, np.mod)])
def test_float_remainder(fmod, formula):
    rng = np.random.default_rng(46)
    a, b = rng.integers(0, 2**32, (2, 40000), dtype=np.uint32).view(np.float32)
    tiny = np.finfo(np.float32).tiny
    a, b = (np.where(np.abs(v) < tiny, np.float32(1.5), v) for v in (a, b))
    (y,) = run_node("Mod", [a, b], {"fmod": fmod})
    wanted, exact = formula(a, b), np.fmod(a, b)
    # Denormal remainders may be flushed to zero.
    sure = np.all([(np.abs(v) >= tiny) | (v == 0) | np.isnan(v) for v in (exact, wanted)], axis=0)
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(y[sure], wanted[sure])
    special = np.float32([0, -0.0, 1, -1, 5.5, -7.25, -6, 3, np.inf, -np.inf, np.nan])
    x, m = special[:, None], special[None]
    (y,) = run_node("Mod", [x, m], {"fmod": fmod})
    wanted = formula(x, m)
    np.testing.assert_array_equal(y, wanted)
    known = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(y[known]), np.signbit(wanted[known]))


# ---- Products


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_products(dtype):
    rng = np.random.default_rng(47)
    for a, b in [((3, 4), (4, 5)), ((4,), (4,)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)),
                 ((2, 1, 3, 70), (5, 70, 2)), ((0, 4), (4, 2)), ((3, 0), (0, 2))]:  # fmt: skip
        x, y = draw(rng, a, dtype), draw(rng, b, dtype)
        assert_same_bits(run_node("MatMul", [x, y])[0], np.asarray(np.matmul(x, y)), f"{a} {b}")
    for transposes in range(4):
        ta, tb = transposes & 1, transposes >> 1
        x, y = draw(rng, (6, 5), dtype), draw(rng, (5, 7), dtype)
        given = [x.T.copy() if ta else x, y.T.copy() if tb else y]
        attributes = {"transA": ta, "transB": tb}
        for shape in [None, (), (7,), (6, 1), (6, 7)]:
            c = [] if shape is None else [draw(rng, shape, dtype)]
            wanted = x @ y + (c[0] if c else np.array(0, dtype))
            assert_same_bits(run_node("Gemm", given + c, attributes)[0], wanted)
    x, y, c = (draw(rng, s, dtype, small=True) for s in ((6, 5), (5, 7), (7,)))
    (z,) = run_node("Gemm", [x, y, c], {"alpha": 0.5, "beta": 2.0})
    assert_same_bits(z, np.trunc(0.5 * (x @ y) + 2.0 * c).astype(dtype))
    (z,) = run_node("Gemm", [x, y], {"alpha": 1e30})
    assert set(z.ravel().tolist()) <= {np.iinfo(dtype).min, 0, np.iinfo(dtype).max}


def test_same_bits_for_all_threads():
    rng = np.random.default_rng(48)
    for op, dtype in [("Add", "int8"), ("Div", "int64"), ("Less", "uint8"), ("Xor", "bool")]:
        a, b = draw(rng, (300, 1, 40), dtype), draw(rng, (17, 1), dtype)
        run_node_everywhere(op, [a, b], threads=[1, 2, 3, 5, 8])
    a, b = draw(rng, (67, 90), "int32"), draw(rng, (90, 70), "int32")
    run_node_everywhere("MatMul", [a, b], threads=[1, 2, 3, 5, 8])
    x = draw(rng, (200_003,), "int8")
    run_node_everywhere("Abs", [x], threads=[1, 2, 3, 5, 8])


# ---- Hardmax


@pytest.mark.parametrize("axis", [-3, -1, 0, 1, 2, None])
def test_hardmax(axis):
    rng = np.random.default_rng(49)
    # Few values, so that the greatest often stands there several times.
    x = rng.integers(0, 3, (4, 5, 6)).astype(np.float32)
    x[1, 2, 3] = np.nan
    (y,) = run_node("Hardmax", [x], {} if axis is None else {"axis": axis})
    at = -1 if axis is None else axis
    wanted = np.zeros_like(x)
    np.put_along_axis(wanted, np.argmax(x, at, keepdims=True), 1, at)
    assert_same_bits(y, wanted)
