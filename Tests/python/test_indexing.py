"""Operators that index, order, generate and rearrange, against NumPy over random shapes."""

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
from harness import apus, assert_close, assert_same_bits, run_node
from test_data_movement import DTYPES, i64, random, random_shape

NUMBERS = ["float32", "int8", "uint8", "int32", "int64"]


def cases(seed, count, dtypes=DTYPES, **kw):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shape = random_shape(rng, **kw)
        yield rng, random(rng, shape, rng.choice(dtypes))


def indices_of(rng, shape, length):
    """Some from the end; int32 or int64."""
    return rng.integers(-length, length, shape).astype(rng.choice(["int32", "int64"]))


def one(op, inputs, attributes={}, constants=(), threads=1):
    (y,) = run_node(op, inputs, attributes, constants=constants, threads=threads)
    return y


def threads_of(rng):
    return int(rng.integers(1, 4))


def run_onnx(op, inputs, attributes, opset=18):
    """ONNX Runtime's own output 0."""
    names = [f"x{i}" for i in range(len(inputs))]
    infos = [
        onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for n, x in zip(names, inputs)
    ]
    node = onnx.helper.make_node(op, names, ["y"], **attributes)
    y = onnx.helper.make_empty_tensor_value_info("y")
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", infos, [y]),
        opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=9,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, inputs)))[0]


# ---- Shapes as values, generators


def test_shape_and_size():
    for rng, x in cases(1, 60):
        start, end = (int(v) for v in rng.integers(-7, 8, 2))
        wanted = np.array(x.shape, np.int64)
        assert_same_bits(one("Shape", [x]), wanted)
        # A slice of a list clamps as ONNX does.
        assert_same_bits(one("Shape", [x], {"start": start, "end": end}), wanted[start:end])
        assert_same_bits(one("Size", [x]), np.array(x.size, np.int64))
    assert one("Size", [np.zeros((3, 0, 2), np.int8)]) == 0


