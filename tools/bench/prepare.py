"""Writes a network's files in a folder: one format for each runtime."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict

import numpy as np

from network import Network, NotSupported
from writers import ncnn_writer, onnx_writer, tflite_writer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/bench"
CLI = ROOT / "build/bin/model-convert"


def folder_of(name: str) -> Path:
    return FOLDER / name


def prepare(name: str, make: Callable[[], Network], runtimes) -> Dict[str, str]:
    """Returns why a runtime cannot run the network, for those that cannot."""
    folder = folder_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    network = make()
    describe(network, name, folder, "float32")
    onnx_writer.write(network, folder / "model.onnx")
    return convert(WRITERS, network, folder, runtimes)


def describe(network: Network, name: str, folder: Path, precision: str) -> None:
    """What the workers and reports read of a network."""
    (folder / "shapes.json").write_text(json.dumps(network.shapes))
    (folder / "inputs").write_text("\n".join(network.inputs))
    (folder / "outputs").write_text("\n".join(network.outputs))
    np.savez(folder / "inputs.npz", **network.inputs)
    what = {"title": title(network, name), "precision": precision}
    what["operations"] = 2 * network.multiplications
    (folder / "network.json").write_text(json.dumps(what))


def convert(writers: dict, network: Network, folder: Path, runtimes) -> Dict[str, str]:
    failures = {}
    for runtime in runtimes:
        try:
            writers.get(runtime, lambda *_: None)(network, folder)
        except NotSupported as error:
            failures[runtime] = f"not supported: {error}"
        except subprocess.CalledProcessError as error:
            last = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
            failures[runtime] = " ".join(["conversion failed", *last])
    return failures


def title(network: Network, name: str) -> str:
    batch = name.partition("-b")[2]
    return network.name + (f", batch {batch}" if batch.isdigit() else "")


def _apus(network: Network, folder: Path) -> None:
    run(str(CLI), "import", str(folder / "model.onnx"), "-o", str(folder / "model.apus"))


def _ncnn(network: Network, folder: Path) -> None:
    ncnn_writer.write(network, folder / "model.param", folder / "model.bin")


def _mnn(network: Network, folder: Path, name: str = "model") -> None:
    # The converter's own module, in a process of its own, for it may crash. Never the `mnnconvert`
    # command: that is a wrapper which installs packages by itself and reports to a server.
    files = ["--modelFile", str(folder / f"{name}.onnx"), "--MNNModel", str(folder / f"{name}.mnn")]
    arguments = ["mnnconvert", "-f", "ONNX", *files, "--bizCode", "bench", "--useOriginRNNImpl"]
    run(sys.executable, "-c", f"import _tools; _tools.mnnconvert({arguments!r})")


def _litert(network: Network, folder: Path) -> None:
    tflite_writer.write(network, folder / "model.tflite", folder / "tflite.json")


def run(*command: str) -> None:
    none = subprocess.DEVNULL
    subprocess.run(command, check=True, capture_output=True, text=True, stdin=none)


WRITERS = {"apus": _apus, "ncnn": _ncnn, "mnn": _mnn, "litert": _litert}
