"""Detectors: trained for a moment by their recipes, exported, and run by one call of libapus, whose
boxes are ONNX Runtime's on the export and whose average precision is the one that the trainer counted
with its own decoding and suppression."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from average_precision import average_precision, iou
from cli import png
from compilers import C_COMPILERS, compile_program, run
from harness import apus

import locate

RECIPES = Path(__file__).parents[2] / "recipes"
DETECTORS = [
    "ssd-digits", "yolo-v1-digits", "yolo-v2-digits", "yolo-v3-tiny-digits", "rcnn-digits",
    "fast-rcnn-digits", "faster-rcnn-digits",
]
IMAGES = 24


class Trained:
    """A recipe on fewer scenes, and what came of it."""

    def __init__(self, name: str, folder: Path):
        recipe = (RECIPES / f"{name}.yaml").read_text()
        recipe = re.sub(
            r"scenes: .*", f"scenes: {{training: 160, validation: 4, test: {IMAGES}}}", recipe)
        recipe = re.sub(r"epochs: .*", "epochs: 5", recipe)
        recipe = re.sub(r"path: .*", f"path: {RECIPES.parent}/data/digits.csv", recipe)
        # Little is sure after so short a training.
        recipe = recipe.replace("name: " + self.model_name(name), "score_threshold: 0.02, name: " + self.model_name(name))
        (folder / "r.yaml").write_text(recipe)
        self.folder = folder
        self.said = self.run(
            "train", "r.yaml", "-o", "net.apus", "--export-onnx", "net.onnx", "--threads", "1")
        self.run("samples", "r.yaml", "--part", "test", "-o", "test.npz")
        self.data = np.load(folder / "test.npz")
        self.model = apus.Model(str(folder / "net.apus"))
        self.inputs = [self.input(i) for i in range(IMAGES)]
        self.found = [self.detect(x) for x in self.inputs]

    @staticmethod
    def model_name(name: str) -> str:
        return name.removesuffix("-digits")

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [locate.model_convert(), *arguments], cwd=self.folder, capture_output=True, text=True,
            timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def input(self, image: int) -> dict[str, np.ndarray]:
        """The image, and the regions where the detector is given some."""
        inputs = {"image": self.data["x"][image : image + 1]}
        if "proposals" in self.data:
            inputs["proposals"] = self.data["proposals"][self.data["proposal_images"] == image]
        return inputs

    def detect(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        session = self.model.session(
            function="detect", shapes={name: x.shape for name, x in inputs.items()})
        outputs = session.run(inputs)
        return {name: np.array(value) for name, value in outputs.items()}


@pytest.fixture(scope="module", params=DETECTORS)
def trained(request, tmp_path_factory) -> Trained:
    return Trained(request.param, tmp_path_factory.mktemp("detector"))


def test_boxes_are_those_of_onnx_runtime(trained: Trained):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(trained.folder / "net.onnx"), options)
    names = [o.name for o in session.get_outputs()]
    assert names == ["boxes", "scores", "classes"]
    compared = unlike = 0
    for inputs, own in zip(trained.inputs, trained.found):
        theirs = dict(zip(names, session.run(None, inputs)))
        np.testing.assert_allclose(own["scores"], theirs["scores"], atol=1e-4)
        # Scores that differ in their last bits may stand the other way round.
        rows = [np.column_stack([x["classes"], x["scores"], x["boxes"]]) for x in (own, theirs)]
        apart = np.abs(rows[0][:, None] - rows[1][None]).max(axis=2)
        same = np.sort(apart.argmin(axis=1)) == np.arange(len(apart))
        if not (np.all(same) and np.all(apart.min(axis=1) < 1e-4)):
            unlike += 1
            assert np.abs(np.diff(own["scores"])).min() < 1e-6
        compared += len(own["scores"])
    assert compared > IMAGES
    # Of two boxes that overlap and have the same score but for a rounding, either may suppress the other.
    assert unlike <= 1


def test_boxes_come_best_first_and_without_doubles(trained: Trained):
    for own in trained.found:
        n = len(own["scores"])
        assert own["boxes"].shape == (n, 4) and own["classes"].shape == (n,) and n <= 100
        assert np.all(np.diff(own["scores"]) <= 0) and np.all(own["scores"] > 0.02)
        assert np.all((own["boxes"] >= 0) & (own["boxes"] <= 1))
        for i in range(n):
            for j in range(i):
                if own["classes"][i] == own["classes"][j]:
                    assert iou(own["boxes"][i], own["boxes"][j]) <= 0.45 + 1e-6


def test_precision_is_the_trainers(trained: Trained):
    said = re.search(r"test: .*mAP@0\.5 ([\d.]+) %", trained.said)
    assert said, trained.said
    assert abs(100 * average_precision(trained.found, trained.data) - float(said[1])) < 0.06


def test_detect_prints_and_draws(trained: Trained):
    objects = json.loads(
        trained.run(
            "detect", "net.apus", "--recipe", "r.yaml", "--count", "3", "--score", "0.02", "--json",
            "-o", "boxes.png"))
    assert len(objects) == 3
    for own, said in zip(trained.found, objects):
        assert [o["label"] for o in said["objects"]] == own["classes"].tolist()
        boxes = np.array([o["box"] for o in said["objects"]]).reshape(-1, 4)
        np.testing.assert_allclose(boxes, own["boxes"] * 64, atol=2e-2)
    png = (trained.folder / "boxes.png").read_bytes()
    assert png.startswith(b"\x89PNG") and int.from_bytes(png[16:20], "big") == 3 * 260


def test_detect_reads_a_picture(trained: Trained, tmp_path: Path):
    picture = RECIPES.parent / "Tests/DetectionTests/Fixtures/coco/images/000000000025.jpg"
    text = trained.run("detect", "net.apus", str(picture), "-o", str(tmp_path / "o.png"))
    assert text.strip() == "nothing found" or "[" in text
    assert (tmp_path / "o.png").stat().st_size > 100


def test_a_c_program_finds_the_same(trained: Trained, tmp_path: Path):
    """examples/detect.c beside `model-convert detect`, with the same image as PGM and as PNG."""
    if "proposals" in trained.data:
        pytest.skip("it is given regions too")
    richest = max(range(IMAGES), key=lambda i: len(trained.found[i]["scores"]))
    (image,) = (trained.inputs[richest]["image"][0] * 255).round().astype(np.uint8)
    height, width = image.shape
    (tmp_path / "image.png").write_bytes(png(image))
    (tmp_path / "image.pgm").write_bytes(f"P5\n# digits\n{width} {height} 255\n".encode() + image.tobytes())
    (tmp_path / "small.pgm").write_bytes(b"P5 2 2 255 1234")
    model = trained.folder / "net.apus"
    said = trained.run("detect", str(model), str(tmp_path / "image.png"), "--score", "0", "--json")
    objects = json.loads(said)[0]["objects"]
    assert objects
    for compiler in C_COMPILERS:
        example = locate.REPOSITORY / "examples" / "detect.c"
        program = compile_program(compiler, example, tmp_path / compiler, ["-std=c99"])
        lines = run([program, model, tmp_path / "image.pgm", 0]).splitlines()
        assert len(lines) == len(objects)
        for line, wanted in zip(lines, objects):
            name, *numbers = line.split()
            assert name == wanted["name"]
            np.testing.assert_allclose(
                [float(n) for n in numbers], [wanted["score"], *wanted["box"]], atol=0.06)
        slip = subprocess.run([program, model, tmp_path / "small.pgm"], capture_output=True, text=True)
        assert slip.returncode == 1 and f"1 channels of {width} x {height} pixels" in slip.stderr
