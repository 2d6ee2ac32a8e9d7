"""What the files that tools/zoo/quick.py trains must do in libapus, called through the Python binding."""

from __future__ import annotations

import datetime
import subprocess
import wave
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple

import locate
import numpy as np

locate.prepare()

import apus  # noqa: E402


class Trained(NamedTuple):
    """A recipe that was trained: recipe.yaml and net.apus in a folder, and what `train --json` said."""

    folder: Path
    summary: Dict[str, Any]

    def model(self) -> "apus.Model":
        return apus.Model(str(self.folder / "net.apus"))

    def samples(self, part: str) -> Dict[str, np.ndarray]:
        """The arrays of `model-convert samples`."""
        path = self.folder / f"{part}.npz"
        subprocess.run(
            [locate.model_convert(), "samples", self.folder / "recipe.yaml", "--part", part, "-o", path],
            check=True, capture_output=True,
        )  # fmt: skip
        return dict(np.load(path))


def require(condition: bool, what: str) -> None:
    """Other than assert this also checks under python -O."""
    if not condition:
        raise RuntimeError(what)


def _part(trained: Trained) -> str:
    return next(p for p in ("test", "validation", "training") if trained.summary.get(p))


def _answers(trained: Trained) -> "tuple[np.ndarray, np.ndarray, dict]":
    """libapus's answers to the samples of the part that training was judged by, and the targets."""
    part = _part(trained)
    data = trained.samples(part)
    model = trained.model()
    name = model.inputs[0].name
    session = model.session(shapes={name: data["x"].shape})
    (y,) = session.run({name: data["x"]}).values()
    require(bool(np.isfinite(y).all()), "an output is not a number")
    return y, data["y"], trained.summary[part]


def classifies(trained: Trained) -> None:
    """The trainer's loss and accuracy, counted from libapus's probabilities."""
    p, y, said = _answers(trained)
    loss = -np.log(np.maximum(p[np.arange(len(y)), y].astype(np.float64), 1e-30)).mean()
    require(abs(loss - said["loss"]) <= 1e-3 * max(said["loss"], 0.1),
            f"the loss in libapus is {loss}, training said {said['loss']}")
    accuracy = float(np.mean(p.argmax(1) == y))
    require(abs(accuracy - said["figures"]["accuracy"]) < 1e-6,
            f"the accuracy in libapus is {accuracy}, training said {said['figures']['accuracy']}")


def decides(threshold: float) -> Callable[[Trained], None]:
    """A gate's answers lie on the right side of the threshold."""

    def check(trained: Trained) -> None:
        y, targets, _ = _answers(trained)
        right = (y.ravel() > threshold) == (targets.ravel() > 0.5)
        require(bool(right.all()), f"{y.ravel()} for {targets.ravel()}")

    return check


def forecasts(trained: Trained) -> None:
    """The trainer's mean squared error, counted from libapus's answers."""
    found, y, said = _answers(trained)
    loss = float(np.mean((found.astype(np.float64).ravel() - y.ravel()) ** 2))
    require(abs(loss - said["loss"]) <= 1e-3 * said["loss"],
            f"the error in libapus is {loss}, training said {said['loss']}")


def writes(trained: Trained) -> None:
    """A character model: text that it learned from costs libapus few bits, step by step."""
    model = trained.model()
    known = model.metadata("characters")
    text = (locate.REPOSITORY / "Sources/Graph/Graph.swift").read_text()[:2000]
    tokens = [known.index(c) + 1 if c in known else 0 for c in text]
    session = model.session(shapes={"tokens": (1, 1)})
    bits = 0.0
    for token, following in zip(tokens, tokens[1:]):
        (logits,) = session.run({"tokens": np.array([[token]], np.int32)}).values()
        row = logits.ravel().astype(np.float64)
        bits += (np.log(np.exp(row - row.max()).sum()) + row.max() - row[following]) / np.log(2)
    bits /= len(tokens) - 1
    limit = 1.25 * trained.summary["validation"]["figures"]["bits"]
    require(bits < limit, f"{bits:.3f} bits a character in libapus, {limit:.3f} allowed")


