"""What docs/results.md says of each recipe: the one place where figures are written down. The command
line's list (Sources/Zoo/Results.swift) and the gallery's table are made of it.

    python tools/zoo/results_page.py          writes Sources/Zoo/Results.swift anew
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results.md"
SWIFT = ROOT / "Sources" / "Zoo" / "Results.swift"
COLUMNS = ["system", "recipe", "bar", "reached", "epochs", "time", "seed"]


class Row(NamedTuple):
    system: str
    recipe: str
    bar: str
    reached: str
    epochs: str
    time: str
    seed: str

    @property
    def figure(self) -> str:
        """What was reached, without its explanations."""
        return "not yet" if self.reached.startswith("not yet") else self.reached.split(";")[0].strip()


def rows() -> List[Row]:
    """The first table of the page."""
    lines = PAGE.read_text().splitlines()
    start = lines.index("| " + " | ".join(COLUMNS) + " |")
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != len(COLUMNS):
            raise ValueError(f"{PAGE.name}: a row of {len(cells)} cells: {line}")
        found.append(Row(*cells))
    return found


def by_recipe() -> Dict[str, Row]:
    """The row of each recipe; of several the first, which is the recipe as it stands."""
    found: Dict[str, Row] = {}
    for row in rows():
        if row.recipe and "," not in row.recipe:
            found.setdefault(row.recipe, row)
    return found


def swift() -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    pairs = [(name, row.figure) for name, row in sorted(by_recipe().items()) if row.figure]
    lines = "".join(f"  {quoted(name)}: {quoted(figure)},\n" for name, figure in pairs)
    return (
        "// Made of docs/results.md by `make docs`; do not edit.\n\n"
        "/// What each recipe reached, by its name.\n"
        f"let zooResults: [String: String] = [\n{lines}]\n"
    )


if __name__ == "__main__":
    SWIFT.write_text(swift())
