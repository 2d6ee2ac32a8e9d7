"""Runs one network on all runtimes in turn, round by round, each in a process of its own.

Machines are shared and their clocks change, so that two times compare only when they were taken
side by side. All processes stand on the same processors; those whose turn it is not are stopped, so
that no pool of theirs spins meanwhile.
"""

from __future__ import annotations

import json
import os
import select
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

WORKER = Path(__file__).parent / "worker.py"
# Of the largest number of an output, the most by which runtimes may differ. Most stay below 5e-6;
# MNN's fast convolutions reach 4e-4.
TOLERANCE = 1e-3
# Of int8, in decibels: the least signal to noise that an output may have against the float32
# network's, and by how much less it may be than apus's where the same integers are multiplied. What
# multiplies the wrong numbers has about 0.
LEAST_SIGNAL, SPREAD = 15, 6
SAME_INTEGERS = ("onnxruntime", "openvino", "litert")
# What else takes turns: the processor's peak, and apus's float32 networks beside its int8 one.
OTHERS = {"float32": ("peak",), "int8": ("apus_float", "apus_direct", "peak")}
OURS = ("apus", *OTHERS["int8"])
# Seconds that a runtime may take to load or for one turn.
PATIENCE = 120


class Result(NamedTuple):
    """What one runtime did with one network."""

    failure: str = ""  # why it was not timed
    rounds: Sequence[float] = ()  # seconds of a run, the median of each round
    load: float = 0
    first: float = 0
    memory: int = 0
    version: str = ""
    difference: float = 0  # of the outputs, as a part of the largest number, from the others'
    signal: float = 0  # of an int8 network: to noise, in decibels, against the float32 outputs
    arena: int = 0
    packed: int = 0
    operations: float = 0

    @property
    def seconds(self) -> float:
        return statistics.median(self.rounds)


class Worker:
    def __init__(self, runtime: str, folder: Path, processors: List[int]) -> None:
        command = [sys.executable, str(WORKER), runtime, str(folder), str(len(processors))]
        self.log = open(folder / f"{runtime}.log", "w")
        self.process = subprocess.Popen(
            command + [str(p) for p in processors],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )  # fmt: skip
        self.started = self.answer()
        self.stop()

    def answer(self) -> dict:
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        if not ready:
            self.process.kill()
            return {"error": f"no answer in {PATIENCE} seconds"}
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        code = self.process.wait()
        return {"error": f"ended with {signal.Signals(-code).name if code < 0 else code}"}

    def stop(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGSTOP)

    def measure(self, seconds: float) -> List[float]:
        os.kill(self.process.pid, signal.SIGCONT)
        self.process.stdin.write(f"measure {seconds}\n")
        self.process.stdin.flush()
        found = self.answer()
        self.stop()
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.log):
            file.close()


def compare(
    folder: Path, runtimes: Sequence[str], processors: List[int], rounds: int, seconds: float,
    precision: str = "float32",
) -> Dict[str, Result]:  # fmt: skip
    """The peak of the processor is measured as one more runtime, "peak"."""
    workers: Dict[str, Worker] = {}
    results: Dict[str, Result] = {}
    try:
        for runtime in [*runtimes, *OTHERS[precision]]:
            # The peak is of one processor: threads that start late would measure the scheduler.
            own = processors[-1:] if runtime == "peak" else processors
            worker = workers[runtime] = Worker(runtime, folder, own)
            if "error" in worker.started:
                results[runtime] = Result(failure=worker.started["error"])
        able = [r for r in workers if r not in results]
        checked = [r for r in able if r != "peak"]
        differences, signals = {}, {}
        if precision == "float32":
            differences = check(folder, checked, len(processors))
            wrong = {
                r: f"off by {d:.0e} of the largest number"
                for r, d in differences.items()
                if not d <= TOLERANCE
            }
        else:
            signals = check_signals(folder, checked, len(processors))
            wrong = {
                r: f"{signals[r]:.0f} dB of signal to noise against float32" for r in noisy(signals)
            }
        for runtime, why in wrong.items():
            results[runtime] = Result(failure=f"wrong: {why}")
            able.remove(runtime)
        times: Dict[str, List[float]] = {r: [] for r in able}
        for turn in range(rounds + 1):
            # Another one goes first in each round.
            for i in range(len(able)):
                runtime = able[(i + turn) % len(able)]
                if runtime in results:
                    continue
                found = workers[runtime].measure(seconds)
                if isinstance(found, dict):
                    results[runtime] = Result(failure=found["error"])
                elif turn:  # the first round warms up
                    times[runtime].append(statistics.median(found))
        for runtime in able:
            if runtime not in results:
                results[runtime] = Result(
                    rounds=times[runtime], difference=differences.get(runtime, 0),
                    signal=signals.get(runtime, 0), **workers[runtime].started,
                )  # fmt: skip
    finally:
        for worker in workers.values():
            worker.close()
    return results


