"""Blocks of newer networks, quantised by the tool: squeeze and excitation, and what a U-Net joins after
it has been made larger. Integers from one end to the other, as ONNX Runtime has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from harness import ISAS
from onnx import numpy_helper
from onnx_models import operators
from quantized import export, quantize, run_apus, run_onnx, signal_to_noise
from quantized_networks import Net

import cli


def excitation() -> tuple:
    """As EfficientNet and MobileNet v3 have it: gates before and behind, of SiLU and HardSigmoid."""
    n = Net(3, 32, 11)
    x = n.add("HardSwish", n.conv("x", 16, 3, 2))
    for m, gate in [(24, "HardSigmoid"), (40, "Sigmoid")]:
        y = n.silu(n.conv(x, 2 * n.channels[x], 1))
        y = n.silu(n.conv(y, n.channels[y], 3, 1, n.channels[y]))
        s = n.relu(n.conv(n.add("GlobalAveragePool", y), 8, 1))
        s = n.add(gate, n.conv(s, n.channels[y], 1))
        x = n.conv(n.add("Mul", *((y, s) if m == 24 else (s, y))), m, 1)
    return n, n.conv(x, 10, 1)


def upsampled(mode: str, coordinates: str, factor: float = 2) -> tuple:
    n = Net(3, 24, 12)
    a = n.relu(n.conv("x", 12))
    b = n.relu(n.conv(n.pool("MaxPool", a), 20))
    c = n.relu(n.conv(n.pool("MaxPool", b), 36))

    def enlarge(x: str) -> str:
        return n.add(
            "Resize", x, "", n.weight([1, 1, factor, factor]), mode=mode,
            coordinate_transformation_mode=coordinates, nearest_mode="floor")  # fmt: skip

    if factor != 2:
        return n, n.conv(enlarge(n.relu(n.conv(enlarge(c), 20))), 4, 1)
    b = n.relu(n.conv(n.concat(enlarge(c), b), 20))
    a = n.relu(n.conv(n.concat(enlarge(b), a), 12))
    return n, n.conv(a, 4, 1)


BLOCKS = {
    "excitation": excitation,
    "nearest": lambda: upsampled("nearest", "asymmetric"),
    "linear": lambda: upsampled("linear", "half_pixel"),
    "corners": lambda: upsampled("linear", "align_corners"),
    "odd": lambda: upsampled("linear", "pytorch_half_pixel", 1.7),
}


@pytest.mark.parametrize("activations", ["uint8", "int8"])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(tmp_path: Path, name: str, activations: str) -> None:
    net, y = BLOCKS[name]()
    onnx.save(net.model(y), tmp_path / "net.onnx")
    rng = np.random.default_rng(3)
    np.savez(tmp_path / "x.npz", x=rng.normal(size=(40, *net.shape)).astype(np.float32))
    assert cli.run("import", "net.onnx", "-o", "net.apus", cwd=tmp_path).code == 0
    quantize(
        tmp_path, "net.apus", "--calibrate", "x.npz", "--activations", activations, output="m.apus")
    # No floats but at the ends.
    made = operators(tmp_path)
    assert [made.count(op) for op in ("QuantizeLinear", "DequantizeLinear")] == [1, 1], made
    assert made[0] == "QuantizeLinear" and made[-1] == "DequantizeLinear"

    x = rng.normal(size=(8, *net.shape)).astype(np.float32)
    results = [run_apus(tmp_path / "m.apus", {"x": x}, isa)[0] for isa in ISAS]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
    (real,) = run_apus(tmp_path / "net.apus", {"x": x})
    assert signal_to_noise(real, results[0]) > 25

    model = export(tmp_path, "m.apus")
    (wanted,) = run_onnx(model, {"x": x})
    last = next(n for n in reversed(model.graph.node) if n.op_type == "DequantizeLinear")
    scale = next(t for t in model.graph.initializer if t.name == last.input[1])
    apart = np.abs(results[0] - wanted) / numpy_helper.to_array(scale)
    print(f"equal {(apart < 0.01).mean():.5f}, at most {apart.max():.2f} steps apart")
    assert apart.max() <= 1.01 and (apart < 0.01).mean() > 0.93

    # Imported again it is the same.
    assert cli.run("import", "exported.onnx", "-o", "m.apus", cwd=tmp_path).code == 0
    assert sorted(operators(tmp_path)) == sorted(made)
    np.testing.assert_array_equal(run_apus(tmp_path / "m.apus", {"x": x})[0], results[0])
