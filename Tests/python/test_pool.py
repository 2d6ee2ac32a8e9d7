"""MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool and BatchNormalization against ONNX
Runtime."""

import numpy as np
import pytest
from harness import ISAS, apus, assert_close, assert_same_bits, random_array, run_node
from onnx_reference import run_onnx

AUTO_PADS = ["SAME_UPPER", "SAME_LOWER", "VALID"]


def random_pool(rng, dilates):
    """Input and attributes of a pooling whose sizes meet every tail."""
    rank = int(rng.choice([1, 2, 2, 3]))
    largest = {1: 200, 2: 41, 3: 12}[rank]
    while True:
        size = rng.integers(1, largest + 1, rank)
        kernel = rng.integers(1, 7, rank)
        stride = rng.choice([1, 1, 2, 2, 3, 4], rank)
        dilation = rng.choice([1, 1, 2, 3], rank) if dilates else np.ones(rank, int)
        auto_pad = str(rng.choice(["NOTSET", *AUTO_PADS], p=[0.7, 0.1, 0.1, 0.1]))
        if auto_pad.startswith("SAME"):
            dilation[:] = 1
            # ONNX Runtime fails or shifts where the pads come out negative (see below).
            stride = np.minimum(stride, kernel)
        pads = np.array([rng.integers(0, min(k, 4)) for k in [*kernel, *kernel]])
        pads *= rng.integers(0, 2)
        total = pads[:rank] + pads[rank:] if auto_pad == "NOTSET" else 0
        extent = (kernel - 1) * dilation + 1
        if auto_pad.startswith("SAME") or (size + total >= extent).all():
            break
    attributes = {"kernel_shape": kernel.tolist(), "auto_pad": auto_pad}
    if auto_pad == "NOTSET":
        attributes["pads"] = pads.tolist()
        attributes["ceil_mode"] = int(rng.integers(2))
    if (stride != 1).any() or rng.integers(2):
        attributes["strides"] = stride.tolist()
    if (dilation != 1).any():
        attributes["dilations"] = dilation.tolist()
    return random_array(rng, (int(rng.integers(1, 4)), int(rng.integers(1, 5)), *size)), attributes


