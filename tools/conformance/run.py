"""Runs the node tests of the onnx package through model-convert and libapus: one table by operator.

    tools/conformance/run.py [--only OPERATOR] [--suite node,simple,…] [--export] [--json]
                             [--failures] [-j N]

Each test's model is written as a file, imported by `model-convert import`, opened and run through the
Python binding, and its outputs are compared at the suite's own tolerance. A test is out of scope by
its operators and element types alone (SCOPE, TYPES below), never by its name.

An input that holds a shape, axes or the like and that must be known before the run is bound as a
constant (`--input-value`) where the import says so; such passes are counted in a column of their own.

With --export what was imported is written as ONNX again: the checker must accept it, and ONNX Runtime
must compute the test's outputs from it; or the package's own reference, where ONNX Runtime does not
pass the test as it stands. (For a few tests neither does.)
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Tests/python"), str(REPOSITORY / "bindings/python")]
import locate  # noqa: E402

SCOPE = set(
    """Conv ConvTranspose ConvInteger QLinearConv DeformConv Gemm MatMul MatMulInteger QLinearMatMul
    Einsum MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool MaxUnpool
    MaxRoiPool RoiAlign NonMaxSuppression BatchNormalization InstanceNormalization
    LayerNormalization GroupNormalization RMSNormalization LRN MeanVarianceNormalization
    LpNormalization Dropout Relu LeakyRelu PRelu Elu Selu Celu ThresholdedRelu Shrink Sigmoid
    HardSigmoid Tanh Softplus Softsign Gelu HardSwish Mish Swish Clip Softmax LogSoftmax Hardmax Add
    Sub Mul Div Pow Mod Min Max Sum Mean Sqrt Reciprocal Exp Log Abs Neg Sign Floor Ceil Round Erf
    Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh IsNaN IsInf And Or Xor Not Equal
    Greater GreaterOrEqual Less LessOrEqual Where Cast CastLike Concat Split Slice Reshape Flatten
    Squeeze Unsqueeze Transpose Pad Resize Upsample Expand Tile Gather GatherElements GatherND
    Scatter ScatterElements ScatterND ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1
    ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare ArgMax ArgMin TopK CumSum OneHot NonZero
    Shape Size Constant ConstantOfShape Range EyeLike Trilu DepthToSpace SpaceToDepth GridSample
    AffineGrid Identity RNN LSTM GRU Attention QuantizeLinear DequantizeLinear
    DynamicQuantizeLinear If Loop Scan ReverseSequence Col2Im CenterCropPad
    CausalConvWithState""".split()
)
TYPES = {
    TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32, TensorProto.INT64,
    TensorProto.BOOL,
}  # fmt: skip


class Test(NamedTuple):
    name: str
    operator: str
    """What the table counts it under."""
    model: bytes
    data: list
    """Pairs of inputs and outputs."""
    rtol: float
    atol: float
    excluded: str
    """Why it is out of scope; "" where it is not."""


class Outcome(NamedTuple):
    name: str
    operator: str
    kind: str
    """passed, bound (passed with inputs bound), failed, excluded"""
    why: str


# ---- Which tests ---------------------------------------------------------------------------------


def nodes_of(graph) -> list:
    result = []
    for node in graph.node:
        result.append(node)
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                result += nodes_of(inner)
    return result


def exclusion(model) -> str:
    """Why a model is out of scope: an operator, or an element type."""
    nodes = nodes_of(model.graph)
    for function in model.functions:
        nodes += list(function.node)
    own = {f.name for f in model.functions}
    for node in nodes:
        if node.op_type not in SCOPE and node.op_type not in own:
            return f"operator {node.op_type}"
    try:
        inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    except Exception:  # the inference of the package has its own limits
        inferred = []
    for value in [*model.graph.input, *model.graph.output, *inferred]:
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type":
            return f"type {kind}" if kind else ""
        if value.type.tensor_type.elem_type not in TYPES:
            return f"type {TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()}"
    tensors = list(model.graph.initializer)
    tensors += [a.t for n in nodes for a in n.attribute if a.HasField("t")]
    for tensor in tensors:
        if tensor.data_type not in TYPES:
            return f"type {TensorProto.DataType.Name(tensor.data_type).lower()}"
    return ""


def node_tests() -> List[Test]:
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases

    tests = []
    for case in collect_testcases(None):
        tests.append(make_test(case.name, case.model, case.data_sets, case.rtol, case.atol))
    return tests


def make_test(name, model, data, rtol, atol) -> Test:
    operator = model.graph.node[0].op_type if model.graph.node else "-"
    return Test(
        name, named_operator(name, operator), model.SerializeToString(), data, rtol, atol,
        exclusion(model))  # fmt: skip


FOLDED = {op.lower(): op for op in SCOPE}


def named_operator(name: str, first: str) -> str:
    """An expanded function is counted under the operator that it spells out: the longest whose name
    the test's starts with."""
    if not name.endswith("_expanded") and "_expanded_" not in name:
        return first
    words = name.removeprefix("test_").split("_")
    for n in range(len(words), 0, -1):
        if (op := FOLDED.get("".join(words[:n]))) is not None:
            return op
    return first


