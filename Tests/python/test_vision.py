"""GridSample, AffineGrid, RoiAlign, MaxRoiPool, NonMaxSuppression, DeformConv, MaxUnpool, LpPool and
CausalConvWithState against ONNX Runtime, or against the onnx package where it computes better."""

import numpy as np
import pytest
from harness import apus, assert_close, random_array, run_node
from onnx.reference.ops.op_causal_conv_with_state import CausalConvWithState
from onnx.reference.ops.op_deform_conv import _deform_conv_implementation
from onnx_reference import run_onnx


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_grid_sample(mode, padding_mode):
    rng = np.random.default_rng(1)
    for align_corners in (0, 1):
        for rank in (2, 3) if mode != "cubic" else (2,):
            sizes = rng.integers(2, 8, rank)
            x = random_array(rng, (2, 3, *sizes))
            grid = random_array(rng, (2, *rng.integers(1, 6, rank), rank), -2.5, 2.5)
            attributes = {
                "mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
            (wanted,) = run_onnx("GridSample", [x, grid], attributes, opset=20)
            for threads in (1, 2):
                (y,) = run_node("GridSample", [x, grid], attributes, threads=threads)
                assert_close(y, wanted, rtol=1e-4, atol=2e-5, what=f"{attributes} {sizes}")


def test_grid_sample_far_away():
    """Coordinates that no picture has end the same way: zeros, or an element of the input."""
    x = np.ones((1, 1, 3, 1), np.float32)
    grid = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9], np.float32)
    grid = np.stack([grid, grid[::-1]], -1).reshape(1, 6, 1, 2)
    for mode in ("nearest", "linear", "cubic"):
        for align_corners in (0, 1):
            for padding_mode in ("zeros", "border", "reflection"):
                (y,) = run_node(
                    "GridSample", [x, grid],
                    {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners})  # fmt: skip
                assert_close(y, np.full_like(y, padding_mode != "zeros"), atol=1e-5)


@pytest.mark.parametrize("align_corners", [0, 1])
def test_affine_grid(align_corners):
    rng = np.random.default_rng(2)
    for size in ([2, 3, 4, 5], [1, 2, 3, 2, 6]):
        rank = len(size) - 2
        theta = random_array(rng, (size[0], rank, rank + 1))
        inputs = [theta, np.array(size, np.int64)]
        (wanted,) = run_onnx("AffineGrid", inputs, {"align_corners": align_corners}, opset=20)
        (y,) = run_node("AffineGrid", inputs, {"align_corners": align_corners}, constants=[1])
        assert_close(y, wanted, atol=1e-6)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "output_half_pixel"])
def test_roi_align(mode, coordinates):
    rng = np.random.default_rng(3)
    for ratio in (0, 1, 3):
        x = random_array(rng, (2, 3, 9, 7))
        corners = rng.uniform(-2, 14, (5, 2, 2)).astype(np.float32)
        corners.sort(axis=1)
        rois = corners.reshape(5, 4)
        indices = rng.integers(0, 2, 5)
        attributes = {
            "mode": mode, "coordinate_transformation_mode": coordinates, "sampling_ratio": ratio,
            "output_height": 3, "output_width": 2, "spatial_scale": 0.7}  # fmt: skip
        (wanted,) = run_onnx("RoiAlign", [x, rois, indices], attributes, opset=16)
        for threads in (1, 2):
            (y,) = run_node("RoiAlign", [x, rois, indices], attributes, threads=threads)
            assert_close(y, wanted, rtol=1e-4, atol=1e-5, what=f"{attributes}")


def test_roi_align_hostile():
    x = np.ones((1, 1, 3, 3), np.float32)
    rois = np.array(
        [[np.nan] * 4, [0, 0, 1e30, 1e30], [5, 5, -5, -5], [-np.inf, 0, np.inf, 1]], np.float32)
    (y,) = run_node("RoiAlign", [x, rois, np.array([0, 9, -9, 2**62])], {})
    assert y.shape == (4, 1, 1, 1)


