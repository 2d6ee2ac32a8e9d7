"""`make bench`: whole networks on apus and its peers, the same weights and inputs, in ratios.

    run.py --models resnet-18,lenet --runtimes apus,onnxruntime --threads 1 --quick
    run.py --precision int8

Prints a line for each network and number of threads, first of those in float32, then of those in
int8. A run of everything in one of them is kept and writes docs/performance.md and its charts.
`--list` names the networks; operators.py times single layers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import List

import page
import prepare
import prepare_int8
import report
import rounds
from networks import CATALOGUE, QUANTIZED
from runtimes import TITLES
from runtimes.peak import KERNELS

RESULTS = {
    "float32": prepare.FOLDER / "results.json",
    "int8": prepare.FOLDER / "results-int8.json",
}


def main() -> None:
    options = arguments()
    if options.page:
        return write_page(options)
    build_peaks()
    for precision in options.precision:
        measure(precision, options)


def measure(precision: str, options: argparse.Namespace) -> None:
    names = CATALOGUE if precision == "float32" else QUANTIZED
    maker = prepare if precision == "float32" else prepare_int8
    processors = sorted(os.sched_getaffinity(0))
    found: List[dict] = []
    everything = options.models == list(CATALOGUE) and options.runtimes == list(TITLES)
    whole = everything and not options.quick
    print(report.head(options.runtimes, precision), flush=True)
    for name in [n for n in options.models if n in names]:
        failures = maker.prepare(name, CATALOGUE[name], options.runtimes)
        folder = maker.folder_of(name)
        able = [r for r in options.runtimes if r not in failures]
        for threads in options.threads:
            if threads > len(processors):
                print(
                    f"{name}: this machine has {len(processors)} processors for {threads} threads"
                )
                continue
            # The last ones: the first has the system's interrupts.
            results = rounds.compare(
                folder, able, processors[-threads:], options.rounds, options.seconds, precision
            )
            results.update({r: rounds.Result(failure=why) for r, why in failures.items()})
            entry = {"name": name, "threads": threads, "results": results,
                     **json.loads((folder / "network.json").read_text())}  # fmt: skip
            found.append(entry)
            print(report.line(entry, options.runtimes), flush=True)
            if whole:
                page.save(found, RESULTS[precision])
    print(report.notes(found))
    if whole:
        write_page(options)


def write_page(options: argparse.Namespace) -> None:
    float32, int8 = (page.saved(path) if path.exists() else [] for path in RESULTS.values())
    if not float32:
        sys.exit("the page is of a whole run in float32, and there was none yet")
    page.write(float32, prepare.ROOT / "docs", options.rounds, options.seconds, int8)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(CATALOGUE), help="names, with commas between")
    parser.add_argument("--runtimes", default=",".join(TITLES), help="names, with commas between")
    parser.add_argument("--precision", default=",".join(RESULTS), help="float32, int8 or both")
    parser.add_argument("--threads", default="1,2", help="numbers, with commas between")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.1, help="a runtime's turn in a round")
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    parser.add_argument("--list", action="store_true", help="the networks' names")
    parser.add_argument("--page", action="store_true", help="write the last whole run's page anew")
    options = parser.parse_args()
    if options.list:
        sys.exit("\n".join(CATALOGUE))
    for option, known in (
        ("models", CATALOGUE), ("runtimes", TITLES), ("precision", RESULTS)
    ):  # fmt: skip
        names = getattr(options, option).split(",")
        unknown = [n for n in names if n not in known]
        if unknown:
            parser.error(f"--{option}: {unknown[0]} is none of {', '.join(known)}")
        setattr(options, option, names)
    options.threads = [int(n) for n in options.threads.split(",")]
    if options.quick:
        options.rounds, options.seconds = 3, 0.05
    return options


def build_peaks() -> None:
    prepare.FOLDER.mkdir(parents=True, exist_ok=True)
    for name in KERNELS.values():
        source = str(prepare.ROOT / f"tools/bench/{name}.c")
        command = ["gcc", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC",
                   source, "-o", str(prepare.FOLDER / f"{name}.so")]  # fmt: skip
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
