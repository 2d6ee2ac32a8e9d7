"""Sums, products, means, joins and tables of quantised tensors: the same bits as their definition
written out in NumPy, on every kernel module and for every number of threads, and as ONNX Runtime's
own com.microsoft operators (of sums at most one step away, as ONNX Runtime fuses their products)."""

import itertools

import numpy as np
import pytest
from harness import apus, run_node, run_node_everywhere
from onnx_reference import run_onnx
from test_elementwise import broadcastable
from test_quantization import BYTES, check, random_bytes, random_scale, random_zero

F = np.float32
RATIOS = [0.02, 0.3, 1.0, 1.7, 9.0]


def microsoft(op, inputs, attributes={}):
    return run_onnx(op, inputs, attributes, domain="com.microsoft")[0]


def stored(real, zero, kind, inside=True):
    """saturate(round(real) + zero); `inside`: the zero point is part of `real` before it rounds."""
    info = np.iinfo(kind)
    with np.errstate(invalid="ignore"):
        y = np.rint((real + F(zero)).astype(F)) if inside else np.rint(real) + F(zero)
    return np.clip(np.nan_to_num(y, nan=info.min), info.min, info.max).astype(kind)


def scale(rng):
    return np.asarray(random_scale(rng, ()))


def zero(rng, kind):
    return np.asarray(random_zero(rng, (), kind))


def operands(rng, shapes, kind, ratio=None):
    """A, B and their parameters, and those of a result that fits them."""
    result = []
    for shape in shapes:
        result += [random_bytes(rng, shape, kind), scale(rng), zero(rng, kind)]
    return result


# ---- Sums and products


def added(a, sa, za, b, sb, zb, sy, zy):
    ra, rb = F(sa / sy), F(sb / sy)
    fixed = F(zy) - F(F(F(za) * ra) + F(F(zb) * rb))
    sums = a.astype(F) * ra + (b.astype(F) * rb + F(fixed))
    return stored(sums, 0, zy.dtype)


def multiplied(a, sa, za, b, sb, zb, sy, zy):
    product = (a.astype(F) - F(za)) * (b.astype(F) - F(zb))
    return stored(product * F(F(sa * sb) / sy), zy, zy.dtype)


FORMULAS = {"QLinearAdd": added, "QLinearMul": multiplied}


def random_binary(rng, op, shapes, kind):
    inputs = operands(rng, shapes, kind)
    span = inputs[1] + inputs[4] if op == "QLinearAdd" else inputs[1] * inputs[4] * 255
    return [*inputs, np.asarray(F(span * rng.choice(RATIOS))), zero(rng, kind)]


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize("op", FORMULAS)
def test_sums_and_products(op, kind):
    rng = np.random.default_rng(31)
    shapes = [broadcastable(rng) for _ in range(25)]
    shapes += [((2, 3, 70), (3, 1)), ((5, 131), (131,)), ((1,), (70,)), ((), ()), ((0, 3), (3,))]
    shapes += [((2, 1, 1, 1, 3), (5, 1, 4, 1))]
    for i, pair in enumerate(shapes):
        inputs = random_binary(rng, op, pair, kind)
        constants = [[], [1, 2, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]][i % 3]
        check(op, inputs, {}, [FORMULAS[op](*inputs)], constants, threads=(1, 2))
        if i % 5 == 0:
            left_out = [*inputs[:2], None, *inputs[3:]]
            inputs[2] = inputs[2] * 0
            check(op, left_out, {}, [FORMULAS[op](*inputs)])
            none = [v if i not in (2, 5, 7) else v * 0 for i, v in enumerate(inputs)]
            given = [None if i in (2, 5) else v for i, v in enumerate(none[:7])]
            check(op, given, {}, [FORMULAS[op](*none)])


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize("op", FORMULAS)
def test_sums_and_products_are_those_of_onnx_runtime(op, kind):
    rng = np.random.default_rng(32)
    different = total = 0
    for pair in [((3, 50, 67), (3, 50, 67)), ((40, 300), (1, 1)), ((7, 64, 9), (64, 1))] * 8:
        inputs = random_binary(rng, op, pair, kind)
        (y,) = run_node(op, inputs)
        wanted = microsoft(op, inputs)
        apart = np.abs(y.astype(int) - wanted)
        assert apart.max() <= (1 if op == "QLinearAdd" else 0)
        different += (apart > 0).sum()
        total += y.size
    assert different <= 2e-4 * total


