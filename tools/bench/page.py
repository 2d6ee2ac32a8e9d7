"""docs/performance.md and its chart."""

from __future__ import annotations

import json
import math
import platform
import re
from pathlib import Path
from typing import Dict, Iterable, List

import chart
import report
import rounds
from networks import SAMPLES
from runtimes import TITLES

INTRODUCTION = """\
# Performance

This page is written by `make bench`, which downloads the peers (`tools/bench/requirements.txt`),
makes the networks with seeded random weights, and takes about half an hour. Whoever doubts a
number can have their own: `make bench BENCH="--models resnet-18,lenet"`.

How it measures:

- Each runtime loads the network in a process of its own, with the same weights and input: apus,
  ONNX Runtime, OpenVINO and MNN from one ONNX file, ncnn and LiteRT from files in their own
  formats, with batch normalisation folded into the convolutions, as their converters do. All
  compute in float32 where it does not say int8.
- **Outputs are compared first.** One that differs from the others' by more than {tolerance} of its
  largest number is shown as wrong and not timed.
- The processes stand on the same processors and take turns of {seconds} s for {rounds} rounds,
  another one first in each; the others are stopped meanwhile. A time is the median of the rounds,
  a round's the median of its runs, but for those in which the system gave the processor away.
- **What counts is the ratio**: the fastest peer's time divided by apus's, above 1 where apus is
  faster. It is the median of the rounds' own ratios; behind it stand the lowest and highest round
  after one is taken off each end. Other work on the machine widens that, for two threads most.
- Peak is the share of the processor's fused multiply-adds that apus reaches, counting the network's
  multiplications as its definition has them, and the processor's from a loop that does nothing
  else, timed in the same rounds on one thread, times the threads. Winograd's convolutions do
  fewer, so they can go beyond.
- Runs go through each runtime's Python package by its shortest way: memory bound once, no copies
  but those that the package makes itself.
"""

INT8 = """
## Int8

`make bench BENCH="--precision int8"` writes this part. The same networks in int8, timed as above:

- apus's are made by `model-convert quantize` ([quantisation](quantization.md)): uint8 activations
  and int8 weights with a scale for each channel, ranges from the smallest to the largest number
  that {samples} random inputs give. Recurrent layers have int8 weights and round what these
  multiply as it comes (`--dynamic`).
- ONNX Runtime and OpenVINO run what `model-convert export` makes of apus's networks, the QDQ form;
  LiteRT and ncnn have the same integers in files of their own formats. ncnn knows no zero points:
  its activations are symmetric, as its own quantiser makes them. MNN's converter makes floats of
  the QDQ form; its networks are made by its own quantiser from the same inputs.
- ONNX Runtime is given a second file and runs the faster one: activations in int8, or for LSTM one
  scale for each matrix, from its own quantiser.
- No runtime but apus and ncnn has a GRU in integers, and OpenVINO computes recurrent layers in
  float32 whatever their weights are: these are not timed.
- **Outputs are compared first** with those of the float32 network (on ONNX Runtime). What has less
  than {least} dB of signal to noise is shown as wrong and not timed, and so is what multiplies
  apus's integers and has {spread} dB less than apus.
- Peak is of int8 multiply-adds, {operations:.0f} thousand million operations a second on one
  thread, by a loop that does nothing else. apus's int8 convolutions use no Winograd transforms.
"""


def save(found: List[dict], path: Path) -> None:
    plain = [
        {**entry, "results": {r: v._asdict() for r, v in entry["results"].items()}}
        for entry in found
    ]
    path.write_text(json.dumps(plain))


def saved(path: Path) -> List[dict]:
    found = json.loads(path.read_text())
    for entry in found:
        entry["results"] = {r: rounds.Result(**v) for r, v in entry["results"].items()}
    return found


def write(
    found: List[dict], folder: Path, turns: int, seconds: float, int8: List[dict] = ()
) -> None:
    """`int8`: what was found of the int8 networks, where they were measured."""
    parts = [*_page(found, turns, seconds), *(_int8(int8) if int8 else ())]
    (folder / "performance.md").write_text("".join(parts))
    (folder / "performance.svg").write_text(_chart(found))
    if int8:
        (folder / "performance-int8.svg").write_text(_chart(int8, " in int8"))


