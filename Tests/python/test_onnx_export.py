"""model-convert export: what the checker of the onnx package says of it, and that ONNX Runtime runs
it to the numbers of the library. What was exported can be imported again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import cli
import models
from apus_writer import Writer
from harness import add_node
from onnx_models import apus, convert, model, reference
from test_cli_train import RECIPE, moons, train

RANDOM = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def exported(folder: Path, writer) -> onnx.ModelProto:
    """folder/n.apus, written from `writer` if there is one, as ONNX that the checker accepts."""
    if writer is not None:
        (folder / "n.apus").write_bytes(writer.to_bytes())
    result = cli.run("export", "n.apus", "-o", "n.onnx", cwd=folder)
    assert result.code == 0, result.stderr
    proto = onnx.load(folder / "n.onnx")
    onnx.checker.check_model(proto, full_check=True)
    return proto


def check(folder: Path, writer, inputs: dict, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    """Runs three times; states go through the caller's hands in ONNX and stay in the session here."""
    proto = exported(folder, writer)
    states = [
        pair.split("=") for p in proto.metadata_props if p.key == "apus.states"
        for pair in p.value.split(",")
    ]  # fmt: skip
    back = convert(
        folder, proto, *(a for x, y in states for a in ("--state", f"{x}={y}")))
    assert back.code == 0, back.stderr
    first = apus.Model(str(folder / "n.apus"))
    again = apus.Model(str(folder / "m.apus"))
    assert [x.name for x in again.inputs] == [x.name for x in first.inputs]
    assert [x.name for x in again.outputs] == [x.name for x in first.outputs]
    shapes = {name: array.shape for name, array in inputs.items()}
    sessions = [loaded.session(shapes=shapes) for loaded in (first, again)]
    carried: dict = {}
    for _ in range(3):
        wanted = sessions[0].run(inputs)
        results = reference(proto, {**inputs, **carried})
        carried = {x: results[y] for x, y in states}
        returned = sessions[1].run(inputs)
        for name, array in wanted.items():
            np.testing.assert_allclose(results[name], array, rtol=rtol, atol=atol, err_msg=name)
            np.testing.assert_allclose(returned[name], array, rtol=rtol, atol=atol, err_msg=name)


def test_lenet(tmp_path: Path) -> None:
    check(tmp_path, models.make("lenet"), {"x": normal(3, 1, 32, 32)})


def test_channel_blocks(tmp_path: Path) -> None:
    check(tmp_path, models.make("channel_blocks"), {"x": normal(2, 3, 13, 11)})


def test_char_rnn_with_its_states(tmp_path: Path) -> None:
    tokens = RANDOM.integers(0, 256, (5, 1)).astype(np.int32)
    check(tmp_path, models.make("char_rnn"), {"tokens": tokens}, rtol=1e-4)


def test_states_start_where_they_start(tmp_path: Path) -> None:
    check(tmp_path, models.make("stack"), {"x": normal(8, 16)})


def one_node(op: str, x: np.ndarray, attributes: dict, weights=(), name="y") -> Writer:
    writer = Writer()
    f = writer.function("main")
    i = f.input("x", "float32", x.shape)
    (y,) = add_node(f, op, [i, *(writer.weight(w) for w in weights)], attributes, name="layer")
    f.output(y, name, "float32", ())
    return writer


def shaped(writer: Writer, shape) -> Writer:
    """States the shape of the only output."""
    f = writer.functions[0]
    writer.tensors[f.outputs[0]].shape = tuple(shape)
    return writer


@pytest.mark.parametrize(
    "limits", [(0, None), (0, 6), (-1, 1), (None, 0.5)], ids=["relu", "relu6", "both", "upper"])
@pytest.mark.parametrize("op", ["Conv", "Gemm"])
def test_fused_clips_become_operators(tmp_path: Path, op: str, limits) -> None:
    names = ("activation_minimum", "activation_maximum")
    attributes = {n: float(v) for n, v in zip(names, limits) if v is not None}
    if op == "Conv":
        x, weights, shape = normal(1, 2, 6, 6), [normal(3, 2, 3, 3), normal(3)], (1, 3, 4, 4)
        attributes["kernel_shape"] = [3, 3]
    else:
        x, weights, shape = normal(2, 5), [normal(5, 4), normal(4)], (2, 4)
    check(tmp_path, shaped(one_node(op, x, attributes, weights), shape), {"x": x})


