"""docs/operators.md is generated; the page in the repository must be the one that this build
generates, and what it says of types and operator sets must be true."""

import json
import subprocess
import warnings

import numpy as np
import onnx
import pytest

import locate
import samples
from harness import apus, node_model

TYPES = ["float32", "uint8", "int8", "int32", "int64", "bool"]


def rows() -> dict:
    text = subprocess.run(
        [str(locate.model_convert()), "operators", "--json"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return {row["name"]: row for row in json.loads(text)}


def test_page_is_not_stale():
    generated = subprocess.run(
        [str(locate.model_convert()), "operators", "--markdown"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    page = (locate.REPOSITORY / "docs" / "operators.md").read_text()
    assert page == generated, "docs/operators.md is stale: run `make docs` and commit the page"


def opens(op: str, inputs: list, case: samples.Case) -> bool:
    try:
        with node_model(op, inputs, *case[1:4], shapes=case.shapes) as model:
            model.session(shapes={f"x{i}": np.shape(inputs[i]) for i in case.shapes or {}})
        return True
    except (apus.ApusError, AssertionError):
        return False


def accepted(op: str) -> list:
    """The types of the first input with which a sample of the operator can be planned: alone, or
    together with the inputs of the same type."""
    result = []
    for t in TYPES:
        for _, case in samples.cases(op):
            inputs = [None if a is None else np.asarray(a) for a in case.inputs]
            first = {"Where": 1, "QLinearConcat": 2}.get(op, 0)
            first = next(i for i, a in enumerate(inputs) if a is not None and i >= first)
            old = inputs[first].dtype
            together = [a if a is None or a.dtype != old else a.astype(t) for a in inputs]
            if op == "Where":
                together[0] = inputs[0]
            alone = [*inputs[:first], inputs[first].astype(t), *inputs[first + 1 :]]
            if opens(op, together, case) or opens(op, alone, case):
                result.append(t)
                break
    return result


@pytest.mark.parametrize("op", samples.SAMPLES)
def test_types(op: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # casts of numbers that the type has not
        assert sorted(rows_cached()[op]["types"]) == sorted(accepted(op))


def rows_cached() -> dict:
    if not hasattr(rows_cached, "value"):
        rows_cached.value = rows()
    return rows_cached.value


def schemas() -> dict:
    """Every version of ONNX's own operators, by name."""
    result: dict = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            result.setdefault(schema.name, []).append(schema)
    return result


def test_operator_sets() -> None:
    known = schemas()
    for name, row in rows_cached().items():
        if name in known:
            first = min(s.since_version for s in known[name])
            assert row.get("opsets") == [max(first, 7), onnx.defs.onnx_opset_version()], name
        else:
            assert row.get("opsets") is None, name


# Attributes that the importer turns into inputs or leaves out, by operator.
TRANSLATED = {
    "BatchNormalization": {"spatial", "momentum"}, "Cast": {"round_mode"},
    "Clip": {"min", "max"}, "ConstantOfShape": {"value"}, "Dropout": {"ratio", "seed"},
    "Pad": {"pads", "value"}, "Scan": {"directions"}, "Slice": {"axes", "ends", "starts"}, "Split": {"split"},
    "Squeeze": {"axes"}, "Unsqueeze": {"axes"}, "TopK": {"k"},
}  # fmt: skip


def test_attributes_of_every_operator_set() -> None:
    """What any version from opset 7 on can say is an attribute of the operator, or translated."""
    for name, row in rows_cached().items():
        known = {a["name"] for a in row["attributes"]} | TRANSLATED.get(name, set())
        if name.startswith("Reduce"):
            known.add("axes")
        versions = sorted(schemas().get(name, []), key=lambda s: s.since_version)
        for schema, after in zip(versions, [*versions[1:], None]):
            if after is None or after.since_version > 7:
                missing = set(schema.attributes) - known
                assert not missing, f"{name} of opset {schema.since_version}: {missing}"


def test_trainable() -> None:
    """The networks of the recipes can be trained; indices cannot."""
    trainable = {name for name, row in rows_cached().items() if row["trainable"]}
    assert {"Conv", "Gemm", "LSTM", "Softmax", "MaxPool"} <= trainable
    assert not trainable & {"NonZero", "ArgMax", "Shape", "QLinearConv"}
