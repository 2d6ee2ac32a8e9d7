"""What the tests of `model-convert quantize` share: the digits, networks to quantise, ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np
import onnx
import onnxruntime

import cli
import locate
from harness import apus

LENET = """
name: digits
model: {name: lenet5, activation: relu, subsampling: max, connections: full, dropout: 0.3}
data:
  reader: npz
  path: train.npz
  test: {path: test.npz}
  transforms: [{random_affine: {rotation: 10, scale: 0.1, shift: 0.06}}]
loss: cross-entropy
optimizer: {name: adam, learning_rate: 0.002}
schedule: {name: cosine, final: 0.01}
batch_size: 32
epochs: 12
seed: 4
"""

# The network of fixtures/quantize/ goes on being trained.
DEPTHWISE = """
name: depthwise
model: {name: file, path: depthwise.apus}
data: {reader: npz, path: train.npz, test: {path: test.npz}}
loss: cross-entropy
optimizer: {name: adam, learning_rate: 0.001}
schedule: {name: cosine, final: 0.05}
batch_size: 32
epochs: 6
seed: 2
"""


def digits() -> Tuple[np.ndarray, np.ndarray]:
    """The images, [1797, 8, 8] from 0 to 1, and their classes."""
    table = np.loadtxt(locate.REPOSITORY / "data/digits.csv", delimiter=",", skiprows=1, dtype=str)
    numbers = table.astype(np.float32)
    header = (locate.REPOSITORY / "data/digits.csv").read_text().split("\n", 1)[0].split(",")
    label = header.index("label")
    return (
        np.delete(numbers, label, axis=1).reshape(-1, 8, 8) / 16,
        numbers[:, label].astype(np.int64),
    )


def write_digits(folder: Path, size: int = 32) -> None:
    """train.npz and test.npz, a fifth of the digits, with x and y, enlarged to `size`."""
    x, y = digits()
    x = np.kron(x, np.ones((1, size // 8, size // 8), np.float32))[:, None]
    order = np.random.default_rng(0).permutation(len(x))
    test, train = order[:359], order[359:]
    np.savez(folder / "train.npz", x=x[train], y=y[train])
    np.savez(folder / "test.npz", x=x[test], y=y[test])


def train(folder: Path, recipe: str, name: str) -> Path:
    (folder / f"{name}.yaml").write_text(recipe)
    result = cli.run("train", f"{name}.yaml", "-o", f"{name}.apus", cwd=folder, isa="")
    assert result.code == 0, result.stderr
    return folder / f"{name}.apus"


def import_fixture(folder: Path, name: str) -> str:
    """A network of fixtures/quantize/, imported."""
    source = Path(__file__).resolve().parent / "fixtures/quantize" / f"{name}.onnx"
    result = cli.run("import", str(source), "-o", f"{name}.apus", cwd=folder)
    assert result.code == 0, result.stderr
    return f"{name}.apus"


def signal_to_noise(real: np.ndarray, other: np.ndarray) -> float:
    """In dB."""
    return float(10 * np.log10(np.sum(real**2) / np.sum((real - other) ** 2)))


def quantize(folder: Path, model: str, *options: str, output: str = "q.apus") -> dict:
    """The report of a run that must succeed; its warnings are what stderr said."""
    result = cli.run("quantize", model, *options, "-o", output, "--json", cwd=folder, isa="")
    assert result.code == 0, result.stderr
    document = json.loads(result.stdout)
    report = document["report"]
    assert len(report["warnings"]) == len(result.stderr.splitlines())
    return {**report, "accuracy": document.get("accuracy")}


def refuse(folder: Path, model: str, *options: str) -> str:
    """What the tool says where it must fail, and write nothing."""
    result = cli.run("quantize", model, *options, "-o", "none.apus", cwd=folder, isa="")
    assert result.code == 1, (result.stdout, result.stderr)
    assert len(result.stderr.splitlines()) == 1 and not (folder / "none.apus").exists()
    return result.stderr


def run_apus(
    path: Path, inputs: Dict[str, np.ndarray], isa: Optional[str] = None
) -> List[np.ndarray]:
    with apus.Model(path, isa=isa) as model:
        shapes = {name: array.shape for name, array in inputs.items()}
        with model.session(shapes=shapes) as session:
            return list(session.run(inputs).values())


def export(folder: Path, model: str) -> onnx.ModelProto:
    result = cli.run("export", model, "-o", "exported.onnx", cwd=folder)
    assert result.code == 0, result.stderr
    return onnx.load(folder / "exported.onnx")


def run_onnx(model: onnx.ModelProto, inputs: Dict[str, np.ndarray]) -> List[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


def tensors(model: onnx.ModelProto, inputs: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Every tensor that the model's nodes compute, by ONNX Runtime."""
    names = [name for node in model.graph.node for name in node.output if name]
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return dict(zip(names, run_onnx(copy, inputs)))


def constants(model: onnx.ModelProto) -> Dict[str, np.ndarray]:
    return {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
