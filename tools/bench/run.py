"""`make bench`: whole networks on apus and its peers, the same weights and inputs, in ratios.

    run.py --models resnet-18,lenet --runtimes apus,onnxruntime --threads 1 --quick

Prints a line for each network and number of threads. A run of everything writes docs/performance.md
and its chart. `--list` names the networks; operators.py times single layers.
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
import report
import rounds
from networks import CATALOGUE
from runtimes import TITLES

RESULTS = prepare.FOLDER / "results.json"


def main() -> None:
    options = arguments()
    if options.page:
        return write_page(options)
    processors = sorted(os.sched_getaffinity(0))
    build_peak()
    found: List[dict] = []
    everything = options.models == list(CATALOGUE) and options.runtimes == list(TITLES)
    whole = everything and not options.quick
    print(report.head(options.runtimes), flush=True)
    for name in options.models:
        failures = prepare.prepare(name, CATALOGUE[name], options.runtimes)
        folder = prepare.FOLDER / name
        able = [r for r in options.runtimes if r not in failures]
        for threads in options.threads:
            if threads > len(processors):
                print(
                    f"{name}: this machine has {len(processors)} processors for {threads} threads"
                )
                continue
            # The last ones: the first has the system's interrupts.
            results = rounds.compare(
                folder, able, processors[-threads:], options.rounds, options.seconds
            )
            results.update({r: rounds.Result(failure=why) for r, why in failures.items()})
            entry = {"name": name, "threads": threads, "results": results,
                     **json.loads((folder / "network.json").read_text())}  # fmt: skip
            found.append(entry)
            print(report.line(entry, options.runtimes), flush=True)
            if whole:
                page.save(found, RESULTS)
    print(report.notes(found))
    if whole:
        write_page(options)


def write_page(options: argparse.Namespace) -> None:
    page.write(page.saved(RESULTS), prepare.ROOT / "docs", options.rounds, options.seconds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(CATALOGUE), help="names, with commas between")
    parser.add_argument("--runtimes", default=",".join(TITLES), help="names, with commas between")
    parser.add_argument("--threads", default="1,2", help="numbers, with commas between")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.1, help="a runtime's turn in a round")
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    parser.add_argument("--list", action="store_true", help="the networks' names")
    parser.add_argument("--page", action="store_true", help="write the last whole run's page anew")
    options = parser.parse_args()
    if options.list:
        sys.exit("\n".join(CATALOGUE))
    for option, known in (("models", CATALOGUE), ("runtimes", TITLES)):
        names = getattr(options, option).split(",")
        unknown = [n for n in names if n not in known]
        if unknown:
            parser.error(f"--{option}: {unknown[0]} is none of {', '.join(known)}")
        setattr(options, option, names)
    options.threads = [int(n) for n in options.threads.split(",")]
    if options.quick:
        options.rounds, options.seconds = 3, 0.05
    return options


def build_peak() -> None:
    prepare.FOLDER.mkdir(parents=True, exist_ok=True)
    source = str(prepare.ROOT / "tools/bench/fma_peak.c")
    command = ["gcc", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC",
               source, "-o", str(prepare.FOLDER / "fma_peak.so")]  # fmt: skip
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
