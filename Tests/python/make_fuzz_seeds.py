"""Writes small model files that together use every operator and every kind of record: the seeds of
the robustness tests; and in FOLDER/large the samples with work for several threads. Usage:
make_fuzz_seeds.py FOLDER"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

import locate
import models
import samples
from apus_writer import Writer
from harness import add_node, open_model


def general() -> Writer:
    """Free dimensions, symbols, states, two functions, quantised and half-precision weights, debug
    names, metadata."""
    rng = np.random.default_rng(0)
    writer = Writer()
    state = writer.state("h", initial=np.ones((2, 4), np.float32))
    zero_state = writer.state("z", initial=np.zeros((2, 4), np.float32))
    weight = writer.weight(rng.normal(size=(2, 4)).astype(np.float16))
    main = writer.function("main")
    x = main.input("x", "float32", ("N", 4))
    (r,) = add_node(main, "Relu", [x], name="first")
    (c,) = add_node(main, "Concat", [r, state, weight], {"axis": 0}, name="second")
    main.output(c, "y", "float32", (None, 4))
    (n,) = add_node(main, "Relu", [state])
    main.update(state, n)
    (m,) = add_node(main, "Identity", [zero_state])
    main.output(m, "m", "float32", (2, 4))
    other = writer.function("other")
    a = other.input("a", "float32", (2, 4))
    (b,) = add_node(other, "Transpose", [a], {"perm": [1, 0]})
    (s,) = add_node(other, "Reshape", [b, writer.weight(np.array([2, 4], np.int64))])
    other.output(s, "b", "float32", (2, 4))
    other.update(state, s)
    writer.metadata.append(("producer", "make_fuzz_seeds"))
    writer.extra_sections.append((9000, 0, b"an optional section of the future"))
    return writer


def late() -> Writer:
    """Shapes that only a run knows: the constants of one-node functions, plus an input that is 0."""
    writer = Writer()
    for op, bound, values, attributes in [
        ("Reshape", (4, 3), [[2, -1]], {}),
        ("Expand", (2, 3, 4), [[2, 1, 4]], {}),
        ("Slice", (3, 4), [[0], [2], [1], [1]], {}),
        ("Pad", (4, 5), [[1, 0, 0, 1]], {"mode": "reflect"}),
        ("Unsqueeze", (3, 4, 1), [[2]], {}),
        ("ReduceSum", (3, 1), [[1]], {}),
    ]:
        f = writer.function(op)
        tensors = [f.input("x", "float32", (3, 4))]
        zero = f.input("zero", "int64", (1,))
        for value in values:
            constant = writer.weight(np.array(value, np.int64))
            tensors += add_node(f, "Add", [constant, zero], dtypes=["int64"])
        (y,) = add_node(f, op, tensors, attributes)
        writer.tensors[y].shape = bound
        (z,) = add_node(f, "Relu", [y])
        f.output(z, "z", "float32", (None,) * len(bound))
    return writer


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, writer in {
        "general": general(),
        "late": late(),
        "lenet": models.lenet(batch=1, divisor=6),
        "channel-blocks": models.channel_blocks(batch=1),
        "char-rnn": models.char_rnn(hidden=4, symbols=6),
    }.items():
        open_model(writer).close()  # puts right what the file states
        (folder / f"{name}.apus").write_bytes(writer.to_bytes())
    for name in ("channel-blocks", "char-rnn"):
        source = folder / f"{name}.apus"
        subprocess.run(
            [locate.model_convert(), "compile", source, "--target", "native", "-o",
             folder / f"{name}-compiled.apus"], check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    for name, writer in samples.all_samples():
        (folder / f"{name}.apus").write_bytes(writer.to_bytes())
    (folder / "large").mkdir(exist_ok=True)
    (folder / "large" / "stack.apus").write_bytes(models.stack().to_bytes())
    for name, writer in samples.all_samples(large=True):
        (folder / "large" / f"{name}.apus").write_bytes(writer.to_bytes())


if __name__ == "__main__":
    main()
