"""The recipes of recipes/benchmarks: one command trains on a set in the format in which it is published.
The sets are small ones of those very formats (Tests/*/Fixtures, or made here by Python)."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import wave
from pathlib import Path

import locate
import numpy as np
import pytest

locate.prepare()

import apus  # noqa: E402

ROOT = locate.REPOSITORY
RECIPES = ROOT / "recipes/benchmarks"
PICTURES = ROOT / "Tests/TrainingDataTests/Fixtures/images"


def train(folder: Path, recipe: str, data: Path, changes: dict[str, str]) -> dict:
    """Trains for an epoch with --data; `changes` make the network small (pattern: line)."""
    text = (RECIPES / f"{recipe}.yaml").read_text()
    for pattern, line in changes.items():
        text, count = re.subn(pattern, line, text)
        assert count == 1, pattern
    (folder / "r.yaml").write_text(text)
    done = subprocess.run(
        [locate.model_convert(), "train", folder / "r.yaml", "--data", data, "-o", folder / "net.apus",
         "--epochs", "1", "--threads", "1", "--json"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["export_difference"] < 1e-4
    return said


def test_every_recipe_is_tested():
    here = Path(__file__).read_text()
    assert all(f'"{path.stem}"' in here for path in RECIPES.glob("*.yaml"))


def test_mnist(tmp_path: Path):
    rng = np.random.default_rng(1)
    for part, count in (("train", 60), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        head = struct.pack(">IIII", 0x803, count, 28, 28)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = (np.arange(count) % 10).astype(np.uint8)
        head = struct.pack(">II", 0x801, count)
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    said = train(tmp_path, "mnist", tmp_path, {})
    assert said["test"]["count"] == 20 and said["validation"]["count"] == 6
    assert apus.Model(str(tmp_path / "net.apus")).inputs[0].shape[1:] == (1, 32, 32)


def test_cifar10(tmp_path: Path):
    rng = np.random.default_rng(2)
    for name, count in [(f"data_batch_{i}", 8) for i in range(1, 6)] + [("test_batch", 10)]:
        rows = rng.integers(0, 256, (count, 3073), np.uint8)
        rows[:, 0] = np.arange(count) % 10
        (tmp_path / f"{name}.bin").write_bytes(rows.tobytes())
    said = train(tmp_path, "cifar10", tmp_path, {"blocks: 3": "blocks: 1"})
    assert said["test"]["count"] == 10 and said["validation"]["count"] == 4
    assert apus.Model(str(tmp_path / "net.apus")).inputs[0].shape[1:] == (3, 32, 32)


def test_folders_of_pictures(tmp_path: Path):
    data = tmp_path / "pictures"
    for kind in ("cats", "dogs"):
        (data / kind).mkdir(parents=True)
        for i in range(5):
            for file in (PICTURES / kind).iterdir():
                shutil.copy(file, data / kind / f"{i}{file.name}")
    said = train(
        tmp_path, "image-folder", data,
        {r"size: \[224, 224\]": "size: [64, 64]", "depth: 18": "depth: 18, width: 0.125"})
    assert said["test"]["count"] == 3
    model = apus.Model(str(tmp_path / "net.apus"))
    assert model.metadata("labels").split() == ["cats", "dogs"]


def test_coco(tmp_path: Path):
    coco = ROOT / "Tests/DetectionTests/Fixtures/coco"
    said = train(
        tmp_path, "coco", coco / "images",
        {"backbone: vgg16": "backbone: vgg16, width: 0.0625",
         "annotations: annotations.*": f"annotations: {coco / 'instances.json'}"})
    assert said["unit"] == "images"
    model = apus.Model(str(tmp_path / "net.apus"))
    found = model.session(function="detect").run({"image": np.zeros((1, 3, 300, 300), np.float32)})
    assert found["boxes"].shape[1] == 4


def test_librispeech(tmp_path: Path):
    rng = np.random.default_rng(3)
    for speaker in ("84", "1272", "1462"):
        chapter = tmp_path / "set" / speaker / "121"
        chapter.mkdir(parents=True)
        lines = []
        for i, text in enumerate(["GO ON", "DON'T"]):
            name = f"{speaker}-121-{i:04d}"
            with wave.open(str(chapter / f"{name}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16_000)
                file.writeframes(rng.integers(-3000, 3000, 8_000).astype("<i2").tobytes())
            lines.append(f"{name} {text}\n")
        (chapter / f"{speaker}-121.trans.txt").write_text("".join(lines))
    said = train(
        tmp_path, "librispeech", tmp_path / "set",
        {"seconds: 12": "seconds: 2", "  sounds: 2000": "  sounds: 16", "test_sounds: 200": "test_sounds: 16",
         "filters: 256": "filters: 8", "hidden_size: 512": "hidden_size: 8"})
    assert "label error" in said["test"]["figures"]
    model = apus.Model(str(tmp_path / "net.apus"))
    assert set(model.metadata("characters")) == set("go ndt'")
    assert model.metadata("rate") == "16000"
