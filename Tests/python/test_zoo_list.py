"""`model-convert zoo`: what it lists of every system, and that it writes networks that run."""

from __future__ import annotations

import json
import sys

import cli
import numpy as np
import pytest
from harness import apus

import locate

sys.path.insert(0, str(locate.REPOSITORY / "tools" / "zoo"))

import results_page  # noqa: E402

RECIPES = locate.REPOSITORY / "recipes"
FAMILIES = ["classifier", "detector", "perceptron", "embedding", "sequence", "speech", "memory"]

# Parameters of the authors' programs: darknet's yolov1.cfg, yolov2.cfg and yolov3-tiny.cfg without
# running means and variances, SSD300 for 20 classes.
PUBLISHED = {"ssd300": 26_285_486, "yolo-v1": 271_703_550, "yolo-v2": 50_962_889, "yolo-v3-tiny": 8_852_366}


def listed(folder, *arguments):
    result = cli.run("zoo", "--json", *arguments, cwd=folder)
    assert result.code == 0 and result.stderr == ""
    return {row["name"]: row for row in json.loads(result.stdout)}


def dense(i, o):
    return i * o + o


def gates(count, i, h, ways=1):
    """Of a recurrent layer: two biases, as ONNX has them."""
    return ways * count * (h * i + h * h + 2 * h)


# By the formulas of the papers.
COUNTED = {
    "perceptron": dense(2, 2), "xor": dense(2, 4) + dense(4, 1),
    "mlp": dense(64, 128) + dense(128, 64) + dense(64, 10),
    "elman": gates(1, 1, 16) + dense(16, 1), "lstm": gates(4, 2, 64) + dense(64, 1),
    "lstm-peepholes": gates(4, 2, 64) + 3 * 64 + dense(64, 1),
    "gru": gates(3, 2, 64) + dense(64, 1),
    "line-classifier": 96 * 24 + gates(3, 24, 64, ways=2) + dense(128, 4),
    "syntax-tagger": 96 * 24 + gates(4, 24, 64, ways=2) + dense(128, 9),
    "char-rnn": 96 * 64 + gates(4, 64, 256) + gates(4, 256, 256) + dense(256, 96),
    # The LSTM, what its heads read and write with, and the output, which sees what was read too.
    "ntm": gates(4, 9 + 20, 100) + dense(100, 20 + 6) + dense(100, 3 * 20 + 6) + dense(100 + 20, 8),
    # The interface vector has W R + 3 W + 5 R + 3 numbers (Graves et al. 2016, methods).
    "dnc": gates(4, 9 + 16, 64) + dense(64, 16 * 1 + 3 * 16 + 5 * 1 + 3) + dense(64 + 16, 8),
}  # fmt: skip


def test_every_family_is_listed_with_its_sizes(tmp_path) -> None:
    rows = listed(tmp_path)
    assert list(dict.fromkeys(row["family"] for row in rows.values())) == FAMILIES
    for name, count in (PUBLISHED | COUNTED).items():
        assert rows[name]["parameters"] == count, name
    assert all(row["parameters"] > 0 and row["macs"] > 0 for row in rows.values())
    some = listed(tmp_path, "--family", "memory")
    assert some == {n: r for n, r in rows.items() if r["family"] == "memory"}


def test_recipes_are_there_with_what_they_reached(tmp_path) -> None:
    rows = listed(tmp_path).values()
    assert all((RECIPES.parent / row["recipe"]).is_file() for row in rows if "recipe" in row)
    # No figure without the recipe that anyone can repeat it with.
    assert all("recipe" in row for row in rows if "reached" in row)
    assert sum("reached" in row for row in rows) >= 20


def test_every_recipe_is_listed(tmp_path) -> None:
    rows = listed(tmp_path).values()
    named = {row["recipe"] for row in rows if "recipe" in row}
    named |= {other["recipe"] for row in rows for other in row.get("others", [])}
    assert named == {f"recipes/{path.name}" for path in RECIPES.glob("*.yaml")}


def test_figures_are_those_of_the_results(tmp_path) -> None:
    assert results_page.SWIFT.read_text() == results_page.swift(), "run make docs"
    known = {name: row.figure for name, row in results_page.by_recipe().items() if row.figure}
    for row in listed(tmp_path).values():
        if "recipe" in row:
            name = row["recipe"].removeprefix("recipes/").removesuffix(".yaml")
            assert row.get("reached") == known.get(name), name


def test_a_row_of_the_results_that_is_cut_is_an_error(monkeypatch, tmp_path) -> None:
    page = tmp_path / "results.md"
    page.write_text("| " + " | ".join(results_page.COLUMNS) + " |\n|---|\n| one | two |\n")
    monkeypatch.setattr(results_page, "PAGE", page)
    with pytest.raises(ValueError, match="a row of 2 cells"):
        results_page.rows()


def shape_of(tensor, free=16):
    return tuple(free if d < 0 else d for d in tensor.shape)


@pytest.mark.parametrize("family", FAMILIES[2:])
def test_what_is_written_runs(tmp_path, family) -> None:
    rng = np.random.default_rng(1)
    for name in listed(tmp_path, "--family", family):
        written = cli.run("zoo", name, "-o", "net.apus", cwd=tmp_path)
        assert written.code == 0, written.stderr
        model = apus.Model(str(tmp_path / "net.apus"))
        inputs = {}
        for tensor in model.inputs:
            # A second of sound is a multiple of 20 ms.
            shape = shape_of(tensor, 8_000 if family == "speech" else 16)
            if tensor.name == "lengths":
                inputs[tensor.name] = np.full(shape, 16, np.int32)
            elif tensor.dtype == np.int32:
                inputs[tensor.name] = rng.integers(0, 8, shape).astype(np.int32)
            else:
                inputs[tensor.name] = rng.uniform(-1, 1, shape).astype(np.float32)
        session = model.session(shapes={k: x.shape for k, x in inputs.items()})
        for output in session.run(inputs).values():
            assert output.size > 0 and np.isfinite(output).all(), name
