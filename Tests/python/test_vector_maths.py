"""Error bounds of the vector functions, over all exponents and on every instruction set.

The reference is NumPy's float64 function, whose own error is some 2^-29 of the float32 unit in the
last place that the bounds are stated in; a few hundred of its values are checked with mpmath.
Denormal arguments count as zeros and denormal results may be zeros: runs flush them.
"""

import functools

import mpmath
import numpy as np
import pytest
import scipy.special
from harness import ISAS, node_model, run_node, ulp_error

TINY = float(np.finfo(np.float32).tiny)

# Operator: reference, bound in ulp.
FUNCTIONS = {
    "Exp": (np.exp, 2),
    "Log": (np.log, 4),
    "Sigmoid": (scipy.special.expit, 4),
    "Tanh": (np.tanh, 4),
    "Erf": (scipy.special.erf, 4),
    "Sqrt": (np.sqrt, 0.5),
    "Reciprocal": (np.reciprocal, 0.5),
    "Softplus": (lambda x: np.logaddexp(0, x), 4),
    "Floor": (np.floor, 0),
    "Ceil": (np.ceil, 0),
    "Round": (np.rint, 0),
    "Sin": (np.sin, 2),
    "Cos": (np.cos, 2),
    "Tan": (np.tan, 0.501),
    "Asin": (np.arcsin, 0.501),
    "Acos": (np.arccos, 0.501),
    "Atan": (np.arctan, 0.501),
    "Sinh": (np.sinh, 0.501),
    "Cosh": (np.cosh, 0.501),
    "Asinh": (np.arcsinh, 0.501),
    "Acosh": (np.arccosh, 0.501),
    "Atanh": (np.arctanh, 0.501),
}
EXACT = {
    "Exp": mpmath.exp,
    "Log": mpmath.log,
    "Sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "Tanh": mpmath.tanh,
    "Erf": mpmath.erf,
    "Softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "Sin": mpmath.sin,
    "Cos": mpmath.cos,
    "Tan": mpmath.tan,
    "Asin": lambda x: mpmath.asin(x) if abs(x) <= 1 else 0,
    "Acos": lambda x: mpmath.acos(x) if abs(x) <= 1 else 0,
    "Atan": mpmath.atan,
    "Sinh": mpmath.sinh,
    "Cosh": mpmath.cosh,
    "Asinh": mpmath.asinh,
    "Acosh": lambda x: mpmath.acosh(x) if x >= 1 else 0,
    "Atanh": lambda x: mpmath.atanh(x) if abs(x) < 1 else 0,
}


@functools.lru_cache(maxsize=None)
def samples() -> np.ndarray:
    """Every 2053rd of the 2^32 bit patterns (2.1 million: 4,085 for each sign and exponent), those
    where results turn denormal, infinite or constant, and the edges."""
    patterns = np.arange(0, 2**32, 2053, dtype=np.uint64).astype(np.uint32)
    edges = np.array(
        [0, -0.0, np.inf, -np.inf, np.nan, TINY, -TINY, 1, -1, 0.5, 1.5, 2.5, -0.5, -1.5,
         8388607.5, 8388608, 3.4028235e38, -3.4028235e38], np.float32)  # fmt: skip
    critical = [
        np.linspace(-110, -80, 20001), np.linspace(88, 89.5, 20001), np.linspace(-1, 1, 20001),
        np.linspace(8, 11, 5001), np.linspace(3.5, 4.5, 5001), np.linspace(0.5, 2, 20001),
    ]  # fmt: skip
    return np.concatenate([patterns.view(np.float32), edges] + [c.astype(np.float32) for c in critical])


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


@functools.lru_cache(maxsize=None)
def reference(op: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        x = samples().astype(np.float64)
        x = np.where(np.abs(x) < TINY, np.copysign(0, x), x)
        return FUNCTIONS[op][0](x)


def errors(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """In ulp; 0 where both are NaN, or the same, or a flushed denormal; inf where a NaN or an
    infinity is missing."""
    rounded = wanted.astype(np.float32)
    error = ulp_error(found, wanted)
    error[np.isnan(error) | np.isnan(found) | np.isnan(wanted) | np.isinf(rounded)] = np.inf
    error[(found == rounded) | (np.isnan(found) & np.isnan(wanted))] = 0
    error[(np.abs(wanted) < TINY) & (np.abs(found) <= TINY)] = 0
    # Rounds to infinity or to the largest number: half a unit from either.
    largest = float(np.finfo(np.float32).max)
    near = (np.abs(wanted) > largest * (1 - 2**-22)) & (np.abs(wanted) < largest * (1 + 2**-22))
    error[near & (np.isinf(found) | (np.abs(found) > largest * (1 - 2**-22)))] = 0
    return error


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", list(FUNCTIONS))
def test_error_bound(op, isa):
    x = samples()
    (y,) = run_node(op, [x], isa=isa)
    error = errors(y, reference(op))
    worst = int(np.argmax(error))
    bound = FUNCTIONS[op][1]
    assert error[worst] <= bound + 1e-4, f"{op}({x[worst]!r}) = {y[worst]!r}: {error[worst]:.3f} ulp"
    # A bound that is far from reached says that the measurement is broken.
    assert bound < 1 or error.max() > 0.5


@pytest.mark.parametrize("op", list(EXACT))
def test_reference_is_right(op):
    """The float64 reference against 40 digits."""
    rng = np.random.default_rng(5)
    x = rng.choice(samples(), 400)
    x = x[np.isfinite(x) & (np.abs(x) >= TINY) & (np.abs(x) < 1e4)].astype(np.float64)
    if op == "Log":
        x = np.abs(x)
    with mpmath.workdps(40):
        for value, found in zip(x, FUNCTIONS[op][0](x)):
            wanted = EXACT[op](mpmath.mpf(value))
            if not TINY <= abs(wanted) < 1e39:
                continue
            assert abs(found - wanted) <= abs(wanted) * 2.0**-45, (op, value)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", list(FUNCTIONS))
def test_bits_do_not_depend_on_position(op, isa):
    """Every length from 1 to 70, so that each element has been in a vector and in a tail."""
    rng = np.random.default_rng(6)
    x = rng.choice(samples(), 70)
    whole = run_node(op, [x], isa=isa)[0]
    model = node_model(op, [x], isa=isa, shapes={0: ("n",)})
    for n in range(1, 71):
        with model.session(shapes={"x0": (n,)}) as session:
            part = session.run(x[70 - n :])["y0"]
        assert part.tobytes() == whole[70 - n :].tobytes(), (op, n)


def test_the_measurement_can_fail():
    x = np.float32([1, 2, 3])
    assert errors(np.float32([1, 2.000001, 3]), x.astype(np.float64)).max() > 2
    assert np.isinf(errors(np.float32([1, np.nan, 3]), x.astype(np.float64)).max())
    assert np.isinf(errors(np.float32([1, 2, 3]), np.array([1, 2, np.inf])).max())