def test_max_roi_pool():
    rng = np.random.default_rng(4)
    for _ in range(10):
        x = random_array(rng, (2, 3, 8, 10))
        corners = rng.uniform(0, 18, (6, 2, 2)).astype(np.float32)
        corners.sort(axis=1)
        rois = np.concatenate([rng.integers(0, 2, (6, 1)), corners.reshape(6, 4)], 1)
        attributes = {"pooled_shape": rng.integers(1, 5, 2).tolist(), "spatial_scale": 0.5}
        inputs = [x, rois.astype(np.float32)]
        (wanted,) = run_onnx("MaxRoiPool", inputs, attributes, opset=18)
        (y,) = run_node("MaxRoiPool", inputs, attributes)
        assert_close(y, wanted, what=f"{attributes}")


@pytest.mark.parametrize("centred", [0, 1])
@pytest.mark.parametrize("known", [False, True])
def test_non_max_suppression(centred, known):
    rng = np.random.default_rng(5)
    for _ in range(12):
        n, c, b = 2, 3, int(rng.integers(1, 40))
        boxes = random_array(rng, (n, b, 4), 0, 4)
        # Equal scores, too: the box that comes first wins.
        scores = np.round(random_array(rng, (n, c, b), 0, 1) * 20) / 20
        inputs = [
            boxes, scores.astype(np.float32), np.array([int(rng.integers(0, 9))]),
            np.array([rng.choice([0, 0.2, 0.5, 1])], np.float32),
            np.array([0.3], np.float32) if rng.integers(2) else None,
        ]  # fmt: skip
        (wanted,) = run_onnx("NonMaxSuppression", inputs, {"center_point_box": centred}, opset=11)
        (y,) = run_node(
            "NonMaxSuppression", inputs, {"center_point_box": centred},
            constants=range(5) if known else [2])  # fmt: skip
        assert y.dtype == np.int64 and y.shape == wanted.shape and (y == wanted).all()


def test_non_max_suppression_without_limit():
    (y,) = run_node("NonMaxSuppression", [np.zeros((1, 2, 4), np.float32), np.ones((1, 1, 2), np.float32)])
    assert y.shape == (0, 3)


