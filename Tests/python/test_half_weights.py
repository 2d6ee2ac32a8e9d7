"""model-convert quantize --weights-only --weights float16: each weight as NumPy rounds it, half of the
file, and the accuracy of the float network."""

import apus_reader
import cli
import numpy as np
import onnx
import pytest
from harness import assert_same_bits
from onnx import TensorProto, helper, numpy_helper
from quantized import (
    LENET, constants, export, quantize, refuse, run_apus, run_onnx, train, write_digits,
)  # fmt: skip

HALVES = ["--weights-only", "--weights", "float16"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("halves")
    write_digits(folder)
    train(folder, LENET, "lenet")
    return folder


def test_lenet(folder):
    report = quantize(folder, "lenet.apus", *HALVES, output="half.apus")
    assert {layer["operator"] for layer in report["layers"]} == {"Conv", "Gemm"}
    size = (folder / "half.apus").stat().st_size
    assert report["int8_bytes"] == size < 0.53 * (folder / "lenet.apus").stat().st_size
    test = np.load(folder / "test.npz")
    (real,) = run_apus(folder / "lenet.apus", {"image": test["x"]})
    (found,) = run_apus(folder / "half.apus", {"image": test["x"]})
    assert np.mean(found.argmax(1) == test["y"]) == np.mean(real.argmax(1) == test["y"]) > 0.97
    np.testing.assert_allclose(found, real, atol=2e-3)
    # The float network with NumPy's float16 in the place of its weights, by ONNX Runtime.
    model = export(folder, "lenet.apus")
    for tensor in model.graph.initializer:
        w = numpy_helper.to_array(tensor)
        if w.dtype == np.float32 and w.size >= 64:
            w = w.astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(w, tensor.name))
    np.testing.assert_allclose(
        found, run_onnx(model, {"image": test["x"]})[0], rtol=1e-4, atol=1e-6)
    assert constants(export(folder, "half.apus")).keys() == constants(model).keys()


def one_weight(folder, w, *options, product=None):
    """x · product + w, imported."""
    factor = [] if product is None else [helper.make_node("Mul", ["x", "p"], ["m"])]
    graph = helper.make_graph(
        [*factor, helper.make_node("Add", ["m" if factor else "x", "w"], ["y"])], "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, w.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, w.shape)],
        [numpy_helper.from_array(a, n) for n, a in [("w", w), ("p", product)] if a is not None],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, folder / "one.onnx")
    result = cli.run("import", "one.onnx", "-o", "one.apus", *options, cwd=folder)
    assert result.code == 0, result.stderr


def test_rounding_is_that_of_numpy(tmp_path):
    """Normal and denormal numbers, ties, the largest, zeros of both signs, infinities and NaN."""
    rng = np.random.default_rng(0)
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = (halves[:-1] + halves[1:]) / 2
    w = np.concatenate([
        halves, ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(1e9)),
        (rng.normal(size=4000) * 10.0 ** rng.uniform(-9, 3, 4000)).astype(np.float32),
        np.float32([65504, 65519.996, 1e-8, 2.0**-25, 2.0**-149, 0, np.inf, np.nan]),
    ])  # fmt: skip
    w = np.concatenate([w, -w]).astype(np.float32)
    one_weight(tmp_path, w)
    quantize(tmp_path, "one.apus", *HALVES)
    (found,) = run_apus(tmp_path / "q.apus", {"x": np.zeros_like(w)})
    wanted = w.astype(np.float16).astype(np.float32) + np.float32(0)
    finite = np.isfinite(wanted)
    assert_same_bits(found[finite], wanted[finite])
    np.testing.assert_array_equal(found, wanted)
    assert (tmp_path / "q.apus").stat().st_size < 2 * w.size + 2000
    file = apus_reader.read((tmp_path / "q.apus").read_bytes())
    (stored,) = [t.stored for t in file.tensors if t.kind == "weight"]
    assert stored.dtype == np.float16
    assert_same_bits(stored[finite], w.astype(np.float16)[finite])


def test_what_float16_cannot_hold(tmp_path):
    w = np.ones(100, np.float32)
    w[3] = 70000
    one_weight(tmp_path, w)
    message = refuse(tmp_path, "one.apus", *HALVES)
    assert "no float32 weight of 64 numbers or more" in message
    w[3] = 65504
    one_weight(tmp_path, w)
    quantize(tmp_path, "one.apus", *HALVES)
    # Beside one that fits.
    w[3] = -65520
    one_weight(tmp_path, w, product=np.full(100, 1 / 3, np.float32))
    (warning,) = quantize(tmp_path, "one.apus", *HALVES)["warnings"]
    assert "weight 'w' reaches 65520.0, float16 65504: it stays in float32" in warning
    (found,) = run_apus(tmp_path / "q.apus", {"x": np.ones_like(w)})
    np.testing.assert_array_equal(found, w + np.float32(np.float16(1 / 3)))


def test_what_float16_cannot_hold_at_import(tmp_path):
    w = np.float32([1e5, 1 / 3] * 800)
    p = np.full(1600, 1 / 3, np.float32)
    one_weight(tmp_path, w, "--weights", "f16", product=p)
    (found,) = run_apus(tmp_path / "one.apus", {"x": np.ones_like(w)})
    np.testing.assert_array_equal(found, w + np.float32(np.float16(1 / 3)))


def test_quantised_from_there(folder):
    """int8 of float16 weights, by calibration, too."""
    quantize(folder, "lenet.apus", *HALVES, output="half.apus")
    report = quantize(folder, "half.apus", "--calibrate", "train.npz", output="int8.apus")
    plain = quantize(folder, "lenet.apus", "--calibrate", "train.npz", output="int8.apus")
    ours, theirs = (
        [(layer["name"], layer["is_integer"]) for layer in r["layers"]] for r in (report, plain)
    )
    assert ours == theirs and any(is_integer for _, is_integer in ours)
    assert "no float32 weight" in refuse(folder, "half.apus", *HALVES)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--weights", "float16", "--calibrate", "train.npz"], "it goes with --weights-only"),
        (["--weights", "float16", "--dynamic"], "it goes with --weights-only"),
        (["--weights-only", "--weights", "per-tensor"], "per-channel or as float16"),
    ],
)
def test_refused(folder, options, message):
    result = cli.run("quantize", "lenet.apus", *options, "-o", "none.apus", cwd=folder)
    assert result.code == 2 and message in result.stderr and not (folder / "none.apus").exists()
