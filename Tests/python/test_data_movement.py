"""Operators that move elements without computing, against NumPy over random shapes."""

import numpy as np
import pytest
from harness import (
    ISAS, Writer, add_node, apus, assert_same_bits, node_model, open_model, run_node,
)  # fmt: skip

DTYPES = ["float32", "int8", "uint8", "int32", "int64", "bool"]
# Copies are the same code on every kernel module: one is enough for the random cases, each runs once.
ISA = ISAS[-1]


def random(rng, shape, dtype):
    if dtype == "float32":
        return rng.standard_normal(shape).astype(np.float32)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    return rng.integers(-100 if dtype != "uint8" else 0, 100, shape).astype(dtype)


def random_shape(rng, low=0, high=6, limit=4000):
    while True:
        shape = [int(d) for d in rng.integers(1, rng.choice([4, 9, 40]), rng.integers(low, high))]
        if np.prod(shape, dtype=np.int64) <= limit:
            return shape


def i64(*values):
    return np.array(values[0] if len(values) == 1 else values, np.int64)


def check(op, x, constants, attributes, wanted, threads=1):
    """One input that is data; the others are constants."""
    inputs = [x, *constants]
    present = [i for i, a in enumerate(inputs) if i > 0 and a is not None]
    (y,) = run_node(op, inputs, attributes, constants=present, isa=ISA, threads=threads)
    assert y.dtype == wanted.dtype
    assert_same_bits(y, wanted, f"{op} {x.shape} {attributes} {constants}")


def cases(seed, count, **kw):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shape = random_shape(rng, **kw)
        yield rng, random(rng, shape, rng.choice(DTYPES))


def test_views():
    for rng, x in cases(1, 60):
        check("Identity", x, [], {}, x)
        axis = int(rng.integers(-x.ndim, x.ndim + 1))
        rows = int(np.prod(x.shape[: axis if axis >= 0 else axis + x.ndim], dtype=np.int64))
        check("Flatten", x, [], {"axis": axis}, x.reshape(rows, -1))
        shape = list(x.shape)
        if shape:
            shape[rng.integers(len(shape))] = -1
        check("Reshape", x, [i64(shape)], {}, x)
        keep = [0 if rng.integers(2) else d for d in x.shape]
        check("Reshape", x, [i64(keep)], {}, x)
        check("Reshape", x, [i64([x.size])], {}, x.reshape(-1))
        axes = sorted(rng.permutation(x.ndim + 2)[:2].tolist())
        wide = np.expand_dims(x, tuple(axes))
        negative = [a - x.ndim - 2 if rng.integers(2) else a for a in axes]
        check("Unsqueeze", x, [i64(negative)], {}, wide)
        check("Squeeze", wide, [i64(negative)], {}, x)
        check("Squeeze", wide, [], {}, wide.squeeze())


def test_reshape_allowzero():
    x = np.zeros((0, 3), np.float32)
    (y,) = run_node("Reshape", [x, i64(3, 0)], {"allowzero": 1}, constants=[0, 1])
    assert y.shape == (3, 0)


@pytest.mark.parametrize("shape, wanted", [((2, -1, -1), "two dimensions"), ((5, -1), "divide"),
                                           ((7,), "cannot become"), ((-2, 3), "is -2"),
                                           ((0, 0, 0), "to be the input's"),
                                           ((2**40, 2**40), "too much")])  # fmt: skip
def test_reshape_errors(shape, wanted):
    with pytest.raises(apus.ApusError, match=wanted):
        run_node("Reshape", [np.zeros((2, 3), np.float32), i64(shape)], constants=[1])


def test_transpose():
    for rng, x in cases(2, 150):
        perm = rng.permutation(x.ndim)
        check("Transpose", x, [], {"perm": perm.tolist()} if x.ndim else {}, x.transpose(perm))
        check("Transpose", x, [], {}, x.T)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_transpose_matrix(dtype, isa):
    rng = np.random.default_rng(3)
    for shape in [(1, 1), (3, 5), (4, 4), (16, 16), (17, 33), (100, 67), (2, 300)]:
        x = random(rng, (2, *shape), dtype)
        (y,) = run_node("Transpose", [x], {"perm": [0, 2, 1]}, isa=isa)
        assert_same_bits(y, x.transpose(0, 2, 1))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_transpose_threads(threads):
    rng = np.random.default_rng(4)
    for shape, perm in [((500, 600), [1, 0]), ((3, 64, 50, 40), [0, 2, 3, 1]),
                        ((40, 30, 20, 10), [3, 2, 1, 0]), ((1000, 7, 40), [1, 0, 2])]:  # fmt: skip
        x = random(rng, shape, "float32")
        check("Transpose", x, [], {"perm": perm}, x.transpose(perm), threads)


