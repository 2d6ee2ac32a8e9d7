"""model-convert quantize --inputs and --outputs: integers at the ends, which are what stood between
QuantizeLinear and DequantizeLinear, with a scale and a zero point that every binding tells."""

import json

import cli
import numpy as np
import onnx
import pytest
from apus_writer import Writer
from harness import ISAS, add_node, apus, assert_same_bits
from onnx import TensorProto, helper, numpy_helper
from quantized import (
    import_fixture, quantize, refuse, run_apus, run_onnx, train, write_digits,
)  # fmt: skip
from quantized_networks import mobilenet_v1_of_224
from test_quantize_accuracy import CHARACTERS, DEPTHWISE

TYPES = ["uint8", "int8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The depthwise network, and its int8 form with floats at both ends."""
    folder = tmp_path_factory.mktemp("ends")
    write_digits(folder, 16)
    import_fixture(folder, "depthwise")
    quantize(folder, *DEPTHWISE, output="int8.apus")
    return folder


def images(folder):
    return np.load(folder / "test.npz")["x"]


def integers(x, end):
    """As NumPy rounds: halves to even."""
    limits = np.iinfo(end.dtype)
    q = np.rint(x / np.float32(end.scale)) + end.zero_point
    return np.clip(q, limits.min, limits.max).astype(end.dtype)


def real(q, end):
    return np.float32(end.scale) * (q.astype(np.float32) - end.zero_point)


def ends(path):
    with apus.Model(path) as model:
        (x,), (y,) = model.inputs, model.outputs
        return x, y


def layers(folder, model):
    result = cli.run("inspect", model, "--json", cwd=folder)
    assert result.code == 0, result.stderr
    return [layer["operator"] for layer in json.loads(result.stdout)["layers"]]


def both(folder, *options, model=DEPTHWISE):
    report = quantize(folder, *model, *options)
    return ends(folder / "q.apus"), report


@pytest.mark.parametrize("result", TYPES)
@pytest.mark.parametrize("given", TYPES)
def test_the_same_bits_without_the_pairs(folder, given, result):
    (x, y), report = both(folder, "--inputs", given, "--outputs", result)
    assert (x.dtype, y.dtype) == (given, result)
    for end, (told,) in [(x, report["inputs"]), (y, report["outputs"])]:
        assert told == {
            "name": end.name, "type": end.dtype.name, "scale": pytest.approx(end.scale, rel=1e-7),
            "zero_point": end.zero_point,
        }  # fmt: skip
    assert report["int8_bytes"] == (folder / "q.apus").stat().st_size
    found = layers(folder, "q.apus")
    assert "QuantizeLinear" not in found and "DequantizeLinear" not in found
    a = images(folder)
    (wanted,) = run_apus(folder / "int8.apus", {"image": a})
    for isa in ISAS:
        (q,) = run_apus(folder / "q.apus", {"image": integers(a, x)}, isa)
        assert q.dtype == y.dtype
        assert_same_bits(real(q, y), wanted)


def test_an_image_is_its_bytes(folder):
    """From 0 to 1 by the largest and the smallest: scale 1/255, zero point 0."""
    (x, _), _ = both(folder, "--inputs", "uint8", "--observer", "minmax")
    assert x.scale == np.float32(1 / 255) and x.zero_point == 0


def test_what_is_told(folder):
    (x, y), _ = both(folder, "--inputs", "uint8")
    assert y.dtype == np.float32 and y.scale is None and y.zero_point == 0
    assert tuple(x) == (x.name, x.dtype, x.shape) and len(x) == 3
    with apus.Model(folder / "q.apus") as model, model.session() as session:
        with pytest.raises(apus.ApusError, match=r"x is given as round\(x / 0\.0039.*\) \+ 0"):
            session.run(images(folder)[:1])
        (told,) = session.inputs
        assert (told.scale, told.zero_point, told.dtype) == (x.scale, x.zero_point, x.dtype)
    document = json.loads(cli.run("inspect", "q.apus", "--json", cwd=folder).stdout)
    (told,) = document["functions"][0]["inputs"]
    assert np.float32(told["scale"]) == np.float32(x.scale) and told["zero_point"] == x.zero_point
    assert "scale" not in document["functions"][0]["outputs"][0]
    text = cli.run("inspect", "q.apus", cwd=folder).stdout
    line = next(line for line in text.splitlines() if line.lstrip().startswith("input"))
    scale, zero = line.split("scale ")[1].split(", zero point ")
    assert np.float32(scale) == np.float32(x.scale) and int(zero) == x.zero_point
    cli.run("inspect", "q.apus", "--html", "page.html", cwd=folder)
    assert f"scale {scale}, zero point {zero.strip()}" in (folder / "page.html").read_text()


def test_what_other_files_tell():
    """One scale for a tensor is told; none without a zero point means 0; by channel none is."""
    writer = Writer()
    f = writer.function("main")
    given = [
        f.input("plain", "uint8", (2, 3)),
        f.input("scaled", "int8", (2, 3), scales=[0.25], zero_points=[-7]),
        f.input("centred", "uint8", (2, 3), scales=[4.0]),
        f.input("channels", "uint8", (2, 3), scales=[1.0, 2.0], axis=0),
    ]
    for i, x in enumerate(given):
        (y,) = add_node(f, "Identity", [x])
        f.output(y, f"y{i}", writer.tensors[x].dtype, (2, 3))
    with apus.Model.from_bytes(writer.to_bytes()) as model, model.session() as session:
        for told in (model.inputs, session.inputs):
            found = [(x.scale, x.zero_point) for x in told]
            assert found == [(None, 0), (0.25, -7), (4.0, 0), (None, 0)]
        assert all(y.scale is None for y in model.outputs)


@pytest.mark.parametrize("form", [[], ["--integer-operators"]])
def test_exported_and_imported(folder, form):
    (x, y), _ = both(folder, "--inputs", "uint8", "--outputs", "uint8")
    q = integers(images(folder), x)[:32]
    (wanted,) = run_apus(folder / "q.apus", {"image": q})
    result = cli.run("export", "q.apus", "-o", "q.onnx", *form, cwd=folder)
    assert result.code == 0, result.stderr
    model = onnx.load(folder / "q.onnx")
    onnx.checker.check_model(model)
    (found,) = run_onnx(model, {"image": q})
    # In the QDQ form sums are of floats there, which may round the other way.
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1
    result = cli.run("import", "q.onnx", "-o", "again.apus", cwd=folder)
    assert result.code == 0, result.stderr
    (again,) = run_apus(folder / "again.apus", {"image": q})
    np.testing.assert_array_equal(again, wanted)
    for old, new in zip((x, y), ends(folder / "again.apus")):
        assert (new.scale, new.zero_point, new.dtype) == (old.scale, old.zero_point, old.dtype)


def test_floats_are_rounded_by_the_tool(folder):
    (x, _), _ = both(folder, "--inputs", "uint8", "--outputs", "int8")
    a = images(folder)[:8] * 1.3 - 0.1
    a[0, 0, 0, :3] = [np.nan, np.inf, -np.inf]
    np.save(folder / "floats.npy", a)
    q = integers(np.nan_to_num(a, nan=-1e9, posinf=1e9, neginf=-1e9), x)
    np.save(folder / "integers.npy", q)
    for name in ["floats", "integers"]:
        result = cli.run(
            "run", "q.apus", "--input", f"{name}.npy", "--output-dir", name, cwd=folder)
        assert result.code == 0, result.stderr
    (name,) = [path.name for path in (folder / "floats").iterdir()]
    found, wanted = (np.load(folder / part / name) for part in ["floats", "integers"])
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, wanted)


