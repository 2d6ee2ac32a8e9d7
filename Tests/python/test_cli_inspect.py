"""`model-convert inspect`: its numbers against the Python binding and a count by hand."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest

import apus
import cli
from harness import operators


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    return cli.make_files(tmp_path)


def inspect(folder: Path, *arguments: str) -> dict:
    result = cli.run("inspect", *arguments, "--json", cwd=folder)
    assert result.code == 0, result.stderr
    return json.loads(result.stdout)


MODELS = ["small.apus", "two.apus", "queue.apus", "constant.apus"]


@pytest.mark.parametrize("name", MODELS)
def test_every_byte_is_explained(folder: Path, name: str) -> None:
    found = inspect(folder, name)
    size = (folder / name).stat().st_size
    assert sum(s["bytes"] for s in found["sections"]) == size == found["size"]["file_bytes"]
    raw = found["size"]["raw_weight_bytes"]
    assert found["size"]["overhead_bytes"] == size - raw


@pytest.mark.parametrize("name", MODELS)
def test_arena_is_the_library_s(folder: Path, name: str) -> None:
    with apus.Model(folder / name, isa="baseline") as model, model.session() as session:
        assert inspect(folder, name)["arena"]["bytes"] == session.arena_bytes


def test_raw_weights(folder: Path) -> None:
    assert inspect(folder, "two.apus")["size"]["raw_weight_bytes"] == 12 * 4
    # The queue's initial value, and five integers that bound the slices.
    assert inspect(folder, "queue.apus")["size"]["raw_weight_bytes"] == 3 * 4 + 5 * 8


def test_layers(folder: Path) -> None:
    found = inspect(folder, "two.apus", "--input-shape", "a=5,3")
    gather, concat = found["layers"]
    assert (gather["operator"], concat["operator"]) == ("Gather", "Concat")
    assert gather["parameters"] == 12 and gather["weight_bytes"] == 48
    assert gather["outputs"][0]["shape"] == [5, 3] and gather["activation_bytes"] == 60
    assert concat["outputs"][0]["shape"] == [5, 6] and concat["activation_bytes"] == 120
    assert concat["inputs"] == ["a", gather["outputs"][0]["name"]]
    assert found["totals"] == {
        "parameters": 12, "weight_bytes": 48, "macs": 0, "activation_bytes": 180,
    }  # fmt: skip


def test_integers_are_no_parameters(folder: Path) -> None:
    found = inspect(folder, "queue.apus")
    assert found["totals"]["parameters"] == 0 and found["totals"]["weight_bytes"] == 5 * 8


@pytest.mark.skipif("Gemm" not in operators(), reason="this build has no Gemm")
def test_matrix_macs(folder: Path) -> None:
    """A matrix of 7 by 5 applied to 3 rows: 3 · 7 · 5 multiply-accumulates."""
    writer = cli.Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (3, 7))
    w = writer.weight(np.ones((7, 5), np.float32), "w")
    b = writer.weight(np.ones(5, np.float32), "b")
    (y,) = cli.add_node(f, "Gemm", [x, w, b])
    (z,) = cli.add_node(f, "Gemm", [x, w])  # shares w: its parameters count once
    f.output(y, "y", "float32", (3, 5))
    f.output(z, "z", "float32", (3, 5))
    (folder / "gemm.apus").write_bytes(writer.to_bytes())
    found = inspect(folder, "gemm.apus")
    assert [l["macs"] for l in found["layers"]] == [105, 105]
    assert [l["parameters"] for l in found["layers"]] == [40, 0]
    assert found["totals"]["macs"] == 210 and found["totals"]["parameters"] == 40


def test_states(folder: Path) -> None:
    (function,) = inspect(folder, "queue.apus")["functions"]
    (state,) = function["states"]
    assert state["name"] == "queue" and state["shape"] == [1, 3]
    assert state["initial_value"] == "in the file"
    assert inspect(folder, "queue.apus")["arena"]["state_bytes"] == 12


def test_lower_bound(folder: Path) -> None:
    """relu(x) then join: x, h and y (4 + 4 + 8 floats) are alive at once."""
    arena = inspect(folder, "small.apus", "--input-shape", "1,4")["arena"]
    assert arena["lower_bound_bytes"] == 64
    assert arena["ratio"] == pytest.approx(arena["bytes"] / 64)


def test_buffers_alive_together_do_not_overlap(folder: Path) -> None:
    for name in MODELS:
        arena = inspect(folder, name)["arena"]
        buffers = arena["buffers"]
        for i, a in enumerate(buffers):
            assert a["offset"] % 64 == 0 and a["offset"] + a["bytes"] <= arena["bytes"]
            for b in buffers[:i]:
                together = a["first_step"] <= b["last_step"] and b["first_step"] <= a["last_step"]
                apart = (
                    a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"]
                )
                assert apart or not together


def test_metadata_keys_are_left_as_they_are(folder: Path) -> None:
    writer = cli.small_model()
    writer.metadata = [("someKey", "a"), ("other_key", "b")]
    (folder / "meta.apus").write_bytes(writer.to_bytes())
    assert inspect(folder, "meta.apus")["metadata"] == {"someKey": "a", "other_key": "b"}


# ---- The page


class Page(html.parser.HTMLParser):
    """Checks that tags close, and collects what the page would load."""

    VOID = {"meta", "link", "br", "img", "hr", "input"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list = []
        self.loads: list = []
        self.count: dict = {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.loads += [v for k, v in attrs if k in ("src", "href", "data")]
        assert not any(k.startswith("on") for k, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(folder: Path, name: str) -> str:
    result = cli.run("inspect", name, "--html", "page.html", cwd=folder)
    assert result.code == 0
    assert result.stderr == "model-convert: wrote page.html\n"
    return (folder / "page.html").read_text()


@pytest.mark.parametrize("name", MODELS)
def test_page_draws_everything(folder: Path, name: str) -> None:
    text = page(folder, name)
    parsed = Page(text)
    assert parsed.loads == [] and "url(" not in text.replace("url(#arrow)", "")
    assert not re.search(r"https?://", text)
    found = inspect(folder, name)
    assert text.count('class="box layer') == len(found["layers"])
    assert text.count('class="buffer') == len(found["arena"]["buffers"])
    assert "prefers-color-scheme: dark" in text


def test_page_shows_hostile_names_as_text(folder: Path) -> None:
    writer = cli.Writer()
    writer.metadata = [("name", "<script>alert(1)</script>"), ('"k"', "</table><b>&")]
    f = writer.function("a<b>'\"&")
    x = f.input("<img src=x onerror=y>", "float32", (1,))
    (y,) = cli.add_node(f, "Relu", [x], name='"><svg onload=z>')
    f.output(y, "]]>&lt;", "float32", (1,))
    (folder / "hostile.apus").write_bytes(writer.to_bytes())
    text = page(folder, "hostile.apus")
    parsed = Page(text)
    assert parsed.loads == [] and parsed.count["script"] == 1 and "img" not in parsed.count


def test_page_of_a_model_without_layers(folder: Path) -> None:
    writer = cli.Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (2,))
    f.output(x)
    (folder / "none.apus").write_bytes(writer.to_bytes())
    Page(page(folder, "none.apus"))