def stored_tests(suite: str) -> List[Test]:
    """The tests that lie in the package as folders: simple, pytorch-operator, pytorch-converted."""
    folder = Path(onnx.__file__).parent / "backend/test/data" / suite
    tests = []
    for path in sorted(folder.iterdir()):
        model = onnx.load(path / "model.onnx")
        data = []
        try:
            for pairs in sorted(path.glob("test_data_set_*")):
                data.append([
                    [read_tensor(pairs / f"{role}_{i}.pb") for i in range(len(list(pairs.glob(f"{role}_*"))))]
                    for role in ("input", "output")
                ])  # fmt: skip
        except Exception:  # sequences and the like: exclusion() says so
            data = []
        tests.append(make_test(f"{suite}/{path.name}", model, data, 1e-3, 1e-7))
    return tests


def read_tensor(path: Path) -> np.ndarray:
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


# ---- One test ------------------------------------------------------------------------------------


class Failed(Exception):
    pass


# What the runtime says of an input that it must know before the run.
MUST_BE_CONSTANT = re.compile(r"must be (a )?constants?|is not (a )?constant|known before the run")


def convert(folder: Path, values: Dict[str, np.ndarray]) -> Tuple[bool, str]:
    command = [str(locate.model_convert()), "import", "m.onnx", "-o", "m.apus"]
    for i, (name, value) in enumerate(values.items()):
        np.save(folder / f"value{i}.npy", value)
        command += ["--input-value", f"{name}=value{i}.npy"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode == 0, done.stderr.strip()


def check_export(folder: Path, given: Dict[str, np.ndarray], wanted: Dict[str, np.ndarray], test):
    """Exports m.apus and compares what the ONNX model computes."""
    done = subprocess.run(
        [str(locate.model_convert()), "export", "m.apus", "-o", "n.onnx"],
        cwd=folder, capture_output=True, text=True, timeout=60)  # fmt: skip
    if done.returncode != 0:
        raise Failed("export: " + done.stderr.strip())
    model = onnx.load(folder / "n.onnx")
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as problem:
        raise Failed(f"export: the checker says {problem}")
    original = onnx.load_from_string(test.model)
    for who, function in (("ONNX Runtime", with_onnxruntime), ("the reference", with_reference)):
        try:
            return check_results(folder, model, given, wanted, test, function)
        except Failed as problem:
            # One that does not pass the test with the test's own model says nothing of ours.
            try:
                check_results(folder, original, given, wanted, test, function)
            except Failed:
                continue
            raise Failed(f"export: {who}: {problem}")


def check_results(folder: Path, model, given: dict, wanted: dict, test: Test, function) -> None:
    given = {x.name: given[x.name] for x in model.graph.input if x.name in given}
    results = run_apart(folder, model, given, function)
    for name, array in wanted.items():
        compare(name, results[name], array, test)


def with_onnxruntime(model: onnx.ModelProto, given: Dict[str, np.ndarray]) -> list:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, given)


