"""The light_* networks of the onnx package against ONNX Runtime. Those whose large fully connected
layers take their time are left to `make conformance`."""

from __future__ import annotations

from pathlib import Path

import pytest

import light_networks

LARGE = ("light_bvlc_alexnet", "light_vgg19", "light_zfnet512")
NAMES = [name for name in light_networks.NAMES if name not in LARGE]


def test_all_are_there() -> None:
    assert len(light_networks.NAMES) == 9 and len(NAMES) == 6


@pytest.mark.parametrize("name", NAMES)
def test_constant_weights(tmp_path: Path, name: str) -> None:
    model = light_networks.with_constant_weights(name)
    result = light_networks.compare(tmp_path, model, positive=True)
    assert result.worst <= light_networks.TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_random_weights(tmp_path: Path, name: str) -> None:
    result = light_networks.compare(tmp_path, light_networks.with_random_weights(name))
    assert result.worst <= light_networks.TOLERANCE
    assert result.spread >= light_networks.SPREAD
