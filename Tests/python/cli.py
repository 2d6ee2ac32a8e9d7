"""Runs model-convert as a user does, in a folder with a few models and arrays.

    result = run("inspect", "small.apus", "--json", cwd=folder)

`make_files` writes the models that the transcripts in Tests/python/cli/ and the test_cli_*.py files
use; they hold only operators whose results are exact.
"""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

import locate
from apus_writer import Writer
from harness import add_node


class Result(NamedTuple):
    code: int
    stdout: str
    stderr: str


def run(*arguments: str, cwd: Path, isa: str = "baseline") -> Result:
    """One call of the tool; the kernels are fixed so that what is printed does not depend on the
    processor."""
    done = subprocess.run(
        [str(locate.model_convert()), *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=60,
        env={**os.environ, "APUS_ISA": isa, "COLUMNS": "80"},
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)


LABELS = "zero one two three four five six seven".split()


def small_model() -> Writer:
    """y/out = [max(x, 0), x] with labels: a classifier of a kind, with a free batch."""
    writer = Writer()
    writer.metadata = [("name", "Small net"), ("labels", "\n".join(LABELS))]
    f = writer.function("main")
    x = f.input("x", "float32", ("batch", 4))
    (h,) = add_node(f, "Relu", [x], name="relu1")
    writer.tensors[h].debug_name = "h"
    (y,) = add_node(f, "Concat", [h, x], {"axis": 1}, name="join")
    f.output(y, "y/out", "float32", ("batch", 8))
    return writer


def two_inputs_model() -> Writer:
    """Two functions: main joins a float and an integer table lookup, other passes a on."""
    writer = Writer()
    table = writer.weight(np.arange(12, dtype=np.float32).reshape(4, 3), "table")
    f = writer.function("main")
    a = f.input("a", "float32", ("n", 3))
    i = f.input("i", "int64", ("n",))
    (rows,) = add_node(f, "Gather", [table, i], {"axis": 0})
    (y,) = add_node(f, "Concat", [a, rows], {"axis": 1})
    f.output(y, "y", "float32", ("n", 6))
    g = writer.function("other")
    b = g.input("b", "float32", (2,))
    (z,) = add_node(g, "Relu", [b])
    g.output(z, "z", "float32", (2,))
    return writer


def state_model(newest: float = 9) -> Writer:
    """A queue of three numbers: each step x goes in and y, the oldest, comes out."""
    writer = Writer()
    queue = writer.state("queue", initial=np.array([[7, 8, newest]], np.float32))
    f = writer.function("step")
    x = f.input("x", "float32", (1, 1))
    (joined,) = add_node(f, "Concat", [queue, x], {"axis": 1})
    axis = writer.weight(np.array([1]))

    def cut(start: int, end: int) -> int:
        bounds = [writer.weight(np.array([start])), writer.weight(np.array([end])), axis]
        return add_node(f, "Slice", [joined, *bounds])[0]

    f.update(queue, cut(1, 4))
    f.output(cut(0, 1), "y", "float32", (1, 1))
    return writer


def constant_model(values: np.ndarray, name: str = "joined") -> Writer:
    """y = relu([x, w]): two models with different w have a known difference."""
    writer = Writer()
    w = writer.weight(np.asarray(values, np.float32), "w")
    f = writer.function("main")
    x = f.input("x", "float32", (4,))
    (r,) = add_node(f, "Relu", [x], name="first")
    writer.tensors[r].debug_name = "r"
    (j,) = add_node(f, "Concat", [r, w], {"axis": 0}, name="second")
    writer.tensors[j].debug_name = name
    (y,) = add_node(f, "Relu", [j], name="third")
    f.output(y, "y", "float32", (4 + len(values),))
    return writer


def translator_model() -> Writer:
    """Says in capitals what it reads of a, b and c: token i is token i."""
    writer = Writer()
    writer.metadata = [("source_characters", "abc "), ("target_characters", "ABC ")]
    f = writer.function("main")
    source = f.input("source", "int32", ("S",))
    (y,) = add_node(f, "Identity", [source])
    f.output(y, "tokens", "int32", ("S",))
    return writer


def captioner_model() -> Writer:
    """Says whether each of three grey pixels is dark or light."""
    writer = Writer()
    writer.metadata = [("target_words", "dark\nlight")]
    f = writer.function("main")
    image = f.input("image", "float32", (1, 1, 1, 3))
    (row,) = add_node(f, "Reshape", [image, writer.weight(np.array([3]))])
    (sums,) = add_node(f, "Add", [row, writer.weight(np.array([2], np.float32))])
    (y,) = add_node(f, "Cast", [sums], {"to": 6})
    f.output(y, "tokens", "int32", (3,))
    return writer


def png(rows: np.ndarray) -> bytes:
    """A grey picture of 8 bits a pixel."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)

    height, width = rows.shape
    lines = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


W = np.array([1, 2, 3, 4, -5], np.float32)
W_CHANGED = np.array([1, 2.5, 3, 4, -5], np.float32)


def make_files(folder: Path) -> Path:
    def save(name: str, writer: Writer) -> None:
        (folder / name).write_bytes(writer.to_bytes())

    save("small.apus", small_model())
    save("two.apus", two_inputs_model())
    save("queue.apus", state_model())
    save("constant.apus", constant_model(W))
    save("changed.apus", constant_model(W_CHANGED))
    save("translator.apus", translator_model())
    save("captioner.apus", captioner_model())
    (folder / "scene.png").write_bytes(png(np.array([[255, 0, 255]])))
    x = np.arange(-4, 8, dtype=np.float32).reshape(3, 4)
    np.save(folder / "x.npy", x)
    np.save(folder / "x64.npy", x.astype(np.float64))
    np.save(folder / "wide.npy", np.zeros((3, 5), np.float32))
    np.save(folder / "cube.npy", np.zeros((3, 4, 1), np.float32))
    np.save(folder / "steps.npy", np.arange(5, dtype=np.float32).reshape(5, 1, 1))
    np.save(folder / "v.npy", np.array([1, -2, 0.5, 3], np.float32))
    np.save(folder / "one.npy", np.ones((1, 1), np.float32))
    np.savez(folder / "two.npz", a=np.ones((2, 3), np.float32), i=np.array([3, 0]), label=[1, 2])
    np.savez(folder / "strange.npz", p=x, q=x)
    onnx = b"\x08\x0a\x12\x07pytorch\x1a\x05" + b"2.1.0" + bytes(64)
    (folder / "net.onnx").write_bytes(onnx)
    (folder / "notes.txt").write_text("no model at all\n")
    (folder / "empty.apus").write_bytes(b"")
    whole = small_model().to_bytes()
    (folder / "cut.apus").write_bytes(whole[:-64])
    spoiled = bytearray(whole)
    spoiled[300] ^= 1
    (folder / "spoiled.apus").write_bytes(bytes(spoiled))
    (folder / "newer.apus").write_bytes(_version(small_model(), (2, 0)))
    (folder / "folder").mkdir()
    return folder


def _version(writer: Writer, version: tuple) -> bytes:
    writer.version = version
    return writer.to_bytes()
