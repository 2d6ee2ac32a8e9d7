"""A process of one runtime with one network, which does what the lines on its input say.

    worker.py RUNTIME FOLDER THREADS CPU...

It prints one JSON object when it is ready (what loading and the first run took), then one for each
line read: `measure SECONDS` gives the seconds of each of its runs, but for those in which the system
gave the processor to someone else, where there are others.
"""

import json
import os
import resource
import sys
import time

# A block of calls is timed as one where a call is shorter than this.
BLOCK = 200e-6
# What a round runs before it measures: caches are cold after the others' turn.
WARM_UP = 5e-3
# A run longer than this has filled the caches by itself: it is measured at once.
LONG = 0.1


def main() -> None:
    # Libraries print what they like: only answers go to the real output.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    runtime, folder, threads, *processors = sys.argv[1:]
    os.sched_setaffinity(0, {int(p) for p in processors})
    os.environ["OMP_NUM_THREADS"] = threads
    try:
        answer, loaded = start(runtime, folder, int(threads))
    except Exception as error:  # the report says it, whatever it is
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers)
        return
    print(json.dumps(answer), file=answers)
    for line in sys.stdin:
        _, seconds = line.split()
        print(json.dumps(measure(loaded.run, float(seconds))), file=answers)


def start(runtime: str, folder: str, threads: int):
    import importlib
    from pathlib import Path

    import numpy as np

    there = Path(folder)
    shapes = json.loads((there / "shapes.json").read_text())
    inputs = dict(np.load(there / "inputs.npz"))
    before = memory("VmRSS")
    module = importlib.import_module(f"runtimes.{runtime}")
    times = [time.perf_counter()]
    loaded = module.Loaded(there, shapes, threads)
    times.append(time.perf_counter())
    loaded.feed(inputs)
    times.append(time.perf_counter())
    loaded.run()
    times.append(time.perf_counter())
    outputs = loaded.outputs()
    np.savez(there / f"outputs-{runtime}-{threads}.npz", **outputs)
    for _ in range(2):
        loaded.run()
    answer = {
        "version": module.VERSION,
        "load": times[1] - times[0],
        "first": times[3] - times[2],
        "memory": memory("VmHWM") - before,
    }
    if hasattr(loaded, "memory"):
        answer.update(loaded.memory())
    return answer, loaded


def memory(field: str) -> int:
    """Bytes of this process, from the system's count."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise KeyError(field)


def measure(run, seconds: float):
    clock = time.perf_counter
    start = clock()
    calls = 0
    while calls < 1 or clock() - start < WARM_UP:
        run()
        calls += 1
    each = (clock() - start) / calls
    if calls == 1 and each > LONG:
        return [each]
    block = max(1, round(BLOCK / each))
    found, undisturbed = [], []
    end = clock() + seconds
    while not found or clock() < end:
        switches = interruptions()
        start = clock()
        for _ in range(block):
            run()
        found.append((clock() - start) / block)
        if interruptions() == switches:
            undisturbed.append(found[-1])
    return undisturbed or found


def interruptions() -> int:
    """How often the system took a processor away from this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


if __name__ == "__main__":
    main()
