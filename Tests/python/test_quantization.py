"""The integer operators: the same bits as their definition written out in integers, as ONNX Runtime
and as ONNX's own node tests, on every kernel module and for every number of threads."""

import functools

import numpy as np
import pytest
from harness import ISAS, apus, run_node, run_node_everywhere
from onnx import numpy_helper
from onnx_reference import run_onnx
from test_conv import extent, random_conv

BYTES = [np.uint8, np.int8]
OPERATORS = [
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearMatMul",
    "ConvInteger", "QLinearConv",
]  # fmt: skip


def random_bytes(rng, shape, dtype):
    """The extremes are as likely as all others together, so that sums overflow 16 bits."""
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max + 1, shape)
    ends = rng.choice([info.min, info.max], shape)
    return np.where(rng.integers(0, 2, shape) == 1, ends, x).astype(dtype)


def random_zero(rng, shape, dtype):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def random_scale(rng, shape):
    return rng.uniform(0.002, 0.05, shape).astype(np.float32)


def requantize(sums, scale, zero):
    """In float32, halves to even."""
    real = sums.astype(np.float32) * np.asarray(scale, np.float32)
    info = np.iinfo(zero.dtype)
    return np.clip(np.rint(real).astype(np.float64) + int(zero), info.min, info.max).astype(
        zero.dtype)  # fmt: skip