@pytest.mark.parametrize("perm", [[0], [0, 0], [0, 2], [0, 1, 2]])
def test_transpose_errors(perm):
    with pytest.raises(apus.ApusError, match="perm|axis"):
        run_node("Transpose", [np.zeros((2, 3), np.float32)], {"perm": perm})


def test_concat():
    for rng, x in cases(5, 120, low=1):
        axis = int(rng.integers(-x.ndim, x.ndim))
        parts = []
        for _ in range(rng.integers(1, 5)):
            shape = list(x.shape)
            shape[axis] = int(rng.integers(1, 9))
            parts.append(random(rng, shape, x.dtype.name))
        (y,) = run_node("Concat", parts, {"axis": axis}, isa=ISA, threads=int(rng.integers(1, 4)))
        assert_same_bits(y, np.concatenate(parts, axis))


def test_concat_errors():
    a, b = np.zeros((2, 3), np.float32), np.zeros((3, 3), np.float32)
    with pytest.raises(apus.ApusError, match="dimension 0 differs"):
        run_node("Concat", [a, b], {"axis": 1})
    with pytest.raises(apus.ApusError, match="float32"):
        run_node("Concat", [a, a.astype(np.int32)], {"axis": 1})
    with pytest.raises(apus.ApusError, match="left out"):
        run_node("Concat", [a, None, a], {"axis": 1})


