"""The normalising operators, against ONNX Runtime and against their formulas in float64."""

import numpy as np
import onnxruntime
import pytest
from harness import ISAS, apus, assert_close, random_array, run_node, run_node_everywhere
from onnx import TensorProto, helper


def onnx_runtime(op, inputs, attributes, outputs=1, opset=21):
    names = [f"x{i}" for i in range(len(inputs))]
    results = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, names, results, **attributes)], "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in zip(names, inputs)],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in results],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, inputs)))


def random_shape(rng, low, high, limit=8):
    return tuple(int(d) for d in rng.integers(1, limit, int(rng.integers(low, high + 1))))


@pytest.mark.parametrize("isa", ISAS)
def test_layer_normalization(isa):
    rng = np.random.default_rng(40)
    for case in range(40):
        shape = random_shape(rng, 1, 4)
        if case % 3 == 0:
            shape = shape[:2] + (int(rng.integers(15, 140)),)
        axis = int(rng.integers(0, len(shape)))
        inner = shape[axis:]
        # A large mean: a variance taken as E[x²] − E[x]² would be lost.
        x = random_array(rng, shape, -1, 1) + np.float32(rng.choice([0, 1, 100]))
        scale, bias = random_array(rng, inner, 0.5, 2), random_array(rng, inner)
        inputs = [x, scale] if case % 4 == 1 else [x, scale, bias]
        attributes = {"axis": axis - len(shape) if case % 2 else axis, "epsilon": float(rng.choice([1e-5, 1e-2]))}
        y, mean, inverse = run_node("LayerNormalization", inputs, attributes, 3, isa=isa)
        wide = x.astype(np.float64)
        axes = tuple(range(axis, len(shape)))
        m = wide.mean(axes, keepdims=True)
        r = 1 / np.sqrt(wide.var(axes, keepdims=True) + attributes["epsilon"])
        wanted = (wide - m) * r * scale + (bias if len(inputs) == 3 else 0)
        # What rounding x's mean leaves, in units of y.
        atol = 2e-6 + 2e-7 * np.abs(m).max() * r.max() * 2
        assert_close(mean, m, rtol=1e-6)
        assert_close(inverse, r, rtol=1e-5)
        assert_close(y, wanted, rtol=1e-5, atol=atol, what=f"{shape} {attributes}")
        if case < 8:
            reference = onnx_runtime("LayerNormalization", inputs, attributes, 3)
            assert_close(y, reference[0], rtol=1e-4, atol=atol * 50)
            assert mean.shape == reference[1].shape and inverse.shape == reference[2].shape


def test_layer_normalization_parameters():
    """One element for scale or bias; outputs left out; shapes that do not fit."""
    rng = np.random.default_rng(41)
    x = random_array(rng, (4, 37))
    one, row = np.float32([1.5]), random_array(rng, (37,))
    wide = x.astype(np.float64)
    z = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    for scale in (one, row):
        for bias in (None, one, row):
            inputs = [x, scale] if bias is None else [x, scale, bias]
            wanted = z * scale + (0 if bias is None else bias)
            assert_close(run_node("LayerNormalization", inputs)[0], wanted, atol=2e-6)
    (inverse,) = run_node("LayerNormalization", [x, row], outputs=[False, False, True])[-1:]
    assert inverse.shape == (4, 1)
    for wrong in ((36,), (4, 37), (4,), (2, 37)):
        with pytest.raises(apus.ApusError, match="must be one element or have the dimensions"):
            run_node("LayerNormalization", [x, np.ones(wrong, np.float32)])


