"""recipes/README.md: each recipe is listed, with the figure of docs/results.md; each picture is there, whole,
and can be made anew by its command."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import locate
import pytest

sys.path.insert(0, str(locate.REPOSITORY / "tools" / "zoo"))

import gallery  # noqa: E402
import report_figures  # noqa: E402

PAGE = gallery.PAGE.read_text()
RECIPES = sorted(path.stem for path in gallery.RECIPES.glob("*.yaml"))


def test_figures_are_those_of_the_results() -> None:
    """`make docs` writes the table anew."""
    assert PAGE == gallery.with_table(PAGE), "run make docs"
    for name in RECIPES:
        assert PAGE.count(f"| [{name}]({name}.yaml) |") == 1


def test_each_picture_is_there_and_has_its_command() -> None:
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE)
    assert sorted(shown) == sorted(str(p.path.relative_to(gallery.RECIPES)) for p in gallery.ALL)
    assert sorted(f"pictures/{p.name}" for p in gallery.PICTURES.iterdir()) == sorted(shown)
    for picture in gallery.ALL:
        assert picture.path.stat().st_size > 1000
        assert f"make gallery ONLY={picture.name}`" in PAGE
    assert sum(path.stat().st_size for path in gallery.PICTURES.iterdir()) < 1_500_000


@pytest.mark.parametrize("path", sorted(gallery.PICTURES.glob("*.svg")), ids=lambda p: p.stem)
def test_a_drawing_stands_alone(path) -> None:
    text = path.read_text()
    xml.fromstring(text)
    for outside in ("<script", "@import", "url(", "href", "<foreignObject", "<image"):
        assert outside not in text
    assert set(re.findall(r"https?://[^\"']+", text)) == {"http://www.w3.org/2000/svg"}
    # Colours are there that the drawing names.
    for name in set(re.findall(r"var\((--\w+)\)", text)) - {"--c"}:
        assert text.count(f"{name}:") >= 2, name


def test_drawings_come_out_of_a_report(tmp_path) -> None:
    report = tmp_path / "r.html"
    subprocess.run(
        [locate.model_convert(), "train", gallery.RECIPES / "mlp.yaml", "-o", tmp_path / "n.apus",
         "--epochs", "2", "--threads", "1", "--report", report], check=True, capture_output=True,
    )  # fmt: skip
    page = report.read_text()
    found = report_figures.figures(page)
    assert {"Loss", "Accuracy", "Learning rate", "Confusion on the test part"} <= set(found)
    drawing = xml.fromstring(report_figures.compose(page, [["Loss", "Accuracy"], ["Learning rate"]]))
    space = "{http://www.w3.org/2000/svg}"
    headings = [t.text for t in drawing.iter(f"{space}text") if t.get("class") == "heading"]
    assert headings == ["Loss", "Accuracy", "Learning rate"]
    curves = [p.get("class") for p in drawing.iter(f"{space}path")]
    assert curves.count("curve training") == 2 and curves.count("curve rate") == 1
    with pytest.raises(KeyError, match="Loss"):
        report_figures.compose(page, [["Bits"]])