def with_reference(model: onnx.ModelProto, given: Dict[str, np.ndarray]) -> list:
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model).run(None, given)


def run_apart(folder: Path, model, given: dict, function) -> Dict[str, np.ndarray]:
    """In a process of its own, which a model may crash."""
    child = os.fork()
    if child == 0:
        try:
            results = function(model, given)
            np.savez(folder / "results.npz", *[np.asarray(r) for r in results])
            os._exit(0)
        except BaseException as problem:
            (folder / "problem").write_text(str(problem))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise Failed(f"crashed with signal {os.WTERMSIG(status)}")
    if status:
        raise Failed((folder / "problem").read_text())
    with np.load(folder / "results.npz") as arrays:
        return dict(zip([x.name for x in model.graph.output], arrays.values()))


def run_test(test: Test, exports: bool = False) -> Outcome:
    import apus

    def outcome(kind: str, why: str = "") -> Outcome:
        return Outcome(test.name, test.operator, kind, why)

    if test.excluded:
        return outcome("excluded", test.excluded)
    model = onnx.load_from_string(test.model)
    names = [x.name for x in model.graph.input]
    initial = {x.name for x in model.graph.initializer}
    names = [name for name in names if name not in initial]
    outputs = [x.name for x in model.graph.output]
    kind = "passed"
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "m.onnx").write_bytes(test.model)
            for inputs, wanted in test.data:
                given = dict(zip(names, [np.asarray(x) if x is not None else None for x in inputs]))
                fine, said = convert(folder, {})
                if not fine and MUST_BE_CONSTANT.search(said):
                    bound = {n: v for n, v in given.items() if is_shape_like(n, model)}
                    fine, said = convert(folder, bound)
                    if fine:
                        kind = "bound"
                        given = {n: v for n, v in given.items() if n not in bound}
                if not fine:
                    raise Failed(said.split("\n", 1)[-1].strip())
                loaded = apus.Model(str(folder / "m.apus"))
                free = {
                    i.name: given[i.name].shape for i in loaded.inputs
                    if any(d is None or not isinstance(d, int) or d < 0 for d in i.shape)
                }  # fmt: skip
                session = loaded.session(shapes=free)
                results = session.run({n: v for n, v in given.items() if v is not None})
                for name, array in zip(outputs, wanted):
                    compare(name, results[name], np.asarray(array), test)
                if exports:
                    check_export(
                        folder, {n: v for n, v in zip(names, inputs) if v is not None},
                        {n: np.asarray(a) for n, a in zip(outputs, wanted)}, test)
    except (Failed, apus.ApusError, ValueError, TypeError, KeyError) as problem:
        return outcome("failed", f"{problem}")
    except subprocess.TimeoutExpired:
        return outcome("failed", "the import took more than a minute")
    return outcome(kind)


# Inputs by operator that say what shape the result has, or which axes are meant: known to whoever
# makes a session, like a shape.
SHAPE_LIKE = {
    "Reshape": [1], "Expand": [1], "Tile": [1], "Pad": [1, 3], "Slice": [1, 2, 3, 4], "Split": [1],
    "Squeeze": [1], "Unsqueeze": [1], "Resize": [1, 2, 3], "Upsample": [1], "TopK": [1],
    "OneHot": [1], "ConstantOfShape": [0], "Range": [0, 1, 2], "CumSum": [1], "Col2Im": [1, 2],
    "CenterCropPad": [1], "AffineGrid": [1], "MaxUnpool": [2], "Trilu": [1], "Loop": [0],
    "NonMaxSuppression": [2], "Dropout": [1, 2],
}  # fmt: skip


