"""Writes small ONNX models of every operator and every kind of field: the seeds of the importer's
robustness tests. Usage: make_onnx_fuzz_seeds.py FOLDER"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, Iterator, Tuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import locate

sys.path.append(str(locate.REPOSITORY / "tools/conformance"))

import run as conformance  # noqa: E402

# Larger ones would only take longer.
MAXIMUM_SIZE = 6000
MINIMUM_COUNT = 200


def from_node_tests() -> Iterator[Tuple[str, onnx.ModelProto]]:
    """For each operator its smallest tests: one as it stands, one with every input but the first
    made a constant, and one where a newer operator is spelt out in others."""
    warnings.simplefilter("ignore")
    taken: Dict[str, int] = {}
    tests = [t for t in conformance.node_tests() if not t.excluded]
    for test in sorted(tests, key=lambda t: (len(t.model), t.name)):
        kind = test.operator + ("+" if "_expanded" in test.name else "")
        if taken.get(kind, 0) >= (1 if kind.endswith("+") else 2):
            continue
        taken[kind] = taken.get(kind, 0) + 1
        model = onnx.load_from_string(test.model)
        yield test.name.removeprefix("test_"), model
        inputs = [x for x in test.data[0][0]]
        with_constants = onnx.load_from_string(test.model)
        for info, array in list(zip(with_constants.graph.input, inputs))[1:]:
            if array is not None:
                tensor = numpy_helper.from_array(np.asarray(array), info.name)
                with_constants.graph.initializer.append(tensor)
        if len(with_constants.graph.initializer) > 0:
            yield test.name.removeprefix("test_") + "-constants", with_constants


def made(nodes, inputs, outputs, weights=(), opset=21, functions=(), ir=10) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "seed",
        [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
        [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs], list(weights))  # fmt: skip
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(d, 1) for d in sorted({f.domain for f in functions})]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=ir, functions=list(functions),
        producer_name="seeds", producer_version="1")  # fmt: skip


FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def typed_fields() -> onnx.ModelProto:
    """A tensor of each element type in the field that is its own, and the same raw."""
    node = helper.make_node
    weights, nodes, outputs = [], [], []
    for i, t in enumerate(
        [FLOAT, TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32, INT64, BOOL,
         TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16]  # fmt: skip
    ):
        weights.append(helper.make_tensor(f"w{i}", t, [2, 2], [1, 0, 1, 1]))
        array = numpy_helper.to_array(weights[-1])
        weights.append(numpy_helper.from_array(array.copy(), f"r{i}"))
        nodes += [
            node("Cast", [f"{k}{i}"], [f"{k}c{i}"], to=FLOAT) for k in "wr"
        ] + [node("Add", [f"wc{i}", f"rc{i}"], [f"s{i}"]), node("Add", ["x", f"s{i}"], [f"y{i}"])]
        outputs.append((f"y{i}", FLOAT, (2, 2)))
    return made(nodes, [("x", FLOAT, (2, 2))], outputs, weights)


def attributes_of_all_kinds() -> onnx.ModelProto:
    """Constants of every kind of attribute, and operators with lists."""
    node = helper.make_node
    tensor = numpy_helper.from_array(np.float32([[1, 2], [3, 4]]), "t")
    rnn = [numpy_helper.from_array(np.ones(s, np.float32) / 4, n)
           for n, s in {"w": (2, 3, 2), "r": (2, 3, 3)}.items()]  # fmt: skip
    nodes = [
        node("Constant", [], ["a"], value=tensor),
        node("Constant", [], ["b"], value_float=1.5),
        node("Constant", [], ["c"], value_floats=[0.5, 2.0]),
        node("Constant", [], ["d"], value_int=1),
        node("Constant", [], ["e"], value_ints=[1, 2]),
        node("Expand", ["b", "e"], ["f"]),
        node("Add", ["f", "c"], ["g"]),
        node("MatMul", ["x", "a"], ["h"]),
        node("Add", ["h", "g"], ["i"]),
        node("Unsqueeze", ["i", "e0"], ["j"]),
        node("RNN", ["j", "w", "r"], ["", "k"], hidden_size=3, direction="bidirectional",
             activations=["Tanh", "Affine"], activation_alpha=[0.5], activation_beta=[0.1],
             clip=3.0, name="recurrence"),
        node("Gather", ["k", "d"], ["y"], axis=0),
    ]  # fmt: skip
    weights = [*rnn, numpy_helper.from_array(np.int64([1]), "e0")]
    model = made(nodes, [("x", FLOAT, ("n", 2))], [("y", FLOAT, None)], weights)
    model.graph.node[0].doc_string = "documented"
    helper.set_model_props(model, {"author": "seeds", "": "nameless"})
    return model


def functions() -> onnx.ModelProto:
    """Functions that call functions, with attributes passed on, defaults and overloads."""
    node = helper.make_node

    def function(name, inputs, outputs, nodes, attributes=(), defaults=(), overload=""):
        f = helper.make_function(
            "local", name, inputs, outputs, nodes,
            [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)], list(attributes),
            list(defaults))  # fmt: skip
        f.overload = overload
        return f

    def referring(op, inputs, outputs, kind, **names):
        n = node(op, inputs, outputs)
        for own, outer in names.items():
            n.attribute.append(
                onnx.AttributeProto(name=own, ref_attr_name=outer, type=kind))
        return n

    leaky = referring("LeakyRelu", ["a"], ["b"], onnx.AttributeProto.FLOAT, alpha="slope")
    inner = node("Scaled", ["a", "w"], ["t"], domain="local")
    inner.attribute.append(
        onnx.AttributeProto(name="slope", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT))
    scaled = function("Scaled", ["x", "w"], ["y"], [
        node("Mul", ["x", "w"], ["a"]), leaky, node("Identity", ["b"], ["y"])], ["slope"])
    twice = function("Twice", ["a", "w"], ["y", "z"], [
        inner, node("Neg", ["t"], ["y"]), node("Add", ["y", "t"], ["z"])],
        defaults=[helper.make_attribute("slope", 0.25)])
    return made(
        [node("Twice", ["x", "w"], ["p", "q"], domain="local", name="one"),
         node("Twice", ["p", "w"], ["r", ""], domain="local", name="two", slope=0.5),
         node("Add", ["q", "r"], ["y"])],
        [("x", FLOAT, ("n", 3))], [("y", FLOAT, ("n", 3))],
        [numpy_helper.from_array(np.float32([1, 2, 3]), "w")], functions=[scaled, twice])  # fmt: skip


def control_flow() -> onnx.ModelProto:
    """A loop whose body branches and scans, reading what is around it."""
    node, info = helper.make_node, helper.make_tensor_value_info
    then = helper.make_graph([node("Add", ["v", "x"], ["t"])], "then", [], [info("t", FLOAT, (3,))])
    other = helper.make_graph(
        [node("Mul", ["v", "w"], ["o"])], "else", [], [info("o", FLOAT, (3,))])
    step = helper.make_graph(
        [node("Add", ["s", "e"], ["s2"]), node("Identity", ["s2"], ["out"])], "step",
        [info("s", FLOAT, ()), info("e", FLOAT, ())],
        [info("s2", FLOAT, ()), info("out", FLOAT, ())])
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]),
         node("Scan", ["zero", "v"], ["sum", "sums"], body=step, num_scan_inputs=1,
              scan_input_directions=[1]),
         node("Greater", ["sum", "zero"], ["big"]),
         node("If", ["big"], ["next"], then_branch=then, else_branch=other),
         node("Identity", ["sums"], ["each"])],
        "body", [info("i", INT64, ()), info("go", BOOL, ()), info("v", FLOAT, (3,))],
        [info("on", BOOL, ()), info("next", FLOAT, (3,)), info("each", FLOAT, (3,))])  # fmt: skip
    weights = {"m": np.int64(2), "w": np.float32([1, -1, 2]), "zero": np.float32(0)}
    return made(
        [node("Loop", ["m", "", "x"], ["y", "all"], body=body, name="loop")],
        [("x", FLOAT, (3,))], [("y", FLOAT, (3,)), ("all", FLOAT, (2, 3))],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in weights.items()])  # fmt: skip


def convolutions() -> onnx.ModelProto:
    """What passes look for: convolution, normalisation, activation, padding, shapes."""
    node = helper.make_node
    random = np.random.default_rng(0)
    weights = {
        "w": random.standard_normal((4, 2, 3, 3)), "s": random.random(4), "b": random.random(4),
        "m": random.random(4), "v": random.random(4) + 0.5, "d": random.standard_normal((4, 3)),
    }  # fmt: skip
    arrays = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in weights.items()]
    arrays += [numpy_helper.from_array(np.int64(a), n) for n, a in
               {"pads": [0, 0, 1, 1, 0, 0, 1, 1], "i0": [0], "minus": [-1]}.items()]  # fmt: skip
    return made(
        [node("Pad", ["x", "pads"], ["p"]), node("Conv", ["p", "w"], ["c"], kernel_shape=[3, 3]),
         node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], epsilon=1e-4),
         node("Relu", ["n"], ["r"]), node("MaxPool", ["r"], ["q"], kernel_shape=[2, 2]),
         node("Transpose", ["q"], ["u"], perm=[0, 2, 3, 1]),
         node("Transpose", ["u"], ["t"], perm=[0, 3, 1, 2]),
         node("GlobalAveragePool", ["t"], ["g"]), node("Shape", ["g"], ["sh"]),
         node("Gather", ["sh", "i0"], ["bs"]), node("Concat", ["bs", "minus"], ["to"], axis=0),
         node("Reshape", ["g", "to"], ["f"]), node("MatMul", ["f", "d"], ["y"])],
        [("x", FLOAT, ("batch", 2, 5, 5))], [("y", FLOAT, ("batch", 3))], arrays)  # fmt: skip


def quantized() -> onnx.ModelProto:
    node = helper.make_node
    weights = {
        "xs": np.float32(0.05), "xz": np.uint8(128), "w": np.int8([[1, -2], [3, 4], [5, -6]]),
        "ws": np.float32([0.1, 0.2]), "wz": np.int8([0, 0]), "ys": np.float32(0.1),
        "yz": np.uint8(100)}  # fmt: skip
    return made(
        [node("QuantizeLinear", ["x", "xs", "xz"], ["q"]),
         node("DequantizeLinear", ["q", "xs", "xz"], ["d"]),
         node("DequantizeLinear", ["w", "ws", "wz"], ["dw"], axis=1),
         node("MatMul", ["d", "dw"], ["m"]), node("QuantizeLinear", ["m", "ys", "yz"], ["mq"]),
         node("DequantizeLinear", ["mq", "ys", "yz"], ["y"])],
        [("x", FLOAT, (2, 3))], [("y", FLOAT, (2, 2))],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in weights.items()])  # fmt: skip


def quantized_elements() -> onnx.ModelProto:
    """A sum, a gate, means, a join and a function of quantised tensors; ONNX Runtime's own behind."""
    node = helper.make_node
    weights = {
        "s": np.float32(0.05), "z": np.uint8(120), "t": np.float32(0.03), "u": np.uint8(7),
        "c": np.float32(1.5), "axes": np.int64([2, 3])}  # fmt: skip
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"])]

    def real(x: str, scale: str = "s", zero: str = "z") -> str:
        nodes.append(node("DequantizeLinear", [x, scale, zero], [f"d{len(nodes)}"]))
        return nodes[-1].output[0]

    def quantised(op: str, *inputs: str, **attributes) -> str:
        y = f"v{len(nodes)}"
        nodes.append(node(op, list(inputs), [y], **attributes))
        nodes.append(node("QuantizeLinear", [y, "t", "u"], [y + "q"]))
        return y + "q"

    x = real("q")
    g = real(quantised("Sigmoid", x), "t", "u")
    m = real(quantised("Mul", x, g), "t", "u")
    a = real(quantised("Add", m, real(quantised("AveragePool", x, kernel_shape=[1, 1]), "t", "u")), "t", "u")
    j = real(quantised("Concat", a, x, axis=1), "t", "u")
    f = real(quantised("LeakyRelu", real(quantised("Add", j, "c"), "t", "u"), alpha=0.1), "t", "u")
    last = quantised("ReduceMean", f, "axes", keepdims=0)
    own = {"domain": "com.microsoft"}
    nodes += [
        node("QLinearAdd", [last, "t", "u", last, "t", "u", "s", "z"], ["e"], **own),
        node("QLinearSigmoid", ["e", "s", "z", "t", "u"], ["h"], **own),
        node("QLinearConcat", ["s", "z", "e", "s", "z", "h", "t", "u"], ["k"], axis=1, **own),
        node("DequantizeLinear", ["k", "s", "z"], ["y"])]  # fmt: skip
    model = made(
        nodes, [("x", FLOAT, (1, 2, 3, 3))], [("y", FLOAT, (1, 8))],
        [numpy_helper.from_array(np.asarray(w), n) for n, w in weights.items()])  # fmt: skip
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def external(folder: Path) -> onnx.ModelProto:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    (folder / "weights.bin").write_bytes(b"\0" * 16 + array.tobytes())
    tensor = TensorProto(name="w", dims=array.shape, data_type=FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", "offset": "16", "length": "48"}.items():
        tensor.external_data.add(key=key, value=value)
    return made(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], [("x", FLOAT, (2, 3))],
        [("y", FLOAT, (2, 4))], [tensor])  # fmt: skip


