"""model-convert import against ONNX Runtime: older operator sets, weights of every kind, free
dimensions, states, and the report of what cannot be imported."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import pytest
from onnx import TensorProto, helper, numpy_helper

import cli
from onnx_models import apus, check, convert, imported, model, node, problems, run

RANDOM = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


# ---- Older operator sets ------------------------------------------------------------------------

# Operator, attributes, opset, shape of x: attributes that newer sets made inputs, other defaults.
OLD = [
    ("Squeeze", {"axes": [1, 3]}, 11, (2, 1, 3, 1)),
    ("Unsqueeze", {"axes": [0, 2]}, 9, (2, 3)),
    ("Clip", {"min": -0.5, "max": 0.25}, 8, (3, 4)),
    ("Clip", {"max": 0.25}, 10, (3, 4)),
    ("Pad", {"pads": [0, 1, 2, 0], "value": 1.5}, 9, (2, 3)),
    ("Pad", {"pads": [0, 1, 0, 2], "mode": "edge"}, 10, (2, 3)),
    ("Slice", {"starts": [1, -3], "ends": [3, 100], "axes": [0, 1]}, 9, (4, 5)),
    ("Slice", {"starts": [1], "ends": [2]}, 7, (4, 5)),
    ("ReduceSum", {"axes": [0], "keepdims": 0}, 11, (3, 4)),
    ("ReduceMean", {"axes": [-1]}, 13, (3, 4)),
    ("ReduceL2", {"axes": [0, 1]}, 17, (3, 4)),
    ("ReduceMax", {}, 12, (3, 4)),
    ("Softmax", {}, 11, (2, 3, 4)),
    ("Softmax", {"axis": 0}, 9, (2, 3, 4)),
    ("Softmax", {"axis": -1}, 9, (2, 3, 4)),
    ("LogSoftmax", {"axis": 1}, 12, (2, 3, 1)),
    ("Softmax", {"axis": 1}, 8, (2, 1, 4)),
    ("Dropout", {"ratio": 0.3}, 10, (3, 4)),
    ("Upsample", {"scales": [1.0, 1.0, 2.0, 3.0], "mode": "nearest"}, 7, (1, 2, 3, 4)),
]


@pytest.mark.parametrize("op, attributes, opset, shape", OLD)
def test_old_attributes(tmp_path: Path, op, attributes, opset, shape) -> None:
    if op == "Upsample" and "Resize" not in operator_names(tmp_path):
        pytest.skip("this runtime has no Resize")
    proto = model([node(op, "x", "y", **attributes)], {"x": shape}, ["y"], opset=opset)
    check(tmp_path, proto, {"x": normal(*shape)})


def operator_names(folder: Path) -> str:
    return cli.run("operators", "--markdown", cwd=folder).stdout


def test_old_split(tmp_path: Path) -> None:
    for attributes in ({"split": [1, 3], "axis": 1}, {"axis": 1}):
        proto = model([node("Split", "x", "a b", **attributes)], {"x": (2, 4)}, ["a", "b"], opset=11)
        check(tmp_path, proto, {"x": normal(2, 4)})


def test_coerced_softmax_keeps_the_batch_free(tmp_path: Path) -> None:
    proto = model([node("Softmax", "x")], {"x": ("n", 3, 4)}, ["y"], opset=11)
    loaded = check(tmp_path, proto, {"x": normal(5, 3, 4)})
    assert loaded.inputs[0].shape[1:] == loaded.outputs[0].shape[1:] == (3, 4)


def test_old_batch_normalization(tmp_path: Path) -> None:
    weights = {n: np.abs(normal(3)) + 0.1 for n in ("s", "b", "m", "v")}

    def of(outputs: str) -> onnx.ModelProto:
        nodes = [node("BatchNormalization", "x s b m v", outputs, epsilon=1e-3, momentum=0.8)]
        return model(nodes, {"x": (2, 3, 4)}, ["y"], weights, opset=9)

    check(tmp_path, of("y"), {"x": normal(2, 3, 4)})
    assert "only training computes" in problems(tmp_path, of("y m2 v2 m3 v3"))[1]


def test_group_normalization_of_opset_18(tmp_path: Path) -> None:
    x, s, b = normal(2, 4, 3), normal(2), normal(2)
    proto = model(
        [node("GroupNormalization", "x s b", num_groups=2)], {"x": x.shape}, ["y"],
        {"s": s, "b": b}, opset=18)  # fmt: skip
    groups = x.reshape(2, 2, -1)
    y = groups - groups.mean(-1, keepdims=True)
    y /= np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    y = y * s[:, None] + b[:, None]
    check(tmp_path, proto, {"x": x}, wanted={"y": y.reshape(x.shape)}, rtol=1e-4)


# ---- Weights ------------------------------------------------------------------------------------

STORED = [
    ("float32", False), ("float32", True), ("float16", False), ("float16", True),
    ("float64", False), ("float64", True), ("int64", False), ("int32", False), ("int64", True),
]  # fmt: skip


@pytest.mark.parametrize("dtype, raw", STORED)
def test_initializers(tmp_path: Path, dtype: str, raw: bool) -> None:
    """raw_data and the typed fields; what is not float32 is cast first."""
    w = np.array([[1, -2], [3, 40]]).astype(dtype)
    code = helper.np_dtype_to_tensor_dtype(w.dtype)
    data = w.tobytes() if raw else w.flatten().tolist()
    tensor = helper.make_tensor("w", code, w.shape, data, raw=raw)
    assert tensor.HasField("raw_data") == raw
    nodes = [node("Cast", "w", "f", to=TensorProto.FLOAT), node("Add", "x f")]
    proto = model(nodes, {"x": (2, 2)}, ["y"])
    proto.graph.initializer.append(tensor)
    check(tmp_path, proto, {"x": normal(2, 2)})


def test_bfloat16_initializer(tmp_path: Path) -> None:
    w = np.array([1.5, -0.25], np.float32)
    bits = (w.view(np.uint32) >> 16).astype(np.uint16)
    tensor = onnx.TensorProto(
        name="w", data_type=TensorProto.BFLOAT16, dims=[2], raw_data=bits.tobytes())
    proto = model([node("Cast", "w", "f", to=TensorProto.FLOAT), node("Add", "x f")], {"x": (2,)}, ["y"])
    proto.graph.initializer.append(tensor)
    x = normal(2)
    check(tmp_path, proto, {"x": x}, wanted={"y": x + w})


def test_half_weights(tmp_path: Path) -> None:
    w = normal(64, 64)
    proto = model([node("MatMul", "x w")], {"x": (1, 64)}, ["y"], {"w": w})
    x = normal(1, 64)
    check(
        tmp_path, proto, {"x": x}, "--weights", "f16",
        wanted={"y": x @ w.astype(np.float16).astype(np.float32)}, rtol=1e-4, atol=1e-5)  # fmt: skip
    small = (tmp_path / "m.apus").stat().st_size
    imported(tmp_path, proto)
    assert (tmp_path / "m.apus").stat().st_size - small == 64 * 64 * 2


def test_constants_and_constant_arithmetic_are_folded(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        helper.make_node("Constant", [], ["a"], value=numpy_helper.from_array(np.float32([1, 2]))),
        node("Mul", "two a", "b"), node("Exp", "b", "c"), node("Identity", "c", "d"),
        node("Add", "x d"),
    ]  # fmt: skip
    check(tmp_path, model(nodes, {"x": (2,)}, ["y"]), {"x": normal(2)})
    result = cli.run("inspect", "m.apus", "--json", cwd=tmp_path)
    assert result.stdout.count('"Add"') >= 1 and '"Exp"' not in result.stdout


def test_shape_arithmetic_of_a_known_shape_is_folded(tmp_path: Path) -> None:
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Unsqueeze", "n zeros", "n1"),
        node("Concat", "n1 rest", "t", axis=0), node("Reshape", "x t"),
    ]  # fmt: skip
    weights = {"zero": np.int64(0), "zeros": np.int64([0]), "rest": np.int64([-1])}
    check(tmp_path, model(nodes, {"x": (2, 3, 4)}, ["y"], weights), {"x": normal(2, 3, 4)})


def test_a_shape_that_only_the_run_knows(tmp_path: Path) -> None:
    """The shape that the model states of the output is the bound of its memory."""
    proto = model([node("Reshape", "x s", "h"), node("Relu", "h")], {"x": (2, 6), "s": (2,)}, [],
                  types={"s": TensorProto.INT64})  # fmt: skip
    proto.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, (4, 3)))
    assert "input 1 must be a constant" in problems(tmp_path, proto)[1]
    proto.graph.value_info.append(helper.make_tensor_value_info("h", TensorProto.FLOAT, (4, 3)))
    session = imported(tmp_path, proto).session()
    x = normal(2, 6)
    for shape in ((4, 3), (3, 4), (12, 1)):
        y = session.run({"x": x, "s": np.int64(shape)})["y"]
        np.testing.assert_array_equal(y, np.maximum(x, 0).reshape(shape))


# ---- External data ------------------------------------------------------------------------------


def external(folder: Path, location: str, **more: str) -> onnx.ModelProto:
    proto = model([node("Add", "x w")], {"x": (4,)}, ["y"])
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    proto.graph.initializer.append(tensor)
    return proto


def test_external_data(tmp_path: Path) -> None:
    w, x = normal(4), normal(4)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "w.bin").write_bytes(bytes(64) + w.tobytes())
    for more in ({"offset": "64", "length": "16"}, {"offset": "64"}):
        check(tmp_path, external(tmp_path, "parts/w.bin", **more), {"x": x}, wanted={"y": x + w})


def test_external_data_stays_in_the_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    os.symlink(secret, folder / "link.bin")
    os.symlink(tmp_path, folder / "up")
    for location in ("../secret.bin", str(secret), "link.bin", "up/secret.bin", "a/../../secret.bin", ""):
        text = "\n".join(problems(folder, external(folder, location)))
        assert "tensor w" in text and "folder" in text, location
    text = "\n".join(problems(folder, external(folder, "nothing.bin")))
    assert "not there" in text


@pytest.mark.parametrize("more", [{"offset": "8"}, {"length": "12"}, {"offset": "-4"}, {"length": "x"},
                                  {"offset": "9223372036854775807"}])  # fmt: skip
def test_external_data_of_wrong_size(tmp_path: Path, more) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    assert "tensor w" in "\n".join(problems(tmp_path, external(tmp_path, "w.bin", **more)))


# ---- Inputs, outputs, shapes --------------------------------------------------------------------


def test_free_dimensions_stay_free_by_name(tmp_path: Path) -> None:
    proto = model([node("Relu", "x")], {"x": ("batch", 3, None)}, ["y"])
    check(tmp_path, proto, {"x": normal(2, 3, 5)})
    text = cli.run("inspect", "m.apus", "--json", cwd=tmp_path).stdout
    assert '"batch"' in text


def test_input_shape_binds(tmp_path: Path) -> None:
    proto = model([node("Relu", "x")], {"x": ("batch", 3)}, ["y"])
    loaded = imported(tmp_path, proto, "--input-shape", "x=4,3")
    assert loaded.inputs[0].shape == (4, 3) and loaded.outputs[0].shape == (4, 3)
    assert "--input-shape says [4, 2]" in problems(tmp_path, proto, "--input-shape", "x=4,2")[1]
    assert "no input of this name" in problems(tmp_path, proto, "--input-shape", "z=4,3")[1]


def test_input_value_binds(tmp_path: Path) -> None:
    proto = model([node("Add", "x z")], {"x": (3,), "z": (3,)}, ["y"])
    z, x = normal(3), normal(3)
    np.save(tmp_path / "z.npy", z)
    loaded = imported(tmp_path, proto, "--input-value", "z=z.npy")
    assert [i.name for i in loaded.inputs] == ["x"]
    np.testing.assert_allclose(run(loaded, {"x": x})["y"], x + z)


def test_outputs_that_are_inputs_or_weights(tmp_path: Path) -> None:
    w = normal(2)
    proto = model(
        [node("Identity", "x", "same"), node("Identity", "w", "constant"), node("Relu", "x", "r"),
         node("Identity", "r", "again")],
        {"x": (2,)}, ["same", "constant", "r", "again"], {"w": w})  # fmt: skip
    check(tmp_path, proto, {"x": normal(2)})


def test_metadata(tmp_path: Path) -> None:
    proto = model([node("Relu", "x")], {"x": (2,)}, ["y"])
    proto.producer_name, proto.producer_version = "pytorch", "2.9"
    proto.metadata_props.add(key="labels", value="a\nb")
    imported(tmp_path, proto)
    text = cli.run("inspect", "m.apus", "--json", cwd=tmp_path).stdout
    assert "pytorch 2.9" in text and '"onnx_opset"' in text and "a\\nb" in text


def test_float16_model_is_computed_in_float32(tmp_path: Path) -> None:
    types = {"x": TensorProto.FLOAT16}
    w = normal(2).astype(np.float16)
    proto = model([node("Add", "x w")], {"x": (2,)}, ["y"], {"w": w}, types=types)
    result = convert(tmp_path, proto)
    assert result.code == 0 and "x is float16 in the ONNX model and float32 here" in result.stderr


# ---- States -------------------------------------------------------------------------------------


def lstm_with_state() -> onnx.ModelProto:
    weights = {"w": normal(1, 12, 2), "r": normal(1, 12, 3)}
    nodes = [node("LSTM", "x w r - - h0 c0", "y hn cn", hidden_size=3)]
    shapes = {"x": (1, 1, 2), "h0": (1, 1, 3), "c0": (1, 1, 3)}
    return model(nodes, shapes, ["y", "hn", "cn"], weights)


def test_state(tmp_path: Path) -> None:
    from onnx_models import reference

    proto = lstm_with_state()
    loaded = imported(tmp_path, proto, "--state", "h0=hn", "--state", "c0=cn")
    assert [i.name for i in loaded.inputs] == ["x"] and [o.name for o in loaded.outputs] == ["y"]
    session = loaded.session()
    h = c = np.zeros((1, 1, 3), np.float32)
    for _ in range(4):
        x = normal(1, 1, 2)
        wanted = reference(proto, {"x": x, "h0": h, "c0": c})
        np.testing.assert_allclose(session.run({"x": x})["y"], wanted["y"], rtol=1e-5, atol=1e-6)
        h, c = wanted["hn"], wanted["cn"]


def test_kept_outputs(tmp_path: Path) -> None:
    """What only other outputs need, and cannot be imported, does not stand in the way; an inner tensor
    can be an output."""
    zipped = helper.make_node(
        "ZipMap", ["p"], ["map"], domain="ai.onnx.ml", classlabels_int64s=[1, 2])
    nodes = [
        node("MatMul", "x w", "h"), node("Softmax", "h", "p"), node("Sub", "p t", "loss"), zipped,
    ]  # fmt: skip
    proto = model(nodes, {"x": ("n", 3), "t": ("n", 2)}, ["loss", "map"], {"w": normal(3, 2)},
                  domains=["ai.onnx.ml"])  # fmt: skip
    assert any("ZipMap" in line for line in problems(tmp_path, proto))
    loaded = imported(tmp_path, proto, "--keep-output", "p", "--keep-output", "h")
    assert [x.name for x in loaded.inputs] == ["x"]
    x = normal(4, 3)
    h = x @ onnx.numpy_helper.to_array(proto.graph.initializer[0])
    results = run(loaded, {"x": x})
    assert list(results) == ["p", "h"]
    np.testing.assert_allclose(results["h"], h, rtol=1e-5)
    np.testing.assert_allclose(results["p"], np.exp(h) / np.exp(h).sum(1, keepdims=True), rtol=1e-5)
    report = problems(tmp_path, proto, "--keep-output", "q")
    assert any("output q: no node writes it" in line and "loss, map" in line for line in report)


@pytest.mark.parametrize(
    "state, said",
    [("h=hn", "no input of this name"), ("h0=h", "no output h"), ("h0=y", "y float32 [1, 1, 1, 3]")])
def test_wrong_states(tmp_path: Path, state: str, said: str) -> None:
    assert said in "\n".join(problems(tmp_path, lstm_with_state(), "--state", state))


# ---- The report ---------------------------------------------------------------------------------


def unsupported() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Det", ["x"], ["a"], name="det"),
        helper.make_node("Relu", ["a"], ["b"], name="fine"),
        helper.make_node("Gelu", ["b"], ["c"], name="ms", domain="com.microsoft"),
        helper.make_node("StringSplit", ["s"], ["t", "u"], name="split"),
        helper.make_node("Bernoulli", ["never"], ["unused"], name="dead"),
        helper.make_node("LeakyRelu", ["x"], ["d"], name="strange", slope=2.0),
        helper.make_node("Add", ["c", "missing"], ["e"], name="add"),
    ]
    return model(
        nodes, {"x": (2, 2), "s": (2,)}, ["e", "t", "d"], types={"s": TensorProto.STRING})


def test_the_report_names_everything_at_once(tmp_path: Path) -> None:
    lines = problems(tmp_path, unsupported())
    assert len(lines) == 7, lines
    assert "6 problems, 5 of its 6 nodes cannot be imported" in lines[0]
    assert "input s: string tensors are not supported" in lines[1]
    assert "node Det det" in lines[2] and "no operator of this name" in lines[2]
    assert "node Gelu ms" in lines[3] and "com.microsoft" in lines[3]
    assert "node StringSplit split" in lines[4] and "outside of the model" in lines[4]
    assert "node LeakyRelu strange" in lines[5] and "slope" in lines[5]
    assert "node Add add" in lines[6] and "missing" in lines[6]


def test_check_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(unsupported().SerializeToString())
    result = cli.run("import", "m.onnx", "--check", cwd=tmp_path)
    assert result.code == 1 and result.stderr.count("\n") == 7
    good = model([node("Relu", "x")], {"x": (2,)}, ["y"])
    (tmp_path / "m.onnx").write_bytes(good.SerializeToString())
    result = cli.run("import", "m.onnx", "--check", cwd=tmp_path)
    assert result.code == 0 and "can be imported" in result.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "m.onnx"]


def test_sparse_initializers_and_new_opsets_are_refused(tmp_path: Path) -> None:
    proto = model([node("Add", "x w")], {"x": (4,)}, ["y"])
    values = helper.make_tensor("w", TensorProto.FLOAT, [1], [3.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [2])
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    assert "sparse" in problems(tmp_path, proto)[1]
    proto = model([node("Relu", "x")], {"x": (4,)}, ["y"], opset=99)
    assert "opset 99" in problems(tmp_path, proto)[0]


# ---- Functions and branches ---------------------------------------------------------------------


def test_functions_of_the_model_are_inlined(tmp_path: Path) -> None:
    scale = helper.make_node("LeakyRelu", ["a"], ["b"])
    attribute = scale.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT)
    attribute.ref_attr_name = "slope"
    inner = helper.make_function(
        "mine", "Inner", ["a"], ["b"], [scale], [helper.make_opsetid("", 21)], ["slope"])
    outer = helper.make_function(
        "mine", "Outer", ["p", "q"], ["r"],
        [helper.make_node("Inner", ["p"], ["s"], domain="mine", slope=0.5),
         helper.make_node("Add", ["s", "q"], ["r"])],
        [helper.make_opsetid("", 21), helper.make_opsetid("mine", 1)])  # fmt: skip
    nodes = [
        helper.make_node("Outer", ["x", "x"], ["h"], domain="mine"),
        helper.make_node("Outer", ["h", "x"], ["y"], domain="mine"),
    ]
    proto = model(
        nodes, {"x": (3,)}, ["y"], functions=[inner, outer], domains=["mine"])
    check(tmp_path, proto, {"x": normal(3)})


def test_a_branch_whose_condition_is_known_is_taken(tmp_path: Path) -> None:
    def branch(op: str) -> onnx.GraphProto:
        return helper.make_graph([node(op, "x", "z")], op, [], [onnx.ValueInfoProto(name="z")])

    nodes = [node("If", "c", "h", then_branch=branch("Relu"), else_branch=branch("Neg")),
             node("Add", "h x")]  # fmt: skip
    proto = model(nodes, {"x": (3,)}, ["y"], {"c": np.array(False)})
    x = normal(3)
    check(tmp_path, proto, {"x": x}, wanted={"y": -x + x})


# ---- Control flow -------------------------------------------------------------------------------


def body(nodes, inputs, outputs) -> onnx.GraphProto:
    def info(name: str, type_: int, shape) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, type_, shape)

    return helper.make_graph(
        nodes, "body", [info(*i) for i in inputs], [onnx.ValueInfoProto(name=n) for n in outputs])


def test_if_reads_what_is_around_it(tmp_path: Path) -> None:
    then = body([node("Relu", "h", "a"), node("Mul", "a w", "b")], [], ["b"])
    other = body([node("Sub", "w x", "d")], [], ["d"])
    nodes = [node("Neg", "x", "h"), node("If", "c", "r", then_branch=then, else_branch=other),
             node("Add", "r x")]  # fmt: skip
    proto = model(nodes, {"x": (2, 3), "c": ()}, ["y"], {"w": normal(3)},
                  types={"c": TensorProto.BOOL})  # fmt: skip
    for c in (True, False):
        check(tmp_path, proto, {"x": normal(2, 3), "c": np.array(c)})


def test_loop_carries_captures_and_stacks(tmp_path: Path) -> None:
    inner = body(
        [node("Identity", "go", "on"), node("Mul", "v x", "p"), node("Add", "p w", "next"),
         node("ReduceSum", "next", "s", keepdims=0)],
        [("i", TensorProto.INT64, ()), ("go", TensorProto.BOOL, ()), ("v", TensorProto.FLOAT, (3,))],
        ["on", "next", "s"])  # fmt: skip
    proto = model(
        [node("Loop", "m - v0", "last sums", body=inner)], {"x": (3,), "v0": (3,)},
        ["last", "sums"], {"m": np.int64(4), "w": normal(3)})  # fmt: skip
    check(tmp_path, proto, {"x": normal(3), "v0": normal(3)}, rtol=1e-4)


def test_scan(tmp_path: Path) -> None:
    inner = body(
        [node("Add", "s x", "t"), node("Mul", "t w", "u")],
        [("s", TensorProto.FLOAT, (2,)), ("x", TensorProto.FLOAT, (2,))], ["t", "u"])  # fmt: skip
    proto = model(
        [node("Scan", "s0 xs", "last all", body=inner, num_scan_inputs=1)],
        {"s0": (2,), "xs": ("n", 2)}, ["last", "all"], {"w": normal(2)})  # fmt: skip
    check(tmp_path, proto, {"s0": normal(2), "xs": normal(5, 2)})


# ---- Values that only a run knows, of which a bound follows -------------------------------------

# Operator, attributes, shape of x, values of the other input, outputs.
LATE = [
    ("ReduceSum", {}, (3, 4, 5), [np.int64([1]), np.int64([-1])], 1),
    ("ReduceSum", {"keepdims": 0}, (3, 4, 5), [np.int64([0]), np.int64([2])], 1),
    ("ReduceMax", {"keepdims": 0}, (3, 4, 5), [np.int64([0, 2]), np.int64([1, 2])], 1),
    ("TopK", {}, (3, 7), [np.int64([2]), np.int64([7]), np.int64([0])], 2),
    ("Split", {"axis": 1}, (2, 6), [np.int64([1, 5]), np.int64([6, 0]), np.int64([3, 3])], 2),
]


@pytest.mark.parametrize("op, attributes, shape, values, outputs", LATE)
def test_a_bound_follows_where_a_run_decides(
    tmp_path: Path, op, attributes, shape, values, outputs
) -> None:
    names = [f"y{i}" for i in range(outputs)]
    nodes = [node(op, "x v", " ".join(names), **attributes), node("Neg", "y0", "z")]
    proto = model(
        nodes, {"x": shape, "v": values[0].shape}, names + ["z"], types={"v": TensorProto.INT64})
    for value in values:
        check(tmp_path, proto, {"x": normal(*shape), "v": value}, rtol=1e-4)


def test_a_slice_that_the_run_decides(tmp_path: Path) -> None:
    proto = model(
        [node("Slice", "x from to axes steps"), node("Neg", "y", "z")],
        {"x": (5, 6), "from": (2,), "to": (2,), "steps": (2,)}, ["y", "z"],
        {"axes": np.int64([1, 0])},
        types=dict.fromkeys(["from", "to", "steps"], TensorProto.INT64))  # fmt: skip
    ranges = [
        ((0, 0), (6, 5), (1, 1)), ((-2, 4), (9, -9), (1, -1)), ((3, 3), (1, 9), (1, 2)),
    ]  # fmt: skip
    for start, end, step in ranges:
        check(tmp_path, proto, {
            "x": normal(5, 6), "from": np.int64(start), "to": np.int64(end), "steps": np.int64(step)
        })  # fmt: skip


@pytest.mark.parametrize("length, fits", [(3, True), (2, False)])
def test_a_loop_whose_values_must_be_of_one_shape(tmp_path: Path, length, fits) -> None:
    """x[0:n], which the body states as 3 long, is stacked."""
    inner = body(
        [node("Identity", "go", "on"), node("Slice", "x zero n", "part")],
        [("i", TensorProto.INT64, ()), ("go", TensorProto.BOOL, ())], ["on", "part"])  # fmt: skip
    inner.output[1].CopyFrom(
        onnx.helper.make_tensor_value_info("part", TensorProto.FLOAT, (3,)))
    proto = model(
        [node("Loop", "m -", "parts", body=inner)], {"x": (5,), "n": (1,)}, ["parts"],
        {"m": np.int64(2), "zero": np.int64([0])}, types={"n": TensorProto.INT64})  # fmt: skip
    x, n = normal(5), np.int64([length])
    if fits:
        check(tmp_path, proto, {"x": x, "n": n}, wanted={"parts": np.stack([x[:3]] * 2)})
        return
    with pytest.raises(apus.ApusError, match=r"a body's value is \[2\], not the \[3\]") as e:
        run(imported(tmp_path, proto), {"x": x, "n": n})
    assert e.value.status == apus.Status.INVALID_SHAPE


# ---- What is not of today's operator sets -------------------------------------------------------


def test_scan_of_opset_8_runs_over_the_second_axis(tmp_path: Path) -> None:
    """What is right is written out: ONNX Runtime's own Scan of opset 8 takes no directions."""
    inner = body(
        [node("Add", "s x", "t"), node("Mul", "t w", "u")],
        [("s", TensorProto.FLOAT, (2,)), ("x", TensorProto.FLOAT, (2,))], ["t", "u"])  # fmt: skip
    w = normal(2)
    proto = model(
        [node("Scan", "- s0 xs", "last all", body=inner, num_scan_inputs=1, directions=[1])],
        {"s0": (3, 2), "xs": (3, 5, 2)}, ["last", "all"], {"w": w}, opset=8)  # fmt: skip
    s0, xs = normal(3, 2), normal(3, 5, 2)
    sums = s0[:, None] + np.cumsum(xs[:, ::-1], axis=1)
    check(tmp_path, proto, {"s0": s0, "xs": xs}, rtol=1e-4,
          wanted={"last": sums[:, -1], "all": sums * w})  # fmt: skip