@pytest.mark.parametrize("seed", range(8))
def test_max_pool(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        x, attributes = random_pool(rng, dilates=True)
        if rng.integers(3) == 0:
            x = np.round(x * 2)  # equal elements: the first one's index counts
        wanted, positions = run_onnx("MaxPool", [x], attributes, outputs=2)
        for isa in ISAS:
            what = f"{isa} {x.shape} {attributes}"
            y, indices = run_node("MaxPool", [x], attributes, outputs=2, isa=isa)
            assert_same_bits(y, wanted, what)
            assert indices.dtype == np.int64 and (indices == positions).all(), what
            (y,) = run_node("MaxPool", [x], attributes, isa=isa)
            assert_same_bits(y, wanted, what)
            (indices,) = run_node("MaxPool", [x], attributes, outputs=[False, True], isa=isa)
            assert (indices == positions).all(), what


@pytest.mark.parametrize("isa", ISAS)
def test_max_pool_of_pairs_of_columns(isa):
    rng = np.random.default_rng(20)
    for width in [*range(2, 36), 64, 97]:
        rank = 3 if width % 5 == 0 else 2
        kernel = [*rng.integers(1, 4, rank - 1).tolist(), 2]
        stride = [*rng.integers(1, 4, rank - 1).tolist(), 2]
        pads = [0 if i == rank - 1 else (width + i) % 2 for i in range(rank)]
        pads = [min(p, k - 1) for p, k in zip(pads, kernel, strict=True)]
        attributes = {"kernel_shape": kernel, "strides": stride, "pads": pads + [0] * rank}
        x = random_array(rng, (2, 3, *[5] * (rank - 1), width))
        (wanted,) = run_onnx("MaxPool", [x], attributes)
        (y,) = run_node("MaxPool", [x], attributes, isa=isa)
        assert_same_bits(y, wanted, f"{isa} {x.shape} {attributes}")


@pytest.mark.parametrize("seed", range(8))
def test_average_pool(seed):
    rng = np.random.default_rng(50 + seed)
    for _ in range(30):
        x, attributes = random_pool(rng, dilates=True)
        attributes["count_include_pad"] = int(rng.integers(2))
        (wanted,) = run_onnx("AveragePool", [x], attributes)
        for isa in ISAS:
            (y,) = run_node("AveragePool", [x], attributes, isa=isa)
            assert_close(y, wanted, rtol=1e-5, atol=2e-6, what=f"{isa} {x.shape} {attributes}")


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_same_with_windows_narrower_than_the_stride(auto_pad):
    """Pads are never negative: the first window starts at the first element, as in TensorFlow."""
    x = np.arange(24, dtype=np.float32).reshape(1, 1, 24)
    attributes = {"kernel_shape": [1], "strides": [4], "auto_pad": auto_pad}
    for op, inputs in [
        ("MaxPool", [x]), ("AveragePool", [x]), ("Conv", [x, np.ones((1, 1, 1), np.float32)]),
    ]:  # fmt: skip
        (y,) = run_node(op, inputs, attributes)
        assert_same_bits(y, x[:, :, ::4])


@pytest.mark.parametrize("isa", ISAS)
def test_windows_that_do_not_fit_the_stack(isa):
    """Wide rows, wide windows, many taps, large steps."""
    rng = np.random.default_rng(60)
    cases = [
        ((1, 1, 5000), [3], {}),
        ((1, 2, 3000), [300], {"strides": [7]}),
        ((1, 1, 4000), [2], {"dilations": [3000]}),
        ((1, 1, 9, 2500), [3, 3], {"pads": [1, 1, 1, 1]}),
        ((1, 1, 70, 70), [40, 50], {"strides": [3, 2], "pads": [5, 7, 0, 1]}),
        ((1, 1, 300, 40), [2, 2], {"dilations": [200, 30]}),
        ((1, 1, 400, 90), [1, 2], {"strides": [100, 50]}),
        ((1, 2, 20, 20, 20), [20, 20, 20], {}),
    ]
    for shape, kernel, attributes in cases:
        x = random_array(rng, shape)
        attributes = {"kernel_shape": kernel, **attributes}
        (wanted,) = run_onnx("MaxPool", [x], attributes)
        (y,) = run_node("MaxPool", [x], attributes, isa=isa)
        assert_same_bits(y, wanted, f"{shape} {attributes}")
        w = random_array(rng, (shape[1], 1, *kernel))
        group = {**attributes, "group": shape[1]}
        (wanted,) = run_onnx("Conv", [x, w], group)
        (scale,) = run_onnx("Conv", [abs(x), abs(w)], group)
        (y,) = run_node("Conv", [x, w], group, constants=[1], isa=isa)
        assert_close(y, wanted, atol=0, scale=scale, what=f"{shape} {attributes}")


@pytest.mark.parametrize("seed", range(2))
def test_global_pools(seed):
    rng = np.random.default_rng(70 + seed)
    for _ in range(40):
        shape = rng.integers(1, [4, 9, 300, 2, 2] if rng.integers(2) else [4, 9, 20, 20, 6])
        x = random_array(rng, shape[: rng.integers(3, 6)])
        axes = tuple(range(2, x.ndim))
        for isa in ISAS:
            (y,) = run_node("GlobalMaxPool", [x], isa=isa)
            assert_same_bits(y, x.max(axes, keepdims=True), f"{isa} {x.shape}")
            (y,) = run_node("GlobalAveragePool", [x], isa=isa)
            wanted = x.astype(np.float64).mean(axes, keepdims=True)
            scale = abs(x).mean(axes, keepdims=True)
            assert_close(y, wanted, rtol=1e-6, atol=0, scale=scale, what=f"{isa} {x.shape}")


@pytest.mark.parametrize("seed", range(2))
def test_batch_normalization(seed):
    rng = np.random.default_rng(80 + seed)
    for _ in range(40):
        x = random_array(rng, rng.integers(1, 20, rng.integers(2, 6)), -3, 3)
        scale, bias, mean = (random_array(rng, x.shape[1:2]) for _ in range(3))
        variance = random_array(rng, x.shape[1:2], 0.1, 2)
        inputs = [x, scale, bias, mean, variance]
        attributes = {"epsilon": float(rng.choice([1e-5, 1e-3]))} if rng.integers(2) else {}
        spread = [-1 if i == 1 else 1 for i in range(x.ndim)]
        s, b, m, v = (a.astype(np.float64).reshape(spread) for a in inputs[1:])
        factor = s / np.sqrt(v + attributes.get("epsilon", 1e-5))
        wanted = (x - m) * factor + b
        size = (abs(x) + abs(m)) * abs(factor) + abs(b)
        for isa in ISAS:
            for constants in ([1, 2, 3, 4], []):
                (y,) = run_node(
                    "BatchNormalization", inputs, attributes, constants=constants, isa=isa)
                assert_close(y, wanted, rtol=1e-6, atol=0, scale=size, what=f"{isa} {x.shape}")


@pytest.mark.parametrize("isa", ISAS)
def test_same_bits_for_every_number_of_threads(isa):
    rng = np.random.default_rng(90)
    cases = [
        ("MaxPool", (2, 9, 61, 67), {"kernel_shape": [3, 3], "strides": [2, 2]}),
        ("MaxPool", (1, 2, 150, 167), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ("AveragePool", (1, 2, 150, 167), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ("AveragePool", (1, 1, 30, 31, 32), {"kernel_shape": [3, 4, 5], "ceil_mode": 1}),
        ("GlobalAveragePool", (1, 300, 33, 35), {}),
        ("GlobalMaxPool", (1, 300, 33, 35), {}),
    ]
    for op, shape, attributes in cases:
        x = random_array(rng, shape)
        results = [run_node(op, [x], attributes, isa=isa, threads=n)[0] for n in range(1, 9)]
        for y in results[1:]:
            assert_same_bits(results[0], y, f"{op} {shape}")


def test_batch_statistics():
    rng = np.random.default_rng(91)
    for shape in [(3, 5, 6, 7), (4, 3), (1, 2, 9)]:
        x = random_array(rng, shape) * 3 + 1
        scale, bias, mean = (random_array(rng, (shape[1],)) for _ in range(3))
        variance = random_array(rng, (shape[1],), 0.5, 2)
        axes = (0, *range(2, x.ndim))
        each = (-1, *[1] * (x.ndim - 2))
        m, v = x.astype(float).mean(axes), x.astype(float).var(axes)
        wanted = (x - m.reshape(each)) / np.sqrt(v + 1e-3).reshape(each) * scale.reshape(each)
        inputs = [x, scale, bias, mean, variance]
        attributes = {"training_mode": 1, "momentum": 0.7, "epsilon": 1e-3}
        for threads in (1, 2):
            found = run_node("BatchNormalization", inputs, attributes, outputs=3, threads=threads)
            assert_close(found[0], wanted + bias.reshape(each), rtol=1e-5, atol=1e-5)
            assert_close(found[1], 0.7 * mean + 0.3 * m, rtol=1e-5, atol=1e-6)
            assert_close(found[2], 0.7 * variance + 0.3 * v, rtol=1e-5, atol=1e-6)
        (y,) = run_node("BatchNormalization", inputs, attributes)
        assert_same_bits(y, found[0])


X = np.zeros((1, 2, 8, 8), np.float32)


@pytest.mark.parametrize(
    "op, inputs, attributes, message",
    [
        ("MaxPool", [X], {}, "the attribute kernel_shape is missing"),
        ("MaxPool", [X], {"kernel_shape": [9, 1]}, "a window of 9 elements does not fit into 8"),
        ("MaxPool", [X], {"kernel_shape": [2, 2], "pads": [2, 0, 0, 0]}, "hold nothing"),
        ("MaxPool", [X.astype(np.int32)], {"kernel_shape": [2, 2]}, "float32, int8 or uint8"),
        ("AveragePool", [X], {"kernel_shape": [1 << 20, 1 << 20]}, "more than 4194304 taps"),
        ("AveragePool", [X], {"kernel_shape": [2, 2, 2]}, "kernel_shape has 3 numbers"),
        ("AveragePool", [X[0]], {"kernel_shape": [2, 2]}, "kernel_shape has 2 numbers"),
        ("GlobalMaxPool", [X[0, 0, 0]], {}, "input 0 must be of rank 2 to 8"),
        ("BatchNormalization", [X] + [X[0, 0, 0]] * 4, {}, "input 1 must be [2]"),
        ("BatchNormalization", [X[:0]] + [X[0, 0, 0, :2]] * 4, {"training_mode": 1}, "no mean"),
    ],
)  # fmt: skip
def test_what_is_refused(op, inputs, attributes, message):
    with pytest.raises(apus.ApusError) as caught:
        run_node(op, inputs, attributes)
    assert message in caught.value.message