def test_constant_of_shape():
    for rng, x in cases(2, 40):
        value = random(rng, (1,), x.dtype.name)
        wanted = np.full(x.shape, value[0])
        for n in (wanted, wanted[:0] if x.ndim else wanted):
            assert_same_bits(one("ConstantOfShape", [i64(list(n.shape)), value], constants=[0, 1]), n)
    assert_same_bits(one("ConstantOfShape", [i64(2, 3)], constants=[0]), np.zeros((2, 3), np.float32))
    with pytest.raises(apus.ApusError, match="dimension 1 of the shape is -3"):
        one("ConstantOfShape", [i64(2, -3)], constants=[0])


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
def test_range(dtype):
    rng = np.random.default_rng(3)
    for _ in range(60):
        start, limit = rng.integers(-50, 50, 2)
        delta = int(rng.choice([-7, -2, -1, 1, 2, 7]))
        scale = 0.25 if dtype == "float32" else 1  # exact
        numbers = [np.array(v * scale, dtype) for v in (start, limit, delta)]
        wanted = (start + delta * np.arange(max(0, -(-(limit - start) // delta)))) * scale
        assert_same_bits(one("Range", numbers, constants=[0, 1, 2]), wanted.astype(dtype))


@pytest.mark.parametrize("numbers, wanted", [
    ((np.int64(-(2**63)), np.int64(2**63 - 1), np.int64(1)), "too much"),
    ((np.int64(0), np.int64(5), np.int64(0)), "delta is 0"),
    ((np.float32(0), np.float32(np.inf), np.float32(1)), "has no end"),
    ((np.float32(0), np.float32(np.nan), np.float32(1)), "has no end"),
    ((np.float32(0), np.float32(1), np.float32(0)), "has no end"),
])  # fmt: skip
def test_range_errors(numbers, wanted):
    with pytest.raises(apus.ApusError, match=wanted):
        one("Range", [np.asarray(n) for n in numbers], constants=[0, 1, 2])


def test_range_of_the_widest_numbers():
    low, high = -(2**63), 2**63 - 1
    y = one("Range", [np.asarray(np.int64(v)) for v in (low, high, 2**62)], constants=[0, 1, 2])
    assert y.tolist() == [low, -(2**62), 0, 2**62]


def test_eye_like():
    types = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9}
    for rng, x in cases(4, 60, low=2, high=3):
        k = int(rng.choice([*range(-5, 6), 2**63 - 1, -(2**63)]))
        wanted = np.eye(*x.shape, k=max(-99, min(k, 99)))
        assert_same_bits(one("EyeLike", [x], {"k": k}), wanted.astype(x.dtype))
        dtype = str(rng.choice(list(types)))
        assert_same_bits(one("EyeLike", [x], {"dtype": types[dtype], "k": k}), wanted.astype(dtype))


def test_trilu():
    for rng, x in cases(5, 120, low=2):
        k = int(rng.choice([*range(-9, 10), 2**63 - 1, -(2**63)]))
        bounded = max(-99, min(k, 99))
        for upper, f in ((1, np.triu), (0, np.tril)):
            wanted = f(x, bounded)
            assert_same_bits(one("Trilu", [x, i64(k)], {"upper": upper}, threads=threads_of(rng)), wanted)
        assert_same_bits(one("Trilu", [x]), np.triu(x))


def test_tile():
    for rng, x in cases(6, 150, limit=500):
        repeats = rng.integers(0 if rng.integers(8) == 0 else 1, 4, x.ndim)
        if repeats.prod() * x.size > 20_000:
            continue
        found = one("Tile", [x, i64(repeats)], constants=[1], threads=threads_of(rng))
        assert_same_bits(found, np.tile(x, repeats))
    x = np.arange(2, dtype=np.int8).reshape([1] * 7 + [2])
    assert_same_bits(one("Tile", [x, i64([2] * 8)], constants=[1]), np.tile(x, [2] * 8))
    with pytest.raises(apus.ApusError, match="-1 repeats"):
        one("Tile", [np.zeros(3, np.float32), i64([-1])], constants=[1])


# ---- Gathers and scatters


def smaller(rng, shape, axis, length):
    """A shape of indices for this axis."""
    return [length if d == axis else int(rng.integers(1, n + 1)) for d, n in enumerate(shape)]


def place(x, indices, axis):
    """NumPy's index of the elements that the indices name."""
    grid = list(np.ogrid[tuple(slice(0, d) for d in indices.shape)])
    grid[axis] = indices
    return tuple(grid)


def test_gather_elements():
    for rng, x in cases(7, 150, low=1):
        axis = int(rng.integers(x.ndim))
        shape = smaller(rng, x.shape, axis, int(rng.integers(1, 8)))
        indices = indices_of(rng, shape, x.shape[axis])
        named = axis - x.ndim if rng.integers(2) else axis
        found = one("GatherElements", [x, indices], {"axis": named}, threads=threads_of(rng))
        assert_same_bits(found, x[place(x, indices, axis)])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_indices_out_of_range(dtype):
    """Clamped where they are read from, left out where they are written to."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    bad = np.array([low, -5, -4, 3, 4, high], dtype)
    nearest = [0, 0, 0, 3, 3, 3]
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert_same_bits(one("GatherElements", [x, bad[:, None]]), x[nearest, :1])
    assert_same_bits(one("GatherND", [x, bad[:, None]]), x[nearest])
    updates = np.arange(101, 107, dtype=np.float32)
    wanted = x.copy()
    wanted[0, 0], wanted[3, 0] = 103, 104
    assert_same_bits(one("ScatterElements", [x, bad[:, None], updates[:, None]]), wanted)
    pairs = np.stack([bad, np.zeros_like(bad)], 1)
    assert_same_bits(one("ScatterND", [x, pairs, updates]), wanted)
    one_hot = one("OneHot", [bad, i64(4), np.float32([0, 1])], constants=[1])
    assert_same_bits(one_hot, np.float32([[0] * 4, [0] * 4, [1, 0, 0, 0], [0, 0, 0, 1], [0] * 4, [0] * 4]))


def test_gather_nd():
    for rng, x in cases(8, 200, low=1, limit=2000):
        batch = int(rng.integers(0, x.ndim))
        depth = int(rng.integers(1, x.ndim - batch + 1))
        middle = rng.integers(1, 4, rng.integers(0, 3)).tolist()
        if batch + len(middle) + x.ndim - batch - depth > 8:
            continue
        shape = [*x.shape[:batch], *middle]
        tuples = [rng.integers(-n, n, shape) for n in x.shape[batch : batch + depth]]
        indices = np.stack(tuples, -1).astype(rng.choice(["int32", "int64"]))
        grid = np.ogrid[tuple(slice(0, d) for d in x.shape[:batch])] if batch else []
        grid = [g.reshape(g.shape + (1,) * len(middle)) for g in grid]
        wanted = x[(*grid, *tuples)]
        found = one("GatherND", [x, indices], {"batch_dims": batch}, threads=threads_of(rng))
        assert_same_bits(found, wanted)


REDUCTIONS = {"none": None, "add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def combine(reduction, a, b):
    """Integers wrap around; of booleans a sum is an or, as NumPy has it."""
    if reduction == "none":
        return b
    with np.errstate(over="ignore"):
        return REDUCTIONS[reduction](a, b)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_scatter_elements(reduction):
    for rng, x in cases(9, 80, low=1, limit=300):
        axis = int(rng.integers(x.ndim))
        shape = smaller(rng, x.shape, axis, int(rng.integers(1, 8)))
        indices = indices_of(rng, shape, x.shape[axis])
        updates = random(rng, shape, x.dtype.name)
        wanted = x.copy()
        for at in itertools.product(*map(range, shape)):
            to = list(at)
            to[axis] = indices[at]
            wanted[tuple(to)] = combine(reduction, wanted[tuple(to)], updates[at])
        attributes = {"axis": axis, "reduction": reduction}
        assert_same_bits(one("ScatterElements", [x, indices, updates], attributes), wanted)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_scatter_nd(reduction):
    for rng, x in cases(10, 80, low=1, limit=300):
        depth = int(rng.integers(1, x.ndim + 1))
        middle = rng.integers(1, 5, rng.integers(0, 3)).tolist()
        tuples = [rng.integers(-n, n, middle) for n in x.shape[:depth]]
        indices = np.stack(tuples, -1).astype(rng.choice(["int32", "int64"]))
        updates = random(rng, [*middle, *x.shape[depth:]], x.dtype.name)
        wanted = x.copy()
        for at in itertools.product(*map(range, middle)):
            to = tuple(indices[at])
            wanted[to] = combine(reduction, wanted[to], updates[at])
        assert_same_bits(one("ScatterND", [x, indices, updates], {"reduction": reduction}), wanted)


def test_scatter_keeps_its_inputs():
    """Data that is also the updates, or an output, is not written over."""
    x = np.arange(5, dtype=np.float32)
    assert_same_bits(one("ScatterElements", [x, i64(4, 3, 2, 1, 0), x]), x[::-1].copy())


def test_gather_and_scatter_errors():
    x = np.zeros((2, 3), np.float32)
    for op, inputs, attributes, wanted in [
        ("GatherElements", [x, np.zeros((3, 1), np.int64)], {"axis": 1}, "more than"),
        ("GatherElements", [x, np.zeros(3, np.int64)], {}, "the indices are"),
        ("GatherElements", [x, np.zeros((1, 1), np.float32)], {}, "int32 or int64"),
        ("GatherND", [x, np.zeros((1, 3), np.int64)], {}, "tuples of 3"),
        ("GatherND", [x, np.zeros((3, 1), np.int64)], {"batch_dims": 1}, "batch dimension 0 differs"),
        ("GatherND", [x, np.zeros((2, 1), np.int64)], {"batch_dims": 2}, "batch_dims is 2"),
        ("GatherND", [x, np.zeros((2, 1), np.int64)], {"batch_dims": -1}, "batch_dims is -1"),
        ("ScatterElements", [x, np.zeros((1, 1), np.int64), x], {}, "input 2 must be"),
        ("ScatterElements", [x, np.zeros((2, 3), np.int64), x], {"reduction": "sum"}, "reduction sum"),
        ("ScatterND", [x, np.zeros((2, 1), np.int64), x[:1]], {}, "input 2 must be"),
    ]:  # fmt: skip
        with pytest.raises(apus.ApusError, match=wanted):
            one(op, inputs, attributes)


# ---- Order, sums


@pytest.mark.parametrize("op, f", [("ArgMax", np.argmax), ("ArgMin", np.argmin)])
def test_arg(op, f):
    for rng, x in cases(11, 150, dtypes=NUMBERS, low=1):
        if rng.integers(2):
            x = (x % 3).astype(x.dtype)  # equals
        if x.dtype == np.float32 and rng.integers(3) == 0:
            x.flat[rng.integers(x.size)] = np.nan
            x.flat[rng.integers(x.size)] = -0.0
            x.flat[rng.integers(x.size)] = rng.choice([np.inf, -np.inf])
        axis = int(rng.integers(-x.ndim, x.ndim))
        keep = int(rng.integers(2))
        found = one(op, [x], {"axis": axis, "keepdims": keep}, threads=threads_of(rng))
        assert_same_bits(found, f(x, axis, keepdims=bool(keep)))
        last = x.shape[axis] - 1 - f(np.flip(x, axis), axis, keepdims=True)
        assert_same_bits(one(op, [x], {"axis": axis, "select_last_index": 1}), last)


def test_arg_of_nothing():
    assert one("ArgMax", [np.zeros((0, 3), np.float32)], {"axis": 1}).shape == (0, 1)
    with pytest.raises(apus.ApusError, match="has no entries"):
        one("ArgMin", [np.zeros((3, 0), np.float32)], {"axis": 1})


def test_top_k():
    for rng, x in cases(12, 150, dtypes=NUMBERS, low=1):
        if rng.integers(2):
            x = (x % 5).astype(x.dtype)
        if x.dtype == np.float32 and rng.integers(3) == 0:
            x.flat[rng.integers(x.size)] = np.nan
            x.flat[rng.integers(x.size)] = -0.0
        axis = int(rng.integers(-x.ndim, x.ndim))
        k = int(rng.integers(0, x.shape[axis] + 1))
        largest = int(rng.integers(2))
        # Stable, NaN last: turned around for the largest, it must stay stable.
        order = np.argsort(x if not largest else np.flip(x, axis), axis, kind="stable")
        if largest:
            order = x.shape[axis] - 1 - np.flip(order, axis)
        order = np.take(order, range(k), axis)
        attributes = {"axis": axis, "largest": largest, "sorted": int(rng.integers(2))}
        values, indices = run_node(
            "TopK", [x, i64([k])], attributes, outputs=2, constants=[1], threads=threads_of(rng)
        )
        assert_same_bits(indices, order)
        assert_same_bits(values, np.take_along_axis(x, order, axis))
    with pytest.raises(apus.ApusError, match="k is 4 for axis 0"):
        run_node("TopK", [np.zeros(3, np.float32), i64([4])], outputs=2, constants=[1])


def test_cum_sum():
    for rng, x in cases(13, 150, dtypes=NUMBERS, low=1):
        axis = int(rng.integers(-x.ndim, x.ndim))
        reverse, exclusive = (int(v) for v in rng.integers(0, 2, 2))
        turned = np.flip(x, axis) if reverse else x
        # NumPy adds float32 one after the other, as is wanted here.
        wanted = np.cumsum(turned, axis, dtype=x.dtype)
        if exclusive:
            wanted = np.concatenate(
                [np.zeros_like(np.take(wanted, [0], axis)),
                 np.take(wanted, range(x.shape[axis] - 1), axis)], axis)  # fmt: skip
        wanted = np.flip(wanted, axis) if reverse else wanted
        kind = rng.choice(["int32", "int64"])
        given = np.array([axis] if rng.integers(2) else axis, kind)
        found = one(
            "CumSum", [x, given], {"reverse": reverse, "exclusive": exclusive},
            constants=[1] if rng.integers(2) else [], threads=threads_of(rng))  # fmt: skip
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == x.dtype
    with pytest.raises(apus.ApusError, match="axis 2 does not exist"):
        one("CumSum", [np.zeros((2, 2), np.float32), i64([2])], constants=[1])


def test_one_hot():
    for rng, x in cases(14, 100, dtypes=NUMBERS, high=4, limit=300):
        depth = int(rng.integers(1, 9))
        indices = rng.integers(0 if x.dtype == np.uint8 else -depth, depth, x.shape).astype(x.dtype)
        axis = int(rng.integers(-x.ndim - 1, x.ndim + 1))
        values = random(rng, (2,), rng.choice(DTYPES))
        wanted = values[(np.expand_dims(indices, axis) % depth
                         == np.arange(depth).reshape([-1] + [1] * (x.ndim - (axis % (x.ndim + 1))))
                         ).astype(int)]  # fmt: skip
        given = np.array(depth, rng.choice(NUMBERS))
        found = one("OneHot", [indices, given, values], {"axis": axis}, constants=[1], threads=threads_of(rng))
        assert_same_bits(found, wanted)
    assert one("OneHot", [i64([1, 2]), i64(0), np.float32([0, 1])], constants=[1]).shape == (2, 0)


def test_non_zero():
    for rng, x in cases(15, 80, low=1):
        x = np.where(rng.random(x.shape) < rng.random(), x, np.zeros_like(x))
        wanted = np.stack(np.nonzero(x)).astype(np.int64)
        assert_same_bits(one("NonZero", [x]), wanted)
        assert_same_bits(one("NonZero", [x], constants=[0]), wanted)
    x = np.float32([[np.nan, 0.0], [-0.0, 1e-30]])
    assert one("NonZero", [x]).tolist() == [[0, 1], [0, 1]]
    assert one("NonZero", [np.zeros((0, 3), np.float32)]).shape == (2, 0)


# ---- Rearranging


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_blocks(mode):
    rng = np.random.default_rng(16)
    for _ in range(40):
        n, c, h, w, b = (int(v) for v in rng.integers(1, 5, 5))
        x = random(rng, (n, c * b * b, h, w), rng.choice(DTYPES))
        split = x.reshape(n, b, b, c, h, w) if mode == "DCR" else x.reshape(n, c, b, b, h, w)
        order = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
        wanted = split.transpose(order).reshape(n, c, h * b, w * b)
        attributes = {"blocksize": b, "mode": mode}
        assert_same_bits(one("DepthToSpace", [x], attributes), wanted)
        assert_same_bits(one("SpaceToDepth", [wanted], attributes), x)
    with pytest.raises(apus.ApusError, match="no multiple of 4"):
        one("DepthToSpace", [np.zeros((1, 6, 2, 2), np.float32)], {"blocksize": 2})
    with pytest.raises(apus.ApusError, match="blocksize is 0"):
        one("SpaceToDepth", [np.zeros((1, 6, 2, 2), np.float32)])


def test_reverse_sequence():
    for rng, x in cases(17, 80, low=2):
        batch = int(rng.integers(2))
        lengths = rng.integers(0, x.shape[1 - batch] + 1, x.shape[batch])
        wanted = x.copy()
        for b, n in enumerate(lengths):
            if batch == 0:
                wanted[b, :n] = x[b, :n][::-1]
            else:
                wanted[:n, b] = x[:n, b][::-1]
        attributes = {"batch_axis": batch, "time_axis": 1 - batch}
        assert_same_bits(one("ReverseSequence", [x, lengths], attributes, threads=threads_of(rng)), wanted)
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    found = one("ReverseSequence", [x, i64(-(2**63), 2**63 - 1)])
    assert_same_bits(found, np.stack([x[:, 0], x[::-1, 1]], 1))


def test_center_crop_pad():
    for rng, x in cases(18, 120, low=1, limit=1000):
        n = int(rng.integers(1, x.ndim + 1))
        axes = rng.permutation(x.ndim)[:n]
        lengths = [int(rng.integers(0, 2 * x.shape[a] + 2)) for a in axes]
        wanted = x
        for a, length in zip(axes, lengths):
            d = wanted.shape[a]
            if length <= d:
                start = (d - length) // 2
                wanted = np.take(wanted, range(start, start + length), a)
            else:
                before = (length - d) // 2
                widths = [(0, 0)] * x.ndim
                widths[a] = (before, length - d - before)
                wanted = np.pad(wanted, widths)
        if wanted.size > 50_000:
            continue
        named = [int(a) - x.ndim if rng.integers(2) else int(a) for a in axes]
        found = one("CenterCropPad", [x, i64(lengths)], {"axes": named}, constants=[1])
        assert_same_bits(found, wanted)


def test_col2im():
    rng = np.random.default_rng(19)
    tested = 0
    for _ in range(120):
        rank = int(rng.integers(1, 4))
        image = rng.integers(1, 8, rank)
        block, strides, dilations = rng.integers(1, 4, (3, rank))
        pads = rng.integers(0, 3, (2, rank))
        counts = (image + pads.sum(0) - dilations * (block - 1) - 1) // strides + 1
        if (image + pads.sum(0) - dilations * (block - 1) < 1).any():
            continue
        n, c = (int(v) for v in rng.integers(1, 4, 2))
        x = random(rng, (n, c * block.prod(), counts.prod()), rng.choice(["float32", "int32", "int8"]))
        wide = np.zeros((n, c, *(image + pads.sum(0))), np.float64)
        split = x.reshape(n, c, *block, *counts)
        for k in itertools.product(*map(range, block)):
            for l in itertools.product(*map(range, counts)):
                at = tuple(int(i * s + j * d) for i, s, j, d in zip(l, strides, k, dilations))
                wide[(..., *at)] += split[(slice(None), slice(None), *k, *l)]
        wanted = wide[(..., *(slice(p, p + d) for p, d in zip(pads[0], image)))]
        attributes = {"strides": strides, "dilations": dilations, "pads": pads.reshape(-1)}
        found = one("Col2Im", [x, i64(image), i64(block)], attributes, constants=[1, 2], threads=threads_of(rng))
        if x.dtype == np.float32:
            assert_close(found, wanted, scale=np.abs(wanted).max() + 1)
        else:
            assert_same_bits(found, wanted.astype(np.int64).astype(x.dtype))
        tested += 1
    assert tested > 60
    x = np.zeros((1, 4, 3), np.float32)
    with pytest.raises(apus.ApusError, match="positions of blocks"):
        one("Col2Im", [x, i64(3, 3), i64(2, 2)], constants=[1, 2])


# ---- Einsum


EQUATIONS = [
    "i->i", "i->", "ij->ji", "ij", "ba", "ii", "ii->i", "iij->ji", "iii->i", "...->...", "...i->i...",
    "...ii->...i", "...ij->...ji", "ij,jk->ik", "ij,jk", "ij,kj->ki", "bij,bjk->bik", "bij,bkj->bki",
    "bhqd,bhkd->bhqk", "bqhd,bkhd->bhqk", "bhqk,bkhd->bqhd", "...ij,...jk->...ik", "i,j->ij", "i,i->",
    "ij,ij->", "ij,ij->ij", "ij,j->i", "ij,k->i", "ijk,ijl->kl", "abc,cd->abd", "ab,bc,cd->ad",
    "i,j,k->kji", "ii,ij->j", "a...b,b...c->a...c", "...,...->...", "iJ,Jk->ik", " i j , j k -> k i ",
    "ab,ab,ab->b", "bn,anm,bm->ba", "i...,i...->...", "...i,...i->...",
    "ab,bc,cd,de->ae", "ai,bj,ij,ab->", "a,b,c,d->", "...ab,bc,...cd->...ad", "aa,ab,bc,cc->ac",
]  # fmt: skip


def operands(rng, equation, dtype, zero=False):
    """Random arrays that fit; the ellipsis stands for up to two dimensions that broadcast."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    sizes = {c: int(rng.integers(1, 6)) for c in equation if c.isalpha()}
    if zero and sizes:
        sizes[rng.choice(list(sizes))] = 0
    hidden = rng.integers(1, 4, rng.integers(0, 3)).tolist()
    arrays = []
    for term in terms:
        shown = hidden[int(rng.integers(0, len(hidden) + 1)) :]
        shown = [1 if rng.integers(4) == 0 else d for d in shown]
        before, dots, after = term.partition("...")
        shape = [sizes[c] for c in before] + (shown if dots else []) + [sizes[c] for c in after]
        x = random(rng, shape, dtype)
        arrays.append(x % 7 if dtype == "int64" else x)
    return arrays


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation):
    rng = np.random.default_rng(20)
    for i in range(12):
        arrays = operands(rng, equation, "int64" if i % 3 == 0 else "float32", zero=i == 11)
        wide = [x.astype(np.float64) if x.dtype == np.float32 else x for x in arrays]
        wanted = np.einsum(equation, *wide)
        scale = np.einsum(equation, *map(np.abs, wide))
        found = one("Einsum", arrays, {"equation": equation}, threads=threads_of(rng))
        assert_close(found, wanted, scale=scale, what=f"{equation} {[x.shape for x in arrays]}")


def test_random_einsum():
    """Any output of any inputs."""
    rng = np.random.default_rng(21)
    for _ in range(150):
        labels = list("abcdeF"[: int(rng.integers(1, 7))])
        count = int(rng.integers(1, 6))
        terms = ["".join(rng.choice(labels, int(rng.integers(1, 5)))) for _ in range(count)]
        known = sorted(set("".join(terms)))
        output = "".join(rng.permutation(known)[: int(rng.integers(0, len(known) + 1))])
        equation = ",".join(terms) + "->" + output
        arrays = operands(rng, equation, "float32")
        wide = [x.astype(np.float64) for x in arrays]
        found = one("Einsum", arrays, {"equation": equation}, threads=threads_of(rng))
        scale = np.einsum(equation, *map(np.abs, wide))
        assert_close(found, np.einsum(equation, *wide), scale=scale, what=equation)


@pytest.mark.parametrize("equation, inputs, wanted", [
    ("ij,jk->ik", [(2, 3)], "for 2 inputs"), ("ij->i", [(2,)], "names 2 dimensions"),
    ("ij,jk->ik", [(2, 3), (4, 5)], "does not fit"), ("ij->k", [(2, 3)], "no input"),
    ("i->ii", [(2,)], "twice"), ("i->i->i", [(2,)], "cannot be read"), ("i.->i", [(2,)], "cannot be read"),
    ("i-j", [(2, 2)], "cannot be read"), ("......", [(2,)], "two ellipses"), ("i1", [(2, 3)], "cannot be read"),
    ("ij...->i", [(2,)], "names 2 dimensions"), ("a,a,a,a,a,a,a,a,a", [(1,)], "more than 8 inputs"),
])  # fmt: skip
def test_einsum_errors(equation, inputs, wanted):
    with pytest.raises(apus.ApusError, match=wanted):
        one("Einsum", [np.zeros(s, np.float32) for s in inputs], {"equation": equation})


# ---- Normalisations


def test_lp_normalization():
    for rng, x in cases(22, 60, dtypes=["float32"], low=1):
        axis, p = int(rng.integers(-x.ndim, x.ndim)), int(rng.integers(1, 3))
        norm = np.linalg.norm(x.astype(np.float64), p, axis, keepdims=True)
        found = one("LpNormalization", [x], {"axis": axis, "p": p}, threads=threads_of(rng))
        assert_close(found, x / norm, atol=1e-7)
    assert not one("LpNormalization", [np.zeros((2, 3), np.float32)]).any()


def test_mean_variance_normalization():
    for rng, x in cases(23, 60, dtypes=["float32"], low=4, high=6):
        axes = tuple(int(a) for a in rng.permutation(x.ndim)[: rng.integers(1, x.ndim + 1)])
        given = {} if rng.integers(4) == 0 else {"axes": axes}
        axes = axes if given else (0, 2, 3)
        wide = x.astype(np.float64)
        wanted = (wide - wide.mean(axes, keepdims=True)) / (wide.std(axes, keepdims=True) + 1e-9)
        found = one("MeanVarianceNormalization", [x], given, threads=threads_of(rng))
        # Where a group has equal elements only, the result is 0 to within rounding.
        assert_close(found, wanted, atol=1e-5)


# ---- Tensors without elements

EMPTY = np.zeros((0, 3), np.float32)
FULL = np.ones((2, 3), np.float32)
ZERO_SIZES = [
    ("Tile", [EMPTY, i64(2, 2)], {}, [1], [(0, 6)]),
    ("Tile", [np.float32(3), np.zeros(0, np.int64)], {}, [1], [()]),
    ("GatherElements", [FULL, np.zeros((0, 3), np.int64)], {}, [], [(0, 3)]),
    ("GatherElements", [EMPTY, np.zeros((0, 2), np.int64)], {"axis": 0}, [], [(0, 2)]),
    ("GatherND", [FULL, np.zeros((0, 2), np.int64)], {}, [], [(0,)]),
    ("GatherND", [FULL, np.zeros((4, 0), np.int64)], {}, [], [(4, 2, 3)]),
    ("GatherND", [EMPTY, np.zeros((0, 2, 1), np.int64)], {"batch_dims": 1}, [], [(0, 2)]),
    ("ScatterElements", [FULL, np.zeros((0, 3), np.int64), EMPTY], {}, [], [(2, 3)]),
    ("ScatterElements", [EMPTY, np.zeros((0, 3), np.int64), EMPTY], {}, [], [(0, 3)]),
    ("ScatterND", [FULL, np.zeros((0, 1), np.int64), EMPTY], {"reduction": "add"}, [], [(2, 3)]),
    ("TopK", [EMPTY, i64([0])], {}, [1], [(0, 0), (0, 0)]),
    ("TopK", [EMPTY, i64([2])], {}, [1], [(0, 2), (0, 2)]),
    ("CumSum", [EMPTY, i64([0])], {}, [], [(0, 3)]),
    ("OneHot", [np.zeros((0,), np.int64), i64(3), np.float32([0, 1])], {}, [1], [(0, 3)]),
    ("DepthToSpace", [np.zeros((0, 4, 2, 2), np.float32)], {"blocksize": 2}, [], [(0, 1, 4, 4)]),
    ("DepthToSpace", [np.zeros((1, 4, 0, 2), np.float32)], {"blocksize": 2}, [], [(1, 1, 0, 4)]),
    ("SpaceToDepth", [np.zeros((1, 4, 0, 2), np.float32)], {"blocksize": 2}, [], [(1, 16, 0, 1)]),
    ("ReverseSequence", [np.zeros((0, 3), np.float32), i64(1, 1, 1)], {}, [], [(0, 3)]),
    ("CenterCropPad", [EMPTY, i64(2, 0)], {}, [1], [(2, 0)]),
    ("CenterCropPad", [EMPTY, i64(2, 4)], {}, [1], [(2, 4)]),
    ("Col2Im", [np.zeros((0, 4, 4), np.float32), i64(3, 3), i64(2, 2)], {}, [1, 2], [(0, 1, 3, 3)]),
    ("LpNormalization", [EMPTY], {"axis": 0}, [], [(0, 3)]),
    ("MeanVarianceNormalization", [np.zeros((0, 3, 2, 2), np.float32)], {}, [], [(0, 3, 2, 2)]),
    ("Trilu", [np.zeros((2, 0, 3), np.float32)], {}, [], [(2, 0, 3)]),
    ("EyeLike", [EMPTY], {}, [], [(0, 3)]),
    ("Shape", [np.float32(3)], {}, [], [(0,)]),
    ("Einsum", [np.float32(3), np.float32(4)], {"equation": ","}, [], [()]),
    ("Einsum", [np.float32(3)], {"equation": "->"}, [], [()]),
    ("Einsum", [np.float32(3)], {"equation": ""}, [], [()]),
]  # fmt: skip


@pytest.mark.parametrize("op, inputs, attributes, constants, wanted", ZERO_SIZES)
def test_zero_sizes(op, inputs, attributes, constants, wanted):
    found = run_node(op, inputs, attributes, outputs=len(wanted), constants=constants)
    assert [y.shape for y in found] == wanted


# ---- Against ONNX Runtime, which decides where NumPy has no such operator


def test_against_onnx_runtime():
    rng = np.random.default_rng(24)
    x = random(rng, (2, 12, 3, 5), "float32")
    for op, inputs, attributes in [
        ("DepthToSpace", [x], {"blocksize": 2, "mode": "CRD"}),
        ("CumSum", [x, np.array(1, np.int64)], {"reverse": 1, "exclusive": 1}),
        ("OneHot", [i64([[1, -9], [3, 8]]), np.array(5, np.int64), np.float32([2, 3])], {"axis": 1}),
        ("Einsum", [x, x[:, :, 0]], {"equation": "bchw,bcw->hbc"}),
        ("ReverseSequence", [x[:, :, 0, 0].copy(), i64(3, 12)], {"batch_axis": 0, "time_axis": 1}),
        ("Trilu", [x, np.array(-1, np.int64)], {"upper": 0}),
        ("EyeLike", [x[0, :, 0]], {"k": 2}),
        ("ArgMax", [np.round(x)], {"axis": 1, "select_last_index": 1}),
        ("LpNormalization", [x], {"axis": 1, "p": 1}),
        ("MeanVarianceNormalization", [x], {}),
    ]:  # fmt: skip
        wanted = run_onnx(op, inputs, attributes)
        found = one(op, inputs, attributes, constants=[1] if op == "OneHot" else [])
        assert_close(found, wanted, what=op)
