"""How time grows with channels, size, sequence length, batch and layers: one page with its chart.

    build/venv/bin/python tools/bench/scaling.py [--only NAME,...] [--page]

Each sweep runs one network at many sizes, tile boundaries and their neighbours among them, in an
order of its own in each round, pinned to one processor; a time is the least of the rounds' medians.
The trend at a size is the straight line, in logarithms of time and of multiplications, through the
other sizes with half to twice as many multiplications, its neighbours at least; a cliff is a time
far above it.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import random
import statistics
import sys
import time
from ctypes import c_size_t
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/python"))

import chart  # noqa: E402
import numpy as np  # noqa: E402
from apus_writer import Writer  # noqa: E402
from harness import add_node, apus, open_model  # noqa: E402
from models import random_weight  # noqa: E402

from apus._library import CSessionOptions, lib  # noqa: E402

ROUNDS = 5
SECONDS = 0.02
BAR = 1.3
RNG = np.random.default_rng(1)


class Sweep(NamedTuple):
    title: str
    axis: str
    sizes: List[int]
    #: The network at a size, and its multiplications (or whatever else time should follow).
    make: Callable[[int], Tuple[Writer, float]]
    #: "run" or "plan".
    what: str = "run"


def weight(writer: Writer, *shape: int) -> int:
    return random_weight(writer, RNG, *shape)


def conv(channels: int, size: int, kernel: int, group: int = 1, batch: int = 1):
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (batch, channels, size, size))
    w = weight(writer, channels, channels // group, kernel, kernel)
    (y,) = add_node(f, "Conv", [x, w], {"pads": [kernel // 2] * 4, "group": group})
    f.output(y, "y", "float32", (batch, channels, size, size))
    return writer, batch * channels * (channels // group) * kernel**2 * size**2


def dense(n: int):
    writer = Writer()
    f = writer.function("main")
    (y,) = add_node(f, "Gemm", [f.input("x", "float32", (1, n)), weight(writer, n, n)], {"transB": 1})
    f.output(y, "y", "float32", (1, n))
    return writer, n * n


def lstm(hidden: int, steps: int):
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (steps, 1, hidden))
    w, r = weight(writer, 1, 4 * hidden, hidden), weight(writer, 1, 4 * hidden, hidden)
    (y,) = add_node(f, "LSTM", [x, w, r], {"hidden_size": hidden})
    f.output(y, "y", "float32", (steps, 1, 1, hidden))
    return writer, 8 * hidden * hidden * steps


def layers(count: int):
    """A stack of small convolutions: what a layer costs beside its arithmetic."""
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (1, 16, 8, 8))
    for _ in range(count):
        (x,) = add_node(f, "Conv", [x, weight(writer, 16, 16, 1, 1)])
    f.output(x, "y", "float32", (1, 16, 8, 8))
    return writer, count


def around(step: int, last: int, first: int = 0) -> List[int]:
    """Multiples of `step` and their neighbours."""
    found = {n + d for n in range(step, last + 1, step) for d in (-1, 0, 1)}
    return sorted(n for n in found if first <= n <= last)


SWEEPS: Dict[str, Sweep] = {
    "conv3x3-channels": Sweep(
        "convolution 3×3, 28×28", "channels", around(16, 256, 32), lambda n: conv(n, 28, 3)),
    "conv1x1-channels": Sweep(
        "convolution 1×1, 28×28", "channels", around(16, 512, 32), lambda n: conv(n, 28, 1)),
    "depthwise-channels": Sweep(
        "depthwise 3×3, 28×28", "channels", around(16, 256, 32), lambda n: conv(n, 28, 3, group=n)),
    "conv3x3-size": Sweep(
        "convolution 3×3, 64 channels", "height and width", list(range(5, 65)),
        lambda n: conv(64, n, 3)),
    "conv1x1-size": Sweep(
        "convolution 1×1, 64 channels", "height and width", list(range(5, 65)),
        lambda n: conv(64, n, 1)),
    "depthwise-size": Sweep(
        "depthwise 3×3, 64 channels", "height and width", list(range(5, 65)),
        lambda n: conv(64, n, 3, group=64)),
    "dense": Sweep("dense n to n", "n", around(64, 2048, 64), dense),
    "lstm-hidden": Sweep(
        "LSTM, 20 steps", "hidden size", around(16, 512, 32), lambda n: lstm(n, 20)),
    "lstm-steps": Sweep(
        "LSTM 64", "steps", [1, 2, 3, 5, 8, 13, 16, 17, 32, 33, 64, 100, 200, 400, 1000],
        lambda n: lstm(64, n)),
    "batch": Sweep(
        "convolution 3×3, 32 channels, 14×14", "batch", list(range(1, 34)),
        lambda n: conv(32, 14, 3, batch=n)),
    "layers": Sweep(
        "stack of convolutions 1×1, a run", "layers", [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
        layers),
    "layers-plan": Sweep(
        "stack of convolutions 1×1, planning", "layers",
        [10, 20, 50, 100, 200, 500, 1000, 2000], layers, "plan"),
}  # fmt: skip


class Point(NamedTuple):
    size: int
    work: float
    microseconds: float


def timed(action: Callable[[], object]) -> float:
    """The median over some repeats, in microseconds."""
    times: List[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def measure(sweep: Sweep) -> List[Point]:
    actions, works = {}, {}
    for size in sweep.sizes:
        writer, works[size] = sweep.make(size)
        model = open_model(writer)
        if sweep.what == "plan":
            options, bytes_ = CSessionOptions(struct_size=ctypes.sizeof(CSessionOptions)), c_size_t()
            actions[size] = lambda m=model, o=options, b=bytes_: lib.apus_session_arena_size(
                m._pointer, ctypes.byref(o), ctypes.byref(b), None)
        else:
            session = model.session()
            pointer = session._pointer
            actions[size] = lambda session=session, p=pointer: lib.apus_session_run(p, None)
    best = {size: math.inf for size in sweep.sizes}
    for _ in range(ROUNDS):
        order = list(sweep.sizes)
        random.Random(len(order)).shuffle(order)
        for size in order:
            best[size] = min(best[size], timed(actions[size]))
    return [Point(size, works[size], best[size]) for size in sweep.sizes]


def above_trend(points: List[Point], i: int) -> Optional[float]:
    """The time of a point by the trend's; nothing at the ends, where the trend is unknown."""
    low, high = points[max(0, i - 2) : i], points[i + 1 : i + 3]
    if len(low) < 2 or len(high) < 2:
        return None
    work = points[i].work
    near = [p for p in points if p.size != points[i].size and 0.5 <= p.work / work <= 2.0]
    near += [p for p in low + high if p not in near]
    slope, level = np.polyfit(np.log([p.work for p in near]), np.log([p.microseconds for p in near]), 1)
    return points[i].microseconds / math.exp(level + slope * math.log(work))