def early() -> onnx.ModelProto:
    """An operator set with attributes where there are inputs now."""
    node = helper.make_node
    weights = [numpy_helper.from_array(np.float32([[1, 2, 3]]), "b")]
    return made(
        [node("Add", ["x", "b"], ["a"]), node("Clip", ["a"], ["c"], min=-1.0, max=2.0),
         node("Slice", ["c"], ["s"], starts=[0, 0], ends=[2, 2], axes=[0, 1]),
         node("Pad", ["s"], ["p"], pads=[0, 1, 0, 1], value=0.5),
         node("Unsqueeze", ["p"], ["u"], axes=[0, 1]),
         node("Upsample", ["u"], ["v"], scales=[1.0, 1.0, 2.0, 2.0]),
         node("Squeeze", ["v"], ["z"], axes=[0]), node("Softmax", ["z"], ["m"], axis=1),
         node("ReduceSum", ["m"], ["r"], axes=[2], keepdims=0),
         node("TopK", ["r"], ["t", "i"], k=2), node("Split", ["t"], ["y", "w"], axis=1),
         node("Dropout", ["y"], ["o"], ratio=0.5)],
        [("x", FLOAT, (2, 3)), ("b", FLOAT, (1, 3))], [("o", FLOAT, None), ("w", FLOAT, None)],
        weights, opset=7, ir=3)  # fmt: skip