def test_all_pairs_of_bytes():
    rng = np.random.default_rng(33)
    for kind, op in itertools.product(BYTES, FORMULAS):
        bytes_ = np.arange(256, dtype=np.uint8).view(kind)
        for _ in range(3):
            inputs = random_binary(rng, op, [(1,), (1,)], kind)
            inputs[0], inputs[3] = bytes_[:, None], bytes_[None]
            check(op, inputs, {}, [FORMULAS[op](*inputs)], threads=(1, 2, 3, 5))


@pytest.mark.parametrize("op", FORMULAS)
def test_useless_scales_do_no_harm(op):
    """NaN and what overflows have a result too: the same everywhere."""
    rng = np.random.default_rng(34)
    for special in [0.0, -0.5, np.inf, np.nan, 1e-38, 3e38]:
        for i in (1, 4, 6):
            inputs = random_binary(rng, op, [(70,), (70,)], np.uint8)
            inputs[i] = np.asarray(F(special))
            results = run_node_everywhere(op, inputs)
            assert len({y.tobytes() for (y,) in results.values()}) == 1
            with np.errstate(all="ignore"):
                wanted = FORMULAS[op](*inputs)
            np.testing.assert_array_equal(results["baseline"][0], wanted)


# ---- Means


def averaged(x, sx, zx, sy, zy, kernel, strides, pads, include, dilations=None):
    """One window after the other, one element after the other."""
    rank = x.ndim - 2
    if list(x.shape[2:]) == list(kernel) and not any(pads):
        return global_mean(x, sx, zx, sy, zy)
    dilations = dilations or [1] * rank
    real = (F(sx) * (x.astype(F) - F(zx))).astype(F)
    size = np.array(x.shape[2:])
    extent = (np.array(kernel) - 1) * dilations + 1
    out = (size + np.array(pads[:rank]) + pads[rank:] - extent) // strides + 1
    sums = np.zeros((*x.shape[:2], *out), F)
    counts = np.zeros(out, F)
    for place in np.ndindex(*out):
        for k in np.ndindex(*kernel):
            at = np.array(place) * strides - pads[:rank] + np.array(k) * dilations
            if (at >= 0).all() and (at < size).all():
                sums[(..., *place)] += real[(slice(None), slice(None), *at)]
                counts[place] += 1
    if include:
        counts[...] = np.prod(kernel)
    return stored((sums / counts).astype(F) / F(sy), zy, zy.dtype)


def random_pool(rng, kind):
    rank = int(rng.integers(1, 4))
    size = rng.integers(3, 9, rank)
    kernel = [int(rng.integers(1, min(4, n) + 1)) for n in size]
    pads = [int(rng.integers(0, k)) for k in kernel * 2]
    if rng.integers(5) == 0:
        kernel, pads = size.tolist(), [0] * (2 * rank)
    attributes = {
        "kernel_shape": kernel, "pads": pads, "strides": rng.integers(1, 4, rank).tolist(),
        "count_include_pad": int(rng.integers(2)),
    }  # fmt: skip
    x = random_bytes(rng, (int(rng.integers(1, 3)), int(rng.integers(1, 20)), *size), kind)
    sx = scale(rng)
    sy = sx if rng.integers(2) else np.asarray(F(sx * rng.choice([0.1, 0.4, 0.9, 3])))
    zx = zero(rng, kind)
    zy = zx if rng.integers(2) else zero(rng, kind)
    return [x, sx, zx, sy, zy], attributes