def test_dropout_in_training_mode(tmp_path: Path) -> None:
    """With a seed, the mask that the ONNX reference implementation draws; without one, refused."""
    ratio, yes = np.float32(0.3), np.array(True)
    x = normal(40, 25)
    proto = model([node("Dropout", "x r t", "y m", seed=7)], {"x": x.shape}, ["y", "m"],
                  {"r": ratio, "t": yes})  # fmt: skip
    y, mask = onnx.reference.ReferenceEvaluator(proto).run(None, {"x": x})
    check(tmp_path, proto, {"x": x}, wanted={"y": y, "m": mask})
    proto = model([node("Dropout", "x r t")], {"x": x.shape}, ["y"], {"r": ratio, "t": yes})
    assert "without a seed" in "\n".join(problems(tmp_path, proto))


# ---- Damaged files ------------------------------------------------------------------------------


def test_damaged_files_are_errors(tmp_path: Path) -> None:
    whole = model(
        [node("Gemm", "x w b", transB=1), node("Softmax", "y", "z")], {"x": ("n", 4)}, ["z"],
        {"w": normal(3, 4), "b": normal(3)}).SerializeToString()  # fmt: skip
    random = np.random.default_rng(3)
    codes = set()
    for i in range(60):
        data = bytearray(whole[: random.integers(1, len(whole))] if i % 3 == 0 else whole)
        for _ in range(random.integers(1, 4)):
            data[random.integers(len(data))] = random.integers(256)
        codes.add(convert(tmp_path, bytes(data)).code)
    assert codes <= {0, 1}


def test_files_of_2_gib_are_refused(tmp_path: Path) -> None:
    """The file is a hole: protobuf's own limit is checked before anything is read."""
    with open(tmp_path / "m.onnx", "wb") as file:
        file.truncate(1 << 31)
    report = "\n".join(problems(tmp_path, None))
    assert "2.00 GiB" in report and "external data" in report


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    """Graphs in attributes in nodes in graphs …: a recursive reader would run out of stack."""
    data = b""
    for _ in range(20_000):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # g of an attribute, attribute of a node, node
            data = tag + varint(len(data)) + data
    whole = b"\x08\x0a\x42\x02\x10\x15\x3a" + varint(len(data)) + data
    assert "nested" in problems(tmp_path, whole)[0]


def varint(n: int) -> bytes:
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])
