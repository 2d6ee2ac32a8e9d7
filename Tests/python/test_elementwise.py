"""Activations, functions of one argument and broadcasting arithmetic, against NumPy in float64."""

import numpy as np
import pytest
import scipy.special
from harness import (
    ISAS, apus, assert_close, assert_same_bits, random_array, run_node, run_node_everywhere,
)  # fmt: skip

SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def gelu(x, form):
    if form == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + scipy.special.erf(x / np.sqrt(2)))


# Name, attributes drawn at random, formula (of the ONNX operator documentation).
ACTIVATIONS = [
    ("Relu", lambda r: {}, lambda x: np.maximum(x, 0)),
    ("LeakyRelu", lambda r: {"alpha": r.uniform(0, 1)}, lambda x, alpha: np.where(x < 0, alpha * x, x)),
    ("LeakyRelu", lambda r: {}, lambda x: np.where(x < 0, 0.01 * x, x)),
    ("Elu", lambda r: {"alpha": r.uniform(0.2, 3)},
     lambda x, alpha: np.where(x < 0, alpha * np.expm1(x), x)),
    ("Selu", lambda r: {}, lambda x: SELU_GAMMA * np.where(x < 0, SELU_ALPHA * np.expm1(x), x)),
    ("Selu", lambda r: {"alpha": r.uniform(1, 2), "gamma": r.uniform(1, 2)},
     lambda x, alpha, gamma: gamma * np.where(x < 0, alpha * np.expm1(x), x)),
    ("Celu", lambda r: {"alpha": r.uniform(0.2, 3)},
     lambda x, alpha: np.maximum(0, x) + np.minimum(0, alpha * np.expm1(x / alpha))),
    ("ThresholdedRelu", lambda r: {"alpha": r.uniform(-1, 2)},
     lambda x, alpha: np.where(x > np.float32(alpha), x, 0)),
    ("ThresholdedRelu", lambda r: {}, lambda x: np.where(x > 1, x, 0)),
    ("HardSigmoid", lambda r: {"alpha": r.uniform(0.1, 1), "beta": r.uniform(-1, 1)},
     lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1)),
    ("HardSigmoid", lambda r: {}, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    ("HardSwish", lambda r: {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    ("Sigmoid", lambda r: {}, scipy.special.expit),
    ("Tanh", lambda r: {}, np.tanh),
    ("Softplus", lambda r: {}, lambda x: np.logaddexp(0, x)),
    ("Softsign", lambda r: {}, lambda x: x / (1 + np.abs(x))),
    ("Gelu", lambda r: {}, lambda x: gelu(x, "none")),
    ("Gelu", lambda r: {"approximate": "none"}, lambda x, approximate: gelu(x, approximate)),
    ("Gelu", lambda r: {"approximate": "tanh"}, lambda x, approximate: gelu(x, approximate)),
    ("Swish", lambda r: {}, lambda x: x * scipy.special.expit(x)),
    ("Swish", lambda r: {"alpha": r.uniform(0.2, 3)},
     lambda x, alpha: x * scipy.special.expit(alpha * x)),
    ("Mish", lambda r: {}, lambda x: x * np.tanh(np.logaddexp(0, x))),
    ("Exp", lambda r: {}, np.exp),
    ("Reciprocal", lambda r: {}, np.reciprocal),
    ("Abs", lambda r: {}, np.abs),
    ("Neg", lambda r: {}, np.negative),
    ("Sign", lambda r: {}, np.sign),
    ("Floor", lambda r: {}, np.floor),
    ("Ceil", lambda r: {}, np.ceil),
    ("Round", lambda r: {}, np.rint),
    ("Erf", lambda r: {}, scipy.special.erf),
    ("Sin", lambda r: {}, np.sin),
    ("Cos", lambda r: {}, np.cos),
    ("Tan", lambda r: {}, np.tan),
    ("Atan", lambda r: {}, np.arctan),
    ("Sinh", lambda r: {}, np.sinh),
    ("Cosh", lambda r: {}, np.cosh),
    ("Shrink", lambda r: {}, lambda x: np.where(np.abs(x) > 0.5, x, 0)),
    ("Shrink", lambda r: {"lambd": r.uniform(0.1, 3), "bias": r.uniform(-1, 1)},
     lambda x, lambd, bias: np.where(x < -np.float32(lambd), x + bias,
                                     np.where(x > np.float32(lambd), x - bias, 0))),
]  # fmt: skip


def random_shape(rng, rank=None, limit=6):
    rank = int(rng.integers(0, 5)) if rank is None else rank
    return tuple(int(d) for d in rng.integers(1, limit, rank))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("row", range(len(ACTIVATIONS)))
def test_one_argument(row, isa):
    op, draw, formula = ACTIVATIONS[row]
    rng = np.random.default_rng(100 + row)
    for case in range(7):
        x = random_array(rng, random_shape(rng) if case else (3, 1031), -8, 8)
        if case == 2 and x.size:
            x.flat[0] = 0
        attributes = draw(rng)
        (y,) = run_node(op, [x], attributes, isa=isa)
        # ½x·(1 + erf) cancels to the left: its error is relative to x.
        scale = np.abs(x) if op == "Gelu" else None
        with np.errstate(divide="ignore"):
            wanted = formula(x.astype(np.float64), **attributes)
        assert_close(y, wanted, rtol=2e-6, atol=1e-6, scale=scale, what=f"{op} {attributes}")


@pytest.mark.parametrize("op", sorted({row[0] for row in ACTIVATIONS}))
def test_special_values(op):
    x = np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30])
    formula = next(f for name, draw, f in ACTIVATIONS if name == op and not draw(np.random.default_rng())) \
        if op not in ("Elu", "Celu") else lambda v: np.where(v < 0, np.expm1(v), v)  # fmt: skip
    if op in ("Sin", "Cos", "Tan"):
        x = x[:5]
    with np.errstate(all="ignore"):
        wanted = formula(x.astype(np.float64)).astype(np.float32)
    for isa in ISAS:
        (y,) = run_node(op, [x], isa=isa)
        np.testing.assert_allclose(y, wanted, rtol=1e-6, err_msg=f"{op} {isa}")
        kept = {"Tanh", "Erf", "Sin", "Softsign", "Floor", "Ceil", "Round", "Neg", "Elu", "LeakyRelu"}
        if op in kept:
            assert np.signbit(y[3]) == np.signbit(wanted[3]) and np.signbit(y[4]) == np.signbit(wanted[4])


