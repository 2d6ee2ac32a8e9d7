"""Writes Fixtures/precision.json: boxes and detections drawn by a seed, and what pycocotools says of
them; and Fixtures/coco, two images and their annotations in COCO's format, read back by pycocotools.
Needs pycocotools, NumPy and Pillow.

    python make_fixtures.py
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIDE = 64  # boxes are multiples of 1/64 of the image: exact as float32


def case(seed: int, images: int, classes: int, crowds: bool) -> dict:
    random = np.random.default_rng(seed)

    def box() -> list[int]:
        w, h = (int(v) for v in random.integers(6, 30, 2))
        x, y = (int(v) for v in (random.integers(0, SIDE - w + 1), random.integers(0, SIDE - h + 1)))
        return [x, y, w, h]

    objects, detections = [], []
    for image in range(images):
        for _ in range(int(random.integers(0, 6))):
            own = box()
            label = int(random.integers(classes))
            crowd = bool(crowds and random.random() < 0.2)
            objects.append({"image": image, "label": label, "box": own, "crowd": crowd})
            # Near it, perhaps more than once, perhaps of another class.
            for _ in range(int(random.integers(0, 3))):
                near = [
                    int(np.clip(v + random.integers(-3, 4), 0 if i < 2 else 2, SIDE - 34 if i < 2 else 32))
                    for i, v in enumerate(own)
                ]
                found = label if random.random() < 0.8 else int(random.integers(classes))
                detections.append((image, found, near))
        for _ in range(int(random.integers(0, 3))):
            detections.append((image, int(random.integers(classes)), box()))
    # Scores of 1/32 steps: many are equal.
    detections = [
        {"image": i, "label": c, "box": b, "score": float(random.integers(1, 32)) / 32}
        for i, c, b in detections
    ]
    return {"images": images, "classes": classes, "objects": objects, "detections": detections}


def evaluate(c: dict) -> dict:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i + 1} for i in range(c["images"])],
        "categories": [{"id": k + 1} for k in range(c["classes"])],
        "annotations": [
            {
                "id": n + 1, "image_id": o["image"] + 1, "category_id": o["label"] + 1,
                "bbox": o["box"], "area": o["box"][2] * o["box"][3], "iscrowd": int(o["crowd"]),
            }
            for n, o in enumerate(c["objects"])
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        found = coco.loadRes(
            [
                {
                    "image_id": d["image"] + 1, "category_id": d["label"] + 1, "bbox": d["box"],
                    "score": d["score"],
                }
                for d in c["detections"]
            ]
        )
        run = COCOeval(coco, found, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    precision = run.eval["precision"]  # thresholds, recalls, classes, areas, limits
    own = [
        None if (p := precision[0, :, k, 0, 2])[0] < 0 else float(p.mean())
        for k in range(c["classes"])
    ]
    recall = run.eval["recall"][0, :, 0, 2]
    return {
        "mean": run.stats[0], "at50": run.stats[1], "at75": run.stats[2], "classes": own,
        "recall50": float(recall[recall > -1].mean()),
    }


def write_coco(folder: Path) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    left = np.zeros((32, 40, 3), np.uint8)
    left[:, :20, 0] = 255
    Image.fromarray(left).save(folder / "images" / "000000000009.png")
    Image.fromarray(np.full((24, 24, 3), 90, np.uint8)).save(folder / "images" / "000000000025.jpg")

    def annotation(number: int, image: int, category: int, box: list, crowd: int = 0) -> dict:
        return {
            "id": number, "image_id": image, "category_id": category, "bbox": box,
            "area": box[2] * box[3], "iscrowd": crowd, "segmentation": [],
        }

    content = {
        "info": {"description": "two images", "year": 2026},
        "licenses": [],
        "images": [
            {"id": 25, "file_name": "000000000025.jpg", "width": 24, "height": 24, "license": 1},
            {"id": 9, "file_name": "000000000009.png", "width": 40, "height": 32, "license": 1},
        ],
        "annotations": [
            annotation(1, 9, 18, [4.0, 8.0, 20.0, 16.0]), annotation(2, 25, 17, [12, 0, 12, 12]),
            annotation(3, 9, 1, [0, 0, 40, 8], crowd=1), annotation(4, 9, 17, [3, 3, 0, 5]),
        ],
        "categories": [
            {"id": 17, "name": "cat", "supercategory": "animal"},
            {"id": 1, "name": "person", "supercategory": "person"},
            {"id": 18, "name": "dog", "supercategory": "animal"},
        ],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    assert len(coco.getAnnIds(imgIds=[9])) == 3 and coco.loadImgs([25])[0]["width"] == 24


if __name__ == "__main__":
    cases = [
        case(1, 12, 3, False), case(2, 30, 10, False), case(3, 20, 4, True), case(4, 2, 5, True),
    ]
    for c in cases:
        c["expected"] = evaluate(c)
    folder = Path(__file__).parent / "Fixtures"
    write_coco(folder / "coco")
    (folder / "precision.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
