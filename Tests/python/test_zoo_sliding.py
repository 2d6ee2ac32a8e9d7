"""The sliding detector: over a scene it computes what its classifier says of the window at each place,
its boxes are the peaks of that map, and their average precision is the one that the trainer counted."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from average_precision import average_precision, iou
from harness import apus
from test_zoo_detection import IMAGES, RECIPES, Trained

WINDOW, STRIDE, OBJECT, SCENE = 28, 4, 20, 96


class TrainedSliding(Trained):
    """Looks for one thing, in squares as high as the digits."""

    labels = 1
    measure = r"AP@0\.5"

    @staticmethod
    def model_name(name: str) -> str:
        return name.removesuffix("-digits")

    def __init__(self, folder: Path):
        super().__init__("sliding-digits", folder)
        boxes = self.data["boxes"]
        middle, height = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3] - boxes[:, 1]
        squares = np.stack(
            [middle - height / 2, boxes[:, 1], middle + height / 2, boxes[:, 3]], 1).clip(0, 1)
        self.data = {**self.data, "boxes": squares, "classes": 0 * self.data["classes"]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> TrainedSliding:
    return TrainedSliding(tmp_path_factory.mktemp("sliding"))


def heat(trained: Trained, scene: np.ndarray) -> np.ndarray:
    session = trained.model.session(function="heat", shapes={"image": scene.shape})
    return np.array(session.run({"image": scene})["heat"])[0, 0]


@pytest.mark.parametrize("height, width", [(96, 96), (128, 60), (33, 150)])
def test_the_map_is_the_classifier_at_each_window(trained: TrainedSliding, height: int, width: int):
    random = np.random.default_rng(height)
    scene = random.random((1, 1, height, width), dtype=np.float32)
    rows, columns = min(height, SCENE), min(width, SCENE)
    scene[:, :, :rows, :columns] = trained.data["x"][0, :, :rows, :columns]
    edge = WINDOW // 2
    padded = np.pad(scene, [(0, 0), (0, 0), (edge, edge), (edge, edge)])
    found = heat(trained, scene)
    assert found.shape == (height // STRIDE + 1, width // STRIDE + 1)
    windows = np.concatenate([
        padded[:, :, STRIDE * i : STRIDE * i + WINDOW, STRIDE * j : STRIDE * j + WINDOW]
        for i in range(found.shape[0]) for j in range(found.shape[1])])
    session = trained.model.session(function="classify", shapes={"image": windows.shape})
    expected = np.array(session.run({"image": windows})["probability"])
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-5)
    assert expected.max() - expected.min() > 0.1


def test_boxes_are_the_peaks(trained: TrainedSliding):
    """The greatest place first; what its square overlaps by more than 0.3 goes."""
    compared = 0
    for inputs, own in zip(trained.inputs, trained.found):
        scores = heat(trained, inputs["image"])
        rows, columns = np.mgrid[: scores.shape[0], : scores.shape[1]]
        middles = np.stack([columns.ravel(), rows.ravel()], 1) * STRIDE
        squares = np.concatenate([middles - OBJECT / 2, middles + OBJECT / 2], 1) / SCENE
        squares = squares.clip(0, 1)
        kept: list[int] = []
        for i in np.argsort(-scores.ravel(), kind="stable"):
            if scores.ravel()[i] <= 0.02:
                break
            if all(iou(squares[i], squares[j]) <= 0.3 for j in kept) and len(kept) < 50:
                kept.append(int(i))
        np.testing.assert_allclose(own["scores"], scores.ravel()[kept], atol=1e-5)
        np.testing.assert_allclose(own["boxes"], squares[kept], atol=1e-5)
        assert not own["classes"].any()
        compared += len(kept)
    assert compared > IMAGES


def test_precision_is_the_trainers(trained: TrainedSliding):
    said = re.search(r"test: .*AP@0\.5 ([\d.]+) %", trained.said)
    assert said, trained.said
    assert abs(100 * average_precision(trained.found, trained.data) - float(said[1])) < 0.06


def test_missed_objects_are_the_trainers(trained: TrainedSliding):
    """Dollár et al. 2012: the miss rate at nine numbers of false positives per image."""
    total = len(trained.data["boxes"])
    judged = []
    for image, own in enumerate(trained.found):
        free = list(trained.data["boxes"][trained.data["images"] == image])
        for box, score in zip(own["boxes"], own["scores"]):
            best = max(range(len(free)), key=lambda j: iou(box, free[j]), default=None)
            right = best is not None and iou(box, free[best]) >= 0.5
            if right:
                free.pop(best)
            judged.append((score, right))
    judged.sort(key=lambda x: -x[0])
    right = np.array([r for _, r in judged])
    missed, wrong = 1 - np.cumsum(right) / total, np.cumsum(~right) / IMAGES
    rates = []
    for limit in np.logspace(-2, 0, 9):
        below = np.nonzero(wrong <= limit + 1e-9)[0]
        rates.append(missed[below[-1]] if len(below) else missed[0])
    expected = 100 * np.exp(np.mean(np.log(np.maximum(rates, 1e-10))))
    said = re.search(r"test: .*log-average miss rate ([\d.]+) %", trained.said)
    assert said and abs(expected - float(said[1])) < 0.06


def test_the_report_draws_the_heat(trained: TrainedSliding):
    trained.run(
        "train", "r.yaml", "-o", "again.apus", "--epochs", "1", "--threads", "1", "--report", "r.html")
    page = (trained.folder / "r.html").read_text()
    assert page.count("Heat of scene") == 3 and page.count("data:image/png;base64") >= 3


def test_an_unknown_target_is_named(trained: TrainedSliding):
    recipe = (trained.folder / "r.yaml").read_text().replace("scene: 96", "scene: 96, target: eleven")
    (trained.folder / "wrong.yaml").write_text(recipe)
    with pytest.raises(AssertionError, match="there is no class 'eleven'"):
        trained.run("train", "wrong.yaml", "-o", "x.apus")
