"""One ONNX operator, computed by ONNX Runtime: what operators are compared with."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import helper


def run_onnx(
    op: str,
    inputs: Sequence[Optional[np.ndarray]],
    attributes: Mapping[str, Any] = {},
    outputs: int = 1,
    opset: int = 22,
    domain: str = "",
) -> List[np.ndarray]:
    """The outputs of one node. An input of None is left out."""
    names = [f"x{i}" if array is not None else "" for i, array in enumerate(inputs)]
    values = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, inputs) if array is not None
    ]  # fmt: skip
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **attributes)
    graph = helper.make_graph(
        [node], "one_node", values, [onnx.ValueInfoProto(name=name) for name in results])
    opsets = [helper.make_opsetid("", opset)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {n: a for n, a in zip(names, inputs) if a is not None})
