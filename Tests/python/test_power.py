"""Pow: its error against mpmath on every instruction set, C99's special values, mixed types."""

import math

import mpmath
import numpy as np
import pytest
from harness import ISAS, apus, assert_same_bits, run_node, ulp_error
from test_elementwise import broadcastable

TINY = np.finfo(np.float32).tiny
HUGE = float(np.finfo(np.float32).max)


def samples():
    """Bases of all exponents with exponents that keep the result in range; bases next to 1 under
    large exponents; small integers, whose powers are exact or ties."""
    rng = np.random.default_rng(50)
    base = rng.integers(0x0080_0000, 0x7F80_0000, 60000, dtype=np.uint32).view(np.float32)
    with np.errstate(divide="ignore"):
        exponent = rng.uniform(-126, 128, base.size) / np.log2(base.astype(np.float64))
    near = (1 + rng.uniform(-2, 2, 40000) * 2.0 ** -rng.integers(1, 23, 40000)).astype(np.float32)
    near = np.where(near <= 0, np.float32(0.75), near)
    with np.errstate(divide="ignore"):
        large = rng.uniform(-126, 128, near.size) / np.log2(near.astype(np.float64))
    large = np.where(np.isfinite(large), large, 3)
    i, j = np.meshgrid(np.arange(1, 40), np.arange(-12, 13))
    a = np.concatenate([base, near, i.ravel().astype(np.float32)])
    b = np.concatenate([exponent, large, j.ravel()]).astype(np.float32)
    return a, b


@pytest.fixture(scope="module")
def exact():
    """The float64 power is within 2^-28 of a float32 ulp: mpmath says so for some."""
    a, b = samples()
    with np.errstate(all="ignore"):
        y = np.power(a.astype(np.float64), b.astype(np.float64))
    rng = np.random.default_rng(51)
    with mpmath.workdps(60):
        for k in rng.integers(0, a.size, 3000):
            wanted = mpmath.power(mpmath.mpf(float(a[k])), mpmath.mpf(float(b[k])))
            assert abs(y[k] - wanted) <= abs(wanted) * 2.0**-48
    return y


@pytest.mark.parametrize("isa", ISAS)
def test_error_bound(isa, exact):
    a, b = samples()
    (y,) = run_node("Pow", [a, b], isa=isa)
    inside = (exact >= TINY) & (exact <= HUGE)
    error = ulp_error(y[inside], exact[inside])
    worst = int(np.argmax(error))
    print(f"{isa}: {error[worst]:.5f} ulp")
    assert error[worst] <= 0.501, (a[inside][worst], b[inside][worst])
    # Less would say that the measurement is broken.
    assert error.max() > 0.49
    assert (y[exact > HUGE * (1 + 2**-23)] == np.inf).all()
    assert (y[exact < TINY * (1 - 2**-23)] <= TINY).all()


def c99(a, b):
    try:
        return math.pow(a, b)
    except OverflowError:
        return math.inf if a > 0 or b % 2 == 0 else -math.inf
    except ValueError:
        if a == 0:
            return math.copysign(math.inf, a) if b % 2 == 1 else math.inf
        return math.nan


@pytest.mark.parametrize("isa", ISAS)
def test_special_values(isa):
    values = [0.0, 1, 0.5, 2, 3, 1.5, 2.5, 7, 1e30, 2.0**23 + 1, 2.0**24, 2.0**25, 3e38, np.inf]
    values = np.float32(values + [-v for v in values] + [np.nan])
    a, b = np.meshgrid(values, values)
    (y,) = run_node("Pow", [a, b], isa=isa)
    for x, e, found in zip(a.ravel().tolist(), b.ravel().tolist(), y.ravel()):
        wanted = c99(x, e)
        with np.errstate(over="ignore"):
            wanted = np.float32(wanted)
        if abs(wanted) < TINY:
            wanted = np.copysign(np.float32(0), wanted)
        assert np.isnan(found) == np.isnan(wanted), (x, e, found, wanted)
        if not np.isnan(wanted):
            assert np.isclose(found, wanted, rtol=1e-7, atol=0), (x, e, found, wanted)
            assert np.signbit(found) == np.signbit(wanted), (x, e, found, wanted)


def test_same_bits_everywhere():
    """On every instruction set, wherever an element stands, and for every number of threads."""
    a, b = samples()
    whole = run_node("Pow", [a, b], isa=ISAS[0])[0]
    for isa in ISAS[1:]:
        assert_same_bits(run_node("Pow", [a, b], isa=isa, threads=3)[0], whole, isa)
    for n in range(1, 40):
        assert_same_bits(run_node("Pow", [a[:n], b[:n]])[0], whole[:n])
        (y,) = run_node("Pow", [a[:n], b[n : n + 1]])
        assert y[0] == run_node("Pow", [a[:1], b[n : n + 1]])[0][0]


@pytest.mark.parametrize("base", ["int8", "uint8", "int32", "int64"])
def test_integers(base):
    rng = np.random.default_rng(52)
    low = 0 if base == "uint8" else -9
    for exponent in ["int8", "uint8", "int32", "int64", "float32"]:
        for _ in range(8):
            a_shape, b_shape = broadcastable(rng)
            a = rng.integers(low, 10, a_shape).astype(base)
            b = rng.integers(0, 9, b_shape).astype(exponent)
            (y,) = run_node("Pow", [a, b])
            # Exact, then the low bits.
            wide = np.power(a.astype(np.int64), b.astype(np.int64))
            assert_same_bits(y, np.asarray(wide).astype(base), f"{base} {exponent}")
    a = np.array([0, 1, 2, 3], base)
    (y,) = run_node("Pow", [a, np.int32([-1, -5, -1, -2])])
    assert y.tolist() == [0, 1, 0, 0]
    (y,) = run_node("Pow", [np.array([9, 16, 8, 10], base), np.float32([0.5, 0.25, 1 / 3, 1.5])])
    assert y.tolist() == [3, 2, 2, 31]


def test_float_base():
    rng = np.random.default_rng(53)
    for exponent in ["int8", "uint8", "int32", "int64"]:
        for _ in range(8):
            a_shape, b_shape = broadcastable(rng)
            a = rng.uniform(-3, 3, a_shape).astype(np.float32)
            b = rng.integers(0 if exponent == "uint8" else -6, 7, b_shape).astype(exponent)
            (y,) = run_node("Pow", [a, b])
            wanted = np.power(a.astype(np.float64), b.astype(np.float64))
            assert y.dtype == np.float32
            assert (ulp_error(y, wanted) <= 0.501).all()
    # Odd exponents that float32 does not hold.
    for odd in (2**24 + 1, -(2**24) - 3, 2**40 + 1):
        (y,) = run_node("Pow", [np.float32([-1, 1, -1]), np.int64([odd, odd, odd + 1])])
        assert y.tolist() == [-1, 1, 1]


def test_squares_by_a_product():
    x = np.random.default_rng(54).uniform(-3, 3, (3, 37)).astype(np.float32)
    for two in (np.float32(2), np.int64(2), np.int8(2)):
        assert_same_bits(run_node("Pow", [x, two], constants=[1])[0], x * x)


def test_errors():
    for arrays, message in [
        ([np.ones(2, bool), np.ones(2, np.float32)], "input 0 is bool; Pow takes"),
        ([np.ones(2, np.float32), np.ones(2, np.float16)], "input 1 is float16; Pow takes"),
    ]:
        with pytest.raises(apus.ApusError, match=message):
            run_node("Pow", arrays)