@pytest.mark.parametrize("op", ["Tanh", "Gelu", "Floor", "Sin"])
def test_same_bits_for_all_threads(op):
    x = random_array(np.random.default_rng(3), (70001,), -4, 4)
    run_node_everywhere(op, [x], threads=range(1, 9))


# ---- Two arguments


def broadcastable(rng, count=2):
    """Shapes that broadcast together, of ranks 0 to 5."""
    full = random_shape(rng, int(rng.integers(1, 6)))
    shapes = []
    for _ in range(count):
        shape = tuple(d if rng.random() < 0.7 else 1 for d in full)
        shapes.append(shape[int(rng.integers(0, len(full))) if rng.random() < 0.3 else 0 :])
    return shapes


BINARY = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide,
          "Min": np.minimum, "Max": np.maximum}  # fmt: skip


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", list(BINARY))
def test_arithmetic(op, isa):
    rng = np.random.default_rng(7)
    shapes = [broadcastable(rng) for _ in range(40)]
    shapes += [((2, 3, 40), (3, 1)), ((5, 67), (67,)), ((1,), (70,)), ((), (33,)), ((0, 3), (1, 3))]
    for a_shape, b_shape in shapes:
        a = random_array(rng, a_shape, -3, 3)
        b = random_array(rng, b_shape, 0.5, 3) * rng.choice([-1, 1])
        b = b.astype(np.float32)
        (y,) = run_node(op, [a, b], isa=isa)
        # One correctly rounded operation: the same bits as NumPy's.
        assert_same_bits(y, BINARY[op](a, b), f"{op} {a_shape} {b_shape}")