def wrapped(sums):
    return (sums & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def check(op, inputs, attributes, wanted, constants=(), threads=(1,)):
    results = run_node_everywhere(op, inputs, attributes, len(wanted), constants, threads)
    given = [None if i is None else (i.shape, i.dtype.name) for i in inputs]
    for isa, found in results.items():
        for y, w in zip(found, wanted):
            what = f"{isa} {op} {given} {attributes}"
            assert y.dtype == w.dtype and y.shape == w.shape, what
            np.testing.assert_array_equal(y, w, err_msg=what)


# ---- ONNX's node tests


@functools.lru_cache(maxsize=None)
def node_tests():
    import warnings

    from onnx.backend.test.case.node import collect_testcases

    warnings.simplefilter("ignore")
    return [c for c in collect_testcases(None) if c.model.graph.node[0].op_type in OPERATORS]


@pytest.mark.parametrize("op", OPERATORS)
def test_node_tests(op):
    types = {np.dtype(t) for t in (np.float32, np.uint8, np.int8, np.int32, np.int64, bool)}
    done = 0
    for case in node_tests():
        (node, *rest) = case.model.graph.node
        if node.op_type != op or rest:
            continue
        attributes = {}
        for a in node.attribute:
            value = numpy_helper.to_array(a.t) if a.type == a.TENSOR else None
            assert value is None
            attributes[a.name] = {a.INT: a.i, a.INTS: list(a.ints), a.STRING: a.s.decode()}[a.type]
        for inputs, outputs in case.data_sets:
            arrays = [*inputs, *outputs]
            if any(not hasattr(a, "dtype") or np.asarray(a).dtype not in types for a in arrays):
                continue
            given = iter(inputs)
            inputs = [np.asarray(next(given)) if name else None for name in node.input]
            check(op, inputs, attributes, [np.asarray(o) for o in outputs])
            done += 1
    assert done >= {"QuantizeLinear": 3, "QLinearMatMul": 4, "DynamicQuantizeLinear": 3}.get(op, 1)


# ---- To 8 bits and back


@pytest.mark.parametrize("seed", range(4))
def test_quantize_and_dequantize(seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        shape = tuple(rng.integers(1, 9, rng.integers(1, 5)))
        dtype = BYTES[rng.integers(2)]
        kind = rng.choice(["tensor", "axis", "block"])
        attributes = {}
        parameters = ()
        if kind != "tensor":
            axis = int(rng.integers(-len(shape), len(shape)))
            attributes["axis"] = axis
            parameters = (shape[axis],)
        if kind == "block":
            block = int(rng.integers(1, shape[axis] + 1))
            attributes["block_size"] = block
            parameters = list(shape)
            parameters[axis] = -(-shape[axis] // block)
            parameters = tuple(parameters)
        scale = np.asarray(rng.choice([0.5, 0.01, 0.3], parameters), np.float32)
        zero = np.asarray(random_zero(rng, parameters, dtype))
        # Multiples of a half of the scale, many of them halves; some beyond the range.
        x = (rng.integers(-600, 600, shape) * 0.25).astype(np.float32)
        inputs = [x, scale, zero] if rng.integers(3) else [x, scale]
        if len(inputs) == 2:
            dtype = np.uint8
        expanded = [np.asarray(p, np.float64) for p in inputs[1:]]
        if kind == "axis":
            aligned = [-1 if i == axis % len(shape) else 1 for i in range(len(shape))]
            expanded = [p.reshape(aligned) for p in expanded]
        if kind == "block":
            expanded = [
                np.take(np.repeat(p, block, axis), range(shape[axis]), axis) for p in expanded]
        real = np.rint((x / expanded[0].astype(np.float32)).astype(np.float32))
        offset = expanded[1] if len(expanded) > 1 else 0.0
        info = np.iinfo(dtype)
        wanted = np.clip(real.astype(np.float64) + offset, info.min, info.max).astype(dtype)
        check("QuantizeLinear", inputs, attributes, [wanted], threads=(1, 3))
        # ONNX Runtime takes no single block.
        if kind != "block" or (shape[axis] % block == 0 and scale.size > 1):
            (y,) = run_onnx("QuantizeLinear", inputs, attributes)
            np.testing.assert_array_equal(y, wanted)

        for type in [dtype, np.int32]:
            q = rng.integers(-128 if type == np.int8 else 0, 128, shape).astype(type)
            if type == np.int32:
                q = rng.integers(-(2**31), 2**31, shape).astype(np.int32)
            back = [q, scale] if len(inputs) == 2 or type == np.int32 else [q, scale, zero]
            offset = expanded[1] if len(back) == 3 else 0
            centred = q.astype(np.int64) - np.asarray(offset, np.int64)
            wanted = centred.astype(np.float32) * expanded[0].astype(np.float32)
            check("DequantizeLinear", back, attributes, [wanted], threads=(1, 3))


@pytest.mark.parametrize("isa", ISAS)
def test_quantize_extremes(isa):
    x = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e10, -1e10, 2.5, 3.5, -2.5, -0.0]
    x = np.array(x * 3, np.float32)
    for dtype in BYTES:
        for zero in [np.iinfo(dtype).min, 0, 5, np.iinfo(dtype).max]:
            inputs = [x, np.float32(1), dtype(zero)]
            (y,) = run_node("QuantizeLinear", [np.asarray(i) for i in inputs], isa=isa)
            (wanted,) = run_onnx("QuantizeLinear", [np.asarray(i) for i in inputs])
            finite = ~np.isnan(x)
            np.testing.assert_array_equal(y[finite], wanted[finite])
            assert (y[~finite] == np.iinfo(dtype).min).all()


def test_dynamic_quantize():
    rng = np.random.default_rng(5)
    for x in [
        rng.normal(size=(3, 50)), rng.uniform(1, 2, (70, 1001)), rng.uniform(-2, -1, 77),
        np.zeros((2, 3)), np.zeros((0, 4)), np.array(-3.5), rng.normal(size=(5,)) * 1e-30,
    ]:  # fmt: skip
        x = x.astype(np.float32)
        wanted = run_onnx("DynamicQuantizeLinear", [x], outputs=3) if x.size else [
            np.zeros((0, 4), np.uint8), np.float32(1), np.uint8(0)]
        check("DynamicQuantizeLinear", [x], {}, [np.asarray(w) for w in wanted], threads=(1, 2))


# ---- Products of matrices


def random_matrices(rng):
    """A, B, their zero points, and these as they broadcast."""
    rows, depth, columns = (int(rng.choice([1, 2, 3, 5, 13, 24, 33, 70])) for _ in range(3))
    batch_a, batch_b = [((), ()), ((3,), ()), ((2, 3), (2, 3)), ((), (2,)), ((2, 1), (1, 3))][
        rng.integers(5)]
    types = BYTES[rng.integers(2)], BYTES[rng.integers(2)]
    a = random_bytes(rng, (*batch_a, rows, depth), types[0])
    b = random_bytes(rng, (*batch_b, depth, columns), types[1])
    shapes = (
        [(), (1,), (rows,), (*batch_a, rows, 1)], [(), (1,), (columns,), (*batch_b, 1, columns)])
    za, zb = (s[rng.integers(len(s))] for s in shapes)
    return a, b, za, zb


def column(p, shape):
    """A per-row number of A as it broadcasts."""
    return p[:, None] if p.ndim == 1 and p.size == shape[-2] and p.size > 1 else p


@pytest.mark.parametrize("seed", range(4))
def test_products_of_matrices(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        a, b, shape_a, shape_b = random_matrices(rng)
        za = np.asarray(random_zero(rng, shape_a, a.dtype))
        zb = np.asarray(random_zero(rng, shape_b, b.dtype))
        sums = np.matmul(
            a.astype(np.int64) - column(za, a.shape), b.astype(np.int64) - zb.astype(np.int64))
        constants = [[], [1, 3], [0, 2], [0, 1, 2, 3]][rng.integers(4)]
        check("MatMulInteger", [a, b, za, zb], {}, [wrapped(sums)], constants, threads=(1, 3))
        plain = wrapped(np.matmul(a.astype(np.int64), b.astype(np.int64)))
        check("MatMulInteger", [a, b], {}, [plain], [i for i in constants if i < 2])

        sa, sb = (np.asarray(random_scale(rng, z.shape)) for z in (za, zb))
        sy = np.float32(rng.uniform(0.1, 3))
        zy = np.asarray(random_zero(rng, (), BYTES[rng.integers(2)]))
        scale = (column(sa, a.shape) * sb) / sy
        inputs = [a, sa, za, b, sb, zb, np.asarray(sy), zy]
        constants = [[], [1, 2, 3, 4, 5, 6, 7], [0]][rng.integers(3)]
        wanted = requantize(sums, scale, zy)
        check("QLinearMatMul", inputs, {}, [wanted], constants, threads=(1, 2))


@pytest.mark.parametrize("types", [(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
def test_products_of_matrices_are_those_of_onnx_runtime(types):
    rng = np.random.default_rng(11)
    for rows, depth, columns in [
        (1, 64, 33), (7, 5, 16), (40, 300, 65), (13, 32, 1), (1, 1, 1), (1, 1023, 130), (1, 66, 17),
    ]:  # fmt: skip
        for per_column in [False, True]:
            a = random_bytes(rng, (rows, depth), types[0])
            b = random_bytes(rng, (depth, columns), types[1])
            shape = (columns,) if per_column else ()
            sa, sb = np.asarray(random_scale(rng, ())), np.asarray(random_scale(rng, shape))
            sy = np.asarray(np.float32(rng.uniform(0.1, 3)))
            za = np.asarray(random_zero(rng, (), types[0]))
            zb = np.asarray(random_zero(rng, shape, types[1]))
            zy = np.asarray(random_zero(rng, (), types[0]))
            wanted = run_onnx("MatMulInteger", [a, b, za, zb])
            check("MatMulInteger", [a, b, za, zb], {}, wanted, [1])
            check("MatMulInteger", [a, b, za, zb], {}, wanted, [1, 3], threads=(1, 3))
            inputs = [a, sa, za, b, sb, zb, sy, zy]
            check("QLinearMatMul", inputs, {}, run_onnx("QLinearMatMul", inputs), [3])


@pytest.mark.parametrize("isa", ISAS)
def test_sums_wrap_around(isa):
    """140,000 times 255 · 255 is beyond int32."""
    a = np.full((1, 140_000), 255, np.uint8)
    (y,) = run_node("MatMulInteger", [a, a.T], isa=isa)
    assert y.item() == 140_000 * 255 * 255 - 2**33
    (y,) = run_node("MatMulInteger", [a, a.T], isa=isa, constants=[1])
    assert y.item() == 140_000 * 255 * 255 - 2**33
    zero = np.asarray(np.uint8(255))
    (y,) = run_node("MatMulInteger", [a * 0, a.T * 0, zero, zero], isa=isa)
    assert y.item() == 140_000 * 255 * 255 - 2**33


def test_empty_products():
    for isa in ISAS:
        a, b = np.zeros((3, 0), np.int8), np.zeros((0, 4), np.int8)
        (y,) = run_node("MatMulInteger", [a, b], isa=isa)
        np.testing.assert_array_equal(y, np.zeros((3, 4), np.int32))


# ---- Convolutions


def direct_conv(x, w, attributes, rank):
    """The definition in int64, one kernel position at a time; x is padded with zeros."""
    kernel = np.array(w.shape[2:])
    strides = np.array(attributes.get("strides", [1] * rank))
    dilations = np.array(attributes.get("dilations", [1] * rank))
    pads = np.array(attributes.get("pads", [0] * 2 * rank))
    auto = attributes.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        size = np.array(x.shape[2:])
        reach = (-(-size // strides) - 1) * strides + extent(kernel, dilations)
        total = np.maximum(0, reach - size)
        begin = total // 2 if auto == "SAME_UPPER" else total - total // 2
        pads = np.concatenate([begin, total - begin])
    if auto == "VALID":
        pads[:] = 0
    x = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:])])
    out = (np.array(x.shape[2:]) - extent(kernel, dilations)) // strides + 1
    group = attributes.get("group", 1)
    rows = w.shape[0] // group
    y = np.zeros((x.shape[0], w.shape[0], *out), np.int64)
    for g in range(group):
        own = slice(g * rows, (g + 1) * rows)
        channels = slice(g * w.shape[1], (g + 1) * w.shape[1])
        for k in np.ndindex(*w.shape[2:]):
            window = tuple(
                slice(k[i] * dilations[i], k[i] * dilations[i] + (out[i] - 1) * strides[i] + 1,
                      strides[i])
                for i in range(rank))  # fmt: skip
            y[:, own] += np.einsum(
                "mc,nc...->nm...", w[(own, slice(None), *k)], x[(slice(None), channels, *window)])
    return y


@pytest.mark.parametrize("seed", range(6))
def test_convolutions(seed):
    rng = np.random.default_rng(seed)
    for _ in range(15):
        (x, w, *_), attributes = random_conv(rng)
        rank = x.ndim - 2
        types = [BYTES[rng.integers(2)] for _ in range(3)]
        x, w = random_bytes(rng, x.shape, types[0]), random_bytes(rng, w.shape, types[1])
        shape = (len(w),) if rng.integers(2) else ()
        zx = np.asarray(random_zero(rng, (), types[0]))
        zw = np.asarray(random_zero(rng, shape, types[1]))
        centred = w.astype(np.int64) - zw.reshape(-1, *[1] * (w.ndim - 1)).astype(np.int64)
        sums = direct_conv(x.astype(np.int64) - int(zx), centred, attributes, rank)
        constants = [1, 3] if rng.integers(3) else []
        check("ConvInteger", [x, w, zx, zw], attributes, [wrapped(sums)], constants, threads=(1, 2))

        sx, sw = np.asarray(random_scale(rng, ())), np.asarray(random_scale(rng, shape))
        sy = np.asarray(np.float32(rng.uniform(0.1, 3)))
        zy = np.asarray(random_zero(rng, (), types[2]))
        bias = rng.integers(-20000, 20000, len(w)).astype(np.int32) if rng.integers(2) else None
        inputs = [x, sx, zx, w, sw, zw, sy, zy, bias][: 8 if bias is None else 9]
        total = sums if bias is None else sums + bias.reshape(-1, *[1] * rank)
        scale = ((sx * sw) / sy).reshape(-1, *[1] * rank)
        constants = [1, 2, 3, 4, 5, 6, 7, 8][: len(inputs) - 1] if rng.integers(3) else []
        wanted = requantize(wrapped(total), scale, zy)
        check("QLinearConv", inputs, attributes, [wanted], constants, threads=(1, 3))


@pytest.mark.parametrize("types", [(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)])
def test_convolutions_are_those_of_onnx_runtime(types):
    rng = np.random.default_rng(13)
    for _ in range(15):
        (x, w, *_), attributes = random_conv(rng)
        x, w = random_bytes(rng, x.shape, types[0]), random_bytes(rng, w.shape, types[1])
        shape = (len(w),) if types[1] == np.int8 and rng.integers(2) else ()
        zw = np.zeros(shape, np.int8) if types[1] == np.int8 else random_zero(rng, shape, types[1])
        inputs = [
            x, random_scale(rng, ()), random_zero(rng, (), types[0]), w, random_scale(rng, shape),
            zw, np.float32(rng.uniform(0.1, 3)), random_zero(rng, (), types[0]),
            rng.integers(-20000, 20000, len(w)).astype(np.int32),
        ]  # fmt: skip
        inputs = [np.asarray(i) for i in inputs]
        wanted = run_onnx("QLinearConv", inputs, attributes)
        check("QLinearConv", inputs, attributes, wanted, [3, 8])


def test_layers_of_every_size_and_thread():
    """Deep and wide enough for each panel and for units that are parts of the rows."""
    rng = np.random.default_rng(17)
    for size, channels, rows, kernel in [
        (7, 130, 97, 3), (14, 64, 50, 1), (33, 3, 24, 5), (1, 9, 1, 1)
    ]:  # fmt: skip
        x = random_bytes(rng, (1, channels, size, size), np.uint8)
        w = random_bytes(rng, (rows, channels, kernel, kernel), np.int8)
        zx = np.asarray(np.uint8(117))
        attributes = {"pads": [kernel // 2] * 4}
        sums = direct_conv(x.astype(np.int64) - 117, w.astype(np.int64), attributes, 2)
        check("ConvInteger", [x, w, zx], attributes, [wrapped(sums)], [1], threads=(1, 2, 3, 5, 8))


# ---- What is refused


@pytest.mark.parametrize(
    "op, inputs, attributes, message",
    [
        ("QuantizeLinear", [(3, "float32"), (2, "float32")], {"axis": 0}, r"scale is \[2\]"),
        ("QuantizeLinear", [(3, "int8"), ((), "float32")], {}, "float32 or int32"),
        ("DequantizeLinear", [(3, "float32"), ((), "float32")], {}, "int8 or uint8"),
        ("DequantizeLinear", [(3, "int8"), ((), "float32"), ((), "uint8")], {}, "int8"),
        ("MatMulInteger", [((2, 3), "int8"), ((4, 2), "int8")], {}, "inner dimensions"),
        ("MatMulInteger", [((2, 3), "int32"), ((3, 2), "int8")], {}, "int8 or uint8"),
        ("MatMulInteger", [((2, 3), "int8"), ((3, 2), "int8"), (3, "int8")], {}, "single number"),
        ("ConvInteger", [((1, 2, 5), "uint8"), ((3, 2, 2), "int8"), (2, "uint8")], {},
         "single number"),
    ],
)  # fmt: skip
def test_refused(op, inputs, attributes, message):
    with pytest.raises(apus.ApusError, match=message):
        run_node(op, [np.ones(shape, dtype) for shape, dtype in inputs], attributes)
