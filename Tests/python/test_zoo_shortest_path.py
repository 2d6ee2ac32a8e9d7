"""Shortest paths: a machine trained for seconds steps as the paper's equations say."""

import numpy as np
import pytest
from memory_machines import DNC, NTM
from memory_training import refused, samples, train

DNC_KEYS = dict(locations=9, width=6, read_heads=2)
NTM_KEYS = dict(locations=9, width=6, read_heads=1, write_heads=1, shifts=3)
PATHS = (
    "{problem: shortest-path, labels: 7, nodes: [3, 5], length: [1, 3], planning: 2, graphs: 64, "
    "curriculum: 2}"
)


def shortest(graph, start, end):
    """All shortest paths, by trying every path of a length before any that is longer."""
    paths = [[edge] for edge in graph if edge[0] == start]
    while paths:
        if found := [p for p in paths if p[-1][2] == end]:
            return found
        visited = [{start} | {e[2] for e in p} for p in paths]
        paths = [
            p + [e] for p, v in zip(paths, visited) for e in graph
            if e[0] == p[-1][2] and e[2] not in v
        ]  # fmt: skip
    return []


@pytest.mark.parametrize("part, longest", [("training", 2), ("test", 4)])
def test_graphs_have_one_shortest_path(tmp_path, part, longest):
    data = (
        "{problem: shortest-path, labels: 9, nodes: [4, 7], length: [1, 4], density: [10, 60], "
        "curriculum: 2}"
    )
    text = samples(tmp_path, "dnc", DNC_KEYS, data, part, 400)
    lengths = set()
    for line in text.splitlines():
        graph, (query,), path = [
            [tuple(map(int, t.split())) for t in part.split(", ")] for part in line.split(" | ")
        ]
        edges = set(graph)
        assert len({e[:2] for e in edges}) == len({(e[0], e[2]) for e in edges}) == len(edges)
        assert all(0 <= label < 9 for e in edges for label in e)
        assert shortest(edges, *query) == [path]
        lengths.add(len(path))
    assert lengths == set(range(1, longest + 1))


@pytest.mark.parametrize("name, keys, reference", [("dnc", DNC_KEYS, DNC), ("ntm", NTM_KEYS, NTM)])
def test_three_answers_a_step(tmp_path, name, keys, reference):
    page = tmp_path / "r.html"
    model, weights, said = train(tmp_path, name, keys, PATHS, "--report", page)
    assert "paths right" in said.splitlines()[1]
    session, machine = model.session(), reference(weights, classes=3, **keys)
    assert tuple(model.inputs[0].shape) == (1, 3 * 7 + 4)
    for x in np.random.default_rng(1).integers(0, 2, (40, 25)).astype(np.float32):
        (y, *_) = session.run(x[None]).values()
        assert y.shape == (1, 3, 7)
        np.testing.assert_allclose(y[0], machine.step(x.astype(np.float64)), atol=2e-5)
    assert "<h2>Write head" in page.read_text() and ">says " in page.read_text()


def test_mistakes_are_named(tmp_path):
    for data, message in [
        ("nodes: [3, 4], length: [1, 4]", "a path of 4 edges needs more than 4 nodes"),
        ("labels: 4, nodes: 5", "data.nodes must be"),
        ("curriculums: 5", "did you mean 'curriculum'?"),
    ]:
        said = refused(tmp_path, "dnc", DNC_KEYS, f"{{problem: shortest-path, {data}}}")
        assert message in said
