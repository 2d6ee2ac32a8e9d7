"""RNN, LSTM and GRU over random cases: against the formulas in float64, against ONNX Runtime, step by
step against the whole sequence, on every kernel module and for every number of threads."""

import functools

import numpy as np
import onnx
import onnxruntime
import pytest
from harness import (
    ISAS, Writer, add_node, apus, assert_close, assert_same_bits, node_model, open_model,
    random_array,
)  # fmt: skip
from recurrent_reference import ACTIVATIONS, DEFAULTS, GATES, recurrent

OPS = ["RNN", "LSTM", "GRU"]
CASES = 240
BOUNDED = ["Sigmoid", "Tanh", "HardSigmoid", "Softsign", "ScaledTanh"]


def random_case(rng, op):
    """Inputs and attributes, as ONNX has them."""
    direction = rng.choice(["forward", "reverse", "bidirectional"])
    d = 2 if direction == "bidirectional" else 1
    time = int(rng.choice([1, 1, 2, 3, 5, 9, 17]))
    batch = int(rng.choice([1, 1, 2, 3, 4, 5, 6, 9]))
    size = int(rng.integers(1, 40))
    hidden = int(rng.integers(1, 71))
    rows = GATES[op] * hidden
    layout = int(rng.integers(2))
    scale = rng.choice([0.3, 1.0])
    state = (batch, d, hidden) if layout else (d, batch, hidden)

    def maybe(*shape, low=-1.0):
        return random_array(rng, shape, low) if rng.integers(2) else None

    inputs = [
        random_array(rng, (batch, time, size) if layout else (time, batch, size), -2, 2),
        random_array(rng, (d, rows, size)) * np.float32(scale / np.sqrt(size)),
        random_array(rng, (d, rows, hidden)) * np.float32(scale / np.sqrt(hidden)),
        maybe(d, 2 * rows),
        rng.integers(1, time + 1, batch).astype(np.int32) if rng.integers(2) else None,
        maybe(*state),
    ]
    attributes = {"hidden_size": hidden, "direction": str(direction), "layout": layout}
    if op == "LSTM":
        inputs += [maybe(*state), maybe(d, 3 * hidden)]
        attributes["input_forget"] = int(rng.integers(4) == 0)
    if op == "GRU":
        attributes["linear_before_reset"] = int(rng.integers(2))
    if rng.integers(4) == 0:
        attributes["clip"] = float(np.float32(rng.uniform(0.1, 2)))
    if rng.integers(3) == 0:
        names = []
        for _ in range(d):
            # Any that cannot make h grow without bounds from step to step.
            gate = {"RNN": [], "LSTM": [BOUNDED], "GRU": [["Sigmoid", "HardSigmoid"]]}[op]
            end = {"LSTM": [BOUNDED]}.get(op, [])
            names += [str(rng.choice(c)) for c in [*gate, list(ACTIVATIONS), *end]]
        attributes["activations"] = names
        # ONNX Runtime has no defaults for these three, where ONNX's operators have.
        explicit = {"Affine", "ThresholdedRelu", "ScaledTanh"} & set(names)
        alphas = sum(ACTIVATIONS[n][1] is not None for n in names)
        betas = sum(ACTIVATIONS[n][2] is not None for n in names)
        if alphas and (explicit or rng.integers(2)):
            attributes["activation_alpha"] = rng.uniform(0.1, 0.9, alphas).astype(np.float32).tolist()
        if betas and (explicit or rng.integers(2)):
            attributes["activation_beta"] = rng.uniform(0.1, 0.9, betas).astype(np.float32).tolist()
    return inputs, attributes


@functools.lru_cache(maxsize=None)
def cases(op):
    rng = np.random.default_rng(OPS.index(op) + 100)
    made = []
    for _ in range(CASES):
        inputs, attributes = random_case(rng, op)
        constants = [i for i in range(1, len(inputs)) if i not in (4, 5, 6)]
        if rng.integers(6) == 0:
            constants = []  # Weights that the run brings.
        asked = [bool(v) for v in rng.integers(0, 2, 3 if op == "LSTM" else 2)]
        if not any(asked):
            asked[int(rng.integers(len(asked)))] = True
        with np.errstate(over="ignore"):
            wanted = recurrent(op, inputs, attributes)
        made.append((inputs, attributes, constants, asked, wanted))
    return made


def ours(attributes):
    """Attributes as our files have them: the activations in one string."""
    attributes = dict(attributes)
    if "activations" in attributes:
        attributes["activations"] = ",".join(attributes["activations"])
    return attributes