@pytest.mark.parametrize("isa", ISAS)
def test_rms_normalization(isa):
    rng = np.random.default_rng(42)
    for _ in range(15):
        shape = random_shape(rng, 1, 4, 20)
        axis = int(rng.integers(0, len(shape)))
        x, scale = random_array(rng, shape), random_array(rng, shape[axis:])
        (y,) = run_node("RMSNormalization", [x, scale], {"axis": axis}, isa=isa)
        wide = x.astype(np.float64)
        square = (wide**2).mean(tuple(range(axis, len(shape))), keepdims=True)
        assert_close(y, wide / np.sqrt(square + 1e-5) * scale, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_instance_and_group_normalization(isa):
    rng = np.random.default_rng(43)
    for case in range(20):
        groups, width = int(rng.integers(1, 5)), int(rng.integers(1, 4))
        channels = groups * width
        shape = (int(rng.integers(1, 4)), channels) + random_shape(rng, 1, 3)
        x = random_array(rng, shape, -2, 3)
        scale, bias = random_array(rng, (channels,), 0.5, 2), random_array(rng, (channels,))
        for op, n, attributes in [
            ("InstanceNormalization", channels, {"epsilon": 1e-3}),
            ("GroupNormalization", groups, {"epsilon": 1e-3, "num_groups": groups}),
        ]:
            (y,) = run_node(op, [x, scale, bias], attributes, isa=isa)
            wide = x.astype(np.float64).reshape(shape[0], n, -1)
            wide = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-3)
            per_channel = (1, channels) + (1,) * (len(shape) - 2)
            wanted = wide.reshape(shape) * scale.reshape(per_channel) + bias.reshape(per_channel)
            assert_close(y, wanted, rtol=1e-5, atol=5e-6, what=f"{op} {shape}")
            if case < 4:
                assert_close(y, onnx_runtime(op, [x, scale, bias], attributes)[0], rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("isa", ISAS)
def test_lrn(isa):
    rng = np.random.default_rng(44)
    for case in range(30):
        shape = (int(rng.integers(1, 3)), int(rng.integers(1, 12))) + random_shape(rng, 0, 2, 9)
        x = random_array(rng, shape, -4, 4)
        size = int(rng.integers(1, 8))
        attributes = {"size": size}
        if case % 3:
            attributes |= {"alpha": float(rng.uniform(1e-4, 2)), "bias": float(rng.uniform(0.5, 2)),
                           "beta": float(rng.choice([0.75, 0.5, 1, 0.6, 1.3]))}  # fmt: skip
        (y,) = run_node("LRN", [x], attributes, isa=isa)
        alpha, beta, bias = (attributes.get(k, v) for k, v in [("alpha", 1e-4), ("beta", 0.75), ("bias", 1)])
        wide = x.astype(np.float64)
        sums = np.zeros_like(wide)
        for c in range(shape[1]):
            first, last = max(0, c - (size - 1) // 2), min(shape[1] - 1, c + size // 2)
            sums[:, c] = (wide[:, first : last + 1] ** 2).sum(1)
        assert_close(y, wide / (bias + alpha / size * sums) ** beta, rtol=5e-6, what=str(attributes))
        if len(shape) == 4 and size % 2:
            assert_close(y, onnx_runtime("LRN", [x], attributes)[0], rtol=2e-5)


def local_contrast(x, size, epsilon, weighting):
    """Jarrett et al. 2009, literally: every window by itself."""
    wide = x.astype(np.float64)
    if wide.ndim == 3:
        wide = wide[:, :, None]
    n, c, h, w = wide.shape
    r = size // 2
    d = np.arange(-r, r + 1)
    line = np.exp(-(d**2) / (2 * (size / 4) ** 2)) if weighting == "gaussian" else np.ones(size)
    window = np.outer(line, line)

    def average(maps):
        result = np.zeros((n, h, w))
        for i in range(h):
            for j in range(w):
                rows, columns = np.arange(max(0, i - r), min(h, i + r + 1)), np.arange(max(0, j - r), min(w, j + r + 1))
                part = window[np.ix_(rows - i + r, columns - j + r)]
                block = maps[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                result[:, i, j] = (block * part).sum((1, 2, 3)) / (part.sum() * c)
        return result

    v = wide - average(wide)[:, None]
    sigma = np.sqrt(average(v * v))
    mean = sigma.mean((1, 2))[:, None, None]
    return (v / np.maximum(np.maximum(mean, sigma), epsilon)[:, None]).reshape(x.shape)


@pytest.mark.parametrize("isa", ISAS)
def test_local_contrast_normalization(isa):
    rng = np.random.default_rng(45)
    for case in range(16):
        shape = (int(rng.integers(1, 3)), int(rng.integers(1, 4))) + random_shape(rng, 1, 2, 24)
        x = random_array(rng, shape, 0, 1)
        if len(shape) == 4:
            x += np.linspace(0, 5, shape[3], dtype=np.float32)
        size = int(rng.choice([1, 3, 5, 9, 31])) if case else 9
        weighting = ["gaussian", "uniform"][case % 2]
        attributes = {"size": size, "epsilon": 1e-3, "weighting": weighting}
        (y,) = run_node("LocalContrastNormalization", [x], attributes, isa=isa)
        wanted = local_contrast(x, **attributes)
        assert_close(y, wanted, rtol=2e-5, atol=1e-5, what=f"{shape} {attributes}")


def test_local_contrast_normalization_defaults():
    rng = np.random.default_rng(46)
    x = random_array(rng, (1, 3, 20, 17))
    (y,) = run_node("LocalContrastNormalization", [x])
    assert_close(y, local_contrast(x, 9, 1e-5, "gaussian"), rtol=2e-5, atol=1e-5)
    # A constant image has no contrast.
    (y,) = run_node("LocalContrastNormalization", [np.full((1, 2, 12, 12), 7, np.float32)])
    assert np.abs(y).max() < 0.2 and np.isfinite(y).all()
    # Brightness and contrast go.
    (a,) = run_node("LocalContrastNormalization", [x])
    (b,) = run_node("LocalContrastNormalization", [3 * x + 10])
    assert_close(b, a, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("op, shapes, attributes", [
    ("LayerNormalization", [(67, 310), (310,), (310,)], {}),
    ("InstanceNormalization", [(3, 17, 29, 31), (17,), (17,)], {}),
    ("GroupNormalization", [(3, 18, 29, 31), (18,), (18,)], {"num_groups": 6}),
    ("LRN", [(2, 16, 33, 41)], {"size": 5}),
    ("LocalContrastNormalization", [(2, 3, 61, 53)], {}),
])  # fmt: skip
def test_same_bits_for_all_threads(op, shapes, attributes):
    rng = np.random.default_rng(47)
    run_node_everywhere(op, [random_array(rng, s) for s in shapes], attributes, threads=range(1, 9))


@pytest.mark.parametrize("op, shapes, attributes, message", [
    ("LayerNormalization", [(2, 3), (3,)], {"axis": 2}, "axis 2 does not exist"),
    ("InstanceNormalization", [(2, 3, 4), (4,), (3,)], {}, "input 1 must be"),
    ("InstanceNormalization", [(2, 3), (3,), (3,)], {}, "rank"),
    ("GroupNormalization", [(2, 3, 4), (3,), (3,)], {"num_groups": 2}, "must divide the 3 channels"),
    ("GroupNormalization", [(2, 3, 4), (3,), (3,)], {}, "num_groups is 0"),
    ("LRN", [(2, 3, 4)], {}, "size is 0"),
    ("LRN", [(3,)], {"size": 1}, "rank"),
    ("LocalContrastNormalization", [(2, 3, 4)], {"size": 4}, "must be odd"),
    ("LocalContrastNormalization", [(2, 3)], {}, "rank"),
    ("LocalContrastNormalization", [(2, 3, 4)], {"weighting": "none"}, "weighting"),
    ("LocalContrastNormalization", [(2, 3, 4)], {"epsilon": 0.0}, "epsilon"),
])  # fmt: skip
def test_errors(op, shapes, attributes, message):
    with pytest.raises(apus.ApusError, match=message):
        run_node(op, [np.ones(s, np.float32) for s in shapes], attributes)
