"""COCO's average precision, written from its definition (T.-Y. Lin et al., "Microsoft COCO", 2014)."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np


def iou(a: np.ndarray, b: np.ndarray) -> float:
    common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common
    return float(common / union) if union > 0 else 0.0


def average_precision(
    found: Sequence[Mapping[str, np.ndarray]], data: Mapping[str, np.ndarray]
) -> float:
    """At IoU 0.5: the mean over classes of the best precision at 101 recalls.

    found: of each image boxes [n, 4], scores [n] and classes [n], best first; data: boxes, classes and
    images of all objects, as `model-convert samples` writes them.
    """
    values = []
    for label in np.unique(data["classes"]):
        total = int((data["classes"] == label).sum())
        judged = []
        for i, own in enumerate(found):
            objects = data["boxes"][(data["images"] == i) & (data["classes"] == label)]
            free = list(range(len(objects)))
            for box, score in zip(
                own["boxes"][own["classes"] == label], own["scores"][own["classes"] == label]
            ):
                best = max(free, key=lambda j: iou(box, objects[j]), default=None)
                right = best is not None and iou(box, objects[best]) >= 0.5
                if right:
                    free.remove(best)
                judged.append((score, right))
        judged.sort(key=lambda x: -x[0])
        hits = np.cumsum([r for _, r in judged])
        recall = hits / total
        precision = hits / np.arange(1, len(judged) + 1)
        points = [max(precision[recall >= r], default=0) for r in np.linspace(0, 1, 101)]
        values.append(np.mean(points))
    return float(np.mean(values))