MONTHS = "January February March April May June July August September October November December".split()


def right_dates(model: "apus.Model", days: "list[datetime.date]") -> int:
    """How many a translator of dates writes as Python's calendar does, one call each."""
    source, target = model.metadata("source_characters"), model.metadata("target_characters")
    right = 0
    for day in days:
        text = f"{MONTHS[day.month - 1]} {day.day}, {day.year}"
        tokens = np.array([source.index(c) + 2 for c in text], np.int32)
        said = model.session(shapes={"source": tokens.shape}).run({"source": tokens})["tokens"]
        right += "".join(target[t - 2] for t in said if t >= 2) == day.isoformat()
    return right


def translates(trained: Trained) -> None:
    """Dates are right about as often as training said."""
    days = [datetime.date(1970, 1, 1) + datetime.timedelta(421 * i) for i in range(40)]
    right = right_dates(trained.model(), days)
    share = trained.summary["test"]["figures"]["exact"]
    require(right / len(days) >= 0.8 * share, f"{right} of {len(days)} dates right in libapus")


def listens(trained: Trained) -> None:
    """A recogniser: a second of a voice gives a distribution over letters for each 20 ms."""
    model = trained.model()
    with wave.open(str(locate.REPOSITORY / "data/speech/olga.wav")) as file:
        raw = np.frombuffer(file.readframes(8_000), np.uint8)
    sound = ((raw.astype(np.float32) - 128) / 128)[None]
    (y,) = model.session(shapes={"sound": sound.shape}).run({"sound": sound}).values()
    require(y.shape[0] == 50, f"{y.shape[0]} steps of a second")
    require(bool(np.isfinite(y).all()), "an output is not a number")
    # Where someone speaks there are letters besides blanks.
    require(bool((y.reshape(50, -1).argmax(1) > 0).any()), "nothing is heard in a spoken second")


def embeds(trained: Trained) -> None:
    """Points on the unit sphere."""
    model = trained.model()
    shape = [8 if d < 0 else d for d in model.inputs[0].shape]  # -1: free
    x = np.random.default_rng(1).uniform(0, 1, shape).astype(np.float32)
    (y,) = model.session(shapes={model.inputs[0].name: x.shape}).run({model.inputs[0].name: x}).values()
    require(bool(np.allclose(np.linalg.norm(y, axis=1), 1, atol=1e-4)), "lengths are not 1")


def wrong_bits(model: "apus.Model", lengths: "list[int]") -> "tuple[int, int]":
    """Of sequences of these lengths, shown after a reset each and asked for, the wrong bits and all."""
    session = model.session()
    bits = model.inputs[0].shape[1] - 1
    random = np.random.default_rng(1)
    wrong, total = 0, 0
    for length in lengths:
        shown = random.integers(0, 2, (length, bits)).astype(np.float32)
        steps = np.zeros((2 * length + 1, bits + 1), np.float32)
        steps[:length, :bits] = shown
        steps[length, bits] = 1
        session.reset()
        said = [next(iter(session.run(x[None]).values())).ravel().copy() for x in steps]
        wrong += int(((np.array(said[length + 1 :]) > 0.5) != (shown > 0.5)).sum())
        total += shown.size
    return wrong, total


def copies(trained: Trained) -> None:
    """A machine with memory says again what it was shown, once more after a reset."""
    wrong, total = wrong_bits(trained.model(), [1, 2, 3, 4])
    share = wrong / total
    require(share <= 0.05, f"{wrong} of {total} bits wrong in libapus")


def detects(trained: Trained) -> None:
    """One call gives boxes within the image, best first."""
    model = trained.model()
    session = model.session(function="detect")
    images = trained.samples("test")["x"][:8]
    for image in images:
        found = session.run({"image": image[None]})
        boxes, scores = found["boxes"], found["scores"]
        require(boxes.shape == (len(scores), 4), f"{boxes.shape} boxes for {len(scores)} scores")
        require(bool((np.diff(scores) <= 0).all()), "scores do not fall")
        require(bool((boxes[:, 2:] >= boxes[:, :2]).all()), "a box ends before it begins")
