"""Makes the pictures of recipes/README.md anew, and its table.

    python tools/zoo/gallery.py               all pictures, and the table (some minutes)
    python tools/zoo/gallery.py attention     one picture
    python tools/zoo/gallery.py --table       the table alone, of docs/results.md and the recipes

A picture is made of the report of its recipe's training, or by `model-convert detect`: nothing is drawn
here.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Mapping, NamedTuple, Set, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
from reduced_recipe import reduced_recipe  # noqa: E402
from report_figures import compose  # noqa: E402
from results_page import ROOT, by_recipe  # noqa: E402

RECIPES = ROOT / "recipes"
PAGE = RECIPES / "README.md"
PICTURES = RECIPES / "pictures"
WORK = ROOT / "build" / "gallery"
TOOL = ROOT / "build" / "bin" / "model-convert"
START, END = "<!-- The table is made by `make docs`. -->", "<!-- End of the table. -->"


class Picture(NamedTuple):
    """What of a recipe's report is shown: titles of drawings, row by row; none: detected boxes."""

    name: str
    recipe: str
    rows: Tuple[Tuple[str, ...], ...] = ()
    options: Tuple[str, ...] = ()
    # What of the recipe is other, so that its task is smaller: see `reduced_recipe`.
    changes: Mapping[str, object] = {}

    @property
    def path(self) -> Path:
        return PICTURES / f"{self.name}.{'svg' if self.rows else 'png'}"


ALL = [
    Picture("curves", "lenet5", (("Loss", "Accuracy"),)),
    Picture("confusion", "lenet5", (("Confusion on the test part",),)),
    Picture("boxes", "ssd-digits", options=("--epochs", "3")),
    Picture("roc", "embedding", (("True pairs accepted, by false ones", "Loss"),)),
    Picture("attention", "dates", (("What is looked at for each character",),), ("--epochs", "2")),
    Picture("alignment", "deep-speech", (("Letters as they are heard",),), ("--epochs", "8")),
    Picture("memory", "dnc-copy", (("Shown", "Said"), ("Write head", "Read head 1")),
            changes={"length": "[1, 4]", "locations": 8, "test": "{length: 4}"}),
]


def run(*arguments: object) -> None:
    subprocess.run([TOOL, *map(str, arguments)], check=True)


def make(picture: Picture, trained: Set[str], threads: int) -> None:
    """Trains the recipe, where an earlier picture has not, and writes the picture."""
    name = "-".join((picture.recipe, *(o.strip("-") for o in picture.options)))
    recipe = RECIPES / f"{picture.recipe}.yaml"
    WORK.mkdir(parents=True, exist_ok=True)
    if picture.changes:
        name += "-reduced"
        recipe = WORK / f"{name}.yaml"
        recipe.write_text(reduced_recipe(picture.recipe, picture.changes))
    model, page = WORK / f"{name}.apus", WORK / f"{name}.html"
    if name not in trained:
        run("train", recipe, "-o", model, "--report", page, "--threads", threads, *picture.options)
        trained.add(name)
    PICTURES.mkdir(exist_ok=True)
    if picture.rows:
        picture.path.write_text(compose(page.read_text(), picture.rows))
    else:
        run("detect", model, "--recipe", recipe, "--count", 8, "-o", picture.path)
    print(f"{picture.path.relative_to(ROOT)}: {picture.path.stat().st_size} bytes", flush=True)


def summary(name: str) -> str:
    """The first sentence of a recipe's header, up to its colon where it is long."""
    lines = []
    for line in (RECIPES / f"{name}.yaml").read_text().splitlines():
        if not line.startswith("# "):
            break
        lines.append(line[2:])
    text = " ".join(lines)
    # Not at the dot behind an initial.
    sentence = re.split(r"(?<=[\w)][\w)])[.] (?=[A-Z])", text)[0].rstrip(".")
    return (sentence if len(sentence) <= 110 else sentence.split(": ")[0]).replace("|", "\\|")


def table() -> str:
    known = by_recipe()
    lines = ["| recipe | what it trains | reached | time |", "|---|---|---|---|"]
    for path in sorted(RECIPES.glob("*.yaml")):
        row = known.get(path.stem)
        figure, seconds = (row.figure, row.time) if row else ("", "")
        lines.append(f"| [{path.stem}]({path.name}) | {summary(path.stem)} | {figure} | {seconds} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """The page with the table as it must be."""
    before, rest = page.split(START)
    return f"{before}{START}\n\n{table()}\n\n{END}{rest.split(END)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="PICTURE", help="default: all")
    parser.add_argument("--table", action="store_true", help="write the table alone")
    parser.add_argument("--threads", type=int, default=1, help="1 gives the pictures that are there")
    arguments = parser.parse_args()
    names = {picture.name for picture in ALL}
    if unknown := set(arguments.names) - names:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
    if not arguments.table:
        trained: Set[str] = set()
        for picture in ALL:
            if not arguments.names or picture.name in arguments.names:
                make(picture, trained, arguments.threads)
    PAGE.write_text(with_table(PAGE.read_text()))


if __name__ == "__main__":
    main()
