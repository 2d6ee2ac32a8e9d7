"""Layers that compute what is behind them as they store: the same bits as one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

import cli
import numpy as np
import pytest
from harness import ISAS, Writer, add_node, assert_same_bits, open_model, random_array

SHAPE = (2, 40, 14, 13)


def network(kind: str, size: int, isa: str, shows: bool) -> tuple:
    """Conv → Add → Relu or Clip on a tensor in channel blocks; with `shows` what the convolution puts
    out is an output too, which keeps it from taking the sum."""
    rng = np.random.default_rng(size)
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", SHAPE)

    def conv(x: int, channels: int = 40, size: int = size) -> int:
        w = random_array(rng, (channels, 40, size, size)) / np.float32(6 * size)
        b = writer.weight(random_array(rng, (channels,)))
        return add_node(f, "Conv", [x, writer.weight(w), b], {"pads": [size // 2] * 4})[0]

    first = conv(x, size=1)
    if kind == "later":  # the other operand is computed behind the convolution
        near, far = conv(first), None
        far = conv(first, size=1)
        shown = far
    elif kind == "same":  # the convolution's own input is added
        far = first
        near = shown = conv(first)
    else:
        far = conv(first, size=1)
        near = shown = conv(conv(first, size=1))
    (total,) = add_node(f, "Add", [far, near] if kind == "swapped" else [near, far])
    if kind == "clip":
        limits = [writer.weight(np.float32(v)) for v in (-0.25, 0.5)]
        (y,) = add_node(f, "Clip", [total, *limits])
    else:
        (y,) = add_node(f, "Relu", [total]) if kind != "bare" else (total,)
    outputs: List[int] = [y]
    if kind == "read":  # the addend and the sum before Relu are read once more
        outputs += [add_node(f, "Sigmoid", [far])[0], add_node(f, "Sigmoid", [total])[0]]
    if shows:
        outputs.append(shown)
    for i, output in enumerate(outputs):
        f.output(output, f"y{i}", "float32", SHAPE)
    return writer, open_model(writer, isa=isa)


KINDS = ["relu", "bare", "clip", "swapped", "later", "same", "read"]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 3])
def test_same_bits_as_one_by_one(kind: str, size: int, isa: str) -> None:
    x = random_array(np.random.default_rng(3), SHAPE)
    wanted = network(kind, size, isa, shows=True)[1].session().run({"x": x})
    model = network(kind, size, isa, shows=False)[1]
    for threads in (1, 3):
        with model.session(threads=threads) as session:
            for _ in range(2):
                found = session.run({"x": x})
                for name in found:
                    assert_same_bits(found[name], wanted[name], f"{name}, {threads} threads")


@pytest.mark.parametrize("kind", KINDS)
def test_sums_have_no_step_of_their_own(kind: str, tmp_path: Path) -> None:
    for shows in (False, True):
        writer, _ = network(kind, 3, "baseline", shows)
        (tmp_path / "net.apus").write_bytes(writer.to_bytes())
        result = cli.run("inspect", "net.apus", "--json", cwd=tmp_path)
        assert result.code == 0, result.stderr
        found = json.loads(result.stdout)
        steps = set(found["arena"]["step_layers"])
        layers = [layer["operator"] for layer in found["layers"]]
        add = layers.index("Add")
        assert (add in steps) == shows


def normalization(clip: str, isa: str, shows: bool) -> tuple:
    """Conv → BatchNormalization → Relu or Clip in channel blocks; with `shows` what the normalisation
    puts out is an output too."""
    rng = np.random.default_rng(5)
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", SHAPE)
    w = writer.weight(random_array(rng, (40, 40, 1, 1)) / np.float32(6))
    (x,) = add_node(f, "Conv", [x, w])
    scale, bias, mean = (writer.weight(random_array(rng, (40,))) for _ in range(3))
    variance = writer.weight(np.abs(random_array(rng, (40,))) + np.float32(0.1))
    (middle,) = add_node(f, "BatchNormalization", [x, scale, bias, mean, variance])
    limits = [writer.weight(np.float32(v)) for v in (-0.25, 0.5)] if clip == "Clip" else []
    (y,) = add_node(f, clip, [middle, *limits])
    for i, output in enumerate([y, middle] if shows else [y]):
        f.output(output, f"y{i}", "float32", SHAPE)
    return writer, open_model(writer, isa=isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("clip", ["Relu", "Clip"])
def test_normalization_clips(clip: str, isa: str, tmp_path: Path) -> None:
    x = random_array(np.random.default_rng(3), SHAPE)
    wanted = normalization(clip, isa, shows=True)[1].session().run({"x": x})
    low, high = (0, np.inf) if clip == "Relu" else (np.float32(-0.25), np.float32(0.5))
    assert_same_bits(wanted["y0"], np.clip(wanted["y1"], low, high))
    writer, model = normalization(clip, isa, shows=False)
    for threads in (1, 3):
        with model.session(threads=threads) as session:
            assert_same_bits(session.run({"x": x})["y0"], wanted["y0"])
    (tmp_path / "net.apus").write_bytes(writer.to_bytes())
    found = json.loads(cli.run("inspect", "net.apus", "--json", cwd=tmp_path).stdout)
    layers = [layer["operator"] for layer in found["layers"]]
    assert layers.index(clip) not in found["arena"]["step_layers"]
