"""Models as both of PyTorch's exporters write them (fixtures/pytorch, made by
tools/fixtures/export_pytorch.py): imported, run at two sets of sizes, and compared with ONNX
Runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import pytorch_cases
from onnx_models import imported, reference, run

FOLDER = Path(__file__).parent / "fixtures/pytorch"
LISTING = json.loads((FOLDER / "cases.json").read_text())
TOLERANCE = 1e-4


def test_every_file_is_listed() -> None:
    assert sorted(LISTING["cases"]) == sorted(p.stem for p in FOLDER.glob("*.onnx"))


@pytest.mark.parametrize("name", sorted(LISTING["cases"]))
def test_export(tmp_path: Path, name: str) -> None:
    inputs = LISTING["cases"][name]["inputs"]
    proto = (FOLDER / f"{name}.onnx").read_bytes()
    loaded = imported(tmp_path, proto)
    for seed, sizes in enumerate(pytorch_cases.size_sets(inputs, LISTING["sizes"])):
        arrays = pytorch_cases.draw(inputs, sizes, seed)
        arrays = {x.name: arrays[x.name] for x in loaded.inputs}
        wanted = reference(proto, arrays)
        results = run(loaded, arrays)
        assert list(results) == list(wanted)
        for output, array in wanted.items():
            found = results[output]
            assert found.shape == array.shape, output
            assert pytorch_cases.difference(found, array) <= TOLERANCE, output


def test_streaming_lstm(tmp_path: Path) -> None:
    """The state goes from run to run, as ONNX Runtime is given it by hand."""
    proto = onnx.load(FOLDER / "streaming_lstm.script.onnx")
    loaded = imported(tmp_path, proto, "--state", "h0=y1", "--state", "c0=y2")
    session = loaded.session()
    h = c = np.zeros((2, 1, 4), np.float32)
    for step in range(4):
        x = np.random.default_rng(step).standard_normal((1, 1, 6)).astype(np.float32)
        wanted = reference(proto, {"x": x, "h0": h, "c0": c})
        h, c = wanted["y1"], wanted["y2"]
        result = session.run({"x": x})
        assert list(result) == ["y0"]
        np.testing.assert_allclose(result["y0"], wanted["y0"], rtol=1e-5, atol=1e-6)
