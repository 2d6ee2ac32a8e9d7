"""The systems that tools/zoo/quick.py trains: how much smaller than in its recipe each is, and its bar."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple

import quick_checks as checks


class Bar(NamedTuple):
    """What a figure must be: at least `least`, or at most `most`."""

    # "test accuracy"; "training loss falls" is the last epoch's by the first one's.
    what: str
    least: float = float("-inf")
    most: float = float("inf")

    def value(self, summary: Dict[str, Any]) -> float:
        """In what `train --json` printed."""
        if self.what == "training loss falls":
            history = summary["history"]
            return history[-1]["training"]["loss"] / history[0]["training"]["loss"]
        part, name = self.what.split(" ", 1)
        figures = summary[part]
        return figures["loss"] if name == "loss" else figures["figures"][name]

    def is_reached(self, value: float) -> bool:
        return self.least <= value <= self.most

    @property
    def text(self) -> str:
        return f">= {self.least:g}" if self.most == float("inf") else f"<= {self.most:g}"


class System(NamedTuple):
    name: str
    recipe: str
    bar: Bar
    check: Callable[[checks.Trained], None]
    # Keys of the recipe with other values; the rest is as it stands there.
    changes: Dict[str, object] = {}
    # On one free core, to begin with the longest.
    seconds: float = 1


SCENES = "{training: 240, validation: 16, test: 40}"

SYSTEMS = [
    System("perceptron", "perceptron", Bar("training accuracy", least=1), checks.decides(0)),
    System("xor", "xor", Bar("training accuracy", least=1), checks.decides(0.5)),
    System("softmax-regression", "softmax-regression", Bar("test accuracy", least=0.95), checks.classifies,
           {"epochs": 100}),
    System("mlp", "mlp", Bar("test accuracy", least=0.97), checks.classifies, {"epochs": 40}),
    System("lenet5", "lenet5", Bar("test accuracy", least=0.97), checks.classifies, {"epochs": 10}),
    System("resnet", "resnet", Bar("test accuracy", least=0.4), checks.classifies,
           {"count": 2000, "size": 48, "epochs": 5}),
    System("c3d", "c3d", Bar("test accuracy", least=0.5), checks.classifies,
           {"count": 800, "epochs": 4}),
    System("sunspots-elman", "sunspots-elman", Bar("test rmse", most=0.25), checks.forecasts),
    System("sunspots-jordan", "sunspots-jordan", Bar("test rmse", most=0.28), checks.forecasts),
    System("adding-problem-gru", "adding-problem-gru", Bar("test loss", most=0.01), checks.forecasts,
           {"length": 100, "count": 9000}),
    System("char-rnn", "char-rnn", Bar("validation bits", most=3), checks.writes,
           {"path": f"{checks.locate.REPOSITORY}/Sources/Graph", "hidden_size": 96, "epochs": 3}),
    System("dates", "dates", Bar("test exact", least=0.9), checks.translates,
           {"hidden_size": 48, "pairs": 12800}),
    System("deep-speech", "deep-speech", Bar("test label error", most=0.15), checks.listens,
           {"epochs": 8, "sounds": 480, "test_sounds": 80}),
    System("embedding", "embedding", Bar("test ROC area", least=0.97), checks.embeds,
           {"epochs": 8}),
    System("ntm-copy", "ntm-copy", Bar("validation wrong bits", most=0.5), checks.copies,
           {"length": "[1, 5]", "validation": "{length: 5}", "test": "{length: 10}", "locations": 16}),
    System("dnc-copy", "dnc-copy", Bar("validation wrong bits", most=0.5), checks.copies,
           {"length": "[1, 4]", "locations": 8}),
    System("ssd-digits", "ssd-digits", Bar("training loss falls", most=0.8), checks.detects,
           {"scenes": SCENES, "epochs": 2}),
]  # fmt: skip
