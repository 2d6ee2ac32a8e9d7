"""DynamicQuantizeRNN, LSTM and GRU: against the stated arithmetic, against ONNX Runtime, against the
float operators; a step alone, a row alone, and on any number of threads the same bits."""

import functools

import cli
import numpy as np
import onnx
import onnxruntime
import pytest
from dynamic_recurrent_reference import Matrix, quantize_weights, recurrent_steps
from harness import (
    ISAS, Writer, add_node, apus, assert_close, assert_same_bits, node_model, node_writer,
    open_model, random_array,
)  # fmt: skip
from recurrent_reference import GATES, recurrent
from test_recurrent import OPS, ours, random_case

CASES = 120


def integer_inputs(op, inputs, rng=None, symmetric=None, per_channel=None, dtype=None):
    """The float operator's inputs with weights of integers, and for each direction its matrices."""
    chance = (lambda: bool(rng.integers(2))) if rng else (lambda: True)
    symmetric = chance() if symmetric is None else symmetric
    dtype = dtype or (np.int8 if chance() else np.uint8)
    inputs = list(inputs) + [None] * ((8 if op == "LSTM" else 6) - len(inputs))
    matrices = []
    for i in (1, 2):
        channel = chance() if per_channel is None else per_channel
        q, scale, zero = quantize_weights(inputs[i], channel, dtype, symmetric)
        inputs[i] = q
        inputs += [scale, None if not zero.any() and rng and chance() else zero]
        matrices.append([Matrix(q[d], scale[d], zero[d]) for d in range(len(q))])
    return inputs, list(zip(*matrices))


def outputs_of(op):
    return 3 if op == "LSTM" else 2


def run(op, inputs, attributes, isa=None, threads=1, asked=None):
    """All that is no sequence, length or state is a constant."""
    constants = [i for i, a in enumerate(inputs) if a is not None and i not in (0, 4, 5)]
    if op == "LSTM" and 6 in constants:
        constants.remove(6)
    asked = asked or [True] * outputs_of(op)
    with node_model(f"DynamicQuantize{op}", inputs, ours(attributes), asked, constants, isa) as model:
        with model.session(threads=threads) as session:
            feeds = {f"x{i}": a for i, a in enumerate(inputs) if a is not None and i not in constants}
            found = session.run(feeds)
            again = session.run(feeds)
            for name in found:
                assert_same_bits(found[name], again[name], "second run")
            return [found[t.name] for t in session.outputs]


@functools.lru_cache(maxsize=None)
def cases(op):
    rng = np.random.default_rng(OPS.index(op) + 300)
    made = []
    for _ in range(CASES):
        inputs, attributes = random_case(rng, op)
        if rng.integers(3) == 0:
            inputs[0] = np.abs(inputs[0])
        if rng.integers(8) == 0:
            inputs[0][0] = 0
        made.append((*integer_inputs(op, inputs, rng), attributes))
    return made


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", OPS)
def test_against_the_arithmetic(op, isa):
    rng = np.random.default_rng(1)
    exact = total = 0
    for k, (inputs, matrices, attributes) in enumerate(cases(op)):
        found = run(op, inputs, attributes, isa)
        given = [inputs[0], *inputs[3:6], *(inputs[6:8] if op == "LSTM" else [None, None])]
        with np.errstate(over="ignore"):
            wanted, slacks = recurrent_steps(op, matrices, given, attributes, found[0])
        for y, w, slack in zip(found, wanted, slacks):
            what = f"{op} case {k} {attributes}"
            scale = np.maximum(np.abs(w), 1)
            total += slack.size
            exact += np.sum(slack == 0)
            assert_close(y, w, rtol=2e-5, scale=scale + slack / 2e-5, what=what)
        # What is asked for changes no bit of it.
        asked = [bool(v) for v in rng.integers(0, 2, len(found))]
        if any(asked):
            part = run(op, inputs, attributes, isa, asked=asked)
            for a, b in zip(part, [y for y, a in zip(found, asked) if a]):
                assert_same_bits(a, b, f"{op} case {k} {asked}")
    assert exact > 0.95 * total


