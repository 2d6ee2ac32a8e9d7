"""The graph passes: what each leaves of small graphs, where it must not fire, and that the numbers
stay those of ONNX Runtime on the graph as it was. A case is imported with the pass alone (and with
remove-unused, where nodes are left without readers), and with all passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import apus_reader
import cli
from onnx_models import check, convert, model, node

RANDOM = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return (RANDOM.random(shape) + 0.5).astype(np.float32)


class Case(NamedTuple):
    name: str
    nodes: Sequence[onnx.NodeProto]
    inputs: Dict[str, Sequence]
    weights: Dict[str, np.ndarray]
    #: Operators that remain, in order.
    remain: str
    outputs: str = "y"
    #: Sizes of free dimensions.
    sizes: Dict[str, int] = {}


def pads(*amounts: int) -> np.ndarray:
    return np.array(amounts, np.int64)


IMAGE = {"x": (2, 3, 8, 8)}
W = normal(4, 3, 3, 3) / 3
DENSE = normal(6, 5)


def bn(channels: int, name: str = "") -> Dict[str, np.ndarray]:
    return {
        f"s{name}": positive(channels), f"b{name}": normal(channels),
        f"m{name}": normal(channels), f"v{name}": positive(channels),
    }  # fmt: skip


def BN(x: str, y: str = "y", name: str = "", **attributes) -> onnx.NodeProto:
    return node("BatchNormalization", f"{x} s{name} b{name} m{name} v{name}", y, **attributes)


def T(x: str, y: str, *perm: int) -> onnx.NodeProto:
    return node("Transpose", x, y, perm=perm)


GELU = {
    "root": np.float32(np.sqrt(2)), "reciprocal": np.float32(np.sqrt(0.5)), "one": np.float32(1),
    "half": np.float32(0.5), "cubic": np.float32(0.044715), "three": np.float32(3),
    "slope": np.float32(np.sqrt(2 / np.pi)), "near": np.float32(1.4143),
}  # fmt: skip

CASES: Dict[str, List[Case]] = {
    "remove-identities": [
        Case("dropout and identity",
             [node("Identity", "x", "a"), node("Dropout", "a", "b"), node("Relu", "b")],
             {"x": (2, 3)}, {}, "Relu"),
        Case("arithmetic with 1 and 0",
             [node("Mul", "x one", "a"), node("Add", "zero a", "b"), node("Div", "b one", "c"),
              node("Sub", "c zero", "d"), node("Relu", "d")],
             {"x": (2, 3)}, {"one": np.float32(1), "zero": np.zeros((1, 3), np.float32)}, "Relu"),
        Case("arithmetic that broadcasts",
             [node("Mul", "x one")], {"x": (2, 1)}, {"one": np.ones((2, 3), np.float32)}, "Mul"),
        Case("arithmetic the other way round",
             [node("Div", "one x", "a"), node("Sub", "zero a")], {"x": (3,)},
             {"one": np.float32(1), "zero": np.float32(0)}, "Div Sub"),
        Case("whole slices",
             [node("Slice", "x start end", "a"), node("Relu", "a")], {"x": (2, 3)},
             {"start": pads(0, 0), "end": pads(9, 9)}, "Relu"),
        Case("slices that reverse or cut",
             [node("Slice", "x last first axis back", "a"), node("Slice", "a one end", "y")],
             {"x": (3, 3)},
             {"last": pads(-1), "first": pads(-9), "axis": pads(0), "back": pads(-1),
              "one": pads(1), "end": pads(9)}, "Slice Slice"),
        Case("of one",
             [node("Concat", "x", "a", axis=1), node("Sum", "a", "b"), node("Max", "b", "c"),
              node("Pad", "c none", "d"), node("Expand", "d shape", "e"),
              node("Cast", "e", "f", to=TensorProto.FLOAT), node("Relu", "f")],
             {"x": (2, 3)}, {"none": pads(0, 0, 0, 0), "shape": pads(2, 1)}, "Relu"),
        Case("casts that change the type",
             [node("Cast", "x", "a", to=TensorProto.INT32), node("Cast", "a", to=TensorProto.FLOAT)],
             {"x": (2, 3)}, {}, "Cast Cast"),
        Case("an input that is an output", [node("Identity", "x")], {"x": (3,)}, {}, "Identity"),
        Case("two outputs of one value",
             [node("Relu", "x", "y"), node("Identity", "y", "z")], {"x": (3,)}, {},
             "Relu Identity", "y z"),
    ],
    "fold-constants": [
        Case("a weight's transpose",
             [node("Transpose", "w", "t"), node("Exp", "t", "e"), node("MatMul", "x e")],
             {"x": (2, 3)}, {"w": normal(4, 3)}, "MatMul"),
        Case("what depends on an input", [node("Exp", "x", "e"), node("Add", "e w")],
             {"x": (3,)}, {"w": normal(3)}, "Exp Add"),
    ],
    "merge-reshapes": [
        Case("a chain",
             [node("Reshape", "x shape", "a"), node("Squeeze", "a one", "b"),
              node("Unsqueeze", "b two", "c"), node("Flatten", "c", "d"), node("Relu", "d")],
             {"x": (2, 3, 4)},
             {"shape": pads(6, 1, 4), "one": pads(1), "two": pads(0, 3)}, "Reshape Relu"),
        Case("there and back",
             [node("Unsqueeze", "x axis", "a"), node("Squeeze", "a axis", "b"), node("Relu", "b")],
             {"x": ("n", "m")}, {"axis": pads(1)}, "Relu", sizes={"n": 3, "m": 2}),
        Case("a free dimension",
             [node("Reshape", "x shape", "a"), node("Flatten", "a", "b"), node("Relu", "b")],
             {"x": ("n", 4)}, {"shape": pads(-1, 2, 2)}, "Relu", sizes={"n": 3}),
        Case("one that changes nothing",
             [node("Reshape", "x shape", "a"), node("Relu", "a")],
             {"x": (None, 4)}, {"shape": pads(-1, 4)}, "Relu", sizes={"x0": 3}),
        Case("two free dimensions that no Reshape tells",
             [node("Reshape", "x to", "a"), node("Reshape", "a back")],
             {"x": (None, None, 4)}, {"to": pads(0, -1, 2, 2), "back": pads(0, 0, 4)},
             "Reshape Reshape", sizes={"x0": 3, "x1": 5}),
        Case("a result between",
             [node("Reshape", "x shape", "a"), node("Flatten", "a", "y", axis=2)],
             {"x": (2, 3, 4)}, {"shape": pads(6, 1, 4)}, "Reshape Reshape", "a y"),
    ],
    "eliminate-transposes": [
        Case("inverse ones", [T("x", "a", 0, 2, 3, 1), T("a", "b", 0, 3, 1, 2), node("Relu", "b")],
             IMAGE, {}, "Relu"),
        Case("two that are one",
             [T("x", "a", 0, 2, 3, 1), T("a", "b", 3, 0, 1, 2), node("Relu", "b")],
             IMAGE, {}, "Relu Transpose"),
        Case("through arithmetic",
             [T("x", "a", 0, 2, 3, 1), node("Relu", "a", "b"), node("Add", "b c", "d"),
              node("Mul", "two d", "e"), T("e", "f", 0, 3, 1, 2), node("Neg", "f")],
             IMAGE, {"c": normal(3), "two": np.float32(2)}, "Relu Add Mul Neg"),
        Case("from both sides, and Concat",
             [T("x", "a", 0, 2, 3, 1), T("z", "b", 0, 2, 3, 1), node("Add", "a b", "c"),
              T("x", "d", 0, 2, 3, 1), node("Concat", "c d", "e", axis=-1),
              T("e", "f", 0, 3, 1, 2), node("Relu", "f")],
             {**IMAGE, "z": (2, 3, 1, 8)}, {}, "Add Concat Relu"),
        Case("a tensor that comes as it is",
             [T("x", "a", 1, 0), node("Add", "a z")], {"x": (2, 3), "z": (3, 2)}, {},
             "Transpose Add"),
        Case("different ones",
             [T("x", "a", 1, 0, 2), T("z", "b", 2, 1, 0), node("Add", "a b")],
             {"x": (2, 3, 4), "z": (4, 2, 3)}, {}, "Transpose Transpose Add"),
        Case("one that others read",
             [T("x", "a", 1, 0), node("Relu", "a", "y"), node("Concat", "a v", "z", axis=0)],
             {"x": (2, 3), "v": (4, 2)}, {}, "Transpose Relu Concat", "y z"),
        Case("only dimensions of 1",
             [T("x", "a", 0, 2, 1, 3), node("Relu", "a")], {"x": ("n", 1, 4, 5)}, {},
             "Reshape Relu", sizes={"n": 2}),
        Case("matrices", [T("x", "a", 1, 0), T("z", "b", 1, 0), node("MatMul", "a b")],
             {"x": (3, 2), "z": (4, 3)}, {}, "Gemm"),
        Case("a Gemm's transpose",
             [T("z", "b", 1, 0), node("Gemm", "x b c", transB=1, alpha=0.5)],
             {"x": (2, 3), "z": (3, 4)}, {"c": normal(4)}, "Gemm"),
        Case("batches of matrices", [T("x", "a", 0, 2, 1), node("MatMul", "z a")],
             {"x": (2, 4, 3), "z": (2, 5, 3)}, {}, "Transpose MatMul"),
        Case("in the last place", [T("x", "y", 1, 0)], {"x": (2, 3)}, {}, "Transpose"),
    ],
    "merge-duplicates": [
        Case("the same twice",
             [node("Exp", "x", "a"), node("Exp", "x", "b"), node("Relu", "a", "c"),
              node("Relu", "b", "d"), node("Add", "c d")],
             {"x": (3,)}, {}, "Exp Relu Add"),
        Case("the same constants",
             [node("Reshape", "x p", "a"), node("Reshape", "x q", "b"), node("Add", "a b")],
             {"x": (4,)}, {"p": pads(2, 2), "q": pads(2, 2)}, "Reshape Add"),
        Case("other attributes, inputs or constants",
             [node("Softmax", "x", "a", axis=0), node("Softmax", "x", "b", axis=1),
              node("Softmax", "z", "c", axis=1), node("Add", "a p", "d"), node("Add", "a q", "e"),
              node("Sum", "b c d e")],
             {"x": (2, 3), "z": (2, 3)}, {"p": np.float32(1), "q": np.float32(2)},
             "Softmax Softmax Softmax Add Add Sum"),
        Case("a result and another", [node("Exp", "x", "y"), node("Exp", "x", "a"),
                                      node("Neg", "a", "z")], {"x": (3,)}, {}, "Exp Neg", "y z"),
        Case("another and a result", [node("Exp", "x", "a"), node("Neg", "a", "z"),
                                      node("Exp", "x", "y")], {"x": (3,)}, {}, "Exp Neg", "y z"),
        Case("two results", [node("Exp", "x", "y"), node("Exp", "x", "z")], {"x": (3,)}, {},
             "Exp Exp", "y z"),
    ],
    "fold-pads": [
        Case("Conv", [node("Pad", "x p", "a"), node("Conv", "a w", pads=[1, 0, 0, 0])],
             IMAGE, {"p": pads(0, 0, 1, 2, 0, 0, 0, 3), "w": W}, "Conv"),
        Case("Conv, by axes and a stated 0",
             [node("Pad", "x p zero axes", "a"), node("Conv", "a w", auto_pad="VALID")],
             IMAGE, {"p": pads(2, 1, 0, 1), "zero": np.float32(0), "axes": pads(-1, 2), "w": W},
             "Conv"),
        Case("AveragePool", [node("Pad", "x p", "a"),
                             node("AveragePool", "a", kernel_shape=[3, 3], strides=[2, 2])],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 2)}, "AveragePool"),
        Case("AveragePool that counts its pads",
             [node("Pad", "x p", "a"),
              node("AveragePool", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                   count_include_pad=1)],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 0)}, "AveragePool"),
        Case("AveragePool that does not",
             [node("Pad", "x p", "a"),
              node("AveragePool", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 0)}, "Pad AveragePool"),
        Case("AveragePool that rounds up",
             [node("Pad", "x p", "a"),
              node("AveragePool", "a", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 1)}, "Pad AveragePool"),
        Case("MaxPool after −∞", [node("Pad", "x p low", "a"),
                                  node("MaxPool", "a", kernel_shape=[3, 3], strides=[2, 2])],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 1), "low": np.float32(-np.inf)}, "MaxPool"),
        Case("MaxPool of what is never negative",
             [node("Relu", "x", "r"), node("Pad", "r p", "a"),
              node("MaxPool", "a", kernel_shape=[3, 3], strides=[2, 2])],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 1)}, "Relu MaxPool"),
        Case("MaxPool after 0", [node("Pad", "x p", "a"), node("MaxPool", "a", kernel_shape=[3, 3])],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 1)}, "Pad MaxPool"),
        Case("a window of padding only",
             [node("Pad", "x p low", "a"), node("MaxPool", "a", kernel_shape=[2, 2])],
             IMAGE, {"p": pads(0, 0, 2, 0, 0, 0, 0, 0), "low": np.float32(-np.inf)}, "Pad MaxPool"),
        Case("another number", [node("Pad", "x p one", "a"), node("Conv", "a w")],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 1), "one": np.float32(1), "w": W}, "Pad Conv"),
        Case("another mode", [node("Pad", "x p", "a", mode="edge"), node("Conv", "a w")],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 1), "w": W}, "Pad Conv"),
        Case("channels", [node("Pad", "x p", "a"), node("Conv", "a w")],
             {"x": (2, 2, 8, 8)}, {"p": pads(0, 1, 0, 0, 0, 0, 0, 0), "w": W}, "Pad Conv"),
        Case("cutting", [node("Pad", "x p", "a"), node("Conv", "a w")],
             IMAGE, {"p": pads(0, 0, -1, 0, 0, 0, 1, 0), "w": W}, "Pad Conv"),
        Case("pads that follow the size",
             [node("Pad", "x p", "a"), node("Conv", "a w", auto_pad="SAME_UPPER", strides=[2, 2])],
             IMAGE, {"p": pads(0, 0, 1, 0, 0, 0, 0, 0), "w": W}, "Pad Conv"),
        Case("two readers",
             [node("Pad", "x p", "a"), node("Conv", "a w", "y"), node("Relu", "a", "z")],
             IMAGE, {"p": pads(0, 0, 1, 1, 0, 0, 1, 1), "w": W}, "Pad Conv Relu", "y z"),
    ],
    "fold-batch-normalization": [
        Case("behind Conv", [node("Conv", "x w", "a", pads=[1, 1, 1, 1]), BN("a")],
             IMAGE, {"w": W, **bn(4)}, "Conv"),
        Case("behind Conv with groups and bias",
             [node("Conv", "x w c", "a", group=2), BN("a", epsilon=0.1)],
             {"x": (2, 4, 8)}, {"w": normal(6, 2, 3), "c": normal(6), **bn(6)}, "Conv"),
        Case("behind ConvTranspose with groups",
             [node("ConvTranspose", "x w", "a", group=2), BN("a")],
             {"x": (2, 4, 5, 5)}, {"w": normal(4, 3, 2, 2), **bn(6)}, "ConvTranspose"),
        Case("behind Gemm", [node("Gemm", "x w c", "a", beta=0.5, alpha=2.0), BN("a")],
             {"x": (2, 6)}, {"w": DENSE, "c": normal(1, 5), **bn(5)}, "Gemm"),
        Case("behind MatMul", [node("MatMul", "x w", "a"), BN("a")],
             {"x": (2, 6)}, {"w": DENSE, **bn(5)}, "Gemm"),
        Case("before Conv", [BN("x", "a"), node("Conv", "a w c", group=3)],
             {"x": (2, 6, 8, 8)}, {"w": normal(3, 2, 3, 3), "c": normal(3), **bn(6)}, "Conv"),
        Case("before Gemm", [BN("x", "a"), node("Gemm", "a w", transB=1, alpha=0.5)],
             {"x": (2, 5)}, {"w": DENSE, **bn(5)}, "Gemm"),
        Case("before Conv with pads", [BN("x", "a"), node("Conv", "a w", pads=[1, 1, 1, 1])],
             IMAGE, {"w": W, **bn(3)}, "BatchNormalization Conv"),
        Case("before Conv, behind Relu",
             [BN("x", "a"), node("Relu", "a", "r"), node("Conv", "r w")],
             IMAGE, {"w": W, **bn(3)}, "BatchNormalization Relu Conv"),
        Case("sums that are a result", [node("Conv", "x w", "a"), BN("a")],
             IMAGE, {"w": W, **bn(4)}, "Conv BatchNormalization", "a y"),
        Case("sums that others read", [node("Conv", "x w", "a"), BN("a", "h"), node("Add", "a h")],
             IMAGE, {"w": W, **bn(4)}, "Conv BatchNormalization Add"),
        Case("a weight of two layers",
             [node("Conv", "x w", "a"), BN("a", "p"), node("Conv", "z w", "h"),
              BN("h", "q", name="2"), node("Add", "p q")],
             {**IMAGE, "z": (2, 3, 8, 8)}, {"w": W, **bn(4), **bn(4, "2")},
             "Conv BatchNormalization Conv BatchNormalization Add"),
        Case("numbers that are computed",
             [node("Conv", "x w", "a"), node("BatchNormalization", "a s b m v")],
             {**IMAGE, "m": (4,)}, {k: v for k, v in {"w": W, **bn(4)}.items() if k != "m"},
             "Conv BatchNormalization"),
        Case("alone", [BN("x")], IMAGE, bn(3), "BatchNormalization"),
    ],
    "fold-scales": [
        Case("behind Conv", [node("Conv", "x w c", "a"), node("Mul", "k a", "b"),
                             node("Div", "b two", "d"), node("Neg", "d")],
             IMAGE, {"w": W, "c": normal(4), "k": normal(4, 1, 1), "two": np.float32(2)}, "Conv"),
        Case("subtracted from", [node("Conv", "x w", "a"), node("Sub", "k a")],
             IMAGE, {"w": W, "k": normal(1, 4, 1, 1)}, "Conv"),
        Case("before Conv", [node("Mul", "x k", "a"), node("Conv", "a w", pads=[1, 1, 1, 1])],
             IMAGE, {"w": W, "k": normal(3, 1, 1)}, "Conv"),
        Case("before and behind MatMul of batches",
             [node("Mul", "x k", "a"), node("MatMul", "a w", "b"), node("Mul", "b l")],
             {"x": (2, 3, 6)}, {"w": DENSE, "k": normal(6), "l": normal(5)}, "MatMul"),
        Case("before ConvTranspose",
             [node("Mul", "x k", "a"), node("ConvTranspose", "a w", group=2)],
             {"x": (2, 4, 5, 5)}, {"w": normal(4, 3, 2, 2), "k": normal(4, 1, 1)}, "ConvTranspose"),
        Case("behind BatchNormalization",
             [BN("x", "a"), node("Mul", "a k", "d"), node("Sub", "l d")],
             IMAGE, {**bn(3), "k": normal(3, 1, 1), "l": np.float32(2)}, "BatchNormalization"),
        Case("along another axis", [node("Conv", "x w", "a"), node("Mul", "a k")],
             {"x": (1, 3, 6, 6)}, {"w": W, "k": normal(4)}, "Conv Mul"),
        Case("one that makes it larger", [node("Gemm", "x w", "a"), node("Mul", "a k")],
             {"x": (2, 6)}, {"w": DENSE, "k": normal(1, 1, 5)}, "Gemm Mul"),
        Case("a quotient the other way round",
             [node("Conv", "x w c", "a"), node("Div", "k a")],
             IMAGE, {"w": W, "c": np.full(4, 20, np.float32), "k": normal(4, 1, 1)}, "Conv Div"),
        Case("two tensors", [node("Conv", "x w", "a"), node("Mul", "a z")],
             {**IMAGE, "z": (4, 1, 1)}, {"w": W}, "Conv Mul"),
        Case("a weight of two layers",
             [node("Conv", "x w", "a"), node("Mul", "a k", "p"), node("Conv", "z w", "b"),
              node("Add", "p b")],
             {**IMAGE, "z": (2, 3, 8, 8)}, {"w": W, "k": np.float32(3)}, "Conv Mul Conv Add"),
    ],
    "fuse-bias": [
        Case("Conv", [node("Conv", "x w", "a"), node("Add", "c a")],
             IMAGE, {"w": W, "c": normal(1, 4, 1, 1)}, "Conv"),
        Case("Conv with a bias", [node("Conv", "x w b", "a"), node("Sub", "a c")],
             IMAGE, {"w": W, "b": normal(4), "c": normal(4, 1, 1)}, "Conv"),
        Case("ConvTranspose", [node("ConvTranspose", "x w", "a"), node("Add", "a c")],
             {"x": (1, 3, 4, 4)}, {"w": normal(3, 2, 2, 2), "c": np.float32(0.5)}, "ConvTranspose"),
        Case("MatMul", [node("MatMul", "x w", "a"), node("Add", "a c")],
             {"x": ("n", 6)}, {"w": DENSE, "c": normal(5)}, "Gemm", sizes={"n": 3}),
        Case("BatchNormalization", [BN("x", "a"), node("Add", "a c")],
             IMAGE, {**bn(3), "c": normal(1, 3, 1, 1)}, "BatchNormalization"),
        Case("BatchNormalization along another axis", [BN("x", "a"), node("Add", "a c")],
             {"x": (2, 3, 8, 3)}, {**bn(3), "c": normal(3)}, "BatchNormalization Add"),
        Case("a bias that two layers share",
             [node("MatMul", "x w", "a"), node("Add", "a c", "y"), node("MatMul", "x v", "b"),
              node("Add", "b c", "z")],
             {"x": (2, 6)}, {"w": DENSE, "v": normal(6, 5), "c": normal(5)}, "Gemm Gemm", "y z"),
        Case("MatMul of batches", [node("MatMul", "x w", "a"), node("Add", "a c")],
             {"x": (2, 3, 6)}, {"w": DENSE, "c": normal(5)}, "MatMul Add"),
        Case("Gemm with a row for each", [node("Gemm", "x w d", "a"), node("Add", "a c")],
             {"x": (2, 6)}, {"w": DENSE, "d": normal(2, 5), "c": normal(5)}, "Gemm Add"),
        Case("a bias for each place", [node("Conv", "x w", "a"), node("Add", "a c")],
             IMAGE, {"w": W, "c": normal(4, 6, 6)}, "Conv Add"),
        Case("integers", [node("MatMul", "x w", "a"), node("Add", "a c")],
             {"x": (2, 3)}, {"w": np.ones((3, 2), np.int32), "c": np.ones(2, np.int32)},
             "MatMul Add"),
        Case("sums that others read", [node("Conv", "x w", "a"), node("Add", "a c", "b"),
                                       node("Mul", "a b")],
             IMAGE, {"w": W, "c": normal(4, 1, 1)}, "Conv Add Mul"),
    ],
    "fuse-activations": [
        Case("Relu", [node("Conv", "x w", "a"), node("Relu", "a")], IMAGE, {"w": W}, "Conv"),
        Case("Clip", [node("Gemm", "x w", "a"), node("Clip", "a low high")],
             {"x": (2, 6)}, {"w": DENSE, "low": np.float32(-0.5), "high": np.float32(0.75)}, "Gemm"),
        Case("Clip from above only", [node("ConvTranspose", "x w", "a"), node("Clip", "a - high")],
             {"x": (1, 3, 4, 4)}, {"w": normal(3, 2, 2, 2), "high": np.float32(0.25)},
             "ConvTranspose"),
        Case("two, and a MatMul",
             [node("MatMul", "x w", "a"), node("Relu", "a", "b"), node("Clip", "b low high")],
             {"x": (2, 6)}, {"w": DENSE, "low": np.float32(-1), "high": np.float32(0.5)}, "Gemm"),
        Case("two that exclude each other",
             [node("Gemm", "x w", "a"), node("Clip", "a low", "b"), node("Clip", "b - high")],
             {"x": (2, 6)}, {"w": DENSE, "low": np.float32(1), "high": np.float32(0.5)}, "Gemm"),
        Case("limits that are computed", [node("Gemm", "x w", "a"), node("Clip", "a z")],
             {"x": (2, 6), "z": ()}, {"w": DENSE}, "Gemm Clip"),
        Case("other functions", [node("Conv", "x w", "a"), node("LeakyRelu", "a")],
             IMAGE, {"w": W}, "Conv LeakyRelu"),
        Case("batches", [node("MatMul", "x w", "a"), node("Relu", "a")],
             {"x": (2, 3, 6)}, {"w": DENSE}, "MatMul Relu"),
        Case("sums that are a result", [node("Conv", "x w", "a"), node("Relu", "a")],
             IMAGE, {"w": W}, "Conv Relu", "a y"),
        Case("sums that others read",
             [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Sub", "a b")],
             IMAGE, {"w": W}, "Conv Relu Sub"),
        Case("integers", [node("MatMul", "x w", "a"), node("Relu", "a")],
             {"x": (2, 3)}, {"w": np.ones((3, 2), np.int32)}, "MatMul Relu"),
    ],
    "merge-activations": [
        Case("SiLU", [node("Sigmoid", "x", "s"), node("Mul", "x s")],
             {"x": ("n", 3)}, {}, "Swish", sizes={"n": 2}),
        Case("Swish with a factor",
             [node("Mul", "x k", "a"), node("Sigmoid", "a", "s"), node("Mul", "s x")],
             {"x": (5, 3)}, {"k": np.full((1, 1), 1.702, np.float32)}, "Swish"),
        Case("a layer's result",
             [node("Conv", "x w", "c"), node("Sigmoid", "c", "s"), node("Mul", "c s")],
             IMAGE, {"w": W}, "Conv Swish"),
        Case("another tensor's Sigmoid", [node("Sigmoid", "x", "s"), node("Mul", "z s")],
             {"x": (2, 3), "z": (2, 3)}, {}, "Sigmoid Mul"),
        Case("a Sigmoid that is a result", [node("Sigmoid", "x", "s"), node("Mul", "x s")],
             {"x": (2, 3)}, {}, "Sigmoid Mul", "y s"),
        Case("a Sigmoid of a sum",
             [node("Add", "x k", "a"), node("Sigmoid", "a", "s"), node("Mul", "x s")],
             {"x": (2, 3)}, {"k": np.float32(1)}, "Add Sigmoid Mul"),
        Case("a factor for each channel",
             [node("Mul", "x k", "a"), node("Sigmoid", "a", "s"), node("Mul", "x s")],
             {"x": (2, 3)}, {"k": normal(3)}, "Mul Sigmoid Mul"),
        Case("a factor that adds a dimension",
             [node("Mul", "x k", "a"), node("Sigmoid", "a", "s"), node("Mul", "x s")],
             {"x": (2, 3)}, {"k": np.full((1, 1, 1), 2, np.float32)}, "Mul Sigmoid Mul"),
        Case("HardSwish of a HardSigmoid",
             [node("HardSigmoid", "x", "s", alpha=1 / 6), node("Mul", "s x")],
             {"x": (40, 30)}, {}, "HardSwish"),
        Case("another HardSigmoid", [node("HardSigmoid", "x", "s"), node("Mul", "s x")],
             {"x": (4, 3)}, {}, "HardSigmoid Mul"),
        Case("HardSwish of a Clip, divided first",
             [node("Add", "x three", "a"), node("Clip", "a zero six", "b"),
              node("Div", "b six", "c"), node("Mul", "x c")],
             {"x": (40, 30)},
             {"zero": np.float32(0), "three": np.float32(3), "six": np.float32(6)}, "HardSwish"),
        Case("HardSwish of a Clip, divided last",
             [node("Add", "three x", "a"), node("Clip", "a zero six", "b"),
              node("Mul", "x b", "c"), node("Mul", "c sixth")],
             {"x": (40, 30)},
             {"zero": np.float32(0), "three": np.float32(3), "six": np.float32(6),
              "sixth": np.float32(1 / 6)}, "HardSwish"),
        Case("a Clip to other limits",
             [node("Add", "x three", "a"), node("Clip", "a zero five", "b"),
              node("Mul", "x b", "c"), node("Div", "c five")],
             {"x": (4, 3)},
             {"zero": np.float32(0), "three": np.float32(3), "five": np.float32(5)},
             "Add Clip Mul Div"),
        Case("Mish", [node("Softplus", "x", "p"), node("Tanh", "p", "t"), node("Mul", "x t")],
             {"x": (40, 30)}, {}, "Mish"),
        Case("another Tanh",
             [node("Softplus", "z", "p"), node("Tanh", "p", "t"), node("Mul", "x t")],
             {"x": (4, 3), "z": (4, 3)}, {}, "Softplus Tanh Mul"),
        Case("Gelu as PyTorch writes it",
             [node("Div", "x root", "d"), node("Erf", "d", "e"), node("Add", "e one", "a"),
              node("Mul", "x a", "m"), node("Mul", "m half")],
             {"x": (40, "n")}, GELU, "Gelu", sizes={"n": 30}),
        Case("Gelu in another order, and a gate",
             [node("Mul", "x half", "h"), node("Mul", "reciprocal x", "d"), node("Erf", "d", "e"),
              node("Add", "one e", "a"), node("Mul", "a h", "g"), node("Mul", "g z")],
             {"x": (40, 30), "z": (40, 30)}, GELU, "Gelu Mul"),
        Case("the form in tanh, by products",
             [node("Mul", "x x", "q"), node("Mul", "x q", "c"), node("Mul", "cubic c", "k"),
              node("Add", "x k", "s"), node("Mul", "slope s", "d"), node("Tanh", "d", "t"),
              node("Add", "one t", "a"), node("Mul", "x a", "m"), node("Mul", "half m")],
             {"x": (40, 30)}, GELU, "Gelu"),
        Case("the form in tanh, by Pow",
             [node("Pow", "x three", "c"), node("Mul", "c cubic", "k"), node("Add", "x k", "s"),
              node("Mul", "s slope", "d"), node("Tanh", "d", "t"), node("Add", "t one", "a"),
              node("Mul", "x half", "h"), node("Mul", "h a")],
             {"x": (40, 30)}, GELU, "Gelu"),
        Case("the form in tanh, with x before the sum",
             [node("Mul", "x cubic", "k"), node("Mul", "k x", "q"), node("Add", "q one", "s"),
              node("Mul", "x slope", "l"), node("Mul", "l s", "d"), node("Tanh", "d", "t"),
              node("Add", "t one", "a"), node("Mul", "x half", "h"), node("Mul", "h a")],
             {"x": (40, 30)}, GELU, "Gelu"),
        Case("nearly Gelu",
             [node("Div", "x near", "d"), node("Erf", "d", "e"), node("Add", "e one", "a"),
              node("Mul", "x a", "m"), node("Mul", "m half")],
             {"x": (4, 3)}, GELU, "Div Erf Add Mul Mul"),
        Case("twice Gelu",
             [node("Div", "x root", "d"), node("Erf", "d", "e"), node("Add", "e one", "a"),
              node("Mul", "x a")],
             {"x": (4, 3)}, GELU, "Div Erf Add Mul"),
    ],
    "remove-unused": [
        Case("what only the dead read",
             [node("TopK", "x k", "y i"), node("Relu", "y", "z")], {"x": (3,)}, {"k": pads(2)},
             "TopK Relu", "z"),
    ],
    "merge-weights": [
        Case("equal weights",
             [node("MatMul", "x p", "a"), node("MatMul", "a q", "b"), node("Add", "b r")],
             {"x": (2, 4)}, {"p": np.eye(4, dtype=np.float32), "q": np.eye(4, dtype=np.float32),
                             "r": np.eye(4, dtype=np.float32)[:2]}, "MatMul MatMul Add"),
    ],
}  # fmt: skip

PAIRS = [(name, case) for name, cases in CASES.items() for case in cases]


def listed() -> List[str]:
    rows = json.loads(cli.run("inspect", "--passes", "--json", cwd=Path("/")).stdout)["passes"]
    assert all(row["summary"] and "changes" not in row for row in rows)
    return [row["name"] for row in rows]


NAMES = listed()


def without(*kept: str) -> List[str]:
    return [x for name in NAMES if name not in kept for x in ("--without-pass", name)]


def layers(folder: Path) -> List[Dict]:
    return json.loads(cli.run("inspect", "m.apus", "--json", cwd=folder).stdout)["layers"]


def operators(folder: Path) -> str:
    return " ".join(layer["operator"] for layer in layers(folder))


def prepared(case: Case) -> "tuple[onnx.ModelProto, Dict[str, np.ndarray]]":
    integers = any(w.dtype == np.int32 for w in case.weights.values())
    types = {name: TensorProto.INT32 for name in case.inputs} if integers else {}
    proto = model(case.nodes, case.inputs, case.outputs.split(), case.weights, types=types)
    arrays = {}
    for name, shape in case.inputs.items():
        sizes = [
            d if isinstance(d, int) else case.sizes[d or f"{name}{i}"] for i, d in enumerate(shape)
        ]
        arrays[name] = normal(*sizes) if not integers else np.full(sizes, 3, np.int32)
    return proto, arrays


@pytest.mark.parametrize("name, case", PAIRS, ids=[f"{n}: {c.name}" for n, c in PAIRS])
def test_pass(tmp_path: Path, name: str, case: Case) -> None:
    proto, arrays = prepared(case)
    check(tmp_path, proto, arrays, *without(name, "remove-unused"), rtol=1e-5, atol=1e-5)
    assert operators(tmp_path) == case.remain
    check(tmp_path, proto, arrays, rtol=1e-5, atol=1e-5)
    check(tmp_path, proto, arrays, "--without-pass", "all", rtol=1e-5, atol=1e-5)


def test_every_pass_has_cases() -> None:
    assert set(CASES) | set(OTHERS) == set(NAMES)


#: Passes whose tests are in files of their own.
OTHERS: Dict[str, str] = {
    "integer-operators": "test_integer_operators.py",
    "fuse-recurrences": "test_recurrences.py",
}


# ---- Options and reports ------------------------------------------------------------------------


def block() -> onnx.ModelProto:
    """A residual block as PyTorch exports it."""
    nodes = [
        node("Conv", "x w1", "a", pads=[1, 1, 1, 1]), BN("a", "b", name="1"), node("Relu", "b", "c"),
        node("Conv", "c w2", "d", pads=[1, 1, 1, 1]), BN("d", "e", name="2"),
        node("Add", "e x", "f"), node("Relu", "f", "g"), node("GlobalAveragePool", "g", "h"),
        node("Flatten", "h", "i"), node("MatMul", "i w3", "j"), node("Add", "j b3"),
    ]  # fmt: skip
    weights = {
        "w1": normal(4, 4, 3, 3) / 6, "w2": normal(4, 4, 3, 3) / 6, "w3": normal(4, 3),
        "b3": normal(3), **bn(4, "1"), **bn(4, "2"),
    }  # fmt: skip
    return model(nodes, {"x": ("n", 4, 8, 8)}, ["y"], weights)


def test_a_residual_block(tmp_path: Path) -> None:
    proto = block()
    check(tmp_path, proto, {"x": normal(3, 4, 8, 8)}, rtol=1e-4, atol=1e-5)
    assert operators(tmp_path) == "Conv Conv Add Relu GlobalAveragePool Flatten Gemm"
    sizes = [(tmp_path / "m.apus").stat().st_size]
    result = convert(tmp_path, proto)
    assert result.stdout.splitlines()[1] == (
        "passes: fold-batch-normalization 2, fuse-bias 1, fuse-activations 1")
    shown = json.loads(cli.run("inspect", "m.apus", "--passes", "--json", cwd=tmp_path).stdout)
    changes = {row["name"]: row["changes"] for row in shown["passes"]}
    assert changes == {
        name: {"fold-batch-normalization": 2, "fuse-bias": 1, "fuse-activations": 1}.get(name, 0)
        for name in NAMES
    }
    result = convert(tmp_path, proto, "--without-pass", "all")
    assert "passes" not in result.stdout
    assert operators(tmp_path).split() == [n.op_type for n in proto.graph.node]
    assert sizes[0] < (tmp_path / "m.apus").stat().st_size


def test_what_is_exported_is_imported_again_to_the_same(tmp_path: Path) -> None:
    proto = block()
    x = normal(2, 4, 8, 8)
    check(tmp_path, proto, {"x": x}, rtol=1e-4, atol=1e-5)
    before = operators(tmp_path)
    done = cli.run("export", "m.apus", "-o", "again.onnx", cwd=tmp_path)
    assert done.code == 0, done.stderr
    again = onnx.load(tmp_path / "again.onnx")
    assert not any(entry.key == "apus.passes" for entry in again.metadata_props)
    check(tmp_path, again, {"x": x}, rtol=1e-4, atol=1e-5)
    assert operators(tmp_path) == before


def test_pass_names_are_checked(tmp_path: Path) -> None:
    result = convert(tmp_path, block(), "--without-pass", "fuse-everything")
    assert result.code == 2 and "fuse-activations" in result.stderr
    listed = cli.run("inspect", "--passes", cwd=tmp_path)
    assert listed.code == 0 and all(name in listed.stdout for name in NAMES)
    assert cli.run("inspect", cwd=tmp_path).code == 2


def test_half_weights_stay_half(tmp_path: Path) -> None:
    """Weights that are folded stay as wide as they were."""
    nodes = [node("Conv", "x w", "a"), BN("a")]
    weights = {"w": normal(64, 64, 3, 3) / 24, **bn(64)}
    proto = model(nodes, {"x": (1, 64, 4, 4)}, ["y"], weights)
    check(tmp_path, proto, {"x": normal(1, 64, 4, 4)}, "--weights", "f16", rtol=1e-2, atol=1e-2)
    assert operators(tmp_path) == "Conv"
    assert (tmp_path / "m.apus").stat().st_size < 2.2 * 64 * 64 * 9


def test_states_and_bodies_keep_what_is_theirs(tmp_path: Path) -> None:
    """A state's next value, and bodies that share a weight with the graph around them."""
    nodes = [
        node("Identity", "h", "h1"), node("Add", "h1 x", "t"), node("Identity", "t", "next"),
        node("Conv", "t w", "a"), BN("a", "n"), node("Relu", "n", "y"),
    ]  # fmt: skip
    proto = model(
        nodes, {"x": (1, 3, 4, 4), "h": (1, 3, 4, 4)}, ["y", "next"], {"w": W, **bn(4)})
    result = convert(tmp_path, proto, "--state", "h=next")
    assert result.code == 0, result.stderr
    import apus

    from onnx_models import reference

    session = apus.Model(str(tmp_path / "m.apus")).session()
    h = np.zeros((1, 3, 4, 4), np.float32)
    for _ in range(3):
        x = normal(1, 3, 4, 4)
        wanted = reference(proto, {"x": x, "h": h})
        np.testing.assert_allclose(session.run({"x": x})["y"], wanted["y"], rtol=1e-5, atol=1e-5)
        h = wanted["next"]