def _page(found: List[dict], turns: int, seconds: float) -> Iterable[str]:
    yield INTRODUCTION.format(
        tolerance=f"{rounds.TOLERANCE:g}", rounds=turns, seconds=f"{seconds:g}"
    )
    yield f"\nMeasured on {machine()}.\n{_versions(found)}\n"
    yield "\n## Ratios\n\n" + _summary(found)
    yield "\n![How many times as fast apus is as its fastest peer](performance.svg)\n\n"
    yield from _ratios(found)
    yield from _times(found, "##")
    yield "\n" + _notes(found)
    yield from _loading([e for e in found if e["threads"] == 1])


def _int8(found: List[dict]) -> Iterable[str]:
    peaks = [e["results"]["peak"] for e in found if not e["results"]["peak"].failure]
    operations = max((p.operations / min(p.rounds) / 1e9 for p in peaks), default=0)
    yield INT8.format(
        samples=SAMPLES, least=rounds.LEAST_SIGNAL, spread=rounds.SPREAD,
        operations=operations,
    )  # fmt: skip
    yield f"\n{_versions(found)}\n\n{_summary(found)}"
    yield "\n![How many times as fast apus is in int8](performance-int8.svg)\n\n"
    yield from _ratios(found)
    yield from _beside_float(found)
    yield from _times(found, "###")
    yield from _signals([e for e in found if e["threads"] == 1])
    yield "\n" + _notes(found)


def _beside_float(found: List[dict]) -> Iterable[str]:
    yield (
        "\n### Int8 beside float32\n\n"
        "How many times as fast apus's int8 network is as its float32 one in the same rounds, as\n"
        "that runs by default and with `no_winograd`, which makes it do the multiplications that\n"
        "int8 does. The arena is int8's part of float32's.\n\n"
    )
    threads = sorted({e["threads"] for e in found})
    head = ["network"]
    for n in threads:
        head += [f"float32, {n} thread{'s' if n > 1 else ''}", "without Winograd"]
    of = {(e["title"], e["threads"]): e for e in found}
    rows = []
    for title in dict.fromkeys(e["title"] for e in found):
        ratios = [report.times_as_fast(of[title, n]["results"], r)
                  for n in threads for r in report.FLOATS]  # fmt: skip
        rows.append([title, *ratios, _arena(of[title, threads[0]]["results"])])
    yield from _table([*head, "arena"], rows)


def _arena(results: dict) -> str:
    int8, float32 = (results[r].arena for r in ("apus", "apus_float"))
    return f"{100 * int8 / float32:.0f} %" if int8 and float32 else ""


def _signals(found: List[dict]) -> Iterable[str]:
    yield "\n### Signal to noise of the outputs against float32, decibels\n\n"

    def cell(result: rounds.Result) -> str:
        return report.cell(result) if result.failure else f"{result.signal:.1f}"

    yield from _table(
        ["network", *TITLES.values()],
        [[e["title"], *[cell(e["results"][r]) for r in TITLES]] for e in found],
    )


def _times(found: List[dict], level: str) -> Iterable[str]:
    for threads in sorted({e["threads"] for e in found}):
        yield f"\n{level} Milliseconds a run, {threads} thread{'s' if threads > 1 else ''}\n\n"
        yield from _table(
            ["network", *TITLES.values()],
            [[e["title"], *[report.cell(e["results"][r]) for r in TITLES]]
             for e in found if e["threads"] == threads],
        )  # fmt: skip


def _summary(found: List[dict]) -> str:
    lines = []
    for threads in sorted({e["threads"] for e in found}):
        ratios = [r for e in found if e["threads"] == threads and (r := _ratio(e))]
        ahead = sum(r[0] >= 1 for r in ratios)
        mean = math.exp(sum(math.log(r[0]) for r in ratios) / len(ratios))
        lines.append(
            f"- {threads} thread{'s' if threads > 1 else ''}: apus is at least as fast as every peer "
            f"in {ahead} of {len(ratios)} networks; the geometric mean of the ratios is {mean:.2f}.\n"
        )
    return "".join(lines)


def _ratio(entry: dict):
    peer = rounds.best_peer(entry["results"])
    return rounds.ratio(entry["results"], peer) if peer else None


