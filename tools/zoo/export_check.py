"""Trains every recipe for a few epochs and says how far libapus's numbers are from the trainer's.

    python tools/zoo/export_check.py [RECIPE...] [--epochs 1] [--folder build/export-check]

`model-convert train` compares them when it writes a model, whatever the model has learnt by then; here
all recipes come to that end. Prints a table; the exit code is 1 where one does not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/python")]
import locate  # noqa: E402

# Trained for int8 the network rounds and the file of floats does not: Tests/python/test_train_int8.py.
WITHOUT = {"lenet5-int8"}


def difference(recipe: Path, folder: Path, epochs: int) -> str:
    """What the table says of a recipe; "FAILED: ..." where training ended with an error."""
    done = subprocess.run(
        [locate.model_convert(), "train", recipe, "-o", folder / f"{recipe.stem}.apus", "--json",
         "--epochs", str(epochs), "--threads", "1"],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        return "FAILED: " + done.stderr.strip().splitlines()[-1]
    return f"{json.loads(done.stdout)['export_difference']:.0e}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="RECIPE", help="names; default: all")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "export-check")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    recipes = sorted((ROOT / "recipes").glob("*.yaml"))
    chosen = [
        r for r in recipes
        if (r.stem in arguments.names if arguments.names else r.stem not in WITHOUT)
    ]  # fmt: skip
    unknown = set(arguments.names) - {r.stem for r in recipes}
    if unknown:
        parser.error(f"there is no recipe {', '.join(sorted(unknown))}")
    print("| recipe | largest difference |\n|---|---|", flush=True)
    failed = 0
    for recipe in chosen:
        said = difference(recipe, arguments.folder, arguments.epochs)
        failed += said.startswith("FAILED")
        print(f"| {recipe.stem} | {said} |", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} recipes: libapus computes what the trainer does")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
