"""The command line's part of `make demo`: ten digits through `model-convert run`, printed as the
examples print them. Usage: demo_run.py MODEL.apus DIGITS.csv"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def main() -> None:
    model, table = sys.argv[1:]
    root = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "ten.npy"
        subprocess.run(
            [sys.executable, root / "examples/digits.py", model, table, images],
            check=True, stdout=subprocess.DEVNULL, env={"PYTHONPATH": str(root / "build/python")},
        )  # fmt: skip
        subprocess.run(
            [root / "build/bin/model-convert", "run", model, "--input", images, "--output-dir", folder],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        images.unlink()
        (written,) = Path(folder).glob("*.npy")
        scores = np.load(written)
    with open(table) as rows:
        labels = [line.split(",")[0] for line in rows.readlines()[1:11]]
    for label, digit in zip(labels, scores.argmax(axis=1)):
        print(f"{label} is recognised as {digit}")


if __name__ == "__main__":
    main()