def test_verified_beside_floats(folder):
    both(folder, "--inputs", "int8", "--outputs", "uint8")
    (x, _) = ends(folder / "q.apus")
    np.save(folder / "floats.npy", images(folder))
    np.save(folder / "integers.npy", integers(images(folder), x))
    documents = []
    for given in ["floats.npy", "integers.npy"]:
        result = cli.run(
            "verify", "q.apus", "--against", "depthwise.apus", "--input", given, "--json",
            cwd=folder)  # fmt: skip
        assert result.code == 0, result.stderr
        documents.append(json.loads(result.stdout))
    assert documents[0]["tensors"] == documents[1]["tensors"]
    (last,) = [row for row in documents[0]["tensors"] if row["name"] == "logits"]
    assert last["sqnr_db"] > 33 and last["quantized"]["scale"] > 0
    # Random inputs: the reference gets what the rounded ones stand for, so that none is clipped.
    result = cli.run("verify", "q.apus", "--against", "depthwise.apus", cwd=folder)
    assert result.code == 0, result.stderr


@pytest.mark.parametrize("given", TYPES)
def test_layers_in_floats_at_the_ends(folder, given):
    names = [layer["name"] for layer in quantize(folder, *DEPTHWISE)["layers"]]
    options = [f"--keep-float={name}" for name in (names[0], names[-1])]
    quantize(folder, *DEPTHWISE, *options, output="kept.apus")
    (x, y), _ = both(folder, *options, "--inputs", given, "--outputs", given)
    found = layers(folder, "q.apus")
    assert found[0] == "DequantizeLinear" and found[-1] == "QuantizeLinear"
    a = real(integers(images(folder), x), x)
    (floats,) = run_apus(folder / "kept.apus", {"image": a})
    (q,) = run_apus(folder / "q.apus", {"image": integers(images(folder), x)})
    np.testing.assert_array_equal(q, integers(floats, y))


