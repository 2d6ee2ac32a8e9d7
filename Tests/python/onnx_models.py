"""ONNX models made by onnx.helper, imported by model-convert, and what ONNX Runtime says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import apus_reader
import cli
import harness
import locate

locate.prepare()

import apus  # noqa: E402


def node(op: str, inputs: str, outputs: str = "y", **attributes) -> onnx.NodeProto:
    """A node by the names of its tensors; "-" stands for one that is left out."""

    def names(text: str) -> list:
        return ["" if name == "-" else name for name in text.split()]

    return helper.make_node(op, names(inputs), names(outputs), **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence],
    outputs: Sequence[str],
    weights: Mapping[str, np.ndarray] = {},
    opset: int = 21,
    types: Mapping[str, int] = {},
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model; an input is given by its shape and is float32 unless `types` says otherwise."""
    graph = helper.make_graph(
        list(nodes), "test",
        [
            helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), shape)
            for n, shape in inputs.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=min(10, 3 if opset < 9 else 10),
        functions=list(functions))


def reference(
    proto, inputs: Mapping[str, np.ndarray], optimised: bool = True
) -> Dict[str, np.ndarray]:
    """What ONNX Runtime computes; of a graph that it may have optimised, or node by node."""
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    bytes_ = proto if isinstance(proto, (bytes, str)) else proto.SerializeToString()
    session = onnxruntime.InferenceSession(bytes_, options, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(inputs))))


def convert(folder: Path, proto, *arguments: str) -> cli.Result:
    """`model-convert import`: folder/m.onnx becomes folder/m.apus."""
    (folder / "m.apus").unlink(missing_ok=True)
    if proto is not None:
        (folder / "m.onnx").write_bytes(
            proto if isinstance(proto, bytes) else proto.SerializeToString())
    return cli.run("import", "m.onnx", "-o", "m.apus", *arguments, cwd=folder)


def imported(folder: Path, proto, *arguments: str) -> "apus.Model":
    result = convert(folder, proto, *arguments)
    assert result.code == 0, result.stderr
    return apus.Model(str(folder / "m.apus"))


def run(loaded: "apus.Model", inputs: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    session = loaded.session(shapes={name: array.shape for name, array in inputs.items()})
    return session.run(dict(inputs))


def check(
    folder: Path, proto: onnx.ModelProto, inputs: Mapping[str, np.ndarray], *arguments: str,
    rtol: float = 1e-5, atol: float = 1e-6, wanted: Optional[Mapping[str, Any]] = None,
) -> "apus.Model":
    """Imports, runs, and compares every output with ONNX Runtime (or with `wanted`)."""
    loaded = imported(folder, proto, *arguments)
    results = run(loaded, {x.name: inputs[x.name] for x in loaded.inputs})
    wanted = reference(proto, inputs) if wanted is None else wanted
    assert set(results) == set(wanted)
    for name, array in wanted.items():
        assert results[name].shape == array.shape
        np.testing.assert_allclose(results[name], array, rtol=rtol, atol=atol, err_msg=name)
    return loaded


def operators(folder: Path) -> List[str]:
    """The operators of the nodes of folder/m.apus."""
    names = {row.opcode: name for name, row in harness.operators().items()}
    read = apus_reader.read((folder / "m.apus").read_bytes())
    return [names[n.opcode] for f in read.functions.values() for n in f.nodes]


def problems(folder: Path, proto, *arguments: str) -> List[str]:
    """The lines of the report of an import that fails; it writes nothing."""
    result = convert(folder, proto, *arguments)
    assert result.code == 1, result
    assert result.stdout == "" and not (folder / "m.apus").exists()
    return result.stderr.rstrip("\n").split("\n")