def test_arithmetic_of_nan():
    a = np.float32([np.nan, 1, np.nan, np.inf, 0])
    b = np.float32([1, np.nan, np.nan, -np.inf, -1])
    for op, formula in BINARY.items():
        for isa in ISAS:
            (y,) = run_node(op, [a, b], isa=isa)
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(y, formula(a, b), err_msg=f"{op} {isa}")


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers(dtype):
    rng = np.random.default_rng(8)
    for op in BINARY:
        for _ in range(10):
            a_shape, b_shape = broadcastable(rng)
            a = rng.integers(-1000, 1000, a_shape).astype(dtype)
            b = rng.integers(1, 50, b_shape).astype(dtype) * dtype(rng.choice([-1, 1]))
            (y,) = run_node(op, [a, b])
            wanted = np.trunc(a / b) if op == "Div" else BINARY[op](a, b)
            assert_close(y, np.asarray(wanted).astype(dtype), what=op)
    smallest = np.iinfo(dtype).min
    a, b = np.array([smallest, 5, smallest], dtype), np.array([-1, 0, 1], dtype)
    assert run_node("Div", [a, b])[0].tolist() == [smallest, 0, smallest]
    assert run_node("Add", [a, a])[0].tolist() == [0, 10, 0]


def test_one_tensor_twice_and_in_place():
    """Mul(x, x) may not overwrite what it still reads; chains work in place."""
    from harness import Writer, add_node, open_model

    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (5, 7))
    row = f.input("row", "float32", (7,))
    (a,) = add_node(f, "Tanh", [x])
    (b,) = add_node(f, "Mul", [a, a])
    (c,) = add_node(f, "Add", [row, b])
    (d,) = add_node(f, "Sub", [c, x])
    (e,) = add_node(f, "Max", [d, row, a, b])
    f.output(e, "y", "float32", (5, 7))
    model = open_model(writer)
    rng = np.random.default_rng(9)
    xs, rows = random_array(rng, (5, 7)), random_array(rng, (7,))
    y = model.session().run({"x": xs, "row": rows})["y"]
    t = np.tanh(xs.astype(np.float64))
    wanted = np.maximum.reduce([rows + t * t - xs, np.broadcast_to(rows, t.shape), t, t * t])
    assert_close(y, wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", ["Sum", "Mean", "Min", "Max"])
def test_any_number_of_inputs(op, isa):
    rng = np.random.default_rng(10)
    formula = {"Sum": sum, "Mean": lambda v: sum(v) / len(v), "Min": lambda v: np.minimum.reduce(v),
               "Max": lambda v: np.maximum.reduce(v)}[op]  # fmt: skip
    for case in range(25):
        count = int(rng.integers(1, 6))
        arrays = [random_array(rng, s) for s in broadcastable(rng, count)]
        shape = np.broadcast_shapes(*[a.shape for a in arrays])
        (y,) = run_node(op, arrays, isa=isa)
        full = [np.broadcast_to(a, shape).astype(np.float64) for a in arrays]
        assert_close(y, formula(full), what=f"{op} {[a.shape for a in arrays]}")


@pytest.mark.parametrize("isa", ISAS)
def test_prelu(isa):
    rng = np.random.default_rng(11)
    for x_shape, s_shape in [((2, 3, 4), (3, 1)), ((2, 35), (35,)), ((4,), (1,)), ((2, 3), (2, 3))]:
        x, slope = random_array(rng, x_shape), random_array(rng, s_shape)
        (y,) = run_node("PRelu", [x, slope], isa=isa, constants=[1])
        assert_close(y, np.where(x < 0, x.astype(np.float64) * slope, x))
    with pytest.raises(apus.ApusError, match="slope"):
        run_node("PRelu", [np.ones((2, 1), np.float32), np.ones((2, 3), np.float32)])


def test_pow():
    rng = np.random.default_rng(12)
    for case in range(60):
        a_shape, b_shape = broadcastable(rng)
        a = random_array(rng, a_shape, 0.1, 3)
        kind = case % 4
        if kind == 0:
            b = random_array(rng, b_shape, -3, 3)
        elif kind == 3:
            a, b = random_array(rng, a_shape, -2, 2), np.array(2, np.float32)
        else:
            a = random_array(rng, a_shape, -2, 2)
            b = rng.integers(0, 5, b_shape).astype([np.int32, np.int64][kind - 1])
        constants = [1] if kind == 3 else []
        for isa in ISAS:
            (y,) = run_node("Pow", [a, b], constants=constants, isa=isa)
            assert_close(y, np.power(a.astype(np.float64), b.astype(np.float64)), rtol=1e-6)
    a, b = np.float32([0, 0, -8, -1]), np.float32([0, -1, 1 / 3, np.inf])
    np.testing.assert_array_equal(run_node("Pow", [a, b])[0], np.float32([1, np.inf, np.nan, 1]))


@pytest.mark.parametrize("isa", ISAS)
def test_clip(isa):
    x = random_array(np.random.default_rng(13), (3, 41), -5, 5)
    x[0, 0] = np.nan
    low, high = np.float32(-1.5), np.float32(2.25)
    assert_same_bits(run_node("Clip", [x], isa=isa)[0], x)
    assert_same_bits(run_node("Clip", [x, low], isa=isa)[0], np.maximum(x, low))
    assert_same_bits(run_node("Clip", [x, None, high], isa=isa, constants=[2])[0], np.minimum(x, high))
    assert_same_bits(run_node("Clip", [x, low, high], isa=isa)[0], np.clip(x, low, high))
    # As numpy.clip: where the limits cross, the upper one holds.
    assert (run_node("Clip", [x, high, low], isa=isa)[0][1:] == low).all()


@pytest.mark.parametrize("op", ["Add", "Div", "Max", "Pow"])
def test_arithmetic_same_bits_for_all_threads(op):
    rng = np.random.default_rng(14)
    a, b = random_array(rng, (300, 1, 40), 0.5, 2), random_array(rng, (17, 1), 0.5, 2)
    run_node_everywhere(op, [a, b], threads=range(1, 9))


# ---- Errors


@pytest.mark.parametrize("op, inputs, attributes, message", [
    ("Add", [np.ones((2, 3)), np.ones((2, 4))], {}, "cannot be broadcast"),
    ("Add", [np.ones(2), np.ones(2, np.int32)], {}, "input 1 must be float32 and is int32"),
    ("Add", [np.ones(2, bool), np.ones(2, bool)], {},
     "is bool; Add takes float32, int8, uint8, int32 and int64"),
    ("Mul", [np.ones(2, np.float16), np.ones(2, np.float16)], {}, "input 0 is float16; Mul takes"),
    ("Mean", [np.ones(2, np.int32)], {}, "is int32; Mean takes float32"),
    ("Neg", [np.ones(2, np.uint8)], {}, "is uint8; Neg takes float32, int8, int32 and int64"),
    ("Mod", [np.ones(2, bool), np.ones(2, bool)], {}, "is bool; Mod takes"),
    ("Less", [np.ones(2, bool), np.ones(2, bool)], {}, "is bool; Less takes"),
    ("And", [np.ones(2), np.ones(2)], {}, "is float32; And takes bool"),
    ("IsNaN", [np.ones(2, np.int32)], {}, "must be float32"),
    ("Hardmax", [np.ones((2, 3))], {"axis": 2}, "axis 2 does not exist"),
    ("Tanh", [np.ones(2, np.int64)], {}, "must be float32"),
    ("Celu", [np.ones(2)], {"alpha": 0.0}, "alpha is 0"),
    ("Gelu", [np.ones(2)], {"approximate": "sigmoid"}, "approximate"),
    ("Clip", [np.ones(2), np.ones(2)], {}, "must be one element"),
    ("Clip", [np.ones(2, np.int8), np.ones((), np.int32)], {}, "input 1 must be int8"),
    ("Pow", [np.ones(2, bool), np.ones(2, np.int32)], {}, "input 0 is bool"),
])  # fmt: skip
def test_errors(op, inputs, attributes, message):
    arrays = [a.astype(np.float32) if a.dtype == np.float64 else a for a in inputs]
    with pytest.raises(apus.ApusError, match=message):
        run_node(op, arrays, attributes)
