"""Random graphs through `model-convert import` and the Python binding, against ONNX Runtime; with
all graph passes, with none and with all but one.

    for outcome in check_seeds(range(500), jobs=2): ...
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence

import numpy as np
import random_graphs

import locate

locate.prepare()

import apus  # noqa: E402

# Against ONNX Runtime; between passes on and off. The absolute ones are in parts of the largest
# element.
RELATIVE, ABSOLUTE = 1e-4, 1e-5
PASSES = 1e-5


class Outcome(NamedTuple):
    seed: int
    operators: List[str]
    problems: List[str]
    """What differs, and where; empty where all is well."""


def convert(folder: Path, name: str, *arguments: str) -> Path:
    """Imports folder/m.onnx; raises with what the report says."""
    target = folder / f"{name}.apus"
    done = subprocess.run(
        [str(locate.model_convert()), "import", "m.onnx", "-o", target.name, *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if done.returncode:
        raise ValueError(f"import {' '.join(arguments)}: {done.stderr.strip()}")
    return target


def run(path: Path, inputs: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    with apus.Model(str(path)) as model:
        names = [x.name for x in model.inputs]
        given = {name: inputs[name] for name in names}
        shapes = {name: array.shape for name, array in given.items()}
        with model.session(shapes=shapes) as session:
            return session.run(given)


def differences(
    got: Dict[str, np.ndarray], wanted: Dict[str, np.ndarray], relative: float, absolute: float
) -> List[str]:
    """One sentence for each output that is not what it should be."""
    problems = []
    for name, array in wanted.items():
        found = got[name]
        if found.shape != array.shape or found.dtype != array.dtype:
            problems.append(
                f"{name} is {found.dtype}{list(found.shape)}, not {array.dtype}{list(array.shape)}"
            )
            continue
        if array.dtype == np.float32:
            limit = relative * np.abs(array) + absolute * np.abs(array).max(initial=0)
            bad = ~(np.abs(found.astype(np.float64) - array) <= limit)
        else:
            bad = found != array
        if bad.any():
            first = tuple(int(i[0]) for i in np.nonzero(bad))
            problems.append(
                f"{name}{list(array.shape)}: {bad.sum()} of {array.size} differ, at {list(first)} "
                f"{found[first]} and not {array[first]}"
            )
    return problems


@functools.lru_cache(None)
def pass_names() -> List[str]:
    listing = subprocess.run(
        [str(locate.model_convert()), "inspect", "--passes", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [x["name"] for x in json.loads(listing.stdout)["passes"]]


def check_seed(seed: int) -> Outcome:
    """Runs the graph of a seed for both sizes of N."""
    graph = random_graphs.generate(seed)
    problems: List[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "m.onnx").write_bytes(graph.model.SerializeToString())
        try:
            path = convert(folder, "m")
            results = [run(path, inputs) for inputs in graph.inputs]
            for result, wanted in zip(results, graph.wanted):
                problems += differences(result, wanted, RELATIVE, ABSOLUTE)
            names = pass_names()
            for without in ("all", names[seed % len(names)]):
                path = convert(folder, without, "--without-pass", without)
                for inputs, result in zip(graph.inputs, results):
                    found = differences(run(path, inputs), result, PASSES, PASSES)
                    problems += [f"without pass {without}: {problem}" for problem in found]
        except (ValueError, apus.ApusError, subprocess.TimeoutExpired) as problem:
            problems.append(str(problem))
    return Outcome(seed, graph.operators, problems)


def check_seeds(seeds: Sequence[int], jobs: int = 2) -> Iterator[Outcome]:
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(check_seed, seeds, chunksize=5)
