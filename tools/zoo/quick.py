"""Trains a reduced set of the zoo: every family, each system smaller or shorter than its recipe has it.

    python tools/zoo/quick.py [NAME...] [--jobs 2] [--folder build/zoo-quick]

Each system must reach a bar, which stands in quick_systems.py and was set with room below what it
reached; the figure is that of `model-convert train --json`. Then the file that was written runs in
libapus (quick_checks.py). Prints a table; the exit code is 1 where something missed. One thread each,
so that the same machine gives the same figures again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import List, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/python"), str(ROOT / "bindings/python")]
import locate  # noqa: E402
from quick_checks import Trained  # noqa: E402
from quick_systems import SYSTEMS, System  # noqa: E402
from reduced_recipe import reduced_recipe  # noqa: E402

# Seconds that a training may take: what hangs is stopped; and that all may.
LIMIT = 900
LIMIT_OF_ALL = 1200


class Outcome(NamedTuple):
    system: System
    figure: str
    seconds: float
    problem: str  # "": none


def train(system: System, folder: Path) -> Trained:
    """- Raises: RuntimeError with what the tool said."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipe.yaml"
    recipe.write_text(reduced_recipe(system.recipe, system.changes))
    done = subprocess.run(
        [locate.model_convert(), "train", recipe, "-o", folder / "net.apus", "--threads", "1", "--json"],
        capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    (folder / "summary.json").write_text(done.stdout)
    return Trained(folder, json.loads(done.stdout))


def outcome(system: System, folder: Path) -> Outcome:
    start = time.monotonic()
    figure = ""
    try:
        trained = train(system, folder / system.name)
        value = system.bar.value(trained.summary)
        figure = f"{system.bar.what} {value:.4g}"
        problem = "" if system.bar.is_reached(value) else "MISSED"
        system.check(trained)
    except Exception as error:  # whatever went wrong is this system's row
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
    seconds = time.monotonic() - start
    print(f"{system.name}: {figure or problem}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return Outcome(system, figure, seconds, problem)


def table(outcomes: List[Outcome]) -> str:
    rows = [("system", "reached", "bar", "time", "verdict")]
    for o in outcomes:
        rows.append((o.system.name, o.figure, o.system.bar.text, f"{o.seconds:.0f} s", o.problem or "ok"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="systems; default: all")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time (2)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "zoo-quick")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {s.name for s in SYSTEMS}
    if unknown:
        there = ", ".join(s.name for s in SYSTEMS)
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {there}")
    locate.prepare()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    chosen = [s for s in SYSTEMS if not arguments.names or s.name in arguments.names]
    start = time.monotonic()
    # The longest first, so that the end is not one training alone.
    with ThreadPoolExecutor(arguments.jobs) as pool:
        running = {
            s.name: pool.submit(outcome, s, arguments.folder)
            for s in sorted(chosen, key=lambda s: -s.seconds)
        }
        outcomes = [running[s.name].result() for s in chosen]
    print(table(outcomes))
    missed = [o for o in outcomes if o.problem]
    seconds = time.monotonic() - start
    print(f"{len(outcomes) - len(missed)} of {len(outcomes)} systems reached their bars in {seconds:.0f} s")
    if seconds > LIMIT_OF_ALL:
        print(f"that is too long: {LIMIT_OF_ALL} s are allowed")
    return 1 if missed or seconds > LIMIT_OF_ALL else 0


if __name__ == "__main__":
    sys.exit(main())
