"""Recognises ten handwritten digits with a LeNet-5, in Python.

    python digits.py lenet5.apus digits.csv

With a third argument the images go into that .npy file as well, so that others can run on them:

    python digits.py lenet5.apus digits.csv ten.npy
    model-convert run lenet5.apus --input image=ten.npy

digits.csv and what is done to its digits: see digits.c.
"""

import sys

import apus
import numpy as np


def enlarge(images: np.ndarray, size: int = 32) -> np.ndarray:
    """Bilinear enlargement of [n, 8, 8] to [n, 32, 32]."""
    old = images.shape[-1]
    at = ((np.arange(size, dtype=np.float32) + 0.5) * old / size - 0.5).clip(0, None)
    first = at.astype(int)
    second = np.minimum(first + 1, old - 1)
    share = at - first
    images = images[:, first] * (1 - share)[:, None] + images[:, second] * share[:, None]
    return images[:, :, first] * (1 - share) + images[:, :, second] * share


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: digits.py MODEL.apus DIGITS.csv [IMAGES.npy]")
    table = np.loadtxt(sys.argv[2], dtype=np.float32, delimiter=",", skiprows=1, max_rows=10)
    labels, pixels = table[:, 0].astype(int), table[:, 1:].reshape(-1, 8, 8)
    images = enlarge(pixels / np.float32(16))[:, None].astype(np.float32)
    if len(sys.argv) == 4:
        np.save(sys.argv[3], images)

    model = apus.Model(sys.argv[1])
    session = model.session(shapes={model.inputs[0].name: images.shape})
    (scores,) = session.run(images).values()
    for label, digit in zip(labels, scores.argmax(axis=1)):
        print(f"{label} is recognised as {digit}")


if __name__ == "__main__":
    try:
        main()
    except (apus.ApusError, OSError) as problem:
        sys.exit(f"digits: {problem}")
