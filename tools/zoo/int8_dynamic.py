"""What trained recurrent systems keep in int8: each is quantised with `model-convert quantize --dynamic`,
which rounds as numbers come and wants no calibration, and both files are measured in libapus on what was
held out.

    python tools/zoo/int8_dynamic.py [RECIPE...] [--models FOLDER] [--train]

FOLDER has RECIPE.apus (build/zoo by default); --train trains those that it has not. Prints a table.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import wave
from pathlib import Path
from typing import Callable, Dict, Sequence

import numpy as np
from int8 import ROOT, error, samples, tool, trained
from quick_checks import right_dates, wrong_bits

from harness import apus

RECIPES = ROOT / "recipes"


def forecasts(name: str, model: Path) -> str:
    """Root of the mean squared error of the test part."""
    with tempfile.TemporaryDirectory() as folder:
        return "rmse " + error(model, samples(RECIPES / f"{name}.yaml", "test", 0, Path(folder)))[1]


def translates(name: str, model: Path) -> str:
    """400 dates, against Python's calendar."""
    days = [datetime.date(1970, 1, 1) + datetime.timedelta(53 * i) for i in range(400)]
    with apus.Model(model) as net:
        right = right_dates(net, days)
    return f"{100 * right / len(days):.2f} % exact"


def describes(name: str, model: Path) -> str:
    """The captions of the test part, word by word."""
    with tempfile.TemporaryDirectory() as folder:
        test = samples(RECIPES / f"{name}.yaml", "test", 0, Path(folder))
    right = 0
    with apus.Model(model) as net, net.session() as session:
        for image, wanted in zip(test["x"], test["y"]):
            said = session.run({session.inputs[0].name: image[None]})["tokens"].ravel()
            right += [t for t in said if t > 1] == [t for t in wanted if t > 1]
    return f"{100 * right / len(test['x']):.2f} % exact"


def copies(length: int) -> Callable[[str, Path], str]:
    """Bits of 32 sequences of the longest that was trained."""

    def measure(name: str, model: Path) -> str:
        with apus.Model(model) as net:
            wrong, total = wrong_bits(net, [length] * 32)
        return f"{wrong} of {total} bits wrong"

    return measure


def distance(a: str, b: str) -> int:
    """Levenshtein's."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def hears(name: str, model: Path) -> str:
    """Each word of the voices held out, alone."""
    wrong = letters = 0
    with apus.Model(model) as net:
        characters = net.metadata("characters")
        for speaker in ("olga", "pete", "rosa", "sam"):
            with wave.open(str(ROOT / f"data/speech/{speaker}.wav")) as file:
                raw = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
            sound = (raw.astype(np.float32) - 128) / 128
            for line in (ROOT / f"data/speech/{speaker}.wrd").read_text().splitlines():
                first, last, word = line.split(maxsplit=2)
                x = sound[int(first) : int(last)]
                x = np.pad(x, (800, 800 + -len(x) % 160))[None]
                session = net.session(function="transcribe", shapes={"sound": x.shape})
                said = session.run({"sound": x})["labels"].ravel()
                text = "".join(characters[t - 1] for t in said[: np.argmin(np.append(said, 0))])
                wrong += distance(text, word)
                letters += len(word)
    return f"label error {100 * wrong / letters:.2f} %"


SYSTEMS: Dict[str, Callable[[str, Path], str]] = {
    "sunspots-elman": forecasts,
    "adding-problem-lstm": forecasts,
    "adding-problem-peepholes": forecasts,
    "adding-problem-gru": forecasts,
    "dates": translates,
    "dates-multiplicative": translates,
    "dates-plain": translates,
    "captions": describes,
    "deep-speech": hears,
    "deep-speech-streaming": hears,
    "ntm-copy": copies(20),
    "dnc-copy": copies(10),
}


def row(name: str, model: Path) -> Sequence[str]:
    with tempfile.TemporaryDirectory() as folder:
        int8 = Path(folder) / "int8.apus"
        tool("quantize", model, "--dynamic", "-o", int8)
        sizes = [f"{p.stat().st_size / 1000:,.0f}" for p in (model, int8)]
        return [name, SYSTEMS[name](name, model), SYSTEMS[name](name, int8), *sizes]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="names; default: all")
    parser.add_argument("--models", type=Path, default=ROOT / "build/zoo")
    parser.add_argument("--train", action="store_true")
    arguments = parser.parse_args()
    unknown = set(arguments.recipes) - set(SYSTEMS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SYSTEMS)}")
    print("| recipe | float32 | int8, --dynamic | float32 KB | int8 KB |\n|---|---|---|---|---|")
    failed = False
    for name in arguments.recipes or SYSTEMS:
        try:
            model = trained(name, arguments.models, arguments.train)
            print("| " + " | ".join(row(name, model)) + " |", flush=True)
        except (RuntimeError, apus.ApusError) as problem:
            failed = True
            print(f"{name}: {problem}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
