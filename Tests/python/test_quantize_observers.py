"""Ranges that `quantize --observer` chooses, against NumPy, against ONNX Runtime's calibrators on the
same numbers, and against a search over all ranges."""

import apus_reader
import numpy as np
import pytest
from harness import operators
from onnxruntime.quantization.calibrate import HistogramCollector
from quantized import quantize
from test_quantize import small_network

SAMPLES = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network whose output is max(x, 0), and inputs with long tails, other ones to each side."""
    folder = tmp_path_factory.mktemp("observers")
    small_network(folder, [[1, 0], [0, 1]])
    x = np.random.default_rng(3).standard_t(3, (SAMPLES, 2, 4)).astype(np.float32)
    np.savez(folder / "x.npz", x=np.where(x < 0, x / 2, x))
    return folder


def numbers(folder):
    x = np.load(folder / "x.npz")["x"]
    return {"x": x, "y": np.maximum(x, 0)}


def ranges(folder, *options):
    """The ranges of x and y, as the scales and zero points in the file say."""
    quantize(
        folder, "net.apus", "--calibrate", "x.npz", "--samples", str(SAMPLES), *options,
        "--no-equalization", "--no-bias-correction",
    )  # fmt: skip
    model = apus_reader.read((folder / "q.apus").read_bytes())
    (node,) = [
        n for n in model.functions["main"].nodes if n.opcode == operators()["QLinearConv"].opcode
    ]
    found = {}
    for name, first in [("x", 1), ("y", 6)]:
        scale, zero = (model.tensors[node.inputs[first + i]].array.astype(float) for i in (0, 1))
        found[name] = (float(-zero * scale), float((255 - zero) * scale))
    return found


def step(found):
    return (found[1] - found[0]) / 255


def collect(name, x, method, symmetric, share=99.9):
    """The range that ONNX Runtime's calibrator of the method chooses."""
    collector = HistogramCollector(method, symmetric, 2048, 128, share, "same")
    collector.collect({name: [x]})
    low, high = collector.compute_collection_result()[name][:2]
    return float(low), float(high)


def test_minmax(folder):
    for name, found in ranges(folder, "--observer", "minmax").items():
        x = numbers(folder)[name]
        np.testing.assert_allclose(found, (x.min(), x.max()), atol=0.51 * step(found))


@pytest.mark.parametrize("share", [99.9, 99, 95])
def test_percentile(folder, share):
    """Half of what is cut off lies at each end; a bin of 2,048 and half a step are no difference."""
    for name, found in ranges(folder, "--observer", "percentile", "--percentile", share).items():
        x = numbers(folder)[name]
        cut, one = (100 - share) / 200, 1.01 / x.size
        near = 0.51 * step(found) + (x.max() - x.min()) / 2048
        for side, limit in [(x, found[1]), (-x, -found[0])][: 2 if x.min() < 0 else 1]:
            assert np.mean(side > limit + near) <= cut + one, (name, limit)
            assert np.mean(side > limit - near) >= cut - one, (name, limit)
        if share < 99.5:
            # ONNX Runtime's bins are those of twice the largest magnitude.
            low, high = collect(name, x, "percentile", False, share)
            tolerance = near + 4 * np.abs(x).max() / 2048
            np.testing.assert_allclose(found, (min(low, 0), high), rtol=0.1, atol=tolerance)


def test_entropy(folder):
    """ONNX Runtime searches over the same divergence on bins around 0: near, but not the same."""
    for name, found in ranges(folder, "--observer", "entropy").items():
        x = numbers(folder)[name]
        low, high = collect(name, x[x != 0], "entropy", True)
        assert found[1] == pytest.approx(high, rel=0.3)


def error(x, low, high):
    scale = (high - low) / 255
    zero = np.rint(-low / scale)
    q = np.clip(np.rint(x / scale) + zero, 0, 255)
    return np.mean((x - scale * (q - zero)) ** 2)


def test_mse(folder):
    """No range has an error that is much smaller."""
    found = ranges(folder, "--observer", "mse")
    for name, x in numbers(folder).items():
        x = x.astype(np.float64)
        least = min(
            error(x, low, high)
            for low in (np.linspace(0.05, 1, 60) * x.min() if x.min() < 0 else [0.0])
            for high in np.linspace(0.05, 1, 60) * x.max()
        )
        assert error(x, *found[name]) < 1.03 * least
        assert error(x, *found[name]) < 1.0001 * error(x, min(x.min(), 0), x.max())
        assert error(x, *found[name]) < 0.1 * error(x, *np.percentile(x, [2.5, 97.5]))


def test_what_is_clipped(folder):
    for share, most in [("100", 1e-9), ("95", 0.06)]:
        report = quantize(
            folder, "net.apus", "--calibrate", "x.npz", "--samples", str(SAMPLES), "--observer",
            "percentile", "--percentile", share, "--no-bias-correction",
        )  # fmt: skip
        (layer,) = report["layers"]
        low, high = ranges(folder, "--observer", "percentile", "--percentile", share)["y"]
        y = numbers(folder)["y"]
        clipped = np.mean(y > high + step((low, high)) / 2)
        assert layer["clipped_share"] == pytest.approx(clipped, abs=0.003) and clipped <= most
        assert share == "100" or clipped > 0.01
