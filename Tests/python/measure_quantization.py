"""Prints the tables of docs/quantization.md: what observers and options are worth on the digits, and
the bits per character of recipes/char-rnn.yaml, which takes some minutes to train.

    python Tests/python/measure_quantization.py [digits] [char-rnn]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

import numpy as np

import cli
import locate
from harness import apus
from quantized import (
    DEPTHWISE, LENET, import_fixture, quantize, run_apus, signal_to_noise, train, write_digits,
)  # fmt: skip

COARSE = ["--weights", "per-tensor", "--no-equalization", "--no-bias-correction"]
OPTIONS = [
    [], ["--observer", "minmax"], ["--observer", "percentile"], ["--observer", "entropy"],
    ["--no-equalization"], ["--no-bias-correction"], ["--rounding", "adaptive"],
    ["--weights", "per-tensor"], COARSE, ["--weights-only"],
]  # fmt: skip


CHARACTERS = [
    [], ["--dynamic"], ["--weights-only"],
    ["--weights-only", "--weights", "float16"],
]  # fmt: skip


def bits(model: Path, text: str, steps: int = 256) -> float:
    """Bits for a character of the text, from its beginning to its end with the states carried on."""
    with apus.Model(model) as net:
        numbers = {c: i + 1 for i, c in enumerate(net.metadata("characters"))}
        tokens = np.array([numbers.get(c, 0) for c in text], np.int32)
        runs = (len(tokens) - 1) // steps
        total = 0.0
        with net.session(shapes={"tokens": (steps, 1)}) as session:
            for i in range(0, runs * steps, steps):
                (y,) = session.run({"tokens": tokens[i : i + steps, None]}).values()
                y = y[:, 0].astype(np.float64)
                y -= y.max(1, keepdims=True)
                y -= np.log(np.exp(y).sum(1, keepdims=True))
                total -= y[np.arange(steps), tokens[i + 1 : i + steps + 1]].sum()
    return total / (runs * steps) / np.log(2)


RECIPE = locate.REPOSITORY / "recipes/char-rnn.yaml"


def permutation(count: int, *seeds: int) -> List[int]:
    """The order that `train` draws for a folder's files: SplitMix64, Fisher and Yates."""
    mask = (1 << 64) - 1
    state = 0

    def following() -> int:
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return z ^ z >> 31

    state = seeds[0]
    for seed in seeds[1:]:
        state = following() ^ seed
    state = following()
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = following() * (last + 1) >> 64
        order[last], order[other] = order[other], order[last]
    return order


def held_out(folder: Path) -> str:
    """The last tenth of the recipe's text."""

    def files(folder: Path) -> List[Path]:
        found: List[Path] = []
        for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
            if path.is_dir():
                found += [] if path.is_symlink() else files(path)
            elif path.suffix == ".swift":
                found.append(path)
        return found

    assert "path: ../Sources" in RECIPE.read_text() and "validation: 0.1" in RECIPE.read_text()
    found = files(folder)
    text = "\n".join(found[i].read_text() for i in permutation(len(found), 1, 4))
    return text[len(text) - round(0.1 * len(text)) :]


def measure_characters(folder: Path, held: str) -> None:
    """Of net.apus in the folder."""
    real = bits(folder / "net.apus", held)
    print(f"| float32 | {real:.4f} | | |", flush=True)
    for options in CHARACTERS:
        needs_data = not {"--dynamic", "--weights-only"} & set(options)
        arguments = [*(["--calibrate", RECIPE] if needs_data else []), *options, "-o", "q.apus"]
        result = cli.run("quantize", "net.apus", *arguments, cwd=folder, isa="")
        assert result.code == 0, result.stderr
        found = bits(folder / "q.apus", held)
        size = (folder / "q.apus").stat().st_size / (folder / "net.apus").stat().st_size
        label = " ".join(options) or "int8"
        growth = f"{100 * (found / real - 1):+.2f} %"
        print(f"| {label} | {found:.4f} | {growth} | {100 * size:.1f} % |", flush=True)


def char_rnn() -> None:
    held = held_out(locate.REPOSITORY / "Sources")
    with tempfile.TemporaryDirectory() as name:
        # Minutes: not by cli.run, which waits for one.
        subprocess.run(
            [locate.model_convert(), "train", RECIPE, "-o", Path(name) / "net.apus"], check=True,
            stdout=sys.stderr,
        )  # fmt: skip
        measure_characters(Path(name), held)


def digits() -> None:
    with tempfile.TemporaryDirectory() as name:
        folders = {"lenet": Path(name) / "lenet", "depthwise": Path(name) / "depthwise"}
        for folder in folders.values():
            folder.mkdir()
        write_digits(folders["lenet"], 32)
        write_digits(folders["depthwise"], 16)
        train(folders["lenet"], LENET, "lenet")
        import_fixture(folders["depthwise"], "depthwise")
        for options in [None, *OPTIONS]:
            cells = []
            for net, folder in folders.items():
                test = np.load(folder / "test.npz")
                (real,) = run_apus(folder / f"{net}.apus", {"image": test["x"]})
                found = real
                if options is not None:
                    data = [] if options == ["--weights-only"] else ["--calibrate", "train.npz"]
                    quantize(folder, f"{net}.apus", *data, *options)
                    (found,) = run_apus(folder / "q.apus", {"image": test["x"]})
                cell = f"{100 * np.mean(found.argmax(1) == test['y']):.2f} %"
                if options is not None:
                    # A classifier's probabilities as what its softmax was made of.
                    logs = (lambda p: np.log(p + 1e-9)) if net == "lenet" else (lambda p: p)
                    cell += f", {signal_to_noise(logs(real), logs(found)):.1f} dB"
                cells.append(cell)
            label = "float32" if options is None else " ".join(options) or "int8"
            print(f"| {label} | {' | '.join(cells)} |", flush=True)
        # Trained in floats for as many epochs and rounded afterwards; and trained for int8.
        for weights, options in [("per-channel", []), ("per-tensor", COARSE)]:
            cells: dict = {"rounded": [], "trained": []}
            for net, folder in folders.items():
                recipe = DEPTHWISE if net == "depthwise" else LENET
                train(folder, recipe, "float")
                quantize(folder, "float.apus", "--calibrate", "train.npz", *options)
                section = f"quantization: {{epochs: 6, frozen_epochs: 2, weights: {weights}}}\n"
                train(folder, recipe + section, "trained")
                test = np.load(folder / "test.npz")
                for kind, file in [("rounded", "q.apus"), ("trained", "trained.int8.apus")]:
                    (found,) = run_apus(folder / file, {"image": test["x"]})
                    cells[kind].append(f"{100 * np.mean(found.argmax(1) == test['y']):.2f} %")
            for kind, row in cells.items():
                print(f"| {weights}, {kind} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["digits", "char-rnn"]
    if not set(wanted) <= {"digits", "char-rnn"}:
        sys.exit(__doc__)
    if "digits" in wanted:
        digits()
    if "char-rnn" in wanted:
        char_rnn()