@pytest.mark.parametrize("weighting", ["gaussian", "uniform"])
@pytest.mark.parametrize("shape", [(2, 3, 8, 7), (1, 2, 12)])
def test_local_contrast_normalization_is_taken_apart(tmp_path: Path, weighting, shape) -> None:
    x = normal(*shape)
    attributes = {"size": 5, "weighting": weighting}
    writer = shaped(one_node("LocalContrastNormalization", x, attributes), shape)
    check(tmp_path, writer, {"x": x}, rtol=1e-4)


def test_what_onnx_cannot_say_is_refused_by_name(tmp_path: Path) -> None:
    writer = Writer()
    f = writer.function("main")
    i = f.input("x", "float32", (1, 1, "h", 8))
    (y,) = add_node(f, "LocalContrastNormalization", [i], {"size": 3}, name="contrast")
    f.output(y, "y", "float32", (1, 1, "h", 8))
    (tmp_path / "n.apus").write_bytes(writer.to_bytes())
    result = cli.run("export", "n.apus", "-o", "n.onnx", cwd=tmp_path)
    assert result.code == 1 and "contrast" in result.stderr and "fixed" in result.stderr
    assert not (tmp_path / "n.onnx").exists()


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
def test_activation_lists(tmp_path: Path, op: str) -> None:
    gates, names = {"RNN": (1, "Relu"), "GRU": (3, "Sigmoid,Relu"), "LSTM": (4, "Sigmoid,Tanh,Relu")}[op]
    x = normal(4, 2, 3)
    weights = [normal(1, gates * 5, 3), normal(1, gates * 5, 5) * 0.3]
    writer = one_node(op, x, {"hidden_size": 5, "activations": names}, weights)
    check(tmp_path, shaped(writer, (4, 1, 2, 5)), {"x": x}, rtol=1e-4)


def test_a_trained_model(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE)
    (tmp_path / "moons.csv").write_text(moons(60))
    done = train(tmp_path, "r.yaml", "-o", "n.apus", "--epochs", "1", "--export-onnx", "t.onnx")
    assert done.returncode == 0, done.stderr
    exported(tmp_path, None)
    assert (tmp_path / "t.onnx").read_bytes() == (tmp_path / "n.onnx").read_bytes()
    inputs = {x.name: normal(3, *x.shape[1:]) for x in apus.Model(str(tmp_path / "n.apus")).inputs}
    check(tmp_path, None, inputs)


# Small images for the convolutional recipes: two classes, bright above or bright below.
IMAGES = """\
model: {name: %s}
data:
  reader: csv
  path: images.csv
  label: label
  transforms:
    - reshape: [1, 8, 8]
    - resize: [32, 32]
loss: cross-entropy
optimizer: {name: adam, learning_rate: 0.002}
batch_size: 4
epochs: 1
"""