def test_with_an_accuracy_to_hold(folder):
    coarse = ["--weights", "per-tensor", "--no-equalization", "--no-bias-correction"]
    report = quantize(
        folder, *DEPTHWISE, *coarse, "--test", "test.npz", "--max-drop", "0.5%", "--inputs", "uint8",
        "--outputs", "uint8")  # fmt: skip
    x, y = ends(folder / "q.apus")
    (q,) = run_apus(folder / "q.apus", {"image": integers(images(folder), x)})
    share = np.mean(q.argmax(1) == np.load(folder / "test.npz")["y"])
    trades = report["accuracy"]["trades"]
    assert len(trades) > 1 and share == pytest.approx(trades[-1]["accuracy"])
    assert trades[-1]["bytes"] == (folder / "q.apus").stat().st_size


def test_a_network_of_tokens(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.md").write_text("the quick brown fox jumps over the lazy dog\n" * 200)
    recipe = CHARACTERS.replace("PATH", "text").replace("batch_size: 32", "batch_size: 4")
    train(tmp_path, recipe, "letters")
    data = ["letters.apus", "--calibrate", "letters.yaml"]
    text = refuse(tmp_path, *data, "--inputs", "uint8")
    assert "no float32 input to make uint8" in text
    quantize(tmp_path, *data, output="plain.apus")
    quantize(tmp_path, *data, "--outputs", "uint8")
    x, y = ends(tmp_path / "q.apus")
    assert (x.dtype, x.scale, y.dtype) == (np.int32, None, np.uint8)
    tokens = np.arange(40, dtype=np.int32)[:, None] % 20
    (wanted,) = run_apus(tmp_path / "plain.apus", {"tokens": tokens})
    (q,) = run_apus(tmp_path / "q.apus", {"tokens": tokens})
    np.testing.assert_array_equal(q, integers(wanted, y))


@pytest.mark.parametrize(
    "options, message",
    [
        (["--inputs", "int16", "--calibrate", "train.npz"], "int16"),
        (["--inputs", "uint8", "--weights-only"], "--weights-only: inputs and outputs stay in floats"),
        (["--outputs", "int8", "--dynamic"], "--dynamic: inputs and outputs stay in floats"),
    ],
)
def test_refused(folder, options, message):
    result = cli.run("quantize", "depthwise.apus", *options, "-o", "none.apus", cwd=folder)
    assert result.code == 2 and message in result.stderr and not (folder / "none.apus").exists()


# MARK: What else inputs and outputs may be


def nodes(case):
    """Nodes of small networks, made of convolutions of w, and their outputs."""

    def conv(x, y, w="w"):
        return helper.make_node("Conv", [x, w], [y], name=y, pads=[1] * 4)

    def node(op, inputs, y, **attributes):
        return helper.make_node(op, inputs.split(), [y], name=y, **attributes)

    return {
        "an input is an output": ([conv("x", "y"), node("Identity", "x", "z")], "yz"),
        "an output is read": ([conv("x", "y"), node("Relu", "y", "r"), conv("r", "z", "w4")], "yz"),
        "two inputs": ([conv("x", "a"), conv("x2", "b"), node("Add", "a b", "y")], "y"),
        "a result in floats": ([conv("x", "a"), node("Softmax", "a", "y", axis=1)], "y"),
        "a curve": ([conv("x", "a"), node("Sigmoid", "a", "y")], "y"),
        "a reader in floats": (
            [conv("x", "a"), node("Softmax", "x", "s", axis=1), conv("s", "b"), node("Add", "a b", "y")],
            "y",
        ),
        "moved first and last": (
            [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), conv("t", "c"), node("Flatten", "c", "y")],
            "y",
        ),
        "one result, two names": ([conv("x", "y"), node("Identity", "y", "z")], "yz"),
    }[case]


