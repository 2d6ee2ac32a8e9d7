"""Whole networks as ONNX Runtime's quantiser writes them: computed in 8-bit integers from one end to
the other, with ONNX Runtime's results; exported in either form and imported again, the same bits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

import cli
from onnx_models import apus, imported, operators, reference, run
from quantized_networks import NETWORKS, network, random_network
from test_integer_operators import Samples

TYPES = {"U8S8": (QuantType.QUInt8, QuantType.QInt8), "S8S8": (QuantType.QInt8, QuantType.QInt8)}
# Pairs that stay: one at the ends; and one for floats where the quantiser leaves them.
PAIRS = dict.fromkeys(NETWORKS, 1) | {"lenet5_tanh": 3}
# Where ONNX Runtime's optimised graph is several steps away from its own, node by node, which then
# is what is compared with.
ODD = {("lenet5", "S8S8")}


def quantized(
    folder: Path, proto: onnx.ModelProto, shape: tuple, types: str, per_channel: bool
) -> tuple:
    """The model in the QDQ form, and inputs."""
    rng = np.random.default_rng(5)
    onnx.save(proto, folder / "float.onnx")
    activation, weight = TYPES[types]
    quantize_static(
        folder / "float.onnx", folder / "qdq.onnx",
        Samples([rng.normal(size=(4, *shape)).astype(np.float32) for _ in range(4)]),
        quant_format=QuantFormat.QDQ, activation_type=activation, weight_type=weight,
        per_channel=per_channel, calibrate_method=CalibrationMethod.MinMax,
        extra_options={"ActivationSymmetric": types == "S8S8"},
    )  # fmt: skip
    return onnx.load(folder / "qdq.onnx"), rng.normal(size=(32, *shape)).astype(np.float32)


def steps_apart(proto, result, wanted) -> np.ndarray:
    """In units of the scale that the last output is quantised with."""
    last = [n for n in proto.graph.node if n.op_type == "QuantizeLinear"][-1]
    weights = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    assert result.shape == wanted.shape and result.dtype == wanted.dtype
    return np.abs(result - wanted) / weights[last.input[1]]


def agree(proto, result, wanted, least: float = 0.999) -> None:
    apart = steps_apart(proto, result, wanted)
    found = f"equal {(apart < 0.01).mean():.5f}, at most {apart.max():.2f} steps apart"
    print(found)
    assert (apart <= 1.01).mean() >= least and apart.max() <= 2.01, found


def exported(folder: Path, *arguments: str) -> onnx.ModelProto:
    result = cli.run("export", "m.apus", "-o", "n.onnx", *arguments, cwd=folder)
    assert result.code == 0, result.stderr
    proto = onnx.load(folder / "n.onnx")
    onnx.checker.check_model(proto)
    return proto


def returned(folder: Path, x: np.ndarray, result: np.ndarray) -> list:
    """Exported and imported again: the same operators, the same bits."""
    left = Counter(operators(folder))
    protos = []
    for form in [(), ("--integer-operators",)]:
        protos.append(exported(folder, *form))
        domains = {n.domain for n in protos[-1].graph.node}
        assert ("com.microsoft" in domains) <= bool(form)
        (folder / "back").mkdir(exist_ok=True)
        back = imported(folder / "back", protos[-1])
        assert Counter(operators(folder / "back")) == left
        np.testing.assert_array_equal(run(back, {"x": x})["y"], result)
    return protos


@pytest.mark.parametrize("per_channel", [False, True], ids=["tensor", "channel"])
@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(tmp_path: Path, name: str, types: str, per_channel: bool) -> None:
    proto, x = quantized(tmp_path, *network(name), types, per_channel)
    loaded = imported(tmp_path, proto)
    result = run(loaded, {"x": x})["y"]
    wanted = reference(proto, {"x": x})["y"]
    if (name, types) in ODD:
        plain = reference(proto, {"x": x}, optimised=False)["y"]
        assert steps_apart(proto, wanted, plain).max() > 2
        wanted = plain
    agree(proto, result, wanted)
    left = Counter(operators(tmp_path))
    assert left["DequantizeLinear"] == left["QuantizeLinear"] == PAIRS[name], left

    for again in returned(tmp_path, x, result):
        # ONNX Runtime runs it to the same numbers as the model it began with. Of int8 it computes
        # most in floats.
        theirs = reference(again, {"x": x})["y"]
        agree(proto, theirs, wanted, least=0.999 if types == "U8S8" else 0.99)


@pytest.mark.parametrize("seed", range(60))
def test_random_networks(tmp_path: Path, seed: int) -> None:
    types = ["U8S8", "S8S8"][seed % 2]
    proto, x = quantized(tmp_path, *random_network(seed), types, bool(seed & 2))
    result = run(imported(tmp_path, proto), {"x": x})["y"]
    wanted = reference(proto, {"x": x})["y"]
    if types == "S8S8":
        # Of int8 ONNX Runtime's optimised graph mixes floats and integers, which may leave it several
        # steps away from its own, node by node: the nearer one counts.
        plain = reference(proto, {"x": x}, optimised=False)["y"]
        if np.abs(plain - result).sum() < np.abs(wanted - result).sum():
            wanted = plain
    agree(proto, result, wanted)
    returned(tmp_path, x, result)