@pytest.mark.parametrize("op", OPS)
def test_products_are_the_same_on_every_instruction_set(op):
    """With piecewise linear gates that multiply by powers of two all bits are."""
    if len(ISAS) < 2:
        pytest.skip("one instruction set")
    rng = np.random.default_rng(5)
    for time, batch, size, hidden in [(1, 1, 5, 7), (6, 1, 33, 70), (5, 7, 64, 35)]:
        rows = GATES[op] * hidden
        inputs = [
            random_array(rng, (time, batch, size)), random_array(rng, (1, rows, size)) / 8,
            random_array(rng, (1, rows, hidden)) / 8, random_array(rng, (1, 2 * rows)),
        ]  # fmt: skip
        inputs, _ = integer_inputs(op, inputs, rng, symmetric=False)
        names = ["Relu"] if op == "RNN" else None
        attributes = {"hidden_size": hidden, **({"activations": names} if names else {})}
        found = [run(op, inputs, attributes, isa) for isa in ISAS]
        for other in found[1:]:
            for a, b in zip(found[0], other):
                if op == "RNN":
                    assert_same_bits(a, b, f"{op} {time} {batch} {hidden}")
                else:
                    # One step of the integers where a gate's last bit decides.
                    assert_close(a, b, rtol=5e-3, scale=1, what=f"{op} {time} {batch} {hidden}")


def onnx_model(inputs, attributes, dtype):
    names = [f"x{i}" if a is not None else "" for i, a in enumerate(inputs)]
    node = onnx.helper.make_node(
        "DynamicQuantizeLSTM", names, ["y", "yh", "yc"], domain="com.microsoft", **attributes)
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "g",
        [info(names[i], onnx.TensorProto.FLOAT, inputs[i].shape) for i in (0, 5, 6)
         if inputs[i] is not None],
        [info(n, onnx.TensorProto.FLOAT, None) for n in ["y", "yh", "yc"]],
        [onnx.numpy_helper.from_array(a, n) for i, (a, n) in enumerate(zip(inputs, names))
         if a is not None and i not in (0, 5, 6)],
    )  # fmt: skip
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_against_onnx_runtime(direction, dtype, per_channel):
    """One row whose smallest and largest numbers are the same in each time step: what ONNX Runtime
    rounds X and h with is then what we round each row with. Over 12 steps a number that lies between
    two integers may be rounded either way, as gates differ in their last bits."""
    rng = np.random.default_rng(6)
    d = 2 if direction == "bidirectional" else 1
    for time, size, hidden, peepholes in [(1, 64, 96, False), (1, 33, 20, True), (12, 40, 64, True)]:
        rows = 4 * hidden
        x = random_array(rng, (time, 1, size))
        x[:, :, 0], x[:, :, 1] = -1, 1.5
        inputs = [
            x, random_array(rng, (d, rows, size)) / 8, random_array(rng, (d, rows, hidden)) / 8,
            random_array(rng, (d, 2 * rows)), None, random_array(rng, (d, 1, hidden)),
            random_array(rng, (d, 1, hidden)),
            random_array(rng, (d, 3 * hidden)) if peepholes else None,
        ]  # fmt: skip
        # ONNX Runtime takes zero points other than 0 of uint8 for the whole tensor only.
        symmetric = per_channel or dtype == np.int8
        inputs, _ = integer_inputs("LSTM", inputs, None, symmetric, per_channel, dtype)
        if symmetric and dtype == np.uint8:
            continue
        attributes = {"hidden_size": hidden, "direction": direction}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            onnx_model(inputs, attributes, dtype).SerializeToString(), options)
        wanted = session.run(
            None, {f"x{i}": inputs[i] for i in (0, 5, 6) if inputs[i] is not None})
        found = run("LSTM", inputs, attributes)
        for a, b in zip(found, wanted):
            assert_close(
                a, b, rtol=3e-5 if time == 1 else 4e-3, scale=np.maximum(np.abs(b), 1),
                what=f"{time} {size} {hidden}")