# ---- The page

COLUMNS, WIDTH, HEIGHT, MARGIN = 3, 300, 200, 46


def plot(sweep: Sweep, points: List[Point], left: int, top: int) -> List[str]:
    """One sweep, both axes logarithmic: microseconds over size."""

    def scale(values: List[float], low: float, high: float) -> Callable[[float], float]:
        a, b = math.log(min(values)), math.log(max(values))
        return lambda v: round(low + (high - low) * (math.log(v) - a) / ((b - a) or 1), 1)

    x = scale([p.size for p in points], left + MARGIN, left + WIDTH - 12)
    y = scale([p.microseconds for p in points], top + HEIGHT - 34, top + 42)
    path = " ".join(f"{x(p.size)},{y(p.microseconds)}" for p in points)
    parts = [
        chart.text(left + 8, top + 16, sweep.title),
        f'<polyline points="{path}" fill="none" stroke="{chart.FASTER}" stroke-width="1.2"/>',
    ]
    first, last = points[0], points[-1]
    bottom = top + HEIGHT - 16
    parts.append(chart.text(x(first.size), bottom, str(first.size), size=10))
    parts.append(chart.text(x(last.size), bottom, f"{last.size} {sweep.axis}", "end", size=10))
    for p in (first, last):
        parts.append(chart.text(left + 4, y(p.microseconds) - 4, duration(p.microseconds), size=10))
    for i, p in enumerate(points):
        above = above_trend(points, i)
        color = chart.SLOWER if above and above > BAR else chart.FASTER
        parts.append(
            f'<circle cx="{x(p.size)}" cy="{y(p.microseconds)}" r="1.8" fill="{color}"/>'
        )
    return parts


def duration(microseconds: float) -> str:
    if microseconds >= 1000:
        return f"{microseconds / 1000:.3g} ms"
    return f"{microseconds:.3g} µs"


def picture(results: Dict[str, List[Point]]) -> str:
    parts: List[str] = []
    for i, (name, points) in enumerate(results.items()):
        parts += plot(SWEEPS[name], points, i % COLUMNS * WIDTH, i // COLUMNS * HEIGHT)
    rows = (len(results) + COLUMNS - 1) // COLUMNS
    return chart.document(COLUMNS * WIDTH, rows * HEIGHT, parts)


def row(name: str, points: List[Point]) -> str:
    above = [(above_trend(points, i) or 0, p.size) for i, p in enumerate(points)]
    cliffs = [f"{size} ({ratio:.2f})" for ratio, size in above if ratio > BAR]
    worst, where = max(above)
    sweep = SWEEPS[name]
    return (
        f"| {sweep.title} | {sweep.axis}, {points[0].size} to {points[-1].size} | "
        f"{worst:.2f} at {where} | {', '.join(cliffs) or 'none'} |")


HEAD = "| network | varied | furthest above the trend | above 1.3 |\n|---|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", help="sweeps, with commas between", default=",".join(SWEEPS))
    parser.add_argument("--page", action="store_true", help="write docs/scaling.md and its chart")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    if unknown := [n for n in names if n not in SWEEPS]:
        parser.error(f"--only: {unknown[0]} is none of {', '.join(SWEEPS)}")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    results, rows = {}, []
    print(HEAD, flush=True)
    for name in names:
        results[name] = measure(SWEEPS[name])
        rows.append(row(name, results[name]))
        print(rows[-1], flush=True)
    if arguments.page:
        (ROOT / "docs/scaling.svg").write_text(picture(results))
        info = apus.build_info()
        (ROOT / "docs/scaling.md").write_text(
            "# How time grows\n\n"
            "This page is written by `build/venv/bin/python tools/bench/scaling.py --page`.\n\n"
            + " ".join(__doc__.split("\n\n")[2].split("\n")).strip()
            + f"\n\nMeasured with {info.best_instruction_set}, one thread.\n\n"
            "![Microseconds over size](scaling.svg)\n\n" + "\n".join([HEAD, *rows]) + "\n")


if __name__ == "__main__":
    main()
