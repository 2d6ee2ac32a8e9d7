"""model-convert train as a stranger uses it: slips get one clear line and the right exit code, and
a run that was interrupted ends as one that was not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import locate

RECIPE = """\
name: two moons
model: {name: mlp, hidden: [16], activation: tanh}
data:
  reader: csv
  path: moons.csv
  label: moon
  split: {validation: 0.2, test: 0.2, seed: 1}
  transforms:
    - standardize: true
    - random_noise: 0.05
loss: cross-entropy
optimizer:
  name: adam
  learning_rate: 0.02
schedule: {name: plateau, factor: 0.5, patience: 2}
batch_size: 16
epochs: 6
seed: 3
"""


def moons(count: int = 200) -> str:
    """Two interleaved half circles, a column each for x, y and the class."""
    random = np.random.default_rng(0)
    t = random.uniform(0, np.pi, count)
    moon = np.arange(count) % 2
    x = np.where(moon == 0, np.cos(t), 1 - np.cos(t)) + random.normal(0, 0.1, count)
    y = np.where(moon == 0, np.sin(t), 0.5 - np.sin(t)) + random.normal(0, 0.1, count)
    rows = [f"{a:.4f},{b:.4f},{'upper' if m == 0 else 'lower'}" for a, b, m in zip(x, y, moon)]
    return "x,y,moon\n" + "\n".join(rows) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r.yaml").write_text(RECIPE)
    (tmp_path / "moons.csv").write_text(moons())
    return tmp_path


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [locate.model_convert(), "train", *arguments], cwd=folder, capture_output=True, text=True,
        timeout=120,
    )


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert text.count(old) >= 1
    (folder / name).write_text(text.replace(old, new, 1))


SLIPS = {
    "a misspelt key": (
        lambda f: change(f, "r.yaml", "learning_rate", "learning_rat"),
        "r.yaml:14: unknown key 'learning_rat' in 'optimizer'; did you mean 'learning_rate'?",
    ),
    "a missing key": (
        lambda f: change(f, "r.yaml", "epochs: 6\n", ""),
        "r.yaml:1: the key 'epochs' is missing",
    ),
    "a number out of range": (
        lambda f: change(f, "r.yaml", "epochs: 6", "epochs: -6"),
        "r.yaml:17: epochs must be a whole number from 1 on, and is '-6'",
    ),
    "a loss that does not fit": (
        lambda f: change(f, "r.yaml", "loss: cross-entropy", "loss: huber"),
        "r.yaml:11: loss: there is no 'huber'; it must be 'mse', 'l1', 'cross-entropy', "
        "'binary-cross-entropy', 'perceptron' or 'hinge'",
    ),
    "a network that does not fit": (
        lambda f: change(f, "r.yaml", "{name: mlp, hidden: [16], activation: tanh}", "lenet5"),
        "r.yaml:2: model: 'lenet5' takes images of shape [1, 32, 32]; the data are samples of "
        "shape [2]",
    ),
    "no YAML": (
        lambda f: change(f, "r.yaml", "hidden: [16]", "hidden: [16"),
        "r.yaml:2: not YAML: did not find expected ',' or ']'",
    ),
    "a text cell": (
        lambda f: change(f, "moons.csv", "\n", "\n0.5,n/a,upper\n"),
        "moons.csv:2: column 'y': 'n/a' is not a number",
    ),
    "a short line": (
        lambda f: change(f, "moons.csv", "\n", "\n0.5,upper\n"),
        "moons.csv:2: 2 cells, and the lines before it have 3",
    ),
    "no such label": (
        lambda f: change(f, "r.yaml", "label: moon", "label: class"),
        "moons.csv:1: no column is named 'class'; the header has 'x', 'y', 'moon'",
    ),
    "no data": (
        lambda f: (f / "moons.csv").unlink(),
        "moons.csv: no such file or directory",
    ),
    "no recipe": (
        lambda f: (f / "r.yaml").unlink(),
        "r.yaml: no such file or directory",
    ),
    "a folder for a recipe": (
        lambda f: ((f / "r.yaml").unlink(), (f / "r.yaml").mkdir()),
        "r.yaml: is a directory, not a file",
    ),
    "a folder for data": (
        lambda f: change(f, "r.yaml", "path: moons.csv", "path: ."),
        ".: is a directory, not a file",
    ),
    "an empty recipe": (
        lambda f: (f / "r.yaml").write_text(""),
        "r.yaml: the recipe is empty",
    ),
    "a recipe that is a list": (
        lambda f: (f / "r.yaml").write_text("- mlp\n"),
        "r.yaml:1: a recipe is made of lines 'key: value'",
    ),
    "a key twice": (
        lambda f: change(f, "r.yaml", "epochs: 6", "epochs: 6\nepochs: 7"),
        "r.yaml:17: the key 'epochs' stands here twice",
    ),
    "a word for a number": (
        lambda f: change(f, "r.yaml", "learning_rate: 0.02", "learning_rate: fast"),
        "r.yaml:14: optimizer.learning_rate must be greater than 0, and is 'fast'",
    ),
    "nothing to train on": (
        lambda f: change(f, "r.yaml", "validation: 0.2, test: 0.2", "validation: 0.6, test: 0.4"),
        "r.yaml:7: data.split: nothing is left to train on",
    ),
    "a file of a header": (
        lambda f: (f / "moons.csv").write_text("x,y,moon\n"),
        "moons.csv: the file has a header and no data",
    ),
    "an empty file": (
        lambda f: (f / "moons.csv").write_text(""),
        "moons.csv: the file has no lines",
    ),
    "no number": (
        lambda f: change(f, "moons.csv", "\n", "\n0.5,nan,upper\n"),
        "moons.csv:2: column 'y': 'nan' is not a number",
    ),
    "a binary file for a recipe": (
        lambda f: (f / "r.yaml").write_bytes(b"\x89APUS\r\n\x1a\xff\xfe"),
        "r.yaml: not a text in UTF-8",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slip(folder: Path, slip: str) -> None:
    make, expected = SLIPS[slip]
    make(folder)
    result = train(folder, "r.yaml", "-o", "net.apus")
    assert result.stderr == f"model-convert: {expected}\n"
    assert (result.returncode, result.stdout) == (1, "")
    assert not (folder / "net.apus").exists()


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["r.yaml", "-o", "no/net.apus"], "no/net.apus: its folder is not there or cannot be written to"),
        (["r.yaml", "-o", "."], ".: is a directory, not a file"),
        (["r.yaml", "-o", "net.apus", "--report", "no/page.html"],
         "no/page.html: its folder is not there or cannot be written to"),
        (["r.yaml", "-o", "net.apus", "--checkpoint", "no/net.ckpt"],
         "no/net.ckpt: its folder is not there or cannot be written to"),
        (["r.yaml", "-o", "net.apus", "--data", "no.csv"], "no.csv: no such file or directory"),
        (["r.yaml", "-o", "net.apus", "--resume", "no.ckpt"], "no.ckpt: no such file or directory"),
        (["r.yaml", "-o", "net.apus", "--resume", "moons.csv"],
         "moons.csv: not a zip file, or cut off (no end-of-directory record)"),
    ],
)
def test_argument_that_cannot_be_used(folder: Path, arguments: list, expected: str) -> None:
    result = train(folder, *arguments)
    assert result.stderr == f"model-convert: {expected}\n"
    assert (result.returncode, result.stdout) == (1, "")


@pytest.mark.parametrize(
    "arguments",
    [[], ["r.yaml"], ["r.yaml", "-o", "x", "--epochs", "0"], ["r.yaml", "-o", "x", "--epoch", "3"],
     ["r.yaml", "-o", "x", "--seed", "one"], ["r.yaml", "s.yaml", "-o", "x"]],
)
def test_bad_usage(folder: Path, arguments: list) -> None:
    result = train(folder, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("model-convert: ") and result.stderr.count("\n") == 1


def test_progress_in_a_file_is_plain_lines(folder: Path) -> None:
    result = train(folder, "r.yaml", "-o", "net.apus")
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("epoch")]
    assert [line.split("  ")[0] for line in lines] == [f"epoch {i}/6" for i in range(1, 7)]
    assert "\r" not in result.stderr and "\x1b" not in result.stderr
    assert (folder / "net.apus").stat().st_size > 200


def test_same_seed_same_bytes_and_resume(folder: Path) -> None:
    def model(name: str, *arguments: str) -> bytes:
        result = train(folder, "r.yaml", "-o", name, *arguments)
        assert result.returncode == 0, result.stderr
        return (folder / name).read_bytes()

    whole = model("whole.apus")
    assert model("again.apus") == whole
    assert model("other.apus", "--seed", "4") != whole
    # The plateau schedule, unlike a cosine, does not depend on the number of epochs.
    model("half.apus", "--epochs", "3", "--checkpoint", "half.ckpt")
    assert model("resumed.apus", "--resume", "half.ckpt") == whole


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("name: adam", "name: sgd", "the checkpoint is of another network or optimiser than the recipe's"),
        ("hidden: [16]", "hidden: [8]", "the checkpoint is of another network or optimiser than the recipe's"),
        ("batch_size: 16", "batch_size: 60", "the checkpoint is of other batches than the recipe's: "
         "8 updates in 1 epochs, which would be 2"),
    ],
)
def test_checkpoint_of_another_recipe(folder: Path, old: str, new: str, expected: str) -> None:
    done = train(folder, "r.yaml", "-o", "net.apus", "--epochs", "1", "--checkpoint", "net.ckpt")
    assert done.returncode == 0, done.stderr
    (folder / "net.apus").unlink()
    change(folder, "r.yaml", old, new)
    result = train(folder, "r.yaml", "-o", "net.apus", "--resume", "net.ckpt")
    assert result.stderr == f"model-convert: net.ckpt: {expected}\n"
    assert (result.returncode, result.stdout) == (1, "")
    assert not (folder / "net.apus").exists()


def test_report_and_model(folder: Path) -> None:
    import apus

    change(folder, "r.yaml", "epochs: 6", "epochs: 40")
    result = train(folder, "r.yaml", "-o", "net.apus", "--report", "page.html")
    assert result.returncode == 0, result.stderr
    page = (folder / "page.html").read_text()
    assert page.startswith("<!doctype html>") and page.count("<svg") >= 4
    assert "http" not in page and "two moons" in page

    # The model does what was trained: apart from the noise in the moons themselves.
    x = np.loadtxt(folder / "moons.csv", delimiter=",", skiprows=1, usecols=(0, 1))
    label = np.loadtxt(folder / "moons.csv", delimiter=",", skiprows=1, usecols=2, dtype=str)
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    model = apus.Model(str(folder / "net.apus"))
    (y,) = model.session(shapes={"x": x.shape}).run(x).values()
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)
    right = (np.array(["lower", "upper"])[y.argmax(1)] == label).mean()
    assert right > 0.95  # a straight line between the moons gets 0.87


def test_json_says_what_the_lines_say(folder: Path) -> None:
    lines = train(folder, "r.yaml", "-o", "n.apus", "--threads", "1").stdout.splitlines()
    done = train(folder, "r.yaml", "-o", "n.apus", "--threads", "1", "--json")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert (said["name"], said["recipe"], said["seed"]) == ("two moons", "r.yaml", 3)
    assert said["parameters"] == 2 * 16 + 16 + 16 * 2 + 2
    *parts, check = lines
    difference = said["export_difference"]
    assert 0 < difference < 1e-5
    assert check == f"libapus: equals the trainer to {difference:.0e} (1 call of the exported model)"
    for line in parts:
        part, rest = line.split(": ")
        loss, accuracy = said[part]["loss"], said[part]["figures"]["accuracy"]
        assert rest == f"loss {loss:.4g}, accuracy {accuracy:.2%}".replace("%", " %") + (
            f" (epoch {said['best_epoch']} of 6)")
    assert [sorted(epoch) for epoch in said["history"]] == [["seconds", "training", "validation"]] * 6
    best = said["history"][said["best_epoch"] - 1]["validation"]
    assert best == said["validation"]
