"""model-convert quantize --dynamic: recurrent layers get weights of 8 bits; all else stays."""

import json

import cli
import numpy as np
import pytest
from harness import ISAS, Writer, add_node, apus, assert_same_bits, node_writer, random_array
from recurrent_reference import GATES
from test_dynamic_recurrent import integer_inputs
from test_dynamic_recurrent import run as run_integers


def layer(op, rng, d=1, size=40, hidden=64):
    rows = GATES[op] * hidden
    normal = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    inputs = [
        random_array(rng, (6, 2, size)), normal(d, rows, size) / np.float32(6),
        normal(d, rows, hidden) / np.float32(8), normal(d, 2 * rows) / np.float32(10),
        np.array([6, 4], np.int32),
    ]  # fmt: skip
    # A unit whose weights are zeros.
    inputs[1][0, 3] = inputs[2][0, 3] = 0
    return inputs, {"hidden_size": hidden, **({"direction": "bidirectional"} if d == 2 else {})}


def quantize(folder, *more):
    return cli.run("quantize", "net.apus", "--dynamic", "-o", "int8.apus", *more, cwd=folder)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("op", GATES)
def test_a_layer(op, directions, tmp_path):
    """The bits of a layer whose weights NumPy has rounded; near the float layer; a third of the file."""
    rng = np.random.default_rng(2)
    inputs, attributes = layer(op, rng, directions)
    outputs = 3 if op == "LSTM" else 2
    writer = node_writer(op, inputs, attributes, outputs, [1, 2, 3])
    (tmp_path / "net.apus").write_bytes(writer.to_bytes())
    done = quantize(tmp_path, "--json")
    assert done.code == 0, done.stderr
    result = json.loads(done.stdout)
    assert len(result["layers"]) == 1 and f"DynamicQuantize{op}" in result["layers"][0]
    assert result["int8_bytes"] < 0.4 * result["float_bytes"]
    feeds = {"x0": inputs[0], "x4": inputs[4]}
    found = apus.Model((tmp_path / "int8.apus")).session().run(feeds)
    integers, _ = integer_inputs(op, inputs, None, True, True, np.int8)
    for a, b in zip(found.values(), run_integers(op, integers, attributes)):
        assert_same_bits(a, b, op)
    wanted = apus.Model((tmp_path / "net.apus")).session().run(feeds)
    for name in wanted:
        assert np.abs(found[name] - wanted[name]).max() < 0.05


def test_a_network_with_states(tmp_path):
    """Layers in between and states stay what they are."""
    rng = np.random.default_rng(4)
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (1, 1, 30))
    h = writer.state("h", initial=random_array(rng, (1, 1, 50)))
    gru = [random_array(rng, (1, 150, n)) / 5 for n in (30, 50)]
    y, new = add_node(f, "GRU", [x, *map(writer.weight, gru), None, None, h], {"hidden_size": 50}, 2)
    f.update(h, new)
    (y,) = add_node(f, "Squeeze", [y, writer.weight(np.array([1]))])
    (y,) = add_node(f, "MatMul", [y, writer.weight(random_array(rng, (50, 4)))])
    f.output(y, "y", shape=(1, 1, 4))
    (tmp_path / "net.apus").write_bytes(writer.to_bytes())
    assert quantize(tmp_path).code == 0
    sessions = [apus.Model(tmp_path / n).session() for n in ("net.apus", "int8.apus")]
    for _ in range(10):
        x = random_array(rng, (1, 1, 30))
        a, b = (s.run(x)["y"] for s in sessions)
        assert 0 < np.abs(a - b).max() < 0.1


def test_what_is_refused(tmp_path):
    rng = np.random.default_rng(4)
    inputs, attributes = layer("LSTM", rng)
    # Weights that the run brings, and no recurrent layer at all.
    for op, given, constants in [("LSTM", inputs, [1, 3]), ("Relu", inputs[:1], [])]:
        writer = node_writer(op, given, attributes if op == "LSTM" else {}, 1, constants)
        (tmp_path / "net.apus").write_bytes(writer.to_bytes())
        done = quantize(tmp_path)
        assert done.code == 1 and "no RNN, LSTM or GRU" in done.stderr
        assert not (tmp_path / "int8.apus").exists()
    done = quantize(tmp_path, "--calibrate", "x.npy")
    assert done.code != 0 and "--dynamic: it takes no data" in done.stderr
    writer = node_writer("LSTM", inputs, attributes, 1, [1, 2, 3])
    (tmp_path / "net.apus").write_bytes(writer.to_bytes())
    assert quantize(tmp_path).code == 0
    (tmp_path / "int8.apus").rename(tmp_path / "net.apus")
    done = quantize(tmp_path)
    assert done.code == 1 and "it is quantised already" in done.stderr


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("op", ["MatMul", "Gemm"])
def test_dense_layers_of_onnx_runtime(tmp_path, op, per_channel, rows):
    """What its quantize_dynamic makes of a dense layer (DynamicQuantizeLinear, MatMulInteger, Cast, Mul,
    Add) gives its numbers, on every instruction set the same bits."""
    onnx = pytest.importorskip("onnx")
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rng = np.random.default_rng(5)
    w, b = random_array(rng, (150, 67)), random_array(rng, (67,))
    make = onnx.helper.make_node
    nodes = (
        [make("Gemm", ["x", "w", "b"], ["y"])] if op == "Gemm"
        else [make("MatMul", ["x", "w"], ["m"]), make("Add", ["m", "b"], ["y"])]
    )  # fmt: skip
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "g", [info("x", onnx.TensorProto.FLOAT, (rows, 150))],
        [info("y", onnx.TensorProto.FLOAT, (rows, 67))],
        [onnx.numpy_helper.from_array(a, n) for n, a in (("w", w), ("b", b))])  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "float.onnx")
    quantize_dynamic(
        tmp_path / "float.onnx", tmp_path / "net.onnx", per_channel=per_channel,
        weight_type=QuantType.QInt8)
    done = cli.run("import", "net.onnx", "-o", "net.apus", cwd=tmp_path)
    assert done.code == 0, done.stderr
    x = random_array(rng, (rows, 150))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), options)
    (wanted,) = session.run(None, {"x": x})
    found = [apus.Model(tmp_path / "net.apus", isa=isa).session().run(x)["y"] for isa in ISAS]
    for y in found[1:]:
        assert_same_bits(y, found[0], op)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-6, atol=1e-6)
    assert np.abs(found[0] - (x @ w + b)).max() < 0.3