def is_shape_like(name: str, model) -> bool:
    for node in model.graph.node:
        positions = SHAPE_LIKE.get(node.op_type, [1] if node.op_type.startswith("Reduce") else [])
        for i, read in enumerate(node.input):
            if read == name and i in positions:
                return True
    # Expanded functions compute with such inputs before they use them.
    integers = {TensorProto.INT64, TensorProto.INT32}
    return len(model.graph.node) > 1 and any(
        x.name == name and x.type.tensor_type.elem_type in integers for x in model.graph.input)


def compare(name: str, got: np.ndarray, wanted: np.ndarray, test: Test) -> None:
    if got.shape != wanted.shape:
        raise Failed(f"{name} is {list(got.shape)} and should be {list(wanted.shape)}")
    if got.dtype != wanted.dtype:
        raise Failed(f"{name} is {got.dtype} and should be {wanted.dtype}")
    if not np.allclose(got, wanted, rtol=test.rtol, atol=test.atol, equal_nan=True):
        bad = ~np.isclose(got, wanted, rtol=test.rtol, atol=test.atol, equal_nan=True)
        first = tuple(int(i[0]) for i in np.nonzero(bad))
        raise Failed(
            f"{name}: {bad.sum()} of {bad.size} elements differ, the first at {list(first)}: "
            f"{got[first]} and should be {wanted[first]}")


# ---- All -----------------------------------------------------------------------------------------


def run_tests(tests: List[Test], jobs: int, exports: bool = False) -> List[Outcome]:
    if jobs == 1:
        return [run_test(test, exports) for test in tests]
    with multiprocessing.Pool(jobs) as pool:
        return pool.map(functools.partial(run_test, exports=exports), tests, chunksize=8)


def print_table(outcomes: List[Outcome]) -> None:
    by_operator: Dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    reasons: Dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for o in outcomes:
        by_operator[o.operator][o.kind] += 1
        if o.kind == "excluded":
            reasons[o.operator][o.why] += 1
    print(f"{'operator':28}{'passed':>8}{'(bound)':>9}{'failed':>8}{'out of scope':>14}  why")
    total = collections.Counter()
    for operator in sorted(by_operator):
        c = by_operator[operator]
        total += c
        why = ", ".join(f"{w} ({n})" for w, n in reasons[operator].most_common(4))
        print(row(operator, c) + "  " + why)
    print(row("total", total))


def row(title: str, c: collections.Counter) -> str:
    bound = c["bound"] or ""
    return (
        f"{title:28}{c['passed'] + c['bound']:>8}{bound:>9}{c['failed'] or '':>8}"
        f"{c['excluded'] or '':>14}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", help="an operator, or a part of a test's name")
    parser.add_argument(
        "--suite", default="node", help="node, simple, pytorch-operator, pytorch-converted, or all")
    parser.add_argument(
        "--export", action="store_true", help="write each model as ONNX again and check that too")
    parser.add_argument("--json", action="store_true", help="every outcome as one JSON object")
    parser.add_argument("--failures", action="store_true", help="name each failure and its reason")
    parser.add_argument("-j", "--jobs", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    locate.prepare()
    suites = arguments.suite.split(",")
    if suites == ["all"]:
        suites = ["node", "simple", "pytorch-operator", "pytorch-converted"]
    start = time.monotonic()
    tests: List[Test] = []
    for suite in suites:
        tests += node_tests() if suite == "node" else stored_tests(suite)
    if arguments.only:
        tests = [
            t for t in tests
            if any(o == t.operator or (o not in SCOPE and o in t.name) for o in arguments.only)
        ]  # fmt: skip
    outcomes = run_tests(tests, arguments.jobs, arguments.export)
    if arguments.json:
        print(json.dumps({"tests": [o._asdict() for o in outcomes]}))
    else:
        if arguments.failures or arguments.only:
            for o in outcomes:
                if o.kind == "failed":
                    print(f"{o.operator} {o.name}: {o.why}")
        print_table(outcomes)
        print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    return 1 if any(o.kind == "failed" for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
