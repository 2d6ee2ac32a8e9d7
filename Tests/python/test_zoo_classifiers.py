"""`model-convert zoo` and the classifiers of the zoo: published sizes, agreement with ONNX Runtime at
full size (the heavy ones are left to `make conformance`), recipes that train on pictures made of
digits."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import cli
import locate
import zoo_networks

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
LIGHT = ("nin", "googlenet", "squeezenet-1.1", "mobilenet-v1", "mobilenet-v2", "resnet-18")

# torchvision 0.29: name, parameters, multiply-accumulates in 10⁹ (its "GFLOPS" of the weights' pages).
TORCHVISION = {
    "alexnet-torchvision": (61_100_840, 0.71), "vgg-11": (132_863_336, 7.61),
    "vgg-13": (133_047_848, 11.31), "vgg-16": (138_357_544, 15.47),
    "vgg-19": (143_667_240, 19.63), "googlenet-bn": (6_624_904, 1.50),
    "inception-v3": (23_834_568, 5.71), "resnet-18": (11_689_512, 1.81),
    "resnet-34": (21_797_672, 3.66), "squeezenet-1.0": (1_248_424, 0.82),
    "squeezenet-1.1": (1_235_496, 0.35), "densenet-121": (7_978_856, 2.83),
    "densenet-169": (14_149_480, 3.36), "densenet-201": (20_013_928, 4.29),
    "mobilenet-v2": (3_504_872, 0.30),
}  # fmt: skip


def test_list(tmp_path: Path) -> None:
    result = cli.run("zoo", "--json", cwd=tmp_path)
    assert result.code == 0 and result.stderr == ""
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    for name, (parameters, work) in TORCHVISION.items():
        assert rows[name]["parameters"] == parameters, name
        assert rows[name]["macs"] == pytest.approx(1e9 * work, rel=0.03), name
    for row in rows.values():
        if "recipe" in row:
            assert (RECIPES.parent / row["recipe"]).is_file(), row
    table = cli.run("zoo", cwd=tmp_path).stdout
    assert re.search(r"^  resnet-50 +3 × 224 × 224 +25557032 +3\.8", table, re.M)


def test_slips(tmp_path: Path) -> None:
    for arguments, code, message in [
        (("nin",), 2, "a network to write has a name and a file: zoo NAME -o FILE"),
        (("nim", "-o", "n.apus"), 1, "there is no 'nim'; did you mean 'nin'?"),
        (("nin", "-o", "n.apus", "--classes", "0"), 2, "--classes: 0; it must be 1 to 1048576"),
    ]:
        result = cli.run("zoo", *arguments, cwd=tmp_path)
        assert result.code == code and message in result.stderr


def test_classes_and_seed(tmp_path: Path) -> None:
    import apus

    for name, more in (("a", []), ("b", []), ("c", ["--seed", "2"])):
        result = cli.run(
            "zoo", "squeezenet-1.1", "-o", f"{name}.apus", "--classes", "7", *more, cwd=tmp_path)
        # 513 parameters for each class less.
        assert f"{1_235_496 - 993 * 513} parameters" in result.stdout
    a, b, c = ((tmp_path / f"{name}.apus").read_bytes() for name in "abc")
    assert a == b and a != c
    session = apus.Model(str(tmp_path / "a.apus")).session()
    x = zoo_networks.picture(224, 0)
    assert session.run({"image": x})["logits"].shape == (1, 7)


@pytest.mark.parametrize("name", LIGHT)
def test_full_size(tmp_path: Path, name: str) -> None:
    result = zoo_networks.compare(tmp_path, name)
    assert result.worst <= zoo_networks.TOLERANCE
    assert result.spread >= zoo_networks.SPREAD


CLASSIFIERS = (
    "alexnet", "nin", "vgg", "googlenet", "inception-v3", "resnet", "densenet", "squeezenet",
    "xception", "mobilenet-v1", "mobilenet-v2", "c3d",
)  # fmt: skip


def _train(folder: Path, name: str, epochs: int, **changes: str) -> tuple:
    """Trains a recipe with some of its lines changed; what it says of the test part, the model and
    the test part's samples."""
    text = (RECIPES / f"{name}.yaml").read_text().replace("../data", str(RECIPES.parent / "data"))
    for key, value in changes.items():
        text, count = re.subn(rf"(?m)(\b{key}: )[^,}}\n]+", rf"\g<1>{value}", text)
        assert count == 1, key
    (folder / "r.yaml").write_text(text)
    done = subprocess.run(
        [locate.model_convert(), "train", "r.yaml", "-o", "net.apus", "--epochs", str(epochs),
         "--threads", "2"], cwd=folder, capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = re.search(r"test: loss ([\d.e-]+), accuracy ([\d.]+) %", done.stdout)
    zoo_networks.tool("samples", folder / "r.yaml", "--part", "test", "-o", folder / "x.npz")
    return float(found[1]), float(found[2]) / 100, np.load(folder / "x.npz")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_exported_network_is_the_trainers(tmp_path: Path, name: str) -> None:
    """A short training of the recipe's network, narrower: the loss and the accuracy that the trainer
    prints are those of the written model's probabilities."""
    import apus

    loss, accuracy, samples = _train(tmp_path, name, 1, width="0.0625", count="200")
    shape = samples["x"].shape
    name_of_input = "film" if name == "c3d" else "image"
    session = apus.Model(str(tmp_path / "net.apus")).session(shapes={name_of_input: shape})
    p = session.run({name_of_input: samples["x"]})["probabilities"]
    y = samples["y"]
    assert p.shape == (40, 8 if name == "c3d" else 10) and np.isfinite(p).all()
    assert np.mean(p.argmax(1) == y) == pytest.approx(accuracy, abs=1e-4)
    picked = p[np.arange(len(y)), y].astype(np.float64)
    # The trainer prints four digits.
    assert -np.log(picked).mean() == pytest.approx(loss, rel=6e-4)


def test_a_classifier_learns(tmp_path: Path) -> None:
    """ResNet-18, narrower than its recipe's, on fewer and smaller pictures."""
    _, accuracy, _ = _train(tmp_path, "resnet", 6, width="0.1875", count="2400", size="48")
    assert accuracy >= 0.5