@pytest.mark.parametrize("op", OPS)
def test_near_the_float_operator(op):
    """Of weights of 8 bits by channel and rows of 8 bits, over 30 steps."""
    rng = np.random.default_rng(9)
    size, hidden, time = 96, 128, 30
    rows = GATES[op] * hidden
    normal = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    inputs = [
        normal(time, 2, size), normal(1, rows, size) / 10, normal(1, rows, hidden) / 14,
        normal(1, 2 * rows) / 10,
    ]  # fmt: skip
    attributes = {"hidden_size": hidden}
    wanted = recurrent(op, inputs, attributes)[0]
    integers, _ = integer_inputs(op, inputs)
    found = run(op, integers, attributes)[0]
    error = found - wanted
    assert np.sqrt(np.mean(error**2)) < 0.01 * np.sqrt(np.mean(wanted**2)) * 2
    assert np.abs(error).max() < 0.06


@pytest.mark.parametrize("op", OPS)
def test_threads(op):
    """The same bits for 1 to 8 threads; layers large enough that the work is really shared."""
    rng = np.random.default_rng(7)
    for direction in ["forward", "bidirectional"]:
        for time, batch, hidden in [(1, 1, 350), (1, 2, 297), (6, 1, 96), (4, 9, 70), (3, 17, 64),
                                    (19, 1, 620)]:  # fmt: skip
            d = 2 if direction == "bidirectional" else 1
            rows = GATES[op] * hidden
            inputs = [random_array(rng, (time, batch, 90)), random_array(rng, (d, rows, 90)) / 8,
                      random_array(rng, (d, rows, hidden)) / 8, random_array(rng, (d, 2 * rows)),
                      rng.integers(1, time + 1, batch).astype(np.int32),
                      random_array(rng, (d, batch, hidden))]  # fmt: skip
            if op == "LSTM":
                inputs += [random_array(rng, (d, batch, hidden)), random_array(rng, (d, 3 * hidden))]
            inputs, _ = integer_inputs(op, inputs, rng)
            for extra in [{}, {"linear_before_reset": 1}] if op == "GRU" else [{}]:
                attributes = {"hidden_size": hidden, "direction": direction, **extra}
                for asked in [[True] * outputs_of(op), [False] + [True] * (outputs_of(op) - 1)]:
                    base = run(op, inputs, attributes, asked=asked)
                    for threads in range(2, 9) if hidden == 70 else (2, 3):
                        found = run(op, inputs, attributes, None, threads, asked)
                        for a, b in zip(base, found):
                            assert_same_bits(a, b, f"{op} {direction} {threads} threads")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", OPS)
def test_rows_alone(op, isa):
    """A row's bits are those that it has alone, whatever the batch, whatever the other rows' range."""
    rng = np.random.default_rng(11)
    for batch, lengths in [(2, False), (3, True), (5, False), (8, False), (19, True)]:
        time, size, hidden = 5, 30, 37
        rows = GATES[op] * hidden
        x = random_array(rng, (time, batch, size)) * np.exp2(np.arange(batch, dtype=np.float32))[:, None]
        inputs = [x, random_array(rng, (1, rows, size)) / 8, random_array(rng, (1, rows, hidden)) / 8,
                  random_array(rng, (1, 2 * rows)),
                  rng.integers(1, time + 1, batch).astype(np.int32) if lengths else None,
                  random_array(rng, (1, batch, hidden))]  # fmt: skip
        inputs, _ = integer_inputs(op, inputs, rng)
        for extra in [{}, {"linear_before_reset": 1}] if op == "GRU" else [{}]:
            attributes = {"hidden_size": hidden, **extra}
            whole = run(op, inputs, attributes, isa)
            for n in range(batch):
                alone = list(inputs)
                for i, axis in [(0, 1), (4, 0), (5, 1)]:
                    if alone[i] is not None:
                        alone[i] = np.ascontiguousarray(np.take(alone[i], [n], axis))
                y, *states = run(op, alone, attributes, isa)
                assert_same_bits(whole[0][:, :, n : n + 1], y, f"{op} row {n} of {batch}")
                for a, b in zip(whole[1:], states):
                    assert_same_bits(a[:, n : n + 1], b, f"{op} row {n} of {batch}")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", OPS)