def test_split():
    for rng, x in cases(6, 120, low=1):
        axis = int(rng.integers(-x.ndim, x.ndim))
        length = x.shape[axis]
        n = int(rng.integers(1, 5))
        cuts = np.sort(rng.integers(0, length + 1, n - 1))
        lengths = np.diff([0, *cuts, length])
        if (lengths == 0).any():
            n, lengths, cuts = 1, [length], []
        wanted = np.split(x, cuts, axis)
        found = run_node("Split", [x, i64(lengths)], {"axis": axis}, outputs=n, constants=[1], isa=ISA)
        for a, b in zip(found, wanted):
            assert_same_bits(a, b)
        # Equal pieces; the last is shorter. One of them is not asked for.
        each = -(-length // n)
        if length - each * (n - 1) > 0:
            cuts = [each * i for i in range(1, n)]
            asked = [True] * n
            if n > 1:
                asked[int(rng.integers(n - 1))] = False
            wanted = [w for w, a in zip(np.split(x, cuts, axis), asked) if a]
            found = run_node("Split", [x], {"axis": axis, "num_outputs": n}, outputs=asked, isa=ISA)
            for a, b in zip(found, wanted):
                assert_same_bits(a, b)


def onnx_slice(x, starts, ends, axes, steps):
    index = [slice(None)] * x.ndim
    for s, e, a, k in zip(starts, ends, axes, steps):
        # Python's own slice means the same but for an end below −length going backwards.
        end = None if k < 0 and e < -x.shape[a] else e
        index[a] = slice(s, end, k)
    return x[tuple(index)]


def test_slice():
    tested = 0
    for rng, x in cases(7, 300, low=1):
        n = int(rng.integers(1, x.ndim + 1))
        axes = rng.permutation(x.ndim)[:n]
        starts, ends, steps = [], [], []
        for a in axes:
            d = x.shape[a]
            starts.append(int(rng.choice([rng.integers(-d - 2, d + 3), -(2**63), 2**63 - 1, 0])))
            ends.append(int(rng.choice([rng.integers(-d - 2, d + 3), -(2**63), 2**63 - 1])))
            steps.append(int(rng.choice([1, 1, 2, 3, -1, -2, -(2**63), 2**63 - 1])))
        wanted = onnx_slice(x, starts, ends, axes, steps)
        if wanted.size == 0:
            continue
        tested += 1
        named = [int(a) - x.ndim if rng.integers(2) else int(a) for a in axes]
        check("Slice", x, [i64(starts), i64(ends), i64(named), i64(steps)], {}, wanted)
    assert tested > 60
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    check("Slice", x, [np.int32([1]), np.int32([3])], {}, x[1:3])
    # An empty slice is an empty tensor.
    (y,) = run_node("Slice", [x, i64([3]), i64([1])], constants=[0, 1, 2])
    assert y.shape == (0, 6)


def test_slice_of_slice_is_read_in_place():
    """A view of a view, then a kernel that reads it."""
    x = np.arange(60, dtype=np.float32).reshape(10, 6) - 30
    writer = Writer()
    f = writer.function("main")
    t = f.input("x", "float32", (10, 6))
    for a, b in [(2, 9), (1, 5)]:
        (t,) = add_node(f, "Slice", [t, writer.weight(i64([a])), writer.weight(i64([b]))])
    (y,) = add_node(f, "Relu", [t])
    f.output(y, "y", shape=(4, 6))
    f.output(t, "v", shape=(4, 6))
    found = open_model(writer, ISA).session().run(x)
    assert_same_bits(found["y"], np.maximum(x[3:7], 0))
    assert_same_bits(found["v"], x[3:7])


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_pad(mode):
    for rng, x in cases(8, 100, low=1, limit=600):
        n = int(rng.integers(1, x.ndim + 1))
        axes = rng.permutation(x.ndim)[:n]
        low = [0] * n if mode != "constant" else [-(x.shape[a] - 1) // 2 for a in axes]
        high = [x.shape[a] - 1 if mode == "reflect" else 5 for a in axes]
        before = [int(rng.integers(lo, hi + 1)) for lo, hi in zip(low, high)]
        after = [int(rng.integers(lo, hi + 1)) for lo, hi in zip(low, high)]
        widths = [(0, 0)] * x.ndim
        for a, b, c in zip(axes, before, after):
            widths[a] = (b, c)
        value = random(rng, (), x.dtype.name) if rng.integers(2) else None
        kw = {"constant_values": 0 if value is None else value} if mode == "constant" else {}
        wanted = np.pad(x, [(max(b, 0), max(c, 0)) for b, c in widths], mode, **kw)
        wanted = wanted[tuple(slice(-min(b, 0), d + min(c, 0)) for (b, c), d in zip(widths, wanted.shape))]
        pads = [i64(before + after), value, i64(axes)]
        if rng.integers(2):
            pads = [i64([w[0] for w in widths] + [w[1] for w in widths]), value]
        attributes = {} if mode == "constant" and rng.integers(2) else {"mode": mode}
        check("Pad", x, pads, attributes, wanted, threads=int(rng.integers(1, 4)))


def test_pad_errors():
    x = np.zeros((2, 3), np.float32)
    for pads, wanted in [([0, 0, 0], "3 pads"), ([-2, 0, -1, 0], "less than nothing"),
                         ([2**40, 0, 0, 0], "a pad of")]:  # fmt: skip
        with pytest.raises(apus.ApusError, match=wanted):
            run_node("Pad", [x, i64(pads)], constants=[1])
    with pytest.raises(apus.ApusError, match="mode mirror"):
        run_node("Pad", [x, i64([0, 0, 0, 0])], {"mode": "mirror"}, constants=[1])


def test_gather():
    for rng, x in cases(9, 150, low=1, high=5):
        axis = int(rng.integers(-x.ndim, x.ndim))
        d = x.shape[axis]
        indices = rng.integers(-d, d, random_shape(rng, 0, 3, 60)).astype(rng.choice(["int32", "int64"]))
        (y,) = run_node("Gather", [x, indices], {"axis": axis}, isa=ISA, threads=int(rng.integers(1, 4)))
        assert_same_bits(y, np.take(x, indices, axis))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_gather_out_of_range(dtype):
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    bounds = np.iinfo(dtype)
    indices = np.array([bounds.min, -5, -4, 3, 4, bounds.max], dtype)
    (y,) = run_node("Gather", [x, indices])
    assert_same_bits(y, x[[0, 0, 0, 3, 3, 3]])


def test_embedding_threads():
    rng = np.random.default_rng(10)
    table = random(rng, (1000, 256), "float32")
    indices = rng.integers(0, 1000, (8, 100))
    for threads in (1, 2, 5):
        (y,) = run_node("Gather", [table, indices], constants=[0], threads=threads)
        assert_same_bits(y, table[indices])


def test_expand():
    for rng, x in cases(11, 120, high=4, limit=200):
        shape = [int(rng.integers(1, 7)) if d == 1 else int(rng.choice([1, d])) for d in x.shape]
        shape = rng.integers(1, 4, rng.integers(0, 3)).tolist() + shape
        if rng.integers(2):
            x = x[tuple(slice(0, 1) if rng.integers(2) else slice(None) for _ in x.shape)]
        wanted = np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape)))
        check("Expand", x.copy(), [i64(shape)], {}, wanted)


