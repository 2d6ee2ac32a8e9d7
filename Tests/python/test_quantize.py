"""model-convert quantize: the scheme against NumPy, the int8 file against ONNX Runtime on its own
export, accuracy on the digits, and data that cannot calibrate a network."""

import apus_reader
import numpy as np
import pytest
from apus_writer import Writer
from harness import add_node, assert_same_bits, operators
from quantized import (
    LENET, constants, export, quantize, refuse, run_apus, run_onnx, tensors, train, write_digits,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The digits, a LeNet-5 that was trained on them, and its int8 form with the defaults."""
    folder = tmp_path_factory.mktemp("quantize")
    write_digits(folder)
    train(folder, LENET, "lenet")
    return folder


@pytest.fixture(scope="module")
def report(folder):
    return quantize(folder, "lenet.apus", "--calibrate", "train.npz", output="int8.apus")


def accuracy(path, x, y):
    (p,) = run_apus(path, {"image": x})
    return np.mean(p.argmax(1) == y)


# MARK: LeNet-5


def test_accuracy_of_lenet(folder, report):
    assert [layer["operator"] for layer in report["layers"] if not layer["is_integer"]] == ["Softmax"]
    for part, least in [("test.npz", 0.97), ("train.npz", 0.98)]:
        data = np.load(folder / part)
        real = accuracy(folder / "lenet.apus", data["x"], data["y"])
        int8 = accuracy(folder / "int8.apus", data["x"], data["y"])
        assert real > least and int8 >= real - 0.003, (part, real, int8)


def test_size_of_the_file(folder, report):
    assert report["float_bytes"] == (folder / "lenet.apus").stat().st_size
    assert report["int8_bytes"] == (folder / "int8.apus").stat().st_size
    assert report["int8_bytes"] <= 0.29 * report["float_bytes"]


def test_against_onnx_runtime(folder, report):
    """The int8 model, exported, computes there what it computes here: but for what the last bit of
    a scale does to a rounding, which is a step of a tensor at most."""
    x = np.load(folder / "test.npz")["x"][:64]
    assert len(layer_inputs(folder, "int8.apus")) == 5
    model = export(folder, "int8.apus")
    (wanted,) = run_onnx(model, {"image": x})
    (found,) = run_apus(folder / "int8.apus", {"image": x})
    # The softmax behind it is in floats, whose last bits differ.
    assert np.mean(~np.isclose(found, wanted, rtol=1e-4)) < 0.05
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_two_runs_write_the_same_file(folder, report):
    quantize(folder, "lenet.apus", "--calibrate", "train.npz", output="again.apus")
    assert (folder / "again.apus").read_bytes() == (folder / "int8.apus").read_bytes()


# MARK: The scheme, against NumPy

PLAIN = ["--observer", "minmax", "--no-equalization", "--no-bias-correction"]


@pytest.fixture(scope="module")
def plain(folder):
    """Without what changes weights, on 40 samples: the report, the constants of the file's layers, and the float network's tensors on these samples by ONNX Runtime."""
    samples = np.load(folder / "train.npz")["x"][:40]
    np.savez(folder / "forty.npz", image=samples)
    report = quantize(
        folder, "lenet.apus", "--calibrate", "forty.npz", *PLAIN, output="plain.apus"
    )
    real = tensors(export(folder, "lenet.apus"), {"image": samples})
    return report, layer_inputs(folder, "plain.apus"), real, samples


def layer_inputs(folder, name):
    """By layer of the file, as the independent reader reads it: the constants among the inputs of its
    QLinearConv or QLinearMatMul; None for the others."""
    model = apus_reader.read((folder / name).read_bytes())
    wanted = [operators()[op].opcode for op in ("QLinearConv", "QLinearMatMul")]
    layers = {
        node.debug_name: [None if i is None else model.tensors[i].array for i in node.inputs]
        for node in model.functions["main"].nodes
        if node.opcode in wanted
    }
    assert layers
    return layers


def asymmetric(low, high, smallest, largest):
    low, high = np.float32(min(low, 0)), np.float32(max(high, 0))
    scale = np.float32((high - low) / np.float32(largest - smallest))
    return scale, np.rint(smallest - low / scale)


def test_scales_are_those_of_the_ranges(folder, plain):
    report, layers, real, samples = plain
    assert set(layers) == {"C1", "C3", "C5", "F6", "OUTPUT"}
    by_shape = {y.shape[1:]: y for y in real.values() if y.dtype == np.float32}
    ranges = {"C1": (6, 28, 28), "C3": (16, 10, 10), "C5": (120, 1, 1), "F6": (84,)}
    for name, shape in ranges.items():
        y = by_shape[shape]
        scale, zero = asymmetric(y.min(), y.max(), 0, 255)
        assert abs(layers[name][6] - scale) <= 1e-6 * scale and layers[name][7] == zero, name
        row = next(r for r in report["layers"] if r["name"] == name)
        assert abs(row["scale"] - scale) <= 1e-6 * scale and row["zero_point"] == zero
        assert row["clipped_share"] == 0
    scale, zero = asymmetric(samples.min(), samples.max(), 0, 255)
    assert layers["C1"][1] == scale and layers["C1"][2] == zero


def test_weights_are_symmetric_by_channel(folder, plain):
    _, layers, _, _ = plain
    real = export(folder, "lenet.apus")
    known = constants(real)
    floats = {n.name: [known.get(i) for i in n.input] for n in real.graph.node}
    for name, inputs in layers.items():
        w, b = floats[name][1], floats[name][2]
        if w.shape[0] != b.size:  # a Gemm that is not transposed
            w = w.T
        q, scale = inputs[3].reshape(w.shape), inputs[4].reshape(-1, *[1] * (w.ndim - 1))
        assert q.dtype == np.int8 and (inputs[5] == 0).all()
        largest = np.abs(w).max(axis=tuple(range(1, w.ndim)), keepdims=True)
        np.testing.assert_allclose(scale, largest / 127, rtol=1e-6)
        np.testing.assert_array_equal(q, np.rint(w / scale))
        assert np.abs(q.astype(int)).max() == 127
        # The bias in steps of the sums.
        steps = inputs[1].astype(np.float64) * inputs[4].astype(np.float64)
        assert inputs[8].dtype == np.int32
        np.testing.assert_allclose(inputs[8] * steps, b, atol=0.51 * steps.max())


def test_one_scale_for_a_tensor(folder):
    quantize(
        folder, "lenet.apus", "--calibrate", "forty.npz", *PLAIN, "--weights", "per-tensor",
        output="tensor.apus",
    )  # fmt: skip
    for inputs in layer_inputs(folder, "tensor.apus").values():
        assert inputs[4].size == 1 and np.abs(inputs[3].astype(int)).max() == 127


def test_signed_activations(folder, plain):
    quantize(
        folder, "lenet.apus", "--calibrate", "forty.npz", *PLAIN, "--activations", "int8",
        output="signed.apus",
    )  # fmt: skip
    unsigned = plain[1]
    for name, inputs in layer_inputs(folder, "signed.apus").items():
        assert inputs[2].dtype == np.int8 and inputs[7].dtype == np.int8
        assert inputs[6] == unsigned[name][6] and inputs[7] == unsigned[name][7].astype(int) - 128
    x = np.load(folder / "test.npz")["x"][:32]
    a, b = (run_apus(folder / f, {"image": x})[0] for f in ("signed.apus", "plain.apus"))
    assert_same_bits(a, b)


def test_kept_layers(folder):
    report = quantize(
        folder, "lenet.apus", "--calibrate", "forty.npz", "--keep-float", "C3", output="kept.apus"
    )
    float_layers = {l["name"]: l["reason"] for l in report["layers"] if not l["is_integer"]}
    assert set(float_layers) == {"C3", "softmax"} and "kept" in float_layers["C3"]
    message = refuse(folder, "lenet.apus", "--calibrate", "forty.npz", "--keep-float", "C4")
    assert "'C4'" in message


# MARK: Data that calibrate nothing


def small_network(folder, w=None, name="net.apus"):
    """y = relu(conv(x, w)): two channels in and two out."""
    writer = Writer()
    if w is None:
        w = np.array([[0.5, -1], [0.25, 2]])
    f = writer.function("main")
    x = f.input("x", "float32", ("batch", 2, 4))
    weight = writer.weight(np.asarray(w, np.float32)[:, :, None], "w")
    (c,) = add_node(f, "Conv", [x, weight], name="conv")
    (y,) = add_node(f, "Relu", [c], name="relu")
    f.output(y, "y", "float32", ("batch", 2, 4))
    (folder / name).write_bytes(writer.to_bytes())
    return name


def samples(count=64):
    return np.random.default_rng(1).normal(size=(count, 2, 4)).astype(np.float32)


def calibrate(folder, x, **others):
    np.savez(folder / "data.npz", x=x, **others)
    return ["--calibrate", "data.npz"]


def test_small_network(tmp_path):
    net = small_network(tmp_path)
    report = quantize(tmp_path, net, *calibrate(tmp_path, samples()))
    assert report["warnings"] == [] and report["samples"] == 64
    real = run_apus(tmp_path / net, {"x": samples()})[0]
    int8 = run_apus(tmp_path / "q.apus", {"x": samples()})[0]
    assert int8.dtype == np.float32 and 0 < np.abs(real - int8).max() < real.max() / 60


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_no_numbers(tmp_path, bad):
    x = samples()
    x[17, 1, 2] = bad
    message = refuse(tmp_path, small_network(tmp_path), *calibrate(tmp_path, x))
    assert "sample 17" in message and "'x'" in message
    assert ("NaN" if np.isnan(bad) else "inf") in message


def test_activations_that_overflow(tmp_path):
    x = samples()
    x[5] = 3e38
    net = small_network(tmp_path, [[3, 3], [1, 1]])
    message = refuse(tmp_path, net, *calibrate(tmp_path, x))
    assert "sample 5" in message and "inf" in message


def test_samples_of_zeros(tmp_path):
    message = refuse(tmp_path, small_network(tmp_path), *calibrate(tmp_path, 0 * samples()))
    assert "zeros" in message
    # One that is not is enough for a range, if not for a good one.
    x = 0 * samples()
    x[3] = 1
    quantize(tmp_path, "net.apus", *calibrate(tmp_path, x))


def test_a_tensor_of_zeros(tmp_path):
    net = small_network(tmp_path, [[-1, -1], [-2, -2]])
    report = quantize(tmp_path, net, *calibrate(tmp_path, np.abs(samples())))
    (warning,) = report["warnings"]
    assert "zero in all samples" in warning


def test_few_samples(tmp_path):
    net = small_network(tmp_path)
    (warning,) = quantize(tmp_path, net, *calibrate(tmp_path, samples(31)))["warnings"]
    assert "31" in warning
    assert not quantize(tmp_path, net, *calibrate(tmp_path, samples(32)))["warnings"]
    (warning,) = quantize(
        tmp_path, net, *calibrate(tmp_path, samples()), "--samples", "8"
    )["warnings"]
    assert "8" in warning
    assert "no calibration samples" in refuse(tmp_path, net, *calibrate(tmp_path, samples(0)))


def test_a_channel_that_drowns_the_others(tmp_path):
    net = small_network(tmp_path, [[1, 0], [0, 2000]])
    x = np.abs(samples())
    report = quantize(tmp_path, net, *calibrate(tmp_path, x), "--no-equalization")
    (warning,) = report["warnings"]
    assert "channel 1" in warning and "steps" in warning or "become zero" in warning
    net = small_network(tmp_path, [[1, 0], [0, 900]])
    assert not quantize(tmp_path, net, *calibrate(tmp_path, np.clip(x, 0.5, 1)))["warnings"]


def test_a_weight_that_drowns_the_others(tmp_path):
    """Known only where the tensor has one scale."""
    net = small_network(tmp_path, [[1e-4, 0], [0, 1]])
    x = calibrate(tmp_path, np.clip(np.abs(samples()), 0.5, 1) * np.float32([[[100], [1]]]))
    assert not quantize(tmp_path, net, *x)["warnings"]
    (warning,) = quantize(tmp_path, net, *x, "--weights", "per-tensor")["warnings"]
    assert "weight 'w'" in warning and "channel 1" in warning


def test_inputs_that_do_not_fit(tmp_path):
    net = small_network(tmp_path)
    np.savez(tmp_path / "wrong.npz", a=samples(), b=samples())
    message = refuse(tmp_path, net, "--calibrate", "wrong.npz")
    assert "'x'" in message and "a, b" in message
    message = refuse(tmp_path, net, *calibrate(tmp_path, samples()[:, :, :3]))
    assert "[64, 2, 3]" in message and "[batch, 2, 4]" in message
    message = refuse(tmp_path, net, *calibrate(tmp_path, samples().astype(np.float64)))
    assert "float64" in message
    message = refuse(tmp_path, net, "--calibrate", "nothing.npz")
    assert "nothing.npz" in message


def test_a_network_that_is_quantised(tmp_path):
    net = small_network(tmp_path)
    quantize(tmp_path, net, *calibrate(tmp_path, samples()))
    assert "quantised already" in refuse(tmp_path, "q.apus", *calibrate(tmp_path, samples()))


def test_a_network_without_layers(tmp_path):
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", ("batch", 2, 4))
    (y,) = add_node(f, "Exp", [x], name="exp")
    f.output(y, "y", "float32", ("batch", 2, 4))
    (tmp_path / "exp.apus").write_bytes(writer.to_bytes())
    assert "no layer" in refuse(tmp_path, "exp.apus", *calibrate(tmp_path, samples()))