def test_streaming(op, isa):
    """A layer that keeps its state in the session, fed one element or three a run, gives the bits of
    the whole sequence."""
    rng = np.random.default_rng(8)
    for hidden, batch, chunk in [(1, 1, 1), (37, 2, 1), (70, 1, 3), (64, 5, 3)]:
        for extra in [{}, {"linear_before_reset": 1}] if op == "GRU" else [{}]:
            time, size, rows = 12, 20, GATES[op] * hidden
            x = random_array(rng, (time, batch, size))
            states = outputs_of(op) - 1
            initial = [random_array(rng, (1, batch, hidden)) for _ in range(states)]
            inputs = [x, random_array(rng, (1, rows, size)) / 4, random_array(rng, (1, rows, hidden)) / 4,
                      random_array(rng, (1, 2 * rows)), None, *initial]  # fmt: skip
            inputs, _ = integer_inputs(op, inputs, rng)
            attributes = {"hidden_size": hidden, **extra}
            whole = run(op, inputs, attributes, isa)
            writer = Writer()
            f = writer.function("main")
            given = [f.input("x", "float32", (chunk, batch, size))]
            for i, a in enumerate(inputs[1:], 1):
                if i in range(5, 5 + states):
                    given.append(writer.state(f"s{i}", initial=a))
                else:
                    given.append(None if a is None else writer.weight(a))
            made = add_node(f, f"DynamicQuantize{op}", given, attributes, 1 + states)
            f.output(made[0], "y", shape=(chunk, 1, batch, hidden))
            for state, new in zip(given[5:], made[1:]):
                f.update(state, new)
            session = open_model(writer, isa).session()
            for _ in range(2):
                session.reset()
                for s in range(0, time, chunk):
                    y = session.run(np.ascontiguousarray(x[s : s + chunk]))["y"]
                    assert_same_bits(y, whole[0][s : s + chunk], f"{op} {hidden} step {s}")


@pytest.mark.parametrize("op", OPS)
def test_a_row_that_holds_nan(op):
    """It gives NaN, and no other row does."""
    rng = np.random.default_rng(3)
    rows = GATES[op] * 20
    inputs = [random_array(rng, (2, 3, 10)), random_array(rng, (1, rows, 10)),
              random_array(rng, (1, rows, 20))]  # fmt: skip
    inputs[0][0, 1, 4] = np.nan
    inputs, _ = integer_inputs(op, inputs)
    y = run(op, inputs, {"hidden_size": 20})[0]
    assert np.isnan(y[:, :, 1]).all() and not np.isnan(y[:, :, [0, 2]]).any()


@pytest.mark.parametrize(
    "change, message",
    [
        ({8: np.ones((1, 3), np.float32)}, r"input 8 must be \[1, 80\] and is \[1, 3\]"),
        ({9: np.zeros(1, np.uint8)}, "input 9 must be int8"),
        ({10: np.ones((2,), np.float32)}, "input 10 must be"),
        ({1: np.zeros((1, 10, 79), np.int8)}, "input 1 must be"),
        ({2: np.zeros((1, 80, 20), np.int8)}, "input 3 must be|input 2 must be|hidden_size"),
    ],
)
def test_what_does_not_fit(change, message):
    rng = np.random.default_rng(3)
    inputs = [random_array(rng, (2, 1, 10)), random_array(rng, (1, 80, 10)),
              random_array(rng, (1, 80, 20)), random_array(rng, (1, 160))]  # fmt: skip
    inputs, _ = integer_inputs("LSTM", inputs, None, True, True, np.int8)
    for i, value in change.items():
        inputs[i] = value
    with pytest.raises(apus.ApusError, match=message):
        run("LSTM", inputs, {"hidden_size": 20})


@pytest.mark.parametrize("free", [1, 3, 7, 8, 11])
def test_weights_must_be_constants(free):
    rng = np.random.default_rng(3)
    inputs = [random_array(rng, (2, 1, 10)), random_array(rng, (1, 80, 10)),
              random_array(rng, (1, 80, 20)), random_array(rng, (1, 160)), None, None, None,
              random_array(rng, (1, 60))]  # fmt: skip
    inputs, _ = integer_inputs("LSTM", inputs)
    constants = [i for i, a in enumerate(inputs) if a is not None and i not in (0, free)]
    with pytest.raises(apus.ApusError, match=f"input {free} must be a constant"):
        with node_model("DynamicQuantizeLSTM", inputs, {}, [True, True, True], constants) as model:
            model.session()