def check(folder: Path, runtimes: Sequence[str], threads: int) -> Dict[str, float]:
    """How far each one's outputs are from the one that is nearest to most of them."""
    outputs = {r: dict(np.load(folder / f"outputs-{r}-{threads}.npz")) for r in runtimes}
    apart = {r: {o: differ(outputs[o], outputs[r]) for o in runtimes} for r in runtimes}

    def agreeing(runtime: str) -> List[float]:
        return [d for d in apart[runtime].values() if d <= TOLERANCE]

    if len(runtimes) < 2:
        return {r: 0 for r in runtimes}  # nothing to compare with
    middle = max(runtimes, key=lambda r: (len(agreeing(r)), -sum(agreeing(r))))
    if len(agreeing(middle)) == 1:
        return {r: np.inf for r in runtimes}  # no two agree: nothing to trust
    return apart[middle]


def check_signals(folder: Path, runtimes: Sequence[str], threads: int) -> Dict[str, float]:
    """Signal to noise of each one's outputs against the float32 network's, in decibels."""
    wanted = dict(np.load(folder / "reference.npz"))
    return {
        r: signal_to_noise(dict(np.load(folder / f"outputs-{r}-{threads}.npz")), wanted)
        for r in runtimes
    }


def signal_to_noise(found: Dict[str, np.ndarray], wanted: Dict[str, np.ndarray]) -> float:
    """Of the output that has least of it; 200 where there is no noise."""
    least = 200.0
    for name, value in wanted.items():
        if name not in found or found[name].shape != value.shape:
            return -np.inf
        noise = float(np.square(found[name] - value, dtype=np.float64).sum())
        power = float(np.square(value, dtype=np.float64).sum())
        if not np.isfinite(noise):
            return -np.inf
        least = min(least, 10 * np.log10(max(power, 1e-300) / max(noise, 1e-300)))
    return float(least)


def noisy(signals: Dict[str, float]) -> List[str]:
    """Those whose outputs are not the network's."""
    least = {r: LEAST_SIGNAL for r in signals}
    if "apus" in signals:
        same = max(LEAST_SIGNAL, signals["apus"] - SPREAD)
        least.update({r: same for r in SAME_INTEGERS if r in signals})
    return [r for r, found in signals.items() if not found >= least[r]]


def differ(found: Dict[str, np.ndarray], wanted: Dict[str, np.ndarray]) -> float:
    """The largest difference, as a part of the output's largest number."""
    most = 0.0
    for name, value in wanted.items():
        if name not in found or found[name].shape != value.shape:
            return np.inf
        difference = float(np.abs(found[name] - value).max() / max(np.abs(value).max(), 1e-30))
        most = max(most, difference if np.isfinite(difference) else np.inf)
    return most


def best_peer(results: Dict[str, Result]) -> Optional[str]:
    peers = [r for r, v in results.items() if r not in OURS and not v.failure]
    return min(peers, key=lambda r: results[r].seconds, default=None)


def ratio(results: Dict[str, Result], peer: str) -> Optional[Tuple[float, float, float]]:
    """How many times as fast as the peer apus is: the median of the rounds, then the lowest and the
    highest of them when one is taken off each end."""
    if results["apus"].failure:
        return None
    each = sorted(b / a for a, b in zip(results["apus"].rounds, results[peer].rounds))
    ends = each[1:-1] if len(each) > 4 else each
    return statistics.median(each), ends[0], ends[-1]