@pytest.mark.parametrize("name", ["lenet5", "resnet, blocks: 1", "lenet5, connections: full"])
def test_trained_images(tmp_path: Path, name: str) -> None:
    rows = [",".join(f"p{i}" for i in range(64)) + ",label"]
    for k in range(8):
        pixels = RANDOM.random((8, 8)) + np.repeat([[k % 2], [1 - k % 2]], 4, 0)
        rows.append(",".join(f"{p:.3f}" for p in pixels.flat) + f",{k % 2}")
    (tmp_path / "images.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "r.yaml").write_text(IMAGES % name)
    done = train(tmp_path, "r.yaml", "-o", "n.apus")
    assert done.returncode == 0, done.stderr
    inputs = {x.name: normal(2, 1, 32, 32) for x in apus.Model(str(tmp_path / "n.apus")).inputs}
    check(tmp_path, None, inputs, rtol=1e-4)


def test_what_was_imported_can_be_exported(tmp_path: Path) -> None:
    nodes = [
        onnx.helper.make_node("Pad", ["x", "pads"], ["p"], mode="reflect"),
        onnx.helper.make_node("ReduceMean", ["p", "axes"], ["m"], keepdims=0),
        onnx.helper.make_node("Split", ["m"], ["a", "b"], axis=1, num_outputs=2),
        onnx.helper.make_node("Clip", ["a", "", "high"], ["c"]),
        onnx.helper.make_node("Concat", ["b", "c"], ["y"], axis=0),
    ]
    weights = {
        "pads": np.int64([0, 1, 0, 0, 1, 0]), "axes": np.int64([2]), "high": np.float32(0.1)}
    proto = model(nodes, {"x": ("n", 4, 3)}, ["y"], weights)
    assert convert(tmp_path, proto).code == 0
    (tmp_path / "n.apus").write_bytes((tmp_path / "m.apus").read_bytes())
    x = normal(2, 4, 3)
    check(tmp_path, None, {"x": x})
    np.testing.assert_allclose(
        reference(onnx.load(tmp_path / "n.onnx"), {"x": x})["y"], reference(proto, {"x": x})["y"])


def test_bodies_become_graphs(tmp_path: Path) -> None:
    """A loop whose body branches, reads what is around it, and passes a captured tensor on."""
    make = onnx.helper.make_node
    info = onnx.helper.make_tensor_value_info
    floats, outputs = onnx.TensorProto.FLOAT, lambda *names: [onnx.ValueInfoProto(name=n) for n in names]
    then = onnx.helper.make_graph([make("Add", ["v", "x"], ["a"])], "then", [], outputs("a"))
    other = onnx.helper.make_graph([make("Mul", ["v", "w"], ["b"])], "else", [], outputs("b"))
    body = onnx.helper.make_graph(
        [make("Identity", ["go"], ["on"]), make("ReduceSum", ["v"], ["s"], keepdims=0),
         make("Greater", ["s", "zero"], ["big"]),
         make("If", ["big"], ["next"], then_branch=then, else_branch=other)],
        "body",
        [info("i", onnx.TensorProto.INT64, ()), info("go", onnx.TensorProto.BOOL, ()),
         info("v", floats, (3,))],
        outputs("on", "next", "s"))  # fmt: skip
    proto = model(
        [make("Loop", ["m", "", "x"], ["y", "sums"], body=body)], {"x": (3,)}, ["y", "sums"],
        {"m": np.int64(5), "w": normal(3), "zero": np.float32(0)})  # fmt: skip
    result = convert(tmp_path, proto)
    if "Greater" in result.stderr:
        pytest.skip("this runtime has no Greater")
    assert result.code == 0, result.stderr
    (tmp_path / "n.apus").write_bytes((tmp_path / "m.apus").read_bytes())
    x = normal(3)
    check(tmp_path, None, {"x": x})
    wanted, got = (reference(p, {"x": x}) for p in (proto, onnx.load(tmp_path / "n.onnx")))
    np.testing.assert_allclose(got["sums"], wanted["sums"])


@pytest.mark.parametrize("condition", [True, False])
def test_branches_become_graphs(tmp_path: Path, condition: bool) -> None:
    make = onnx.helper.make_node
    then = onnx.helper.make_graph(
        [make("Neg", ["h"], ["a"])], "then", [], [onnx.ValueInfoProto(name="a")])
    other = onnx.helper.make_graph(
        [make("Mul", ["h", "w"], ["b"])], "else", [], [onnx.ValueInfoProto(name="b")])
    proto = model(
        [make("Exp", ["x"], ["h"]), make("If", ["c"], ["y"], then_branch=then, else_branch=other)],
        {"x": (3,), "c": ()}, ["y"], {"w": normal(3)}, types={"c": onnx.TensorProto.BOOL})  # fmt: skip
    assert convert(tmp_path, proto).code == 0
    (tmp_path / "n.apus").write_bytes((tmp_path / "m.apus").read_bytes())
    check(tmp_path, None, {"x": normal(3), "c": np.array(condition)})


# ---- What an import leaves out ------------------------------------------------------------------


def through(folder: Path, proto: onnx.ModelProto, inputs: dict) -> onnx.ModelProto:
    """What is imported and exported again computes the same."""
    assert (result := convert(folder, proto)).code == 0, result.stderr
    (folder / "m.apus").rename(folder / "n.apus")
    again = exported(folder, None)
    wanted, results = reference(proto, inputs), reference(again, inputs)
    assert list(results) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_allclose(results[name], array, rtol=1e-5, atol=1e-6, err_msg=name)
    return again


def graph(nodes, inputs: dict, outputs: str) -> onnx.GraphProto:
    value = onnx.helper.make_tensor_value_info
    return onnx.helper.make_graph(
        nodes, "body", [value(name, *of) for name, of in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs.split()])  # fmt: skip


def with_unread_outputs(op: str) -> onnx.ModelProto:
    node, t = onnx.helper.make_node, onnx.TensorProto
    both = [node("Neg", ["x"], ["p"]), node("Abs", ["x"], ["q"])]
    weights, types, inputs = {}, {}, {"x": (4, 3)}
    if op == "Split":
        nodes = [node(op, ["x", "k"], ["a", "y", "b"], axis=0)]
        weights["k"] = np.int64([1, 2, 1])
    elif op == "TopK":
        nodes = [node(op, ["x", "k"], ["y", "i"])]
        weights["k"] = np.int64([2])
    elif op == "If":
        nodes = [node(op, ["c"], ["a", "y"], then_branch=graph(both, {}, "p q"),
                      else_branch=graph(both, {}, "q p"))]  # fmt: skip
        inputs["c"] = ()
        types["c"] = t.BOOL
    elif op == "Loop":
        body = graph(
            [node("Neg", ["s"], ["p"]), node("Abs", ["s"], ["q"]),
             node("Identity", ["go"], ["on"])],
            {"i": (t.INT64, ()), "go": (t.BOOL, ()), "s": (t.FLOAT, (4, 3))}, "on p q")  # fmt: skip
        nodes = [node(op, ["k", "", "x"], ["a", "y"], body=body)]
        weights["k"] = np.int64(3)
    else:
        body = graph(
            [node("Add", ["s", "e"], ["p"]), node("Abs", ["p"], ["q"])],
            {"s": (t.FLOAT, (3,)), "e": (t.FLOAT, (3,))}, "p q")
        nodes = [node(op, ["k", "x"], ["a", "y"], body=body, num_scan_inputs=1)]
        weights["k"] = np.float32([1, 2, 3])
    return model(nodes, inputs, ["y"], weights, types=types)


@pytest.mark.parametrize("op", ["Split", "TopK", "If", "Loop", "Scan"])
def test_outputs_that_nobody_reads(tmp_path: Path, op: str) -> None:
    """ONNX Runtime crashes or refuses where an output that is not optional has no name."""
    inputs = {"x": normal(4, 3)}
    if op == "If":
        inputs["c"] = np.array(False)
    proto = through(tmp_path, with_unread_outputs(op), inputs)
    written = [node for node in proto.graph.node if node.op_type == op]
    assert [all(n.output) for n in written] == [True]


def test_optional_outputs_stay_left_out(tmp_path: Path) -> None:
    weights = {"w": normal(1, 8, 3), "r": normal(1, 8, 2)}
    nodes = [onnx.helper.make_node("LSTM", ["x", "w", "r"], ["", "y"], hidden_size=2)]
    before = model(nodes, {"x": (4, 1, 3)}, ["y"], weights)
    proto = through(tmp_path, before, {"x": normal(4, 1, 3)})
    assert [list(node.output) for node in proto.graph.node] == [["", "y"]]


@pytest.mark.parametrize("alpha", [1, 1.702])
def test_swish_is_written_for_every_operator_set(tmp_path: Path, alpha: float) -> None:
    node = onnx.helper.make_node
    nodes = [node("Mul", ["x", "k"], ["a"])] if alpha != 1 else []
    nodes += [node("Sigmoid", ["a" if alpha != 1 else "x"], ["s"]), node("Mul", ["x", "s"], ["y"])]
    proto = model(nodes, {"x": (4, 3)}, ["y"], {"k": np.float32(alpha)}, opset=13)
    again = through(tmp_path, proto, {"x": normal(4, 3)})
    assert [n.op_type for n in again.graph.node] == [n.op_type for n in nodes]
    assert again.opset_import[0].version == 21