def _ratios(found: List[dict]) -> Iterable[str]:
    titles = list(dict.fromkeys(e["title"] for e in found))
    threads = sorted({e["threads"] for e in found})
    of = {(e["title"], e["threads"]): e for e in found}
    head = ["network"]
    for n in threads:
        head += [f"ratio, {n} thread{'s' if n > 1 else ''}", "fastest peer", "peak"]
    rows = []
    for title in titles:
        row = [title]
        for n in threads:
            entry = of[title, n]
            peer = rounds.best_peer(entry["results"])
            row += [report.versus(entry["results"]), TITLES.get(peer, ""), report.share(entry)]
        rows.append(row)
    yield from _table(head, rows)


def _loading(found: List[dict]) -> Iterable[str]:
    yield (
        "\n## Loading and memory, 1 thread\n\n"
        "Milliseconds from the file to a runtime that is ready, milliseconds of the first run, and\n"
        "the most megabytes that the process took beyond Python and NumPy, the runtime's own\n"
        "library included. Files were in the page cache. The arena is all that a session of apus\n"
        "allocates for tensors, states and scratch; its sessions of one model share the packed\n"
        "weights.\n\n"
    )

    def three(result: rounds.Result) -> str:
        if result.failure:
            return report.cell(result)
        parts = report.milliseconds(result.load), report.milliseconds(result.first)
        return f"{parts[0]} · {parts[1]} · {result.memory / 1e6:.0f}"

    def megabytes(entry: dict) -> List[str]:
        apus = entry["results"]["apus"]
        return [f"{n / 1e6:.2f} MB" for n in (apus.arena, apus.packed)]

    yield from _table(
        ["network", *TITLES.values(), "arena", "packed weights"],
        [[e["title"], *[three(e["results"][r]) for r in TITLES], *megabytes(e)] for e in found],
    )


def _table(head: List[str], rows: List[List[str]]) -> Iterable[str]:
    yield "| " + " | ".join(head) + " |\n"
    yield "|---" + "|--:" * (len(head) - 1) + "|\n"
    for row in rows:
        yield "| " + " | ".join(row) + " |\n"


def _notes(found: List[dict]) -> str:
    """Why a number is missing, and whose outputs are less exact."""
    seen: Dict[str, None] = {}
    for entry in found:
        for runtime, result in entry["results"].items():
            if runtime not in TITLES:
                continue
            start = f"- {TITLES[runtime]}, {entry['title']}: "
            if result.failure:
                seen[f"{start}{result.failure}.\n"] = None
            elif result.difference > rounds.TOLERANCE / 10:
                words = f"less exact, off by {result.difference:.0e} of the largest number"
                seen[f"{start}{words}.\n"] = None
    return "".join(["Not timed, or timed with a remark:\n\n", *seen]) if seen else ""


def _versions(found: List[dict]) -> str:
    versions = {
        r: result.version
        for entry in found
        for r, result in entry["results"].items()
        if result.version
    }
    return ", ".join(f"{title} {versions[r]}" for r, title in TITLES.items() if r in versions) + "."


def _chart(found: List[dict], what: str = "") -> str:
    rows: Dict[str, List[chart.Bar]] = {}
    for entry in found:
        ratio = _ratio(entry)
        if ratio:
            bar = chart.Bar(entry["threads"], ratio[0], ratio[1:])
            rows.setdefault(entry["title"], []).append(bar)
    return chart.svg(rows, f"How many times as fast apus{what} is as the fastest of its peers")


def machine() -> str:
    """The processor, its cores and caches, and the best instruction set for kernels."""
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.*)", text)
    cores = text.count("processor\t")
    sizes = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = (index / "type").read_text().strip()
        level, size = ((index / part).read_text().strip() for part in ("level", "size"))
        sizes.append(f"L{level}{'i' if kind == 'Instruction' else ''} {_size(size)}")
    flags = " AVX-512," if "avx512f" in text else ""
    model = name.group(1) if name else platform.machine()
    return f"{model}, {cores} cores,{flags} caches {', '.join(sizes)}"


def _size(kilobytes: str) -> str:
    number = int(kilobytes.rstrip("K"))
    return f"{number // 1024} MB" if number % 1024 == 0 else f"{number} KB"
