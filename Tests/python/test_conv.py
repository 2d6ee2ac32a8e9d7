"""Conv and ConvTranspose against ONNX Runtime and against sums written out in float64."""

import itertools

import numpy as np
import pytest
from harness import ISAS, apus, assert_close, assert_same_bits, random_array, run_node
from onnx_reference import run_onnx

AUTO_PADS = ["SAME_UPPER", "SAME_LOWER", "VALID"]


def extent(kernel, dilation):
    return (kernel - 1) * dilation + 1


def random_conv(rng):
    """Input, weights, bias and attributes of a convolution whose sizes meet every tail."""
    rank = int(rng.choice([1, 2, 2, 3]))
    largest = {1: 41, 2: 24, 3: 9}[rank]
    group = int(rng.choice([1, 1, 2, 3, 5]))
    kind = rng.choice(["plain", "depthwise", "pointwise"], p=[0.6, 0.25, 0.15])
    if kind == "depthwise":
        channels = group = int(rng.integers(2, 7))
        rows = group * int(rng.integers(1, 4))
    else:
        channels = group * int(rng.integers(1, 8))
        rows = group * int(rng.integers(1, 41 if rank < 3 and group == 1 else 8))
    attributes = {}
    while True:
        size = rng.integers(1, largest + 1, rank)
        kernel = np.ones(rank, int) if kind == "pointwise" else rng.integers(1, 6, rank)
        stride = rng.choice([1, 1, 2, 3], rank)
        dilation = rng.choice([1, 1, 2, 3], rank)
        auto_pad = str(rng.choice(["NOTSET", *AUTO_PADS], p=[0.7, 0.1, 0.1, 0.1]))
        if auto_pad.startswith("SAME"):
            # ONNX Runtime takes no dilation here, and may shift where the pads come out negative.
            dilation[:] = 1
            stride = np.minimum(stride, kernel)
        pads = rng.integers(0, 4, 2 * rank) * rng.integers(0, 2)
        total = pads[:rank] + pads[rank:] if auto_pad == "NOTSET" else 0
        if auto_pad.startswith("SAME") or (size + total >= extent(kernel, dilation)).all():
            break
    attributes["auto_pad"] = auto_pad
    if auto_pad == "NOTSET" and rng.integers(4):
        attributes["pads"] = pads.tolist()
    elif auto_pad == "NOTSET" and not (size >= extent(kernel, dilation)).all():
        attributes["pads"] = pads.tolist()
    if (stride != 1).any() or rng.integers(2):
        attributes["strides"] = stride.tolist()
    if (dilation != 1).any() or rng.integers(2):
        attributes["dilations"] = dilation.tolist()
    if rng.integers(2):
        attributes["kernel_shape"] = kernel.tolist()
    if group != 1 or rng.integers(2):
        attributes["group"] = group
    x = random_array(rng, (int(rng.integers(1, 4)), channels, *size))
    w = random_array(rng, (rows, channels // group, *kernel))
    b = random_array(rng, (rows,)) if rng.integers(2) else None
    return [x, w, b] if b is not None else [x, w], attributes


def magnitude(op, inputs, attributes):
    """The sum of the magnitudes that each output adds up."""
    return run_onnx(op, [np.abs(a) for a in inputs], attributes)[0]


@pytest.mark.parametrize("seed", range(10))
def test_conv(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        inputs, attributes = random_conv(rng)
        (wanted,) = run_onnx("Conv", inputs, attributes)
        scale = magnitude("Conv", inputs, attributes)
        constants = [1, 2][: len(inputs) - 1] if rng.integers(3) else []
        for isa in ISAS:
            what = f"{isa} {[a.shape for a in inputs]} {attributes}"
            (y,) = run_node("Conv", inputs, attributes, constants=constants, isa=isa)
            assert_close(y, wanted, rtol=1e-5, atol=0, scale=scale, what=what)


def random_blocked_conv(rng):
    """A convolution with channels enough for blocks: volumes, groups of any size, far taps."""
    rank = int(rng.choice([1, 2, 3, 3]))
    largest = {1: 60, 2: 20, 3: 9}[rank]
    group = int(rng.choice([1, 2, 3, 5, 8]))
    channels = group * int(rng.integers(2, 40 if group < 3 else 12))
    rows = group * int(rng.integers(-(-16 // group), 60 // group + 10))
    while True:
        size = rng.integers(1, largest + 1, rank)
        kernel = rng.integers(1, 4, rank)
        stride = rng.choice([1, 1, 2, 3], rank)
        dilation = rng.choice([1, 1, 2, 3], rank)
        pads = rng.integers(0, 3, 2 * rank) * rng.integers(0, 2)
        if (size + pads[:rank] + pads[rank:] >= extent(kernel, dilation)).all():
            break
    attributes = {
        "pads": pads.tolist(), "strides": stride.tolist(), "dilations": dilation.tolist(),
        "group": group,
    }  # fmt: skip
    x = random_array(rng, (int(rng.integers(1, 3)), channels, *size))
    w = random_array(rng, (rows, channels // group, *kernel))
    return [x, w, random_array(rng, (rows,))], attributes


@pytest.mark.parametrize("seed", range(8))
def test_volumes_and_groups_in_channel_blocks(seed):
    rng = np.random.default_rng(100 + seed)
    for _ in range(12):
        inputs, attributes = random_blocked_conv(rng)
        (wanted,) = run_onnx("Conv", inputs, attributes)
        scale = magnitude("Conv", inputs, attributes)
        for isa in ISAS:
            what = f"{isa} {[a.shape for a in inputs]} {attributes}"
            (y,) = run_node("Conv", inputs, attributes, constants=[1, 2], isa=isa)
            assert_close(y, wanted, rtol=1e-5, atol=0, scale=scale, what=what)
            (y,) = run_node("Conv", inputs, attributes, constants=[1, 2], isa=isa, threads=3)
            assert_close(y, wanted, rtol=1e-5, atol=0, scale=scale, what=what)


def direct_conv(x, w, b, strides, pads, dilations, group):
    """The definition, one kernel position at a time, in float64."""
    rank = x.ndim - 2
    x, w = x.astype(np.float64), w.astype(np.float64)
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:])])
    kernel = w.shape[2:]
    out = [
        (padded.shape[2 + i] - extent(kernel[i], dilations[i])) // strides[i] + 1
        for i in range(rank)
    ]
    rows = w.shape[0] // group
    y = np.zeros((x.shape[0], w.shape[0], *out))
    y += b.reshape(-1, *[1] * rank)
    for g in range(group):
        channels = slice(g * w.shape[1], (g + 1) * w.shape[1])
        for k in itertools.product(*map(range, kernel)):
            window = tuple(
                slice(k[i] * dilations[i], k[i] * dilations[i] + (out[i] - 1) * strides[i] + 1,
                      strides[i])
                for i in range(rank)
            )  # fmt: skip
            taps = w[(slice(g * rows, (g + 1) * rows), slice(None), *k)]
            y[:, g * rows : (g + 1) * rows] += np.einsum(
                "mc,nc...->nm...", taps, padded[(slice(None), channels, *window)])
    return y


@pytest.mark.parametrize("isa", ISAS)
def test_conv_of_every_width_and_height_of_panel(isa):
    """1 to 41 output columns and output channels, deep enough for several blocks of the depth."""
    rng = np.random.default_rng(7)
    for n in range(1, 42):
        for channels, kernel, pads in [(3, 3, [1, 1]), (90, 3, [1, 1]), (70, 5, [0, 0])]:
            x = random_array(rng, (1, channels, n + kernel - 1 - sum(pads)))
            w = random_array(rng, (42 - n, channels, kernel))
            b = random_array(rng, (42 - n,))
            wanted = direct_conv(x, w, b, [1], pads, [1], 1)
            scale = direct_conv(abs(x), abs(w), abs(b), [1], pads, [1], 1)
            (y,) = run_node("Conv", [x, w, b], {"pads": pads}, constants=[1, 2], isa=isa)
            assert_close(y, wanted, rtol=2e-6, atol=0, scale=scale, what=f"{n} {channels}")


@pytest.mark.parametrize("isa", ISAS)
def test_few_output_channels_with_padding(isa):
    """Too few for channel blocks; the input is small enough for a copy with its padding."""
    rng = np.random.default_rng(12)
    for width in [3, 9, 13, 16, 27, 28, 31, 32, 33, 50]:
        for rows in [2, 3] if isa == "baseline" else [3, 6, 7]:
            group = 2 if width % 9 == 0 else 1
            kernel = int(rng.choice([3, 5])) if width > 3 else 3
            x = random_array(rng, (2, group, int(rng.integers(3, 30)), width))
            w = random_array(rng, (rows * group, 1, 3, kernel))
            b = random_array(rng, (rows * group,))
            pads = [int(p) for p in rng.integers(0, 3, 4)]
            attributes = {"pads": pads, "group": group}
            (wanted,) = run_onnx("Conv", [x, w, b], attributes)
            (y,) = run_node("Conv", [x, w, b], attributes, isa=isa, constants=(1, 2))
            scale = magnitude("Conv", [x, w, b], attributes)
            what = f"{x.shape} {w.shape} {attributes}"
            assert_close(y, wanted, rtol=1e-5, atol=0, scale=scale, what=what)


@pytest.mark.parametrize("isa", ISAS)
def test_same_bits_for_every_number_of_threads(isa):
    rng = np.random.default_rng(8)
    cases = [
        ((2, 8, 30, 31), (20, 8, 3, 3), {"pads": [1, 1, 1, 1]}),
        ((1, 6, 28, 28), (16, 6, 5, 5), {}),
        ((1, 64, 7, 7), (96, 64, 3, 3), {"pads": [1, 1, 1, 1]}),
        ((2, 64, 30, 31), (40, 64, 3, 3), {"pads": [1, 1, 1, 1]}),
        ((1, 40, 40, 21), (70, 40, 1, 1), {"strides": [2, 2]}),
        ((1, 24, 40, 40), (24, 1, 3, 3), {"group": 24, "strides": [2, 2], "pads": [0, 0, 1, 1]}),
        ((2, 1, 28, 28), (3, 1, 5, 5), {"pads": [2, 2, 2, 2]}),
        ((1, 3, 400, 41), (3, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
        ((2, 32, 33), (64, 16, 5), {"group": 2, "pads": [2, 2]}),
        ((1, 4, 9, 10, 11), (10, 4, 3, 3, 3), {"strides": [1, 2, 1]}),
        ((2, 20, 5, 6, 7), (40, 20, 3, 3, 3), {"pads": [1] * 6}),
        ((1, 70, 4, 14, 9), (50, 35, 3, 3, 3), {"strides": [2, 1, 1], "group": 2}),
        ((1, 120, 9, 12), (72, 5, 3, 3), {"group": 24, "pads": [1, 1, 1, 1]}),
    ]
    for x_shape, w_shape, attributes in cases:
        x, w = random_array(rng, x_shape), random_array(rng, w_shape)
        for constants in ([1], []):
            results = [
                run_node("Conv", [x, w], attributes, constants=constants, isa=isa, threads=n)[0]
                for n in range(1, 9)
            ]
            for y in results[1:]:
                assert_same_bits(results[0], y, f"{x_shape} {w_shape}")


@pytest.mark.parametrize("isa", ISAS)
def test_an_item_has_the_same_bits_in_every_batch(isa):
    rng = np.random.default_rng(9)
    sizes = ((28, 3, 1), (11, 9, 7), (12, 20, 16), (26, 64, 48), (7, 512, 256))
    for size, rows, channels in sizes:
        x = random_array(rng, (5, channels, size, size + 2))
        w = random_array(rng, (rows, channels, 3, 3))
        (whole,) = run_node("Conv", [x, w], {"pads": [1, 1, 1, 1]}, constants=[1], isa=isa)
        for i in range(5):
            (one,) = run_node(
                "Conv", [x[i : i + 1], w], {"pads": [1, 1, 1, 1]}, constants=[1], isa=isa)
            assert_same_bits(one[0], whole[i])
    x = random_array(rng, (3, 36, 5, 8, 9))
    w = random_array(rng, (44, 18, 3, 3, 3))
    attributes = {"pads": [1] * 6, "group": 2}
    (whole,) = run_node("Conv", [x, w], attributes, constants=[1], isa=isa, threads=2)
    for i in range(3):
        (one,) = run_node("Conv", [x[i : i + 1], w], attributes, constants=[1], isa=isa)
        assert_same_bits(one[0], whole[i])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [(3, 5), (6, 6), (14, 14), (27, 31), (48, 48)])
@pytest.mark.parametrize("channels,rows", [(32, 48), (70, 33), (256, 256)])
def test_layers_that_winograd_may_compute(isa, size, channels, rows) -> None:
    rng = np.random.default_rng(10)
    x = random_array(rng, (2, channels, *size))
    w = random_array(rng, (rows, channels, 3, 3)) / np.float32(np.sqrt(9 * channels))
    b = random_array(rng, (rows,))
    for pads in ([1, 1, 1, 1], [0, 0, 0, 0], [2, 0, 1, 2]):
        attributes = {"pads": pads, "activation_minimum": 0.0}
        (y,) = run_node("Conv", [x, w, b], attributes, constants=[1, 2], isa=isa)
        padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        wanted = np.einsum("nchwyx,mcyx->nmhw", windows, w.astype(np.float64), optimize=True)
        wanted = np.maximum(wanted + b[:, None, None], 0)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=5e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "size,kernel,stride,dilation,pads",
    [((5, 14, 14), 3, 1, 1, [1, 1, 1, 1, 1, 1]), ((6, 9, 17), 3, 2, 1, [1, 0, 1, 0, 2, 1]),
     ((7, 7, 7), 2, 1, 3, [2, 1, 1, 2, 1, 1]), ((4, 12, 12), 1, 1, 1, [0, 1, 1, 0, 1, 1])],
)  # fmt: skip
def test_volumes_that_winograd_may_compute(isa, size, kernel, stride, dilation, pads) -> None:
    rng = np.random.default_rng(11)
    x = random_array(rng, (3, 64, *size))
    w = random_array(rng, (72, 64, kernel, 3, 3)) / np.float32(np.sqrt(27 * 64))
    b = random_array(rng, (72,))
    attributes = {"pads": pads, "strides": [stride, 1, 1], "dilations": [dilation, 1, 1]}
    (wanted,) = run_onnx("Conv", [x, w, b], attributes)
    for threads in (1, 2, 5):
        (y,) = run_node("Conv", [x, w, b], attributes, constants=[1, 2], isa=isa, threads=threads)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=5e-5 * np.abs(wanted).max())
        first = y if threads == 1 else first
        assert_same_bits(y, first, f"{threads} threads")
    (one,) = run_node("Conv", [x[1:2], w, b], attributes, constants=[1, 2], isa=isa)
    assert_same_bits(one[0], first[1])


@pytest.mark.parametrize("isa", ISAS)
def test_fused_activation(isa):
    rng = np.random.default_rng(10)
    for w_shape, group in [((9, 6, 3, 3), 1), ((6, 1, 3, 3), 6), ((9, 200, 1, 1), 1)]:
        x = random_array(rng, (1, w_shape[1] * group, 12, 12))
        w = random_array(rng, w_shape)
        (plain,) = run_node("Conv", [x, w], {"group": group}, constants=[1], isa=isa)
        for low, high in [(0.0, np.inf), (0.0, 0.25), (-np.inf, 0.5)]:
            clip = {"activation_minimum": low, "activation_maximum": high}
            (y,) = run_node("Conv", [x, w], {"group": group, **clip}, constants=[1], isa=isa)
            assert_same_bits(y, np.clip(plain, np.float32(low), np.float32(high)))


def random_transposed(rng):
    rank = int(rng.choice([1, 2, 2, 3]))
    largest = {1: 30, 2: 11, 3: 5}[rank]
    group = int(rng.choice([1, 1, 2, 3]))
    channels = group * int(rng.integers(1, 6))
    rows = int(rng.integers(1, 20 if rank < 3 and group == 1 else 4))
    while True:
        size = rng.integers(1, largest + 1, rank)
        kernel = rng.integers(1, 6, rank)
        stride = rng.choice([1, 2, 3, 4], rank)
        dilation = rng.choice([1, 1, 2, 3], rank)
        attributes = {
            "strides": stride.tolist(), "dilations": dilation.tolist(), "group": group,
            "kernel_shape": kernel.tolist(),
        }  # fmt: skip
        way = rng.integers(4)
        padding = np.array([rng.integers(0, s) for s in stride])
        whole = (size - 1) * stride + extent(kernel, dilation)
        if way == 0:
            attributes["auto_pad"] = str(rng.choice(AUTO_PADS))
            # Where the window is narrower than the stride, ONNX Runtime's output is smaller than
            # ONNX says (see test_conv_transpose_same_is_input_times_stride).
            if attributes["auto_pad"] == "VALID" or (whole >= size * stride).all():
                break
            continue
        if way == 1:
            attributes["output_shape"] = (whole - rng.integers(0, 3, rank)).tolist()
            attributes["auto_pad"] = str(rng.choice(["NOTSET", "SAME_UPPER", "SAME_LOWER"]))
            if min(attributes["output_shape"]) >= 1:
                break
            continue
        pads = rng.integers(0, 3, 2 * rank)
        attributes["pads"] = pads.tolist()
        if way == 2:
            attributes["output_padding"] = padding.tolist()
            whole = whole + padding
        if (whole - pads[:rank] - pads[rank:] >= 1).all():
            break
    x = random_array(rng, (int(rng.integers(1, 3)), channels, *size))
    w = random_array(rng, (channels, rows, *kernel))
    b = random_array(rng, (rows * group,)) if rng.integers(2) else None
    return [x, w, b] if b is not None else [x, w], attributes


@pytest.mark.parametrize("seed", range(8))
def test_conv_transpose(seed):
    rng = np.random.default_rng(100 + seed)
    for _ in range(30):
        inputs, attributes = random_transposed(rng)
        (wanted,) = run_onnx("ConvTranspose", inputs, attributes)
        scale = magnitude("ConvTranspose", inputs, attributes)
        constants = [1, 2][: len(inputs) - 1] if rng.integers(3) else []
        for isa in ISAS:
            what = f"{isa} {[a.shape for a in inputs]} {attributes}"
            (y,) = run_node("ConvTranspose", inputs, attributes, constants=constants, isa=isa)
            assert_close(y, wanted, rtol=1e-5, atol=0, scale=scale, what=what)


@pytest.mark.parametrize("isa", ISAS)
def test_conv_transpose_same_is_input_times_stride(isa):
    """ONNX: "SAME_UPPER or SAME_LOWER mean … output_shape[i] = input_shape[i] * strides[i]"."""
    x, w = np.float32([[[1, 2]]]), np.float32([[[10, 20]]])
    for auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        (y,) = run_node("ConvTranspose", [x, w], {"strides": [4], "auto_pad": auto_pad}, isa=isa)
        assert y.tolist() == [[[10, 20, 0, 0, 20, 40, 0, 0]]]


@pytest.mark.parametrize("isa", ISAS)
def test_conv_transpose_same_bits_for_every_number_of_threads(isa):
    rng = np.random.default_rng(11)
    for attributes in [{"strides": [2, 2]}, {"strides": [5, 1]}, {"pads": [1, 1, 1, 1]}]:
        x, w = random_array(rng, (1, 12, 15, 17)), random_array(rng, (12, 30, 3, 3))
        for constants in ([1], []):
            results = [
                run_node(
                    "ConvTranspose", [x, w], attributes, constants=constants, isa=isa, threads=n)[0]
                for n in range(1, 9)
            ]  # fmt: skip
            for y in results[1:]:
                assert_same_bits(results[0], y)


X, W = np.zeros((1, 4, 8, 8), np.float32), np.zeros((6, 4, 3, 3), np.float32)


@pytest.mark.parametrize(
    "op, inputs, attributes, message",
    [
        ("Conv", [X, W[:, :3]], {}, "4 channels in 1 groups do not fit weights of [6, 3, 3, 3]"),
        ("Conv", [X, W], {"group": 0}, "group is 0"),
        ("Conv", [X, W], {"strides": [0, 1]}, "strides holds 0"),
        ("Conv", [X, W], {"strides": [1]}, "strides has 1 numbers"),
        ("Conv", [X, W], {"pads": [-1, 0, 0, 0]}, "pads holds -1"),
        ("Conv", [X, W], {"dilations": [1 << 40, 1]}, "dilations holds"),
        ("Conv", [X, W], {"dilations": [4, 1]}, "a window of 9 elements does not fit into 8"),
        ("Conv", [X, W], {"kernel_shape": [3, 2]}, "kernel_shape[1] is 2"),
        ("Conv", [X, W], {"auto_pad": "SAME"}, "auto_pad is SAME"),
        ("Conv", [X[0, 0], W], {}, "input 0 must be of rank 3 to 5"),
        ("Conv", [X, W, np.zeros(5, np.float32)], {}, "input 2 must be [6]"),
        ("Conv", [X, W.astype(np.int32)], {}, "input 1 must be float32"),
        ("ConvTranspose", [X, W], {}, "do not fit weights of [6, 4, 3, 3]"),
        ("ConvTranspose", [X, W[:4]], {"output_shape": [0, 3]}, "output_shape holds 0"),
        ("ConvTranspose", [X, W[:4]], {"pads": [20] * 4}, "axis 2 of the output"),
    ],
)  # fmt: skip
def test_what_is_refused(op, inputs, attributes, message):
    with pytest.raises(apus.ApusError) as caught:
        run_node(op, inputs, attributes)
    assert message in caught.value.message
