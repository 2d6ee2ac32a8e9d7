"""Random ONNX graphs over the whole list of operators, each a function of a seed.

    graph = generate(seed)         # .model, .inputs and .wanted for two sizes of "N", .operators
    python Tests/python/random_graphs.py 0 500        # what they cover
    python Tests/python/random_graphs.py 7 -o m.onnx  # one as a file

A new operator takes one line in `OPERATORS`: its name and a function that adds it to a `Builder`,
between which opsets, and how often. Its inputs come from `pick` (a value that is there, within
bounds), `partner` (one that broadcasts with another) and `weight`; what ONNX Runtime has no kernel
for, what would be infinite and what hangs on rounding errors is refused by `Builder.node` and
something else is tried.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any, Callable, Counter, Dict, List, Mapping, NamedTuple

import numpy as np
import onnx
from graph_builder import Builder
from graph_values import Refused, Value
from random_operators import (
    chains,
    control_flow,
    elementwise,
    layers,
    movement,
    quantization,
    recurrent,
    rows,
    shapes,
    vision,
)


class Operator(NamedTuple):
    add: Callable[[Builder], Value]
    since: int = 13
    """The first opset in which the function is right."""
    until: int = 99
    weight: float = 1.0


def of(
    add: Callable[..., Any],
    *arguments: Any,
    since: int = 13,
    until: int = 99,
    weight: float = 1.0,
    **options: Any,
) -> Operator:
    return Operator(partial(add, *arguments, **options), since, until, weight)


def each(
    names: str, add: Callable[..., Any], *arguments: Any, **options: Any
) -> Dict[str, Operator]:
    return {name: of(add, name, *arguments, **options) for name in names.split()}


OPERATORS: Dict[str, Operator] = {
    # Name, domain, types.
    **each("Relu", elementwise.unary, -99, 99, "fffbil", since=7),
    **each("Abs Sign", elementwise.unary, -99, 99, "fffbBil"),
    **each("Neg", elementwise.unary, -99, 99, "fffbil"),
    **each("Sqrt", elementwise.unary, 0.05, 99, "f", since=7),
    **each("Reciprocal", elementwise.unary, 0.2, 50, "f"),
    **each("Exp", elementwise.unary, -5, 4, "f", since=7),
    **each("Log", elementwise.unary, 0.2, 50, "f"),
    **each("Floor Ceil Round", elementwise.unary, -99, 99, "f"),
    **each("Sigmoid Tanh", elementwise.unary, -20, 20, "f", since=7),
    **each("Sin Cos", elementwise.unary, -9, 9, "f"),
    **each("Softplus Softsign HardSigmoid Erf Atan Asinh", elementwise.unary, -20, 20, "f"),
    **each("HardSwish", elementwise.unary, -20, 20, "f", since=14),
    **each("Mish", elementwise.unary, -20, 20, "f", since=18),
    **each("Tan", elementwise.unary, -1.2, 1.2, "f"),
    **each("Asin Acos Atanh", elementwise.unary, -0.9, 0.9, "f"),
    **each("Sinh Cosh", elementwise.unary, -4, 4, "f"),
    **each("Acosh", elementwise.unary, 1.2, 50, "f"),
    **each("Elu LeakyRelu Celu", elementwise.unary, -20, 20, "f", alpha=(0.1, 1.5)),
    **each("ThresholdedRelu", elementwise.unary, -20, 20, "f", alpha=(0.1, 1.5)),
    **each("Selu", elementwise.unary, -20, 20, "f", alpha=(0.5, 2), gamma=(0.5, 2)),
    **each("Swish", elementwise.unary, -20, 20, "f", since=24, alpha=(0.5, 1.5), weight=3),
    **each("Shrink", elementwise.unary, -20, 20, "ffbil", lambd=(0.3, 1), bias=(0, 0.5)),
    **each("Not", elementwise.unary, 0, 0, "?"),
    "Gelu": of(elementwise.gelu, since=20),
    "Clip": of(elementwise.clip, since=12),
    **each("Add Sub Mul", elementwise.binary, "fffffil", since=7, weight=1.5),
    "Div": of(elementwise.div),
    "Pow": of(elementwise.power),
    "Mod": of(elementwise.mod),
    "PRelu": of(elementwise.prelu),
    **each("Min Max", elementwise.variadic, "ffBil"),
    **each("Sum Mean", elementwise.variadic, "f"),
    **each("Equal", elementwise.compare, "fbBil?"),
    **each("Greater Less GreaterOrEqual LessOrEqual", elementwise.compare, "ffbBil"),
    **each("And Or Xor", elementwise.logic),
    "Where": of(elementwise.where),
    **each("IsNaN IsInf", elementwise.is_special),
    "Cast": of(elementwise.cast),
    "CastLike": of(elementwise.cast, like=True, since=15),
    "Dropout": of(elementwise.dropout),
    # Rows, reductions, normalisations.
    **each("Softmax LogSoftmax Hardmax", rows.soft),
    **each("ReduceSum ReduceMean", rows.reduce, -50, 50, "fffil"),
    **each("ReduceL1 ReduceL2", rows.reduce, -50, 50, "ffi"),
    **each("ReduceSumSquare", rows.reduce, -9, 9, "ffil"),
    **each("ReduceMax ReduceMin", rows.reduce, -99, 99, "ffbBil"),
    **each("ReduceProd", rows.reduce, 0.5, 1.6, "f"),
    **each("ReduceLogSum", rows.reduce, 0.2, 50, "f"),
    **each("ReduceLogSumExp", rows.reduce, -6, 6, "f"),
    **each("ArgMax ArgMin", rows.arg),
    "TopK": of(rows.top_k),
    "CumSum": of(rows.cum_sum),
    "BatchNormalization": of(rows.batch_normalization, since=9),
    "InstanceNormalization": of(rows.instance_normalization),
    "GroupNormalization": of(rows.group_normalization, since=21),
    "LayerNormalization": of(rows.layer_normalization, "LayerNormalization", since=17),
    "RMSNormalization": of(rows.layer_normalization, "RMSNormalization", since=23, weight=2),
    "LRN": of(rows.lrn),
    "MeanVarianceNormalization": of(rows.mean_variance),
    "LpNormalization": of(rows.lp_normalization),
    # Convolution, pooling, matrices.
    "Conv": of(layers.conv, since=7, weight=2),
    "ConvTranspose": of(layers.conv_transpose),
    "DeformConv": of(layers.deform_conv, since=19),
    "CausalConvWithState": of(layers.causal_conv, since=27, weight=4),
    "MaxPool": of(layers.max_pool, since=12),
    "MaxUnpool": of(layers.max_pool, unpool=True),
    **each("AveragePool LpPool", layers.pool),
    **each("GlobalAveragePool GlobalMaxPool GlobalLpPool", layers.global_pool),
    "Gemm": of(layers.gemm, since=11),
    "MatMul": of(layers.mat_mul, since=9, weight=1.5),
    "Einsum": of(layers.einsum),
    # Moving data.
    "Concat": of(movement.concat, since=7),
    "Split": of(movement.split),
    "Slice": of(movement.slice_),
    "Reshape": of(movement.reshape),
    "Squeeze": of(movement.squeeze),
    "Unsqueeze": of(movement.unsqueezed),
    "Flatten": of(movement.flatten),
    "Transpose": of(movement.transpose, since=7),
    "Pad": of(movement.pad),
    "Expand": of(movement.expand),
    "Tile": of(movement.tile),
    "Gather": of(movement.gather, since=11),
    "GatherElements": of(movement.gather_elements),
    "GatherND": of(movement.gather_nd),
    "ScatterElements": of(movement.scatter_elements),
    "ScatterND": of(movement.scatter_nd),
    "Scatter": of(movement.scatter_elements, op="Scatter", since=9, until=10, weight=3),
    "DepthToSpace": of(movement.depth_to_space),
    "SpaceToDepth": of(movement.space_to_depth),
    "ReverseSequence": of(movement.reverse_sequence),
    "CenterCropPad": of(movement.center_crop_pad, since=18),
    "Col2Im": of(movement.col2im, since=18),
    "Resize": of(movement.resize),
    "Upsample": of(movement.resize, upsample=True, since=9, until=9, weight=4),
    # Shapes and positions.
    "Shape": of(shapes.shape),
    "Size": of(shapes.size),
    "Constant": of(shapes.constant),
    "ConstantOfShape": of(shapes.constant_of_shape),
    "Range": of(shapes.range_),
    "EyeLike": of(shapes.eye_like),
    "Trilu": of(shapes.trilu, since=14),
    "OneHot": of(shapes.one_hot),
    "NonZero": of(shapes.non_zero),
    "Identity": of(shapes.identity, since=7),
    # Vision.
    "MaxRoiPool": of(vision.max_roi_pool),
    "RoiAlign": of(vision.roi_align),
    "NonMaxSuppression": of(vision.non_max_suppression),
    "GridSample": of(vision.grid_sample, since=16),
    "AffineGrid": of(vision.affine_grid, since=20),
    # Recurrent, attention, control flow.
    **each("RNN LSTM GRU", recurrent.recurrent),
    "Attention": of(recurrent.attention, since=23, weight=2),
    "If": of(control_flow.if_, since=13),
    "Loop": of(control_flow.loop),
    "Scan": of(control_flow.scan),
    # 8-bit integers.
    "QuantizeLinear": of(quantization.quantize),
    "DequantizeLinear": of(quantization.dequantize),
    "DynamicQuantizeLinear": of(quantization.dynamic_quantize),
    "MatMulInteger": of(quantization.mat_mul_integer),
    "ConvInteger": of(quantization.conv_integer),
    "QLinearMatMul": of(quantization.qlinear_mat_mul),
    "QLinearConv": of(quantization.qlinear_conv),
}  # fmt: skip

CHAINS = [
    of(chains.image_chain, weight=3),
    of(chains.dense_chain),
    of(chains.transposed_chain),
    of(chains.twice),
    of(quantization.quantized_chain, weight=2),
    of(quantization.quantized_elements, weight=2),
]


class Graph(NamedTuple):
    model: onnx.ModelProto
    inputs: List[Dict[str, np.ndarray]]
    """For each size of N."""
    wanted: List[Dict[str, np.ndarray]]
    """The outputs, computed node by node."""
    operators: List[str]
    refused: Dict[str, str]
    """Why the last attempt at an operator came to nothing."""


def generate(seed: int, everything: bool = False) -> Graph:
    """The graph of a seed; with `everything`, each tensor is an output."""
    rng = np.random.default_rng([seed, 1])
    opset = chosen_opset(rng, seed)
    g = Builder(rng, opset)
    names = [n for n, o in OPERATORS.items() if o.since <= opset <= o.until]
    parts = CHAINS if opset >= 13 else []
    count = g.integer(5, g.choice((5, 8, 12, 20, 30, 40, 60)))
    refused: Dict[str, str] = {}
    # Each operator of the list has its turn.
    turn = [names[(seed * 3 + i) % len(names)] for i in range(3)]
    for _ in range(6 * count):
        if len(g.nodes) >= count and not turn:
            break
        if turn and g.chance(0.3):
            name = turn.pop()
        elif parts and g.chance(0.12):
            name = ""
        else:
            name = str(weighted(g, {n: OPERATORS[n] for n in names}))
        operator = OPERATORS[name] if name else parts[weighted(g, dict(enumerate(parts)))]
        try:
            operator.add(g)
        except Refused as why:
            refused[name] = str(why)
    return finish(g, everything, refused)


def weighted(g: Builder, operators: Mapping[Any, Operator]) -> Any:
    weights = np.array([o.weight for o in operators.values()])
    return list(operators)[int(g.rng.choice(len(weights), p=weights / weights.sum()))]


def chosen_opset(rng: np.random.Generator, seed: int) -> int:
    """13 to 27; now and then 9 or 10, the last that had Upsample and Scatter."""
    if seed % 25 == 24:
        return 9 if seed % 50 == 24 else 10
    return int(rng.choice([*range(13, 28), 17, 18, 21, 23, 24, 27, 27]))


def finish(g: Builder, everything: bool, refused: Dict[str, str]) -> Graph:
    """What nobody reads becomes an output, and sometimes what somebody reads."""
    produced = [v for v in g.pool if not any(v is i for i in g.inputs)]
    outputs = [v for v in produced if v.readers == 0]
    if not everything and len(outputs) > 6:  # some stay dead code
        outputs = [v for v in outputs if g.chance(0.8)] or outputs
    outputs += [v for v in produced if v.readers and (everything or g.chance(0.05))]
    inputs = [{v.name: v.arrays[i] for v in g.inputs} for i in range(2)]
    wanted = [{v.name: v.arrays[i] for v in outputs} for i in range(2)]
    return Graph(g.model(outputs), inputs, wanted, g.operators, refused)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, nargs="?")
    parser.add_argument("-o", "--output", help="where to write the graph of the first seed")
    arguments = parser.parse_args()
    if arguments.output:
        onnx.save(generate(arguments.first).model, arguments.output)
        return
    covered: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for seed in range(arguments.first, arguments.last or arguments.first + 1):
        graph = generate(seed)
        covered.update(graph.operators)
        refused.update(graph.refused.keys())
    for op in sorted(covered):
        print(f"{op:28}{covered[op]:6}{refused[op]:6} refused")


if __name__ == "__main__":
    main()