def handmade(folder: Path) -> Iterator[Tuple[str, onnx.ModelProto]]:
    yield "typed-fields", typed_fields()
    yield "attributes", attributes_of_all_kinds()
    yield "functions", functions()
    yield "control-flow", control_flow()
    yield "convolutions", convolutions()
    yield "quantized", quantized()
    yield "quantized-elements", quantized_elements()
    yield "external", external(folder)
    yield "early", early()


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, model in [*handmade(folder), *from_node_tests()]:
        data = model.SerializeToString()
        if len(data) <= MAXIMUM_SIZE:
            names.append(name)
            (folder / f"{name}.onnx").write_bytes(data)

    def is_taken(name: str) -> bool:
        with tempfile.NamedTemporaryFile(suffix=".apus") as target:
            return subprocess.run(
                [str(locate.model_convert()), "import", f"{name}.onnx", "-o", target.name],
                cwd=folder, capture_output=True).returncode == 0  # fmt: skip

    # Such as it stands, an operator that needs a constant may be refused: that is no seed.
    with ThreadPoolExecutor(2) as pool:
        for name, taken in zip(names, pool.map(is_taken, names)):
            if not taken:
                (folder / f"{name}.onnx").unlink()
    left = len(list(folder.glob("*.onnx")))
    missing = [name for name, _ in handmade(folder) if not (folder / f"{name}.onnx").exists()]
    if missing or left < MINIMUM_COUNT:
        sys.exit(f"{left} seeds were taken of {len(names)}; not {', '.join(missing)}")
    print(f"{left} seeds of {len(names)} models")


if __name__ == "__main__":
    main()