def run(op, inputs, attributes, constants, asked, isa, threads=1):
    constants = [i for i in constants if i < len(inputs) and inputs[i] is not None]
    with node_model(op, inputs, ours(attributes), asked, constants, isa) as model:
        with model.session(threads=threads) as session:
            feeds = {f"x{i}": a for i, a in enumerate(inputs) if a is not None and i not in constants}
            found = session.run(feeds)
            again = session.run(feeds)
            for name in found:
                assert_same_bits(found[name], again[name], "second run")
            return [found[t.name] for t in session.outputs]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", OPS)
def test_against_formulas(op, isa):
    for k, (inputs, attributes, constants, asked, wanted) in enumerate(cases(op)):
        found = run(op, inputs, attributes, constants, asked, isa)
        for y, w in zip(found, [w for w, a in zip(wanted, asked) if a]):
            scale = np.maximum(np.abs(w), 1)
            assert_close(y, w, rtol=2e-5, scale=scale, what=f"{op} case {k} {attributes}")


@pytest.mark.parametrize("op", OPS)
def test_against_onnx_runtime(op):
    """ONNX Runtime's CPU kernels have no layout 1, so those cases run transposed there."""
    for k, (inputs, attributes, constants, asked, _) in enumerate(cases(op)):
        found = run(op, inputs, attributes, constants, [True] * len(asked), None)
        wanted = run_onnx(op, inputs, attributes)
        for y, w in zip(found, wanted):
            scale = np.maximum(np.abs(w), 1)
            assert_close(y, w, rtol=3e-5, scale=scale, what=f"{op} case {k} {attributes}")


def run_onnx(op, inputs, attributes):
    attributes = dict(attributes)
    first = attributes.pop("layout")
    inputs = list(inputs)
    if first:
        for i in (0, 5, 6):
            if i < len(inputs) and inputs[i] is not None:
                inputs[i] = np.ascontiguousarray(inputs[i].transpose(1, 0, 2))
    names = [f"x{i}" if a is not None else "" for i, a in enumerate(inputs)]
    outputs = ["y", "yh", "yc"][: 3 if op == "LSTM" else 2]
    node = onnx.helper.make_node(op, names, outputs, **attributes)
    types = {np.dtype("float32"): onnx.TensorProto.FLOAT, np.dtype("int32"): onnx.TensorProto.INT32}
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], op,
        [info(n, types[a.dtype], a.shape) for n, a in zip(names, inputs) if n],
        [info(n, onnx.TensorProto.FLOAT, None) for n in outputs],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    found = session.run(None, {n: a for n, a in zip(names, inputs) if n})
    if first:
        found[0] = found[0].transpose(2, 0, 1, 3)
        found[1:] = [s.transpose(1, 0, 2) for s in found[1:]]
    return found


@pytest.mark.parametrize("op", OPS)
def test_threads(op):
    """The same bits for 1 to 8 threads; layers large enough that the work is really shared."""
    rng = np.random.default_rng(7)
    for direction in ["forward", "bidirectional"]:
        for time, batch, hidden in [(1, 1, 150), (1, 2, 97), (6, 1, 96), (4, 9, 70), (3, 17, 64),
                                    (19, 1, 370)]:  # fmt: skip
            d = 2 if direction == "bidirectional" else 1
            rows = GATES[op] * hidden
            inputs = [random_array(rng, (time, batch, 90)), random_array(rng, (d, rows, 90)) / 8,
                      random_array(rng, (d, rows, hidden)) / 8, random_array(rng, (d, 2 * rows)),
                      rng.integers(1, time + 1, batch).astype(np.int32),
                      random_array(rng, (d, batch, hidden))]  # fmt: skip
            constants = [1, 2, 3]
            if op == "LSTM":
                inputs += [random_array(rng, (d, batch, hidden)), random_array(rng, (d, 3 * hidden))]
                constants.append(7)
            for extra in [{}, {"linear_before_reset": 1}] if op == "GRU" else [{}]:
                attributes = {"hidden_size": hidden, "direction": direction, **extra}
                outputs = 3 if op == "LSTM" else 2
                for asked in [[True] * outputs, [False] + [True] * (outputs - 1)]:
                    base = run(op, inputs, attributes, constants, asked, None)
                    for threads in range(2, 9) if hidden == 70 else (2, 3):
                        found = run(op, inputs, attributes, constants, asked, None, threads)
                        for a, b in zip(base, found):
                            assert_same_bits(a, b, f"{op} {direction} {threads} threads")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", OPS)
