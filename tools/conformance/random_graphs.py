"""Random graphs through model-convert and libapus: what differs from ONNX Runtime, or between graph
passes on and off, and which operators were covered.

    tools/conformance/random_graphs.py [FIRST LAST] [-j N]
"""

from __future__ import annotations

import argparse
import collections
import os
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY / "Tests/python")
from check_graphs import check_seeds, pass_names  # noqa: E402

sys.path.append(str(REPOSITORY / "tools/conformance"))
from run import SCOPE  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("last", type=int, nargs="?", default=500)
    parser.add_argument("-j", "--jobs", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    start = time.monotonic()
    failed = 0
    covered: collections.Counter = collections.Counter()
    for outcome in check_seeds(range(arguments.first, arguments.last), arguments.jobs):
        covered.update(set(outcome.operators) & SCOPE)
        failed += bool(outcome.problems)
        for problem in outcome.problems:
            print(f"seed {outcome.seed}: {problem}", flush=True)
    print(f"graphs that have each of {len(covered)} of {len(SCOPE)} operators:")
    for name, count in sorted(covered.items()):
        print(f"  {name:28}{count:6}")
    for name in sorted(SCOPE - set(covered)):
        print(f"  {name:28}{'none':>6}")
    print(
        f"{arguments.last - arguments.first} graphs, {failed} of them differ; passes left out in "
        f"turn: {', '.join(pass_names())}")
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    return 1 if failed or SCOPE - set(covered) else 0


if __name__ == "__main__":
    sys.exit(main())
