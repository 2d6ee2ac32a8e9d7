"""Inputs of the models that were exported from PyTorch: drawn alike by the script that exports them
and by the test that runs them."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence

import numpy as np

KINDS = ("normal", "uniform", "integers", "mask", "lengths")


def draw(inputs: Sequence[Mapping], sizes: Mapping[str, int], seed: int) -> Dict[str, np.ndarray]:
    """One array for each entry of `inputs`: name, shape (a word stands for a size), kind, high."""
    random = np.random.default_rng(seed)
    result = {}
    for entry in inputs:
        shape = tuple(sizes.get(d, d) for d in entry["shape"])
        high = sizes.get(entry["high"], entry["high"])
        if entry["kind"] == "normal":
            array = random.standard_normal(shape).astype(np.float32)
        elif entry["kind"] == "uniform":
            array = random.random(shape, dtype=np.float32)
        elif entry["kind"] == "integers":
            array = random.integers(0, high, shape)
        elif entry["kind"] == "mask":
            array = random.random(shape) < 0.3
        else:
            array = np.sort(random.integers(1, high + 1, shape))[::-1].copy()
            array[0] = high
        result[entry["name"]] = array
    return result


def difference(result: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, in parts of the largest finite element; infinite where the types of
    numbers, the shapes or what is not finite differ."""
    if result.shape != wanted.shape or result.dtype.kind != wanted.dtype.kind:
        return float("inf")
    if result.dtype.kind != "f":
        return 0.0 if np.array_equal(result, wanted) else float("inf")
    finite = np.isfinite(wanted)
    if not np.array_equal(result[~finite], wanted[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    scale = max(float(np.abs(wanted[finite]).max()), 1e-30)
    worst = np.abs(result[finite].astype(np.float64) - wanted[finite]).max() / scale
    return float(worst) if worst == worst else float("inf")


def size_sets(inputs: Sequence[Mapping], sizes: Mapping[str, Sequence[int]]) -> List[Dict[str, int]]:
    """The first size of every word, then the second; one set where no dimension is free."""
    words = {d for entry in inputs for d in entry["shape"] if isinstance(d, str)}
    sets = [{word: sizes[word][k] for word in sizes} for k in range(2)]
    return sets if words else sets[:1]
