"""The nine light_* networks of the onnx package, imported and compared with ONNX Runtime: with the
constant weights that they have and with random ones in their place.

    tools/conformance/light.py [NAME…]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Tests/python"), str(REPOSITORY / "bindings/python")]
import locate  # noqa: E402

FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"
TOLERANCE = 1e-4


def with_random_weights(model: onnx.ModelProto, seed: int = 0) -> onnx.ModelProto:
    """Puts random numbers in the place of every ConstantOfShape; positive where a channel has one,
    as variances must be."""
    random = np.random.default_rng(seed)
    initial = {x.name: x for x in model.graph.initializer}
    for node in [n for n in model.graph.node if n.op_type == "ConstantOfShape"]:
        shape = numpy_helper.to_array(initial[node.input[0]])
        array = random.standard_normal(tuple(shape))
        if len(shape) > 1:
            array *= np.sqrt(1 / max(1, np.prod(shape[1:])))
        else:
            array = np.abs(array) * 0.5 + 0.5
        tensor = numpy_helper.from_array(array.astype(np.float32), node.output[0])
        model.graph.initializer.append(tensor)
        model.graph.node.remove(node)
    return model


def difference(folder: Path, path: Path) -> float:
    """The largest difference of an output, in parts of its largest element."""
    import apus

    target = folder / "net.apus"
    subprocess.run(
        [str(locate.model_convert()), "import", str(path), "-o", str(target)],
        check=True, capture_output=True,
    )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    peer = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    loaded = apus.Model(str(target))
    random = np.random.default_rng(1)
    inputs = {x.name: random.random(x.shape, dtype=np.float32) for x in loaded.inputs}
    results = loaded.session(threads=2).run(inputs)
    worst = 0.0
    for output, wanted in zip(peer.get_outputs(), peer.run(None, inputs)):
        scale = max(float(np.abs(wanted).max()), 1e-30)
        worst = max(worst, float(np.abs(results[output.name] - wanted).max()) / scale)
    return worst


def main() -> int:
    locate.prepare()
    failed = False
    for path in sorted(FOLDER.glob("light_*.onnx")):
        if sys.argv[1:] and not any(name in path.name for name in sys.argv[1:]):
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            constant = difference(folder, path)
            onnx.save(with_random_weights(onnx.load(path)), folder / "random.onnx")
            drawn = difference(folder, folder / "random.onnx")
        failed |= not max(constant, drawn) <= TOLERANCE
        print(f"{path.stem:24} constant weights {constant:.1e}, random {drawn:.1e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
