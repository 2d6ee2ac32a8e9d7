"""ONNX Runtime's own operators of quantised tensors are imported, and every integer operator is
exported: as DequantizeLinear, operator, QuantizeLinear, or as what ONNX and ONNX Runtime have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import cli
import samples
from harness import apus, node_writer
from onnx_models import check, imported, model, operators, problems, reference, run
from test_quantized_elementwise import BYTES, F, random_bytes, random_scale, random_zero

INTEGERS = [op for op in samples.SAMPLES if op.startswith("QLinear")]
RANDOM = np.random.default_rng(51)
TYPES = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8}


def one(op: str, inputs: list, kind, **attributes) -> tuple:
    """A model of one of ONNX Runtime's operators, whose single numbers are constants."""
    weights, given, names = {}, {}, []
    for i, array in enumerate(inputs):
        names.append("" if array is None else f"x{i}")
        if array is not None:
            (weights if np.ndim(array) == 0 else given)[f"x{i}"] = np.asarray(array)
    node = helper.make_node(op, names, ["y"], domain="com.microsoft", **attributes)
    proto = model(
        [node], {n: a.shape for n, a in given.items()}, ["y"], weights, domains=["com.microsoft"],
        types=dict.fromkeys(given, TYPES[np.dtype(kind)]))  # fmt: skip
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TYPES[np.dtype(kind)], None))
    return proto, given


def tensor(kind, *shape: int) -> list:
    return [
        random_bytes(RANDOM, shape, kind), random_scale(RANDOM, ()),
        np.asarray(random_zero(RANDOM, (), kind))]  # fmt: skip


MICROSOFT = {
    "QLinearAdd": (lambda kind: [*tensor(kind, 2, 3, 40), *tensor(kind, 3, 1)], {}),
    "QLinearMul": (lambda kind: [*tensor(kind, 2, 3, 40), *tensor(kind, 2, 1, 40)], {}),
    "QLinearAveragePool": (
        lambda kind: tensor(kind, 2, 3, 9, 8), {"kernel_shape": [3, 2], "channels_last": 0}),
    "QLinearGlobalAveragePool": (lambda kind: tensor(kind, 2, 30, 9, 8), {"channels_last": 0}),
    "QLinearSigmoid": (lambda kind: tensor(kind, 256), {}),
    "QLinearLeakyRelu": (lambda kind: tensor(kind, 256), {"alpha": 0.3}),
}


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize("op", MICROSOFT)
def test_operators_of_onnx_runtime(tmp_path: Path, op: str, kind) -> None:
    make, attributes = MICROSOFT[op]
    inputs = [*make(kind), F(0.031), np.asarray(random_zero(RANDOM, (), kind))]
    if "Sigmoid" in op or "Leaky" in op:
        inputs[0] = np.arange(256).astype(np.uint8).view(kind)
    proto, given = one(op, inputs, kind, **attributes)
    loaded = imported(tmp_path, proto)
    wanted_op = "QLinearLookup" if len(make(kind)) == 3 and "Pool" not in op else op
    assert operators(tmp_path) == [wanted_op]
    result, wanted = run(loaded, given)["y"], reference(proto, given)["y"]
    assert result.dtype == wanted.dtype == kind
    apart = np.abs(result.astype(int) - wanted)
    assert apart.max() <= 1 and (apart > 0).mean() <= 0.01


@pytest.mark.parametrize("kind", BYTES)
def test_concat_of_onnx_runtime(tmp_path: Path, kind) -> None:
    a, b = tensor(kind, 2, 3, 4), tensor(kind, 2, 5, 4)
    proto, given = one("QLinearConcat", [*a[1:], *a, *b], kind, axis=1)
    check(tmp_path, proto, given, rtol=0, atol=0)
    assert operators(tmp_path) == ["QLinearConcat"]


def test_what_is_not_read_is_reported(tmp_path: Path) -> None:
    x = tensor(np.uint8, 1, 4, 4, 3)
    proto, _ = one(
        "QLinearGlobalAveragePool", [*x, *x[1:]], np.uint8, channels_last=1)
    assert "channels come last" in problems(tmp_path, proto)[1]
    x = tensor(np.uint8, 5)
    proto, _ = one("QLinearSigmoid", [x[0], x[1][None], x[2], *x[1:]], np.uint8)
    for t in proto.graph.input[1:]:
        t.type.tensor_type.elem_type = TensorProto.FLOAT
    assert "not a constant" in problems(tmp_path, proto)[1]
    proto, _ = one("QLinearSoftmax", [*x, *x[1:]], np.uint8, axis=0, opset=13)
    assert "com.microsoft" in problems(tmp_path, proto)[1]


@pytest.mark.parametrize("form", ["", "--integer-operators"])
@pytest.mark.parametrize("op", INTEGERS)
def test_samples(tmp_path: Path, op: str, form: str) -> None:
    """Every sample is written in both forms, and ONNX Runtime computes the same of it."""
    for name, case in samples.cases(op):
        (tmp_path / "m.apus").write_bytes(node_writer(op, *case).to_bytes())
        done = cli.run("export", "m.apus", "-o", "n.onnx", *form.split(), cwd=tmp_path)
        assert done.code == 0, done.stderr
        proto = onnx.load(tmp_path / "n.onnx")
        onnx.checker.check_model(proto)
        given = {
            f"x{i}": np.asarray(array) for i, array in enumerate(case.inputs)
            if array is not None and i not in case.constants}  # fmt: skip
        result = run(apus.Model(str(tmp_path / "m.apus")), given)["y0"]
        # ONNX Runtime's own operator, which it makes of the pairs too, has no dilations, and counts
        # what is behind the padding.
        if op == "QLinearAveragePool" and {"dilations", "ceil_mode"} & set(case.attributes):
            continue
        wanted = reference(proto, given)["y0"]
        assert wanted.dtype == result.dtype, name
        apart = np.abs(result.astype(int) - wanted)
        assert apart.max() <= 1 and (apart > 0).mean() <= 0.1, name
        kinds = {n.op_type for n in proto.graph.node}
        assert form or op == "QLinearLookup" or "QuantizeLinear" in kinds or op in kinds
