"""Single layers: libapus beside ONNX Runtime, the same weights and inputs, one thread.

The two run in turn, round by round, in one process pinned to one processor, because machines are
shared: what counts is the ratio of the medians (above 1: apus is faster), with the spread of the
rounds' own ratios behind it. A peer whose numbers differ is not timed.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Callable, List, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/python"))

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
from harness import apus, node_model  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

ROUNDS = 15
SECONDS_A_ROUND = 0.05


class Case(NamedTuple):
    """One operator with constant weights: the layers that networks are made of."""

    name: str
    operator: str
    inputs: List[np.ndarray]  # the first is fed, the others are weights
    attributes: dict
    outputs: List[bool]


def cases() -> List[Case]:
    rng = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / max(1, np.sqrt(np.prod(shape[1:])))).astype(np.float32)

    def lstm(hidden: int, steps: int) -> Case:
        return Case(
            f"LSTM {hidden}, {steps} step{'s' if steps > 1 else ''}", "LSTM",
            [array(steps, 1, hidden), array(1, 4 * hidden, hidden), array(1, 4 * hidden, hidden),
             array(1, 8 * hidden)],
            {"hidden_size": hidden}, [False, True],
        )  # fmt: skip

    return [
        Case("conv 5x5, 6 to 16, 14x14 (LeNet-5 C3)", "Conv",
             [array(1, 6, 14, 14), array(16, 6, 5, 5), array(16)], {}, [True]),
        Case("conv 3x3, 64 to 64, 56x56", "Conv",
             [array(1, 64, 56, 56), array(64, 64, 3, 3), array(64)], {"pads": [1, 1, 1, 1]}, [True]),
        Case("conv 1x1, 256 to 256, 14x14", "Conv",
             [array(1, 256, 14, 14), array(256, 256, 1, 1), array(256)], {}, [True]),
        Case("depthwise 3x3, 128, 28x28", "Conv",
             [array(1, 128, 28, 28), array(128, 1, 3, 3), array(128)],
             {"group": 128, "pads": [1, 1, 1, 1]}, [True]),
        Case("max pool 2x2, 64, 112x112", "MaxPool", [array(1, 64, 112, 112)],
             {"kernel_shape": [2, 2], "strides": [2, 2]}, [True]),
        Case("dense 1 x 1024 to 1024", "Gemm", [array(1, 1024), array(1024, 1024), array(1024)],
             {"transB": 1}, [True]),
        Case("matrix product 256 x 256 x 256", "MatMul", [array(256, 256), array(256, 256)], {}, [True]),
        Case("tanh of 100,000", "Tanh", [array(100_000)], {}, [True]),
        Case("softmax 64 x 1000", "Softmax", [array(64, 1000)], {"axis": -1}, [True]),
        lstm(128, 100),
        lstm(512, 1),
    ]  # fmt: skip


def onnx_session(case: Case) -> onnxruntime.InferenceSession:
    names = [f"x{i}" for i in range(len(case.inputs))]
    wanted = [f"y{i}" if on else "" for i, on in enumerate(case.outputs)]
    node = helper.make_node(case.operator, names, wanted, **case.attributes)
    graph = helper.make_graph(
        [node], "case",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, case.inputs[0].shape)],
        [helper.make_tensor_value_info(w, TensorProto.FLOAT, None) for w in wanted if w],
        [numpy_helper.from_array(a, n) for n, a in zip(names[1:], case.inputs[1:])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def time_round(run: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def measure(case: Case) -> str:
    weights = range(1, len(case.inputs))
    feeds = {"x0": case.inputs[0]}
    with node_model(case.operator, case.inputs, case.attributes, case.outputs, weights) as model:
        with model.session() as ours:
            theirs = onnx_session(case)
            names = [o.name for o in theirs.get_outputs()]
            a, b = ours.run(feeds), theirs.run(names, feeds)
            for x, y in zip(a.values(), b):
                if not np.allclose(x, y, rtol=1e-3, atol=1e-4):
                    return f"{case.name:40} the results differ: not timed"
            pairs = (lambda: ours.run(feeds)), (lambda: theirs.run(names, feeds))
            repeats = [max(1, int(SECONDS_A_ROUND / time_round(run, 3))) for run in pairs]
            rounds = [[time_round(r, n) for r, n in zip(pairs, repeats)] for _ in range(ROUNDS)]
    apus_ms, peer_ms = (statistics.median(r[i] for r in rounds) * 1e3 for i in (0, 1))
    ratios = sorted(r[1] / r[0] for r in rounds)
    winner = "apus" if apus_ms <= peer_ms else "ONNX Runtime"
    return (
        f"{case.name:40} {apus_ms:9.4f} {peer_ms:9.4f}  {peer_ms / apus_ms:5.2f} "
        f"({ratios[1]:.2f} to {ratios[-2]:.2f})  {winner}"
    )


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    info = apus.build_info()
    print(f"apus {info.version} ({info.best_instruction_set}), onnxruntime {onnxruntime.__version__}")
    print("milliseconds a run through Python, 1 thread, batch 1; ratio: peer / apus\n")
    print(f"{'':40} {'apus':>9} {'peer':>9}  ratio")
    for case in cases():
        print(measure(case), flush=True)


if __name__ == "__main__":
    main()
