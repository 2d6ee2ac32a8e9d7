"""The zoo's networks at their papers' size, with random weights, against ONNX Runtime.

    tools/conformance/zoo.py [NAME…]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Tests/python"), str(REPOSITORY / "bindings/python")]
import locate  # noqa: E402
import zoo_networks  # noqa: E402


def main() -> int:
    locate.prepare()
    failed = False
    for row in json.loads(zoo_networks.tool("zoo", "--family", "classifier", "--json")):
        name = row["name"]
        # Pictures in colour of whatever size.
        if len(row["input"]) != 3 or row["input"][0] != 3:
            continue
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            result = zoo_networks.compare(Path(folder), name)
        failed |= not result.worst <= zoo_networks.TOLERANCE
        failed |= not result.spread >= zoo_networks.SPREAD
        print(
            f"{name:20} {result.worst:.1e}; two pictures' outputs differ by {result.spread:.1e}; "
            f"{time.perf_counter() - begin:.1f} s",
            flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