ONNX_TYPE = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9}


@pytest.mark.parametrize("to", DTYPES)
@pytest.mark.parametrize("source", DTYPES)
def test_cast(source, to):
    rng = np.random.default_rng(12)
    for shape in [(), (1,), (7,), (64,), (1000,), (3, 50)]:
        x = random(rng, shape, source)
        if source == "float32":
            x = np.clip(x * (1 if to == "bool" else 60), -128, 127)
            if to == "uint8":
                x = np.abs(x)
        wanted = x.astype(to)
        check("Cast", x, [], {"to": ONNX_TYPE[to]}, wanted)


def test_cast_extremes():
    x = np.float32([np.nan, np.inf, -np.inf, 3e9, -3e9, 1e30, 2147483520, -2147483648, 0.99, -0.99])
    for to in ["int8", "uint8", "int32", "int64"]:
        (y,) = run_node("Cast", [x], {"to": ONNX_TYPE[to]})
        low, high = np.iinfo(to).min, np.iinfo(to).max
        wanted = [0 if v != v else int(min(max(v, low), high)) if abs(v) < 2**80 else
                  (high if v > 0 else low) for v in x.astype(np.float64)]  # fmt: skip
        assert y.tolist() == [int(w) for w in wanted]
    (y,) = run_node("Cast", [x], {"to": ONNX_TYPE["bool"]})
    assert y.all()
    wide = i64([2**63 - 1, -(2**63), 2**53 + 1, 300])
    for to in ["int8", "uint8", "int32", "float32"]:
        (y,) = run_node("Cast", [wide], {"to": ONNX_TYPE[to]})
        assert_same_bits(y, wide.astype(to))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_cast_small_floats(kind):
    """To the small type and back: all the roundings, ties, subnormals and infinities."""
    rng = np.random.default_rng(13)
    bits = np.concatenate([rng.integers(0, 2**32, 4000, dtype=np.uint32),
                           np.arange(0x33000000, 0x34800000, 0x1FFF, dtype=np.uint32),
                           np.arange(0x38000000, 0x38800000, 0xFFF, dtype=np.uint32),
                           np.arange(0x477FE000, 0x47800100, 0xFF, dtype=np.uint32)])  # fmt: skip
    x = bits.view(np.float32)
    x = x[~np.isnan(x)]
    if kind == "float16":
        with np.errstate(over="ignore"):
            wanted = x.astype(np.float16).astype(np.float32)
    else:
        b = x.view(np.uint32).astype(np.uint64)
        wanted = ((b + 0x7FFF + (b >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    # Runs flush float32 subnormals to zero, which ones of bfloat16 are; those of float16 are not.
    keep = (np.abs(x) >= 2.0**-126) & (np.abs(wanted) >= 2.0**-126) | (wanted == 0)
    x, wanted = x[keep], wanted[keep]
    writer = Writer()
    f = writer.function("main")
    t = f.input("x", "float32", x.shape)
    (small,) = add_node(f, "Cast", [t], {"to": {"float16": 10, "bfloat16": 16}[kind]}, dtypes=[kind])
    (y,) = add_node(f, "Cast", [small], {"to": 1})
    f.output(y, "y", shape=x.shape)
    assert_same_bits(open_model(writer).session().run(x)["y"], wanted)


def test_where():
    rng = np.random.default_rng(14)
    for _ in range(120):
        shape = random_shape(rng, 0, 5, 400)
        dtype = rng.choice(DTYPES)

        def part(kind):
            s = [1 if rng.integers(3) == 0 else d for d in shape]
            return random(rng, s[int(rng.integers(0, len(s) + 1)) :] if rng.integers(3) == 0 else s, kind)

        c, a, b = part("bool"), part(dtype), part(dtype)
        (y,) = run_node("Where", [c, a, b], isa=ISA, threads=int(rng.integers(1, 4)))
        assert_same_bits(y, np.where(c, a, b))


def test_expanded_weight_keeps_its_arena_small():
    """Views take no memory."""
    x = np.zeros((100, 100), np.float32)
    with node_model("Reshape", [x, i64(10000)], constants=[1]) as model:
        assert model.session().arena_bytes <= 2 * x.nbytes


EMPTY = np.zeros((0, 3), np.float32)
FULL = np.ones((2, 3), np.float32)
ZERO_SIZES = [
    ("Concat", [EMPTY, FULL], {"axis": 0}, [], [(2, 3)]),
    ("Concat", [EMPTY, EMPTY], {"axis": 1}, [], [(0, 6)]),
    ("Split", [EMPTY, i64(0, 0)], {"axis": 0}, [1], [(0, 3), (0, 3)]),
    ("Split", [FULL, i64(0, 2)], {"axis": 0}, [1], [(0, 3), (2, 3)]),
    ("Split", [np.zeros(7, np.float32)], {"axis": 0, "num_outputs": 4}, [], [(2,), (2,), (2,), (1,)]),
    ("Pad", [EMPTY, i64(1, 0, 1, 0), np.float32(2)], {}, [1], [(2, 3)]),
    ("Pad", [EMPTY, i64(0, 1, 0, 1), np.float32(2)], {}, [1], [(0, 5)]),
    ("Pad", [np.zeros(3, np.float32), i64(-2, -1)], {}, [1], [(0,)]),
    ("Slice", [EMPTY, i64([0]), i64([5]), i64([0]), i64([-1])], {}, [1, 2, 3, 4], [(0, 3)]),
    ("Gather", [EMPTY, np.zeros((0, 2), np.int64)], {"axis": 0}, [], [(0, 2, 3)]),
    ("Gather", [EMPTY, np.array([1, 2])], {"axis": 1}, [], [(0, 2)]),
    ("Expand", [np.zeros((0, 1), np.float32), i64(2, 0, 4)], {}, [1], [(2, 0, 4)]),
    ("Expand", [np.zeros((1, 3), np.float32), i64(0, 3)], {}, [1], [(0, 3)]),
    ("Reshape", [EMPTY, i64(0, -1)], {}, [1], [(0, 3)]),
    ("Reshape", [EMPTY, i64(3, 0)], {"allowzero": 1}, [1], [(3, 0)]),
    ("Reshape", [EMPTY, i64(-1)], {}, [1], [(0,)]),
    ("Reshape", [EMPTY, i64([-1])], {}, [1], [(0,)]),
    ("Reshape", [EMPTY, i64(-1, 3)], {}, [1], [(0, 3)]),
    ("Flatten", [EMPTY], {}, [], [(0, 3)]),
    ("Squeeze", [np.zeros((0, 1), np.float32), i64([1])], {}, [1], [(0,)]),
    ("Squeeze", [np.zeros((3, 1), np.float32), np.zeros(0, np.int64)], {}, [1], [(3, 1)]),
    ("Unsqueeze", [EMPTY, i64([0, -1])], {}, [1], [(1, 0, 3, 1)]),
    ("Unsqueeze", [EMPTY, np.array(1)], {}, [1], [(0, 1, 3)]),
    ("Transpose", [EMPTY], {}, [], [(3, 0)]),
    ("Where", [np.zeros((0, 1), bool), EMPTY, FULL[:1]], {}, [], [(0, 3)]),
    ("Cast", [EMPTY], {"to": 7}, [], [(0, 3)]),
    ("Gather", [np.arange(3.0).astype(np.float32), np.array(-1)], {}, [], [()]),
    ("Slice", [np.zeros((4,), np.float32), i64([2]), i64([-2 ** 63])], {}, [1, 2], [(0,)]),
]  # fmt: skip


@pytest.mark.parametrize("op, inputs, attributes, constants, wanted", ZERO_SIZES)
def test_zero_sizes(op, inputs, attributes, constants, wanted):
    found = run_node(op, inputs, attributes, outputs=len(wanted), constants=constants)
    assert [y.shape for y in found] == wanted
