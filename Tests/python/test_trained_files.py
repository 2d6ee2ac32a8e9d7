"""Files that model-convert writes: the independent reader reads what the library reads, and the
same network written anew by the independent writer computes the same bits."""

import subprocess

import apus_reader
import locate
import numpy as np
import pytest
from apus_writer import Writer
from harness import apus, operators

RECIPES = {
    "lenet5": """
name: digits
model: {name: lenet5, subsampling: trainable, connections: published}
data:
  reader: csv
  path: DATA/digits.csv
  label: label
  transforms: [{reshape: [1, 8, 8]}, {resize: [32, 32]}, {scale: 0.0625}]
loss: cross-entropy
optimizer: {name: adam, learning_rate: 0.002}
batch_size: 64
epochs: 1
""",
    "char-rnn": """
name: letters
model: {name: char-rnn, cell: lstm, layers: 2, hidden_size: 24, embedding: 8}
data: {reader: text, path: FOLDER/text.txt, vocabulary: characters, split: {validation: 0.1}}
loss: cross-entropy
optimizer: {name: adam, learning_rate: 0.003}
window: 16
batch_size: 4
epochs: 1
""",
    "mlp": """
name: numbers
model: {name: mlp, hidden: [20, 12], activation: tanh}
data: {reader: csv, path: DATA/digits.csv, label: label, transforms: [{scale: 0.0625}]}
loss: cross-entropy
optimizer: {name: sgd, learning_rate: 0.1}
batch_size: 64
epochs: 1
""",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trains a network for one epoch, once."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text("Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich. " * 40)

    def train(name):
        if "Gemm" not in operators():
            pytest.skip("this build has no Gemm")
        path = folder / f"{name}.apus"
        if not path.exists():
            recipe = RECIPES[name].replace("DATA", str(locate.REPOSITORY / "data"))
            (folder / f"{name}.yaml").write_text(recipe.replace("FOLDER", str(folder)))
            done = subprocess.run(
                [str(locate.model_convert()), "train", str(folder / f"{name}.yaml"), "-o", str(path)],
                capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        return path

    return train


def rewritten(model: apus_reader.Model) -> bytes:
    """The model that was read, by the independent writer."""
    kinds = {op.opcode: {k: t for k, t in op.attributes.values()} for op in operators().values()}
    writer = Writer()
    writer.metadata = list(model.metadata.items())
    index = {}

    def constant(t):
        tensor = model.tensors[t]
        if t not in index and tensor.kind == "weight":
            index[t] = writer.weight(tensor.stored, tensor.name, tensor.dtype)
        elif t not in index and tensor.kind == "state":
            index[t] = writer.state(tensor.name, initial=tensor.stored)
        return index[t]

    for f in model.functions.values():
        function = writer.function(f.name)
        for t in f.inputs:
            tensor = model.tensors[t]
            index[t] = function.input(tensor.name, tensor.dtype, tensor.shape)
        for node in f.nodes:
            made = function.node(
                node.opcode, [None if t is None else constant(t) for t in node.inputs],
                len(node.outputs),
                [(k, kinds[node.opcode][k], v) for k, v in node.attributes.items()],
                [model.tensors[t].dtype if t is not None else "float32" for t in node.outputs],
                [t is not None for t in node.outputs],
            )  # fmt: skip
            index.update({t: m for t, m in zip(node.outputs, made) if t is not None})
        for t in f.outputs:
            tensor = model.tensors[t]
            function.output(constant(t), tensor.name, tensor.dtype, tensor.shape)
        for state, following in f.updates.items():
            function.update(constant(state), constant(following))
    return writer.to_bytes()


def inputs(session, rng):
    return {
        t.name: rng.integers(0, 9, t.shape).astype(t.dtype)
        if t.dtype.kind == "i"
        else rng.random(t.shape, np.float32)
        for t in session.inputs
    }


@pytest.mark.parametrize("name", RECIPES)
def test_file_reads_the_same(name, trained):
    data = trained(name).read_bytes()
    model, library = apus_reader.read(data), apus.Model.from_bytes(data)
    assert library.functions == list(model.functions)
    main = model.functions["main"]
    for side, infos in [(main.inputs, library.inputs), (main.outputs, library.outputs)]:
        for t, info in zip((model.tensors[t] for t in side), infos):
            shape = tuple(d if isinstance(d, int) else -1 for d in t.shape)
            assert (info.name, info.dtype, info.shape) == (t.name, t.dtype, shape)
    assert "producer" in model.metadata
    for key, value in model.metadata.items():
        assert library.metadata(key) == value
    if name == "char-rnn":
        assert "ö" in model.metadata["characters"] and main.updates
    # Little beside the weights: below 2 % and 4 KB.
    weights = sum(t.stored.nbytes for t in model.tensors if t.kind == "weight")
    assert len(data) <= 1.02 * weights + 4096


@pytest.mark.parametrize("name", RECIPES)
def test_written_anew_gives_the_same_bits(name, trained):
    data = trained(name).read_bytes()
    rng = np.random.default_rng(4)
    one, other = (
        apus.Model.from_bytes(d).session() for d in (data, rewritten(apus_reader.read(data)))
    )
    for _ in range(3):  # states go on
        feed = inputs(one, rng)
        found, wanted = one.run(feed), other.run(feed)
        assert list(found) == list(wanted)
        for key in found:
            assert found[key].tobytes() == wanted[key].tobytes()


def test_mlp_by_hand(trained):
    """The weights in the file, in NumPy."""
    data = trained("mlp").read_bytes()
    model = apus_reader.read(data)
    session = apus.Model.from_bytes(data).session()
    (info,) = session.inputs
    x = np.random.default_rng(2).random(info.shape, np.float32)
    y = x.reshape(info.shape[0], -1).astype(np.float64)
    names = {op.opcode: op for op in operators().values()}
    for node in model.functions["main"].nodes:
        op = names[node.opcode].name
        if op == "Gemm":
            w, b = (model.tensors[t].array.astype(np.float64) for t in node.inputs[1:3])
            transposed = node.attributes.get(names[node.opcode].attributes["transB"][0], 0)
            y = y @ (w.T if transposed else w) + b
        elif op == "Tanh":
            y = np.tanh(y)
        elif op == "Softmax":
            y = np.exp(y - y.max(axis=-1, keepdims=True))
            y /= y.sum(axis=-1, keepdims=True)
        else:
            assert op in ("Flatten", "Identity"), op
    (found,) = session.run(x).values()
    np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-5)
