"""Resize against the reference implementation of the onnx package and against ONNX Runtime."""

import numpy as np
import pytest
from harness import (
    apus, assert_close, assert_same_bits, random_array, run_node, run_node_everywhere,
)  # fmt: skip
from onnx.reference.ops.op_resize import Resize
from onnx_reference import run_onnx

NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def reference(x, roi, scales, sizes, attributes):
    """What the onnx package computes, axis by axis in float64."""
    defaults = {
        "antialias": 0, "axes": None, "coordinate_transformation_mode": "half_pixel",
        "cubic_coeff_a": -0.75, "exclude_outside": 0, "extrapolation_value": 0.0,
        "keep_aspect_ratio_policy": "stretch", "mode": "nearest",
        "nearest_mode": "round_prefer_floor",
    }  # fmt: skip
    if "axes" in attributes:
        # The package knows no negative axes.
        attributes = {**attributes, "axes": [a % x.ndim for a in attributes["axes"]]}
    node = Resize.__new__(Resize)
    (y,) = Resize._run(node, x, roi, scales, sizes, **{**defaults, **attributes})
    return y


# half_pixel_symmetric lies on elements' centres often, where the package takes the wrong neighbours
# if float64 rounds; pytorch_half_pixel with one element it reads otherwise than the standard's text.
AS_THE_PACKAGE = ["half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]


def random_resize(rng):
    rank = int(rng.integers(1, 5))
    shape = rng.integers(1, 12, rank)
    axes = sorted(rng.permutation(rank)[: rng.integers(1, rank + 1)].tolist())
    out = rng.integers(1, 20, len(axes))
    mode = str(rng.choice(["nearest", "linear", "cubic"]))
    attributes = {
        "mode": mode, "coordinate_transformation_mode": str(rng.choice(AS_THE_PACKAGE)),
    }  # fmt: skip
    if mode == "nearest":
        attributes["nearest_mode"] = str(rng.choice(NEAREST))
    else:
        attributes["antialias"] = int(rng.integers(2))
    if mode == "cubic":
        attributes["cubic_coeff_a"] = float(rng.choice([-0.5, -0.75]))
        attributes["exclude_outside"] = int(rng.integers(2))
    roi = None
    if attributes["coordinate_transformation_mode"] == "tf_crop_and_resize":
        # tf_crop_and_resize with antialias or exclude_outside means little outside of the input
        attributes["antialias"] = attributes["exclude_outside"] = 0
        roi = np.concatenate([
            rng.uniform(-0.2, 0.4, len(axes)), rng.uniform(0.6, 1.2, len(axes))
        ]).astype(np.float32)  # fmt: skip
        attributes["extrapolation_value"] = 7.5
    if len(axes) < rank or rng.integers(2):
        attributes["axes"] = [a - rank if rng.integers(2) else a for a in axes]
    scales = sizes = None
    if rng.integers(2):
        sizes = out.astype(np.int64)
        if rng.integers(3) == 0 and roi is None:
            attributes["keep_aspect_ratio_policy"] = str(rng.choice(["not_larger", "not_smaller"]))
    else:
        # In eighths, so that float32 and float64 agree on which element is nearest.
        scales = np.maximum(1, np.round(8 * out / shape[axes])).astype(np.float32) / 8
        scales = np.maximum(scales, 1 / shape[axes].astype(np.float32)).astype(np.float32)
    return random_array(rng, shape), roi, scales, sizes, attributes


def near_tie(attributes):
    """Nearest elements where float32 and float64 may round apart."""
    return attributes["mode"] == "nearest"


@pytest.mark.parametrize("seed", range(6))
def test_random(seed):
    rng = np.random.default_rng(seed)
    tried = 0
    for _ in range(60):
        x, roi, scales, sizes, attributes = random_resize(rng)
        constants = [1, 2, 3]
        wanted = reference(x, roi, scales, sizes, attributes)
        (y,) = run_node("Resize", [x, roi, scales, sizes], attributes, constants=constants)
        assert y.shape == wanted.shape, (x.shape, attributes)
        if near_tie(attributes):
            # An element on a tie may go either way, all others must be the same.
            assert (y == wanted).mean() > 0.9 or y.size < 40, (x.shape, scales, sizes, attributes)
            tried += int((y == wanted).all())
        else:
            what = f"{x.shape} {scales} {sizes} {attributes}"
            if roi is not None:
                # Whether a coordinate lies just inside is decided in float32.
                assert np.isclose(y, wanted, rtol=1e-4, atol=1e-4).mean() > 0.9 or y.size < 40, what
                continue
            assert_close(y, wanted.astype(np.float32), rtol=2e-5, atol=3e-5, what=what)
    assert tried >= 8


@pytest.mark.parametrize("seed", range(3))
def test_onnx_runtime(seed):
    """The ways that ONNX Runtime and the standard read alike, exactly where elements are copied."""
    rng = np.random.default_rng(100 + seed)
    for _ in range(40):
        n, c, h, w = (int(v) for v in rng.integers(1, 9, 4))
        x = random_array(rng, (n, c, h, w))
        mode = str(rng.choice(["nearest", "linear", "cubic"]))
        attributes = {
            "mode": mode, "coordinate_transformation_mode": str(rng.choice([
                "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric",
                "align_corners"]))}  # fmt: skip
        if mode == "nearest":
            attributes["nearest_mode"] = str(rng.choice(NEAREST))
        sizes = np.array([n, c, *rng.integers(1, 20, 2)], np.int64)
        inputs = [x, None, None, sizes]
        if rng.integers(2) and attributes["coordinate_transformation_mode"] != "align_corners":
            # Where no size changes, ONNX Runtime does nothing, whatever the scales say.
            scales = np.array([1, 1, *rng.choice([0.3, 0.7, 1.7, 2, 2.3, 3.1], 2)], np.float32)
            scales[2:] = np.where(np.floor(scales[2:] * [h, w]) < 1, 2, scales[2:])
            inputs = [x, None, scales]
        (wanted,) = run_onnx("Resize", inputs, attributes, opset=19)
        for threads in (1, 2):
            (y,) = run_node("Resize", inputs, attributes, constants=[2, 3], threads=threads)
            what = f"{x.shape} {inputs[2:]} {attributes}"
            if mode == "nearest":
                assert_same_bits(y, wanted, what)
            else:
                assert_close(y, wanted, rtol=1e-5, atol=1e-5, what=what)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_long_axes(mode):
    """Weights keep a float's precision far along an axis, where coordinates in float32 do not."""
    x = random_array(np.random.default_rng(0), (1, 1, 240, 320))
    sizes = np.array([1, 1, 320, 426], np.int64)
    wanted = reference(x.astype(np.float64), None, None, sizes, {"mode": mode})
    (y,) = run_node("Resize", [x, None, None, sizes], {"mode": mode}, constants=[3])
    assert_close(y, wanted.astype(np.float32), rtol=1e-6, atol=1e-6)


def test_any_type():
    x = np.arange(6).reshape(1, 2, 3)
    for dtype in (np.int8, np.uint8, np.int32, np.int64, bool):
        (y,) = run_node(
            "Resize", [x.astype(dtype), None, np.array([1, 2, 2], np.float32)], {"mode": "nearest"},
            constants=[2])  # fmt: skip
        assert y.dtype == dtype
        assert (y == x.astype(dtype).repeat(2, 1).repeat(2, 2)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_bytes_between_elements(dtype):
    """What the floats are, cut off as ONNX Runtime does it, or rounded; on every kernel module."""
    rng = np.random.default_rng(7)
    info = np.iinfo(dtype)
    for i in range(40):
        shape = [int(v) for v in rng.integers(1, 12, 4)]
        x = rng.integers(info.min, info.max + 1, shape).astype(dtype)
        attributes = {"mode": "linear", "coordinate_transformation_mode": str(
            rng.choice(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]))}  # fmt: skip
        sizes = np.array([*shape[:2], *rng.integers(1, 25, 2)], np.int64)
        inputs = [x, None, None, sizes]
        (real,) = run_node("Resize", [x.astype(np.float32), *inputs[1:]], attributes, constants=[3])
        for round_, wanted in [(0, np.trunc(real)), (1, np.rint(real))]:
            # Where float32 is in doubt.
            edge = np.abs(real - np.rint(real)) if not round_ else np.abs(np.abs(real % 1) - 0.5)
            results = run_node_everywhere(
                "Resize", inputs, attributes | {"round": round_}, constants=[3], threads=(1, 2))
            for (y,) in results.values():
                assert y.dtype == dtype
                apart = np.abs(y.astype(int) - wanted)
                assert apart.max() <= 1 and (apart[edge > 2e-3] == 0).all(), (shape, sizes, attributes)
        (theirs,) = run_onnx("Resize", inputs, attributes, opset=19)
        (y,) = run_node("Resize", inputs, attributes, constants=[3])
        # Theirs cuts off what float32 makes of an integer, too.
        apart = np.abs(y.astype(int) - theirs)
        assert apart.max() <= 1 and (apart[np.abs(real - np.rint(real)) > 2e-3] == 0).all()


def test_bytes_stay_what_they_are():
    """A picture of one colour has it in any size; what lies outside of a region is the value given."""
    for value in range(0, 256, 5):
        x = np.full((1, 2, 5, 7), value, np.uint8)
        (y,) = run_node(
            "Resize", [x, None, None, np.array([1, 2, 13, 11], np.int64)], {"mode": "linear"},
            constants=[3])  # fmt: skip
        assert (y == value).all()
    attributes = {
        "mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize",
        "extrapolation_value": 300.0}  # fmt: skip
    roi = np.array([0, 0, 0, 0.5, 1, 1, 1, 1.5], np.float32)
    (y,) = run_node(
        "Resize", [x, roi, None, np.array([1, 2, 5, 7], np.int64)], attributes, constants=[1, 3])
    assert (y[..., :4] == value).all() and (y[..., 4:] == 255).all()


def test_sizes_of_the_run():
    """Sizes that only the run knows, bounded by what the file states of the output."""
    x = random_array(np.random.default_rng(0), (1, 1, 4, 4))
    (y,) = run_node(
        "Resize", [x, None, None, np.array([1, 1, 8, 6], np.int64)], {"mode": "linear"},
        constants=[3], shapes={0: (1, 1, None, None)})  # fmt: skip
    assert y.shape == (1, 1, 8, 6)


@pytest.mark.parametrize(
    "inputs, attributes, words",
    [
        ([None, [2.0, 2.0], [4, 4]], {}, "both"),
        ([None, [2.0], None], {}, "1 numbers"),
        ([None, None, None], {}, "neither"),
        ([None, [0.0, 1.0], None], {}, "scale"),
        ([None, [np.nan, 1.0], None], {}, "scale"),
        ([None, [1e30, 1.0], None], {}, "scale"),
        ([None, None, [-1, 2]], {}, "sizes"),
        ([None, [1.0, 1.0], None], {"mode": "lanczos"}, "lanczos"),
        ([None, [1.0, 1.0], None], {"mode": "linea"}, "linea"),
        ([None, [1.0, 1.0], None], {"mode": "nearest linear"}, "nearest linear"),
        ([None, [1.0, 1.0], None], {"axes": [0, 0]}, "twice"),
        ([None, [1.0, 1.0], None], {"axes": [0, 2]}, "axis"),
        ([None, None, [2, 2**25]], {}, "too many"),
        ([None, [2.0, 2.0], None], {"coordinate_transformation_mode": "tf_crop_and_resize"}, "roi"),
    ],
)
def test_refused(inputs, attributes, words):
    roi, scales, sizes = inputs
    arrays = [
        np.zeros((2, 3), np.float32),
        None if roi is None else np.asarray(roi, np.float32),
        None if scales is None else np.asarray(scales, np.float32),
        None if sizes is None else np.asarray(sizes, np.int64),
    ]
    with pytest.raises(apus.ApusError, match=words):
        run_node("Resize", arrays, {"mode": "linear", **attributes}, constants=[1, 2, 3])
