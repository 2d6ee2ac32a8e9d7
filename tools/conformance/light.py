"""The nine light_* networks of the onnx package, imported and compared with ONNX Runtime: with the
constant weights that they have and with random ones in their place.

    tools/conformance/light.py [NAME…]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Tests/python"), str(REPOSITORY / "bindings/python")]
import light_networks  # noqa: E402
import locate  # noqa: E402


def main() -> int:
    locate.prepare()
    failed = False
    for name in light_networks.NAMES:
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            constant = light_networks.compare(
                Path(folder), light_networks.with_constant_weights(name), positive=True)
            drawn = light_networks.compare(Path(folder), light_networks.with_random_weights(name))
        failed |= not max(constant.worst, drawn.worst) <= light_networks.TOLERANCE
        failed |= not drawn.spread >= light_networks.SPREAD
        print(
            f"{name:24} constant weights {constant.worst:.1e}, random {drawn.worst:.1e}; "
            f"two images' outputs differ by {drawn.spread:.1e}; "
            f"{time.perf_counter() - begin:.1f} s",
            flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
