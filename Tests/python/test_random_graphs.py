"""500 random graphs over the whole list of operators agree with ONNX Runtime, with graph passes and
without."""

from __future__ import annotations

import sys
from typing import Set

import pytest
import random_graphs
from check_graphs import check_seeds
from graph_values import ort_session
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from locate import REPOSITORY

sys.path.append(str(REPOSITORY / "tools/conformance"))

from run import SCOPE  # noqa: E402

SEEDS = range(500)


def test_graphs_agree() -> None:
    covered: Set[str] = set()
    problems = []
    for outcome in check_seeds(SEEDS):
        covered.update(outcome.operators)
        problems += [f"seed {outcome.seed}: {problem}" for problem in outcome.problems]
    assert not problems, "\n".join(problems)
    assert SCOPE <= covered, f"no graph has {SCOPE - covered}"


@pytest.mark.parametrize("seed", range(0, 500, 25))
def test_the_generator_makes_what_it_says(seed: int) -> None:
    """The same graph each time, which the checker accepts, and of which ONNX Runtime computes as a
    whole what it computed node by node."""
    graph = random_graphs.generate(seed)
    again = random_graphs.generate(seed)
    assert graph.model.SerializeToString() == again.model.SerializeToString()
    try:
        session = ort_session(graph.model)
    except NoKernel:
        return  # some operator came from onnx.reference
    for inputs, wanted in zip(graph.inputs, graph.wanted):
        names = {x.name for x in session.get_inputs()}
        given = {name: array for name, array in inputs.items() if name in names}
        for name, array in zip(wanted, session.run(list(wanted), given)):
            assert (array == wanted[name]).all(), name