CASES = [
    "an input is an output", "an output is read", "two inputs", "a result in floats", "a curve",
    "a reader in floats", "moved first and last", "one result, two names",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_small_networks(tmp_path, case):
    """Beside the same network with floats at its ends, which gets what the integers stand for."""
    rng = np.random.default_rng(1)
    steps, outputs = nodes(case)
    names = ["x", "x2"] if case == "two inputs" else ["x"]
    weights = {f"w{'' if c == 3 else c}": rng.normal(size=(4, c, 3, 3)) for c in (3, 4)}
    graph = helper.make_graph(
        steps, "net",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ("n", 3, 8, 8)) for n in names],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(w.astype(np.float32), n) for n, w in weights.items()])  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, tmp_path / "m.onnx")
    result = cli.run("import", "m.onnx", "-o", "m.apus", cwd=tmp_path)
    assert result.code == 0, result.stderr
    np.savez(
        tmp_path / "c.npz",
        **{n: rng.normal(size=(40, 3, 8, 8)).astype(np.float32) for n in names})  # fmt: skip
    data = ["m.apus", "--calibrate", "c.npz"]
    quantize(tmp_path, *data, output="plain.apus")
    for given, made in [("uint8", "uint8"), ("int8", "uint8"), ("uint8", None), (None, "int8")]:
        options = ["--inputs", given] if given else []
        quantize(tmp_path, *data, *options, *(["--outputs", made] if made else []))
        with apus.Model(tmp_path / "q.apus") as loaded:
            assert {x.dtype for x in loaded.inputs} == {np.dtype(given or np.float32)}
            assert {y.dtype for y in loaded.outputs} == {np.dtype(made or np.float32)}
            q = {x.name: rng.normal(size=(5, 3, 8, 8)).astype(np.float32) for x in loaded.inputs}
            floats = q
            if given:
                q = {x.name: integers(q[x.name], x) for x in loaded.inputs}
                floats = {x.name: real(q[x.name], x) for x in loaded.inputs}
            wanted = run_apus(tmp_path / "plain.apus", floats)
            for y, a, b in zip(loaded.outputs, run_apus(tmp_path / "q.apus", q), wanted):
                np.testing.assert_array_equal(a, integers(b, y) if made else b)
        # Both sides get the same numbers, so that it finds the same layers, none of them far off.
        verified = cli.run(
            "verify", "q.apus", "--against", "m.apus", "--least-sqnr", "25", cwd=tmp_path)
        assert verified.code == 0, verified.stderr


# MARK: The arena


def arena(folder, model):
    document = json.loads(cli.run("inspect", model, "--json", cwd=folder, isa="").stdout)
    return document["arena"]["bytes"]


@pytest.mark.parametrize("outputs", [[], ["--outputs", "uint8"]])
def test_arena_of_mobilenet_v1(tmp_path_factory, outputs):
    """A quarter of the float network's, where the image comes in bytes."""
    folder = tmp_path_factory.mktemp("mobilenet")
    net, y = mobilenet_v1_of_224()
    shape = net.shape
    onnx.save(net.model(y), folder / "m.onnx")
    size = ",".join(map(str, (1, *shape)))
    result = cli.run("import", "m.onnx", "-o", "m.apus", "--input-shape", f"x={size}", cwd=folder)
    assert result.code == 0, result.stderr
    np.save(folder / "x.npy", np.random.default_rng(0).random((2, *shape), np.float32))
    quantize(folder, "m.apus", "--calibrate", "x.npy", "--inputs", "uint8", *outputs)
    assert arena(folder, "q.apus") <= 0.3 * arena(folder, "m.apus")
