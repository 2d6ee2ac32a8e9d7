"""Writes an int8 network's files in a folder: one format for each runtime.

apus's own quantiser makes the network, from a few random inputs; the others get its integers where
their formats can say them.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Callable, Dict

import integers
import numpy as np
import onnxruntime
import rounds
from network import Network, NotSupported
from networks import SAMPLES
from prepare import CLI, FOLDER, WRITERS as FLOAT_WRITERS, convert, describe, run
from writers import ncnn_writer, onnx_writer, tflite_writer


def folder_of(name: str) -> Path:
    return FOLDER / f"{name}-int8"


def prepare(name: str, make: Callable[[], Network], runtimes) -> Dict[str, str]:
    """Returns why a runtime cannot run the network, for those that cannot."""
    folder = folder_of(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    network = make()
    network.dynamic = any(layer.kind == "recurrent" for layer in network.layers)
    describe(network, name, folder, "int8")
    onnx_writer.write(network, folder / "float.onnx")
    run(str(CLI), "import", str(folder / "float.onnx"), "-o", str(folder / "float.apus"))
    session = onnxruntime.InferenceSession(str(folder / "float.onnx"))
    outputs = session.run(network.outputs, network.inputs)
    np.savez(folder / "reference.npz", **dict(zip(network.outputs, outputs)))
    _calibration(network, folder)
    _quantize(network, folder, "uint8", "model")
    return convert(WRITERS, network, folder, runtimes)


def _calibration(network: Network, folder: Path) -> None:
    """Inputs as network.py draws them."""
    random = np.random.default_rng(0)
    drawn = {
        name: random.standard_normal((SAMPLES * value.shape[0], *value.shape[1:]), np.float32)
        for name, value in network.inputs.items()
    }
    np.savez(folder / "calibration.npz", **drawn)


def _quantize(network: Network, folder: Path, activations: str, name: str) -> None:
    """The int8 network as NAME.apus and NAME.onnx."""
    model, data = folder / f"{name}.apus", folder / "calibration.npz"
    how = ["--calibrate", str(data), "--observer", "minmax", "--activations", activations]
    if network.dynamic:
        how = ["--dynamic"]
    run(str(CLI), "quantize", str(folder / "float.apus"), *how, "-o", str(model))
    run(str(CLI), "export", str(model), "-o", str(folder / f"{name}.onnx"))


def _onnxruntime(network: Network, folder: Path) -> None:
    """A second file in the other way that it has, of which it runs the faster one."""
    if not network.dynamic:
        _quantize(network, folder, "int8", "model-signed")
        return
    if any(layer.attributes.get("cell") == "GRU" for layer in network.layers):
        raise NotSupported("no GRU in integers")
    files = [str(folder / f) for f in ("float.onnx", "model-per-tensor.onnx")]
    code = f"from onnxruntime import quantization as q; q.quantize_dynamic(*{files!r})"
    run(sys.executable, "-c", code)


def _openvino(network: Network, folder: Path) -> None:
    if network.dynamic:
        raise NotSupported("recurrent layers computed in float32 whatever their weights are")


def _ncnn(network: Network, folder: Path) -> None:
    ncnn_writer.write(_integers(network, folder), folder / "model.param", folder / "model.bin")


def _litert(network: Network, folder: Path) -> None:
    made = _integers(network, folder)
    tflite_writer.write(made, folder / "model.tflite", folder / "tflite.json")


def _integers(network: Network, folder: Path) -> Network:
    return network if network.dynamic else integers.read(folder / "model.onnx", network.name)


def _mnn(network: Network, folder: Path) -> None:
    """MNN's own quantiser: its converter makes floats of the QDQ form."""
    if network.dynamic:
        raise NotSupported("no recurrent layers in integers")
    FLOAT_WRITERS["mnn"](network, folder, "float")
    samples = folder / "samples"
    ((name, drawn),) = np.load(folder / "calibration.npz").items()
    for i, sample in enumerate(drawn):
        (samples / f"{i}").mkdir(parents=True)
        shape = {"inputs": [{"name": name, "shape": [1, *sample.shape]}]}
        (samples / f"{i}/input.json").write_text(json.dumps(shape))
        numbers = " ".join(map("{:.7g}".format, sample.ravel().tolist()))
        (samples / f"{i}/{name}.txt").write_text(numbers)
    # KL is its default; where that ruins the outputs, the other, which takes a minute.
    for method, count in (("KL", SAMPLES), ("ADMM", 1)):
        how = {
            "path": f"{samples}{os.sep}", "input_type": "sequence", "used_sample_num": count,
            "batch_size": 1, "quant_bits": 8, "feature_quantize_method": method,
            "weight_quantize_method": "MAX_ABS",
        }  # fmt: skip
        (folder / "mnn.json").write_text(json.dumps(how))
        files = [str(folder / f) for f in ("float.mnn", "model.mnn", "mnn.json")]
        run(sys.executable, "-c", f"import _tools; _tools.mnnquant({['mnnquant', *files]!r})")
        processor = str(max(os.sched_getaffinity(0)))
        run(sys.executable, str(rounds.WORKER), "mnn", str(folder), "1", processor)
        made = folder / "outputs-mnn-1.npz"
        if made.exists() and not rounds.noisy(rounds.check_signals(folder, ["mnn"], 1)):
            break


WRITERS = {
    "onnxruntime": _onnxruntime, "openvino": _openvino, "ncnn": _ncnn, "mnn": _mnn,
    "litert": _litert,
}  # fmt: skip
