"""Trains machines with memory for seconds, for tests."""

import subprocess

import locate
import onnx
from onnx import numpy_helper

locate.prepare()

import apus  # noqa: E402


def convert(*arguments):
    return subprocess.run(
        [locate.model_convert(), *map(str, arguments)], capture_output=True, text=True
    )


def recipe(folder, name, keys, data):
    """A file: `keys` are those of the section model, `data` the other section's text."""
    model = ", ".join(f"{k}: {v}" for k, v in {"name": name, "hidden_size": 18, **keys}.items())
    file = folder / "r.yaml"
    file.write_text(
        f"model: {{{model}}}\ndata: {data}\n"
        "optimizer: {name: adam, learning_rate: 0.01}\nbatch_size: 8\nepochs: 2\nseed: 3\n"
    )
    return file


def train(folder, name, keys, data, *options):
    """The model, its weights by name, and what `train` says."""
    said = convert(
        "train", recipe(folder, name, keys, data), "-o", folder / "net.apus", "--threads", "1",
        "--export-onnx", folder / "net.onnx", *options,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    weights = {
        t.name: numpy_helper.to_array(t)
        for t in onnx.load(str(folder / "net.onnx")).graph.initializer
        if t.name.endswith(("weight", "bias"))
    }
    return apus.Model(str(folder / "net.apus")), weights, said.stdout


def samples(folder, name, keys, data, part="training", count=None):
    """The text that `samples` writes."""
    out = folder / "samples.txt"
    more = [] if count is None else ["--count", count]
    said = convert("samples", recipe(folder, name, keys, data), "--part", part, "-o", out, *more)
    assert said.returncode == 0, said.stderr
    return out.read_text()


def refused(folder, name, keys, data):
    """What is said of a recipe that is wrong."""
    said = convert("train", recipe(folder, name, keys, data), "-o", folder / "net.apus")
    assert 0 < said.returncode < 128, said
    return said.stderr