def test_streaming(op, isa):
    """A layer that keeps its state in the session, fed one element a run, gives the bits of the whole
    sequence; so does one fed three elements a run. A reset starts over."""
    rng = np.random.default_rng(8)
    for hidden, batch, chunk in [(1, 1, 1), (16, 1, 1), (37, 2, 1), (70, 1, 3), (64, 5, 3)]:
        for extra in [{}, {"linear_before_reset": 1}] if op == "GRU" else [{}]:
            time, size, rows = 12, 20, GATES[op] * hidden
            x = random_array(rng, (time, batch, size))
            weights = [random_array(rng, (1, rows, size)) / 4, random_array(rng, (1, rows, hidden)) / 4,
                       random_array(rng, (1, 2 * rows))]  # fmt: skip
            states = 2 if op == "LSTM" else 1
            initial = [random_array(rng, (1, batch, hidden)) for _ in range(states)]
            p = [random_array(rng, (1, 3 * hidden))] if op == "LSTM" else []
            attributes = {"hidden_size": hidden, **extra}
            whole = run(op, [x, *weights, None, *initial, *p], attributes, [1, 2, 3, 7],
                        [True] * (states + 1), isa)  # fmt: skip

            for with_y in [True, False]:
                writer = Writer()
                f = writer.function("main")
                t = f.input("x", "float32", (chunk, batch, size))
                kept = [writer.state(f"s{i}", initial=s) for i, s in enumerate(initial)]
                made = add_node(
                    f, op, [t, *map(writer.weight, weights), None, *kept, *map(writer.weight, p)],
                    attributes, 1 + states, wanted=[with_y] + [True] * states,
                )  # fmt: skip
                if with_y:
                    f.output(made[0], "y", shape=(chunk, 1, batch, hidden))
                else:
                    (y,) = add_node(f, "Identity", [made[1]])
                    f.output(y, "y", shape=(1, batch, hidden))
                for state, new in zip(kept, made[1:]):
                    f.update(state, new)
                session = open_model(writer, isa).session()
                for _ in range(2):
                    session.reset()
                    for s in range(0, time, chunk):
                        y = session.run(np.ascontiguousarray(x[s : s + chunk]))["y"]
                        wanted = whole[0][s : s + chunk] if with_y else whole[0][s + chunk - 1]
                        assert_same_bits(y, wanted, f"{op} {hidden} step {s}")


def test_lengths_are_clamped():
    """A sequence length outside 0...T, which ONNX leaves undefined, counts as the nearest."""
    rng = np.random.default_rng(9)
    x, w, r = random_array(rng, (4, 3, 5)), random_array(rng, (1, 6, 5)), random_array(rng, (1, 6, 6))
    h = random_array(rng, (1, 3, 6))
    lengths = [np.array(v, np.int32) for v in ([-(2**31), 0, 2**31 - 1], [0, 0, 4])]
    a, b = (run("RNN", [x, w, r, None, n, h], {}, [1, 2], [True, True], None) for n in lengths)
    for found, same, wanted in zip(a, b, recurrent("RNN", [x, w, r, None, lengths[1], h], {})):
        assert_same_bits(found, same)
        assert_close(found, wanted)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"w": (1, 5, 3)}, "input 1 must be"),
        ({"r": (1, 4, 5)}, "input 1 must be|input 2 must be"),
        ({"b": (1, 4)}, "input 3 must be"),
        ({"h": (1, 3, 4)}, "input 5 must be"),
        ({"hidden_size": 5}, "hidden_size 5"),
        ({"direction": "sideways"}, "direction sideways"),
        ({"direction": "bidirectional"}, "input 1 must be"),
        ({"activations": "Tanh,Tanh"}, "2 activations; 1 are needed"),
        ({"activations": "Tan"}, "activation Tan is unknown"),
        ({"layout": 2}, "layout 2"),
        ({"clip": -1.0}, "clip must be positive"),
    ],
)
def test_errors(change, message):
    change = dict(change)
    shapes = {"w": (1, 4, 3), "r": (1, 4, 4), "b": (1, 8), "h": (1, 2, 4)}
    arrays = [np.zeros(change.pop(k, s), np.float32) for k, s in shapes.items()]
    x = np.zeros((2, 2, 3), np.float32)
    with pytest.raises(apus.ApusError, match=message):
        node_model("RNN", [x, *arrays[:3], None, arrays[3]], change).session()
