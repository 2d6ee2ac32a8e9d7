"""What the runs found, as lines for the terminal."""

from __future__ import annotations

from typing import List, Sequence

import rounds
from runtimes import TITLES

WIDTH = 26
# Of int8: what it is compared with in floats.
FLOATS = ("apus_float", "apus_direct")


def head(runtimes: Sequence[str], precision: str = "float32") -> str:
    names = "".join(f"{TITLES[r]:>13}" for r in runtimes)
    more, columns = "", ""
    if precision == "int8":
        more = "float: apus's float32 time by its int8 time; direct: the same without Winograd\n"
        columns = f"{'float':>7}{'direct':>7}"
    return (
        f"{precision}, milliseconds a run; ratio: the fastest peer's time by apus's, with the\n"
        "rounds' spread; peak: the share of the processor's multiply-adds that apus reaches\n"
        f"{more}\n{'':{WIDTH}}{'':>4}{names}  {'ratio':<20}{'peak':>6}{columns}"
    )


def line(entry: dict, runtimes: Sequence[str]) -> str:
    results = entry["results"]
    times = "".join(f"{cell(results[r]):>13}" for r in runtimes)
    name = f"{entry['title']:{WIDTH}}{entry['threads']:>3}t"
    own = "".join(f"{times_as_fast(results, r):>7}" for r in FLOATS if r in results)
    return f"{name}{times}  {versus(results):<20}{share(entry):>6}{own}"


def cell(result: rounds.Result) -> str:
    if result.failure:
        return {"wr": "wrong", "no": "no"}.get(result.failure[:2], "fails")
    return milliseconds(result.seconds)


def milliseconds(seconds: float) -> str:
    number = f"{seconds * 1e3:#.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"
    return number.rstrip(".")


def versus(results: dict) -> str:
    peer = rounds.best_peer(results)
    found = rounds.ratio(results, peer) if peer and "apus" in results else None
    return f"{found[0]:.2f} ({found[1]:.2f}-{found[2]:.2f})" if found else ""


def times_as_fast(results: dict, other: str) -> str:
    if "apus" not in results or results[other].failure:
        return ""
    found = rounds.ratio(results, other)
    return f"{found[0]:.2f}" if found else ""


def share(entry: dict) -> str:
    apus, peak = (entry["results"].get(r) for r in ("apus", "peak"))
    if not apus or apus.failure or not peak or peak.failure:
        return ""
    # The peak is what a processor can do, its best round, times the threads.
    most = entry["threads"] * peak.operations / min(peak.rounds)
    return f"{100 * entry['operations'] / apus.seconds / most:.0f} %"


def notes(found: List[dict]) -> str:
    """Why a runtime was not timed, each reason once."""
    seen = {
        (TITLES[r], entry["title"], result.failure): None
        for entry in found
        for r, result in entry["results"].items()
        if result.failure and r in TITLES
    }
    return "\n".join(f"{runtime}, {title}: {why}" for runtime, title, why in seen)