@pytest.mark.parametrize("seed", range(4))
def test_deform_conv(seed):
    rng = np.random.default_rng(seed)
    groups, offset_groups = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    channels, outputs = 4, 2 * groups
    kernel = rng.integers(1, 4, 2)
    strides, dilations, pads = rng.integers(1, 3, 2), rng.integers(1, 3, 2), rng.integers(0, 2, 4)
    x = random_array(rng, (2, channels, 7, 8))
    w = random_array(rng, (outputs, channels // groups, *kernel))
    total = np.array(x.shape[2:]) + pads[:2] + pads[2:] - ((kernel - 1) * dilations + 1)
    out = total // strides + 1
    taps = offset_groups * int(kernel.prod())
    offset = random_array(rng, (2, 2 * taps, *out), -2, 2)
    bias = random_array(rng, (outputs,)) if seed % 2 else None
    mask = random_array(rng, (2, taps, *out)) if seed > 1 else None
    attributes = {
        "group": groups, "offset_group": offset_groups, "kernel_shape": kernel.tolist(),
        "strides": strides.tolist(), "dilations": dilations.tolist(), "pads": pads.tolist(),
    }  # fmt: skip
    wanted = _deform_conv_implementation(
        x.astype(float), w, offset, bias, mask, dilations, groups, kernel, offset_groups, pads, strides)
    for threads in (1, 2):
        (y,) = run_node("DeformConv", [x, w, offset, bias, mask], attributes, threads=threads)
        assert_close(y, wanted, rtol=1e-4, atol=1e-4)


def test_max_unpool():
    rng = np.random.default_rng(7)
    x = random_array(rng, (2, 3, 6, 8))
    y, indices = run_onnx("MaxPool", [x], {"kernel_shape": [2, 2], "strides": [2, 2]}, outputs=2)
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
    (wanted,) = run_onnx("MaxUnpool", [y, indices], attributes)
    (back,) = run_node("MaxUnpool", [y, indices], attributes)
    assert_close(back, wanted, rtol=0, atol=0)
    shape = np.array([2, 3, 7, 9])
    (larger,) = run_node("MaxUnpool", [y, indices, shape], attributes, constants=[2])
    padded = np.zeros(shape, np.float32)
    padded[:, :, :6, :8] = wanted
    assert_close(larger, padded, rtol=0, atol=0)
    indices[0, 0, 0, 0], indices[0, 0, 0, 1] = -1, 2**62
    (partial,) = run_node("MaxUnpool", [y, indices], attributes)
    assert (partial != 0).sum() == (wanted != 0).sum() - 2


@pytest.mark.parametrize("p", [1, 2, 3])
def test_lp_pool(p):
    rng = np.random.default_rng(p)
    for rank in (1, 2, 3):
        x = random_array(rng, (2, 3, *rng.integers(5, 9, rank)))
        attributes = {
            "p": p, "kernel_shape": rng.integers(1, 4, rank).tolist(),
            "strides": rng.integers(1, 3, rank).tolist(), "pads": [0] * rank * 2}  # fmt: skip
        (wanted,) = run_onnx("LpPool", [x], attributes, opset=18)
        for threads in (1, 2):
            (y,) = run_node("LpPool", [x], attributes, threads=threads)
            assert_close(y, wanted, what=f"{attributes}")
        (wanted,) = run_onnx("GlobalLpPool", [x], {"p": p}, opset=18)
        (y,) = run_node("GlobalLpPool", [x], {"p": p})
        assert_close(y, wanted)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_integer_max_pool(dtype):
    rng = np.random.default_rng(8)
    for rank in (1, 2, 3):
        x = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (2, 3, *[7] * rank)).astype(dtype)
        attributes = {"kernel_shape": [3] * rank, "strides": [2] * rank, "pads": [1] * 2 * rank}
        wanted = run_onnx("MaxPool", [x], attributes, outputs=2)
        found = run_node("MaxPool", [x], attributes, outputs=2)
        for a, b in zip(found, wanted):
            assert a.dtype == b.dtype and (a == b).all()


def test_max_pool_positions_column_major():
    rng = np.random.default_rng(9)
    for rank in (1, 2, 3):
        x = random_array(rng, (2, 3, *rng.integers(4, 7, rank)))
        attributes = {"kernel_shape": [2] * rank, "storage_order": 1}
        _, wanted = run_onnx("MaxPool", [x], attributes, outputs=2)
        _, indices = run_node("MaxPool", [x], attributes, outputs=2)
        assert (indices == wanted).all()


@pytest.mark.parametrize("activation", ["none", "silu", "swish"])
def test_causal_conv_with_state(activation):
    rng = np.random.default_rng(10)
    for taps, length in ((1, 5), (4, 9), (5, 2)):
        x = random_array(rng, (2, 3, length))
        w = random_array(rng, (3, 1, taps))
        bias = random_array(rng, (3,)) if taps > 1 else None
        past = random_array(rng, (2, 3, taps - 1)) if taps > 1 else None
        for state in (past, None):
            wanted = CausalConvWithState._run(None, x, w, bias, state, activation=activation)
            found = run_node(
                "CausalConvWithState", [x, w, bias, state], {"activation": activation}, outputs=2)  # fmt: skip
            for a, b in zip(found, wanted):
                assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "op, shapes, attributes, words",
    [
        ("GridSample", [(1, 1, 2, 2), (1, 2, 2, 3)], {}, "input 1 must be"),
        ("GridSample", [(1, 1, 2, 2), (1, 2, 2, 2)], {"mode": "bilinear"}, "bilinear"),
        ("GridSample", [(1, 1, 0, 2), (1, 2, 2, 2)], {}, "empty"),
        ("DeformConv", [(1, 3, 4, 4), (2, 2, 3, 3), (1, 18, 2, 2)], {}, "do not fit"),
        ("DeformConv", [(1, 2, 4, 4), (2, 2, 3, 3), (1, 9, 2, 2)], {}, "input 2 must be"),
        ("MaxRoiPool", [(1, 1, 2, 2), (1, 4)], {"pooled_shape": [1, 1]}, "input 1 must be"),
        ("MaxRoiPool", [(1, 1, 2, 2), (1, 5)], {"pooled_shape": [0, 1]}, "pooled_shape"),
        ("LpPool", [(1, 1, 4)], {"kernel_shape": [2], "p": 0}, "p is 0"),
        ("CausalConvWithState", [(1, 2, 4), (3, 1, 2)], {}, "input 1 must be"),
    ],
)
def test_refused(op, shapes, attributes, words):
    with pytest.raises(apus.ApusError, match=words):
        run_node(op, [np.zeros(s, np.float32) for s in shapes], attributes)
