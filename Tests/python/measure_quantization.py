"""Prints the table of docs/quantization.md: what observers and options are worth on two networks.

    python Tests/python/measure_quantization.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from quantized import (
    LENET, import_fixture, quantize, run_apus, signal_to_noise, train, write_digits,
)  # fmt: skip

COARSE = ["--weights", "per-tensor", "--no-equalization", "--no-bias-correction"]
OPTIONS = [
    [], ["--observer", "minmax"], ["--observer", "percentile"], ["--observer", "entropy"],
    ["--no-equalization"], ["--no-bias-correction"], ["--rounding", "adaptive"],
    ["--weights", "per-tensor"], COARSE, ["--weights-only"],
]  # fmt: skip


def main() -> None:
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


if __name__ == "__main__":
    main()