@pytest.mark.parametrize("kind", BYTES)
def test_average_pool(kind):
    rng = np.random.default_rng(35)
    for i in range(40):
        inputs, attributes = random_pool(rng, kind)
        wanted = averaged(
            *inputs, attributes["kernel_shape"], attributes["strides"], attributes["pads"],
            attributes["count_include_pad"])  # fmt: skip
        constants = [] if i % 2 else [1, 2, 3, 4]
        check("QLinearAveragePool", inputs, attributes, [wanted], constants, threads=(1, 3))
        theirs = microsoft("QLinearAveragePool", inputs, attributes)
        np.testing.assert_array_equal(theirs, wanted)


def test_average_pool_of_all_attributes():
    rng = np.random.default_rng(36)
    for more in [
        {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID"},
        {"ceil_mode": 1},
    ]:  # fmt: skip
        for _ in range(6):
            inputs, attributes = random_pool(rng, np.uint8)
            if "auto_pad" in more:
                del attributes["pads"]
            attributes |= more | {"count_include_pad": 0}
            wanted = microsoft("QLinearAveragePool", inputs, attributes)
            check("QLinearAveragePool", inputs, attributes, [wanted])
    x = random_bytes(rng, (2, 3, 9, 11), np.int8)
    inputs = [x, scale(rng), zero(rng, np.int8), scale(rng), zero(rng, np.int8)]
    attributes = {"kernel_shape": [3, 2], "dilations": [2, 3]}
    wanted = averaged(*inputs, [3, 2], [1, 1], [0] * 4, 0, [2, 3])
    check("QLinearAveragePool", inputs, attributes, [wanted], threads=(1, 2, 5))


def global_mean(x, sx, zx, sy, zy):
    axes = tuple(range(2, x.ndim))
    count = int(np.prod(x.shape[2:]))
    sums = (x.astype(np.int64) - int(zx)).sum(axes, keepdims=True)
    ratio = F(F(sx) / F(F(sy) * F(count)))
    return stored(sums.astype(F) * ratio, zy, zy.dtype, inside=False)


@pytest.mark.parametrize("kind", BYTES)
def test_global_average_pool(kind):
    rng = np.random.default_rng(37)
    for shape in [
        (1, 3, 7, 7), (2, 5, 1, 1), (3, 17, 4, 5, 6), (2, 33, 9), (1, 2, 300, 401), (0, 3, 5, 5),
        (4, 0, 3, 3), (2, 64, 8, 8),
    ]:  # fmt: skip
        for ratio in [0.3, 1]:
            sx = scale(rng)
            inputs = [
                random_bytes(rng, shape, kind), sx, zero(rng, kind), np.asarray(F(sx * ratio)),
                zero(rng, kind)]  # fmt: skip
            wanted = global_mean(*inputs)
            check("QLinearGlobalAveragePool", inputs, {}, [wanted], threads=(1, 2, 5))
            if wanted.size:
                theirs = microsoft("QLinearGlobalAveragePool", inputs, {"channels_last": 0})
                np.testing.assert_array_equal(theirs, wanted)


# ---- Joins


def requantized(x, sx, zx, sy, zy):
    if sx == sy and zx == zy:
        return x
    real = ((x.astype(F) - F(zx)) * F(sx)).astype(F)
    return stored(real / F(sy), zy, zy.dtype, inside=False)


@pytest.mark.parametrize("kind", BYTES)
def test_concat(kind):
    rng = np.random.default_rng(38)
    for i in range(40):
        rank = int(rng.integers(1, 6))
        axis = int(rng.integers(-rank, rank))
        shape = rng.integers(1, 6, rank)
        result = [scale(rng), zero(rng, kind)]
        inputs, parts = list(result), []
        for _ in range(int(rng.integers(1, 5))):
            own = shape.copy()
            own[axis] = rng.choice([0, 1, 3, 70])
            same = rng.integers(2)
            parts.append([random_bytes(rng, own, kind)])
            parts[-1] += result if same else [scale(rng), zero(rng, kind)]
            inputs += parts[-1]
        wanted = np.concatenate([requantized(*part, *result) for part in parts], axis)
        parameters = [i for i, v in enumerate(inputs) if np.size(v) == 1 and v.ndim == 0]
        constants = parameters if i % 2 else []
        attributes = {"axis": axis}
        check("QLinearConcat", inputs, attributes, [wanted], constants, threads=(1, 2))
        if wanted.size:
            np.testing.assert_array_equal(microsoft("QLinearConcat", inputs, attributes), wanted)


# ---- Tables


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize("result", BYTES)
def test_lookup(kind, result):
    rng = np.random.default_rng(39)
    for shape in [(), (0,), (5,), (2, 3, 4, 5, 3), (20_001,)]:
        x = random_bytes(rng, shape, kind)
        table = rng.integers(0, 256, 256).astype(np.uint8)
        inputs = [x, scale(rng), zero(rng, kind), table, scale(rng), zero(rng, result)]
        wanted = np.asarray(table[x.view(np.uint8)]).view(result)
        for constants in [[], [1, 2, 3, 4, 5]]:
            check("QLinearLookup", inputs, {}, [wanted], constants, threads=(1, 2))
    check("QLinearLookup", [*inputs[:5]], {}, [wanted.view(kind)])


def test_same_bits_for_all_threads():
    rng = np.random.default_rng(40)
    shape = (4, 30, 41, 43)
    for op in FORMULAS:
        for other in [shape, (30, 1, 1), ()]:
            inputs = random_binary(rng, op, [shape, other], np.uint8)
            run_node_everywhere(op, inputs, threads=[1, 2, 3, 5, 8])
    x = random_bytes(rng, shape, np.int8)
    pool = [x, scale(rng), zero(rng, np.int8), scale(rng), zero(rng, np.int8)]
    run_node_everywhere("QLinearAveragePool", pool, {"kernel_shape": [3, 3]}, threads=[1, 2, 3, 8])
    run_node_everywhere("QLinearGlobalAveragePool", pool, threads=[1, 2, 3, 5, 8])
    run_node_everywhere(
        "QLinearConcat", [*pool[1:3], *pool[:3], x, *pool[3:]], {"axis": 1}, threads=[1, 2, 3, 8])


# ---- What is refused


@pytest.mark.parametrize(
    "op, inputs, attributes, message",
    [
        ("QLinearAdd", "u8 f . s8 f . f", {}, "the same for all"),
        ("QLinearAdd", "u8 f s8 u8 f . f", {}, "must be uint8"),
        ("QLinearAdd", "f f . f f . f", {}, "int8 or uint8"),
        ("QLinearMul", "u8 f . u8 f2 . f", {}, "single number"),
        ("QLinearMul", "u8 f . . f . f", {}, "int8 or uint8"),
        ("QLinearMul", "u8 f . u8 f . .", {}, "single number"),
        ("QLinearAveragePool", "p8 f . f", {}, "kernel_shape"),
        ("QLinearGlobalAveragePool", "p8 f . u8", {}, "must be float32"),
        ("QLinearConcat", "f u8 u8 f u8 u8", {"axis": 0}, "three more"),
        ("QLinearConcat", "f u8 u8 f u8 s8 f s8", {"axis": 0}, "the same for all"),
        ("QLinearConcat", "f u8 p8 f u8 p8 f u8", {"axis": 3}, "axis 3"),
        ("QLinearConcat", "f u8 u8 f u8", {"axis": 0}, "scalar"),
        ("QLinearLookup", "u8 f u8 u8 f u8", {}, r"must be \[256\]"),
    ],
)  # fmt: skip
def test_refused(op, inputs, attributes, message):
    made = {
        "u8": np.uint8(3), "s8": np.int8(3), "f": F(0.5), "f2": np.ones(2, F), ".": None,
        "p8": np.ones((1, 2, 3), np.uint8),
    }  # fmt: skip
    with pytest.raises(apus.ApusError, match=message):
        run_node(op, [made[name] for name in inputs.split()], attributes)