# ---- ONNX


def quantized_model(folder, op, per_channel, dtype, directions=1):
    """What ONNX Runtime's quantize_dynamic makes of a layer."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rng = np.random.default_rng(21)
    size, hidden = 64, 96
    rows = GATES[op] * hidden
    x = random_array(rng, (7, 1, size))
    x[:, :, 0], x[:, :, 1] = -1, 1.5
    weights = [random_array(rng, (directions, rows, size)) / 8,
               random_array(rng, (directions, rows, hidden)) / 8,
               random_array(rng, (directions, 2 * rows))]  # fmt: skip
    node = onnx.helper.make_node(
        op, ["x", "w", "r", "b"], ["y"], hidden_size=hidden,
        direction="bidirectional" if directions == 2 else "forward")
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "g", [info("x", onnx.TensorProto.FLOAT, x.shape)],
        [info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(a, n) for n, a in zip("wrb", weights)])  # fmt: skip
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "float.onnx")
    quantize_dynamic(
        folder / "float.onnx", folder / "net.onnx", per_channel=per_channel,
        weight_type=QuantType.QInt8 if dtype == np.int8 else QuantType.QUInt8)
    assert any(n.op_type == "DynamicQuantizeLSTM" for n in onnx.load(folder / "net.onnx").graph.node)
    return x


def by_onnx_runtime(path, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options)
    return session.run(["y"], {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("per_channel", [False, True])
def test_import_and_export(tmp_path, per_channel, dtype, directions):
    """ONNX Runtime's quantised LSTM gives its results, and its own ones once it is exported again."""
    x = quantized_model(tmp_path, "LSTM", per_channel, dtype, directions)
    for command in (["import", "net.onnx", "-o", "net.apus"], ["export", "net.apus", "-o", "again.onnx"]):
        done = cli.run(*command, cwd=tmp_path)
        assert done.code == 0, done.stderr
    with apus.Model(tmp_path / "net.apus") as model:
        found = model.session().run(x)["y"]
    wanted = by_onnx_runtime(tmp_path / "net.onnx", x)
    assert_close(found, wanted, rtol=4e-3, scale=1)
    assert_same_bits(by_onnx_runtime(tmp_path / "again.onnx", x), wanted, "exported")


@pytest.mark.parametrize("op", OPS)
def test_export_of_what_onnx_runtime_lacks(tmp_path, op):
    """GRU and RNN, and an LSTM with the batch first, become float layers with the rounded weights."""
    rng = np.random.default_rng(22)
    hidden, size = 40, 30
    rows = GATES[op] * hidden
    inputs = [random_array(rng, (5, 2, size)), random_array(rng, (1, rows, size)) / 6,
              random_array(rng, (1, rows, hidden)) / 6, random_array(rng, (1, 2 * rows))]  # fmt: skip
    inputs, matrices = integer_inputs(op, inputs, None, False, True, np.uint8)
    layout = int(op == "LSTM")
    attributes = {"hidden_size": hidden, "layout": layout}
    if layout:
        inputs[0] = np.ascontiguousarray(inputs[0].transpose(1, 0, 2))
    constants = [i for i, a in enumerate(inputs) if a is not None and i]
    writer = node_writer(f"DynamicQuantize{op}", inputs, attributes, [True], constants)
    (tmp_path / "net.apus").write_bytes(writer.to_bytes())
    done = cli.run("export", "net.apus", "-o", "net.onnx", cwd=tmp_path)
    assert done.code == 0, done.stderr
    weights = {
        tuple(t.dims): onnx.numpy_helper.to_array(t)
        for t in onnx.load(tmp_path / "net.onnx").graph.initializer
    }
    for matrix in matrices[0]:
        w = matrix.floats[None]
        assert_close(weights[w.shape], w, rtol=1e-6)
    assert [n.op_type for n in onnx.load(tmp_path / "net.onnx").graph.node if n.op_type in OPS] == [op]