def test_bodies_are_rewritten_too(tmp_path: Path) -> None:
    def branch(factor: str) -> onnx.GraphProto:
        a, b, y = (factor + suffix for suffix in "abc")
        nodes = [node("Conv", "x w", a), node("Mul", f"{a} {factor}", b), node("Relu", b, y)]
        return helper.make_graph(nodes, factor, [], [onnx.ValueInfoProto(name=y)])

    proto = model(
        [node("If", "c", "h", then_branch=branch("two"), else_branch=branch("three")),
         node("Identity", "h")],
        {"x": (1, 3, 5, 5), "c": ()}, ["y"],
        {"w": W, "two": np.float32(2), "three": np.float32(3)}, types={"c": TensorProto.BOOL})  # fmt: skip
    x = normal(1, 3, 5, 5)
    for c in (True, False):
        check(tmp_path, proto, {"x": x, "c": np.array(c)}, rtol=1e-5, atol=1e-5)
    text = cli.run("inspect", "m.apus", "--json", cwd=tmp_path).stdout
    # Both bodies read w: neither may scale it, and a clip needs nothing of it.
    assert [f["nodes"] for f in json.loads(text)["functions"]] == [1, 3, 3]


def captures(kind: str) -> onnx.ModelProto:
    """A body that reads u, and of z only the shape, which is known."""
    def inner(x: str, y: str) -> "list[onnx.NodeProto]":
        return [
            node("Shape", "z", y + "s"), node("ConstantOfShape", y + "s", y + "o"),
            node("Add", f"{x} {y}o", y + "e"), node("Add", f"{y}e u", y),
        ]  # fmt: skip

    inputs = {"x": (2, 3), "z": (2, 3), "u": (2, 3)}
    value = helper.make_tensor_value_info
    if kind == "If":
        graphs = [
            helper.make_graph(inner("x", y), y, [], [onnx.ValueInfoProto(name=y)]) for y in "ab"]
        nodes = [node("If", "c", "y", then_branch=graphs[0], else_branch=graphs[1])]
        return model(nodes, {"c": (), **inputs}, ["y"], types={"c": TensorProto.BOOL})
    state = value("s", TensorProto.FLOAT, (2, 3))
    if kind == "Loop":
        body = helper.make_graph(
            [*inner("s", "b"), node("Identity", "go", "on")], "body",
            [value("i", TensorProto.INT64, ()), value("go", TensorProto.BOOL, ()), state],
            [onnx.ValueInfoProto(name=name) for name in ("on", "b")])
        return model([node("Loop", "n - x", "y", body=body)], inputs, ["y"],
                     {"n": np.int64(3)})
    body = helper.make_graph(
        [node("Add", "s e", "t"), *inner("t", "b")], "body",
        [state, value("e", TensorProto.FLOAT, (2, 3))], [onnx.ValueInfoProto(name="b")])
    return model([node("Scan", "x w", "y", body=body, num_scan_inputs=1)], inputs, ["y"],
                 {"w": normal(4, 2, 3)})


@pytest.mark.parametrize("kind, own", [("If", 1), ("Loop", 3), ("Scan", 2)])
def test_captures_that_nothing_reads_go(tmp_path: Path, kind: str, own: int) -> None:
    proto = captures(kind)
    arrays = {name: normal(2, 3) for name in "xzu"}
    if kind == "If":
        arrays["c"] = np.array(True)
    check(tmp_path, proto, arrays, "--without-pass", "all")

    def count() -> int:
        read = apus_reader.read((tmp_path / "m.apus").read_bytes())
        control = read.functions["main"].nodes[0]
        return len(control.inputs) - own

    before = count()
    check(tmp_path, proto, arrays)
    # x in the branches of an If, and u.
    left = 2 if kind == "If" else 1
    assert (before, count()) == (left + 1, left)
