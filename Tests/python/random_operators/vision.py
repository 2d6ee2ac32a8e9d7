"""Regions, boxes and grids."""

from __future__ import annotations

import numpy as np
from graph_builder import Builder
from graph_values import Refused, Value

from .common import images, shape_of


def rois(g: Builder, x: Value, count: int, first: bool) -> np.ndarray:
    h, w = x.shape[2:]
    corners = np.stack(
        [
            g.rng.uniform(0, w / 2, count),
            g.rng.uniform(0, h / 2, count),
            g.rng.uniform(w / 2, w, count),
            g.rng.uniform(h / 2, h, count),
        ],
        -1,
    )
    if first:
        corners = np.concatenate([g.rng.integers(0, 2, (count, 1)), corners], -1)
    return corners.astype(np.float32)


def max_roi_pool(g: Builder) -> Value:
    x = images(g, (2,))
    if min(a.shape[0] for a in x.arrays) < 2:
        raise Refused("one image")
    return g.node(
        "MaxRoiPool",
        [x, g.weight(rois(g, x, 3, True))],
        pooled_shape=[g.integer(1, 3), 2],
        spatial_scale=g.choice((None, 0.5)),
    )[0]


def roi_align(g: Builder) -> Value:
    x = images(g, (2,))
    images_ = min(a.shape[0] for a in x.arrays)
    batch = g.constant(g.rng.integers(0, images_, 3), np.int64)
    transform = g.choice((None, "output_half_pixel", "half_pixel")) if g.opset >= 16 else None
    return g.node(
        "RoiAlign",
        [x, g.weight(rois(g, x, 3, False)), batch],
        coordinate_transformation_mode=transform,
        output_height=g.integer(1, 3),
        output_width=g.integer(1, 3),
        sampling_ratio=g.integer(0, 2),
        spatial_scale=g.choice((None, 0.5)),
        mode=g.choice((None, "avg")),
    )[0]


def non_max_suppression(g: Builder) -> Value:
    n, boxes = g.choice((1, 2)), g.integer(2, 6)
    corners = g.rng.uniform(0, 2, (n, boxes, 4))
    if center := g.chance(0.5):
        corners = np.abs(corners) + 0.1
    else:
        corners[..., 2:] = corners[..., :2] + 1.5
    # Scores that differ by more than rounding does.
    scores = g.rng.permutation(2 * n * boxes).reshape(n, 2, boxes) / (2.0 * n * boxes)
    inputs = [g.formal([a.astype(np.float32)] * 2) for a in (corners, scores)]
    inputs += [
        g.ints(g.integer(1, 3)),
        g.constant([0.4], np.float32),
        g.constant([0.21], np.float32),
    ]
    return g.node("NonMaxSuppression", inputs[: g.integer(3, 5)], center_point_box=int(center))[0]


def grid_sample(g: Builder) -> Value:
    x = images(g, (2, 2, 3) if g.opset >= 20 else (2,))
    spatial = x.rank - 2
    if spatial == 2 and g.opset >= 20 and g.chance(0.5):
        theta = g.input("f", [x.dims()[0], 2, 3], -0.8, 0.8, False)
        dims = shape_of(g, x, [0], 1, g.integer(2, 5), g.integer(2, 5))
        grid = g.node("AffineGrid", [theta, dims], align_corners=g.choice((None, 0, 1)))[0]
    else:
        grid = g.input(
            "f",
            [x.dims()[0], *(g.integer(2, 4) for _ in range(spatial)), spatial],
            -1.2,
            1.2,
            False,
        )
    modes = ("linear", "nearest", "cubic") if g.opset >= 20 else ("bilinear", "nearest", "bicubic")
    mode = g.choice(modes[:2] if spatial == 3 else modes)
    return g.node(
        "GridSample",
        [x, grid],
        mode=mode,
        align_corners=g.choice((None, 0, 1)),
        padding_mode=g.choice((None, "zeros", "border", "reflection")),
    )[0]


def affine_grid(g: Builder) -> Value:
    three = g.chance(0.3)
    theta = g.input("f", ["N", 3, 4] if three else ["N", 2, 3])
    sizes = [g.integer(1, 4) for _ in range(3 if three else 2)]
    dims = shape_of(g, theta, [0], 2, *sizes)
    # Of a single point ONNX does not say whether it is the first corner or the last.
    corners = g.choice((None, 0, 1)) if 1 not in sizes else None
    return g.node("AffineGrid", [theta, dims], align_corners=corners)[0]
