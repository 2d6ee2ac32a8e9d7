"""Convolutions in bf16 against NumPy: operands rounded to bf16, products and sums in float64."""

import itertools

import numpy as np
import pytest
from bf16 import UNIT, needs_bf16, rounded
from harness import assert_close, assert_same_bits, random_array, run_node

pytestmark = needs_bf16


def convolve(x, w, strides, pads, dilations, group):
    """Any number of axes, in float64; pads at either end alike."""
    rank = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in pads])
    sizes = [
        (x.shape[2 + i] - (w.shape[2 + i] - 1) * dilations[i] - 1) // strides[i] + 1
        for i in range(rank)
    ]
    y = np.zeros((x.shape[0], w.shape[0], *sizes))
    inputs, outputs = x.shape[1] // group, w.shape[0] // group
    for tap in itertools.product(*(range(k) for k in w.shape[2:])):
        window = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, dilations, sizes, strides)
        )
        part = x[(slice(None), slice(None), *window)]
        for g in range(group):
            rows = slice(g * outputs, (g + 1) * outputs)
            y[:, rows] += np.einsum(
                "nc...,mc->nm...", part[:, g * inputs : (g + 1) * inputs],
                w[(rows, slice(None), *tap)],
            )  # fmt: skip
    return y


def check(x_shape, rows, kernel, strides, pads, dilations, group=1, seed=0, threads=(1, 2, 3)):
    rng = np.random.default_rng(seed)
    x = random_array(rng, x_shape)
    w = random_array(rng, (rows, x_shape[1] // group, *kernel))
    b = random_array(rng, (rows,))
    attributes = {
        "strides": strides, "pads": list(pads) * 2, "dilations": dilations, "group": group,
        "activation_minimum": -2.0,
    }  # fmt: skip
    what = f"{x_shape} {w.shape} {attributes}"
    found = [
        run_node("Conv", [x, w, b], attributes, constants=[1, 2], threads=n, precision="bf16")[0]
        for n in threads
    ]
    for y in found[1:]:
        assert_same_bits(y, found[0], what)
    for i in range(len(x)):
        (one,) = run_node(
            "Conv", [x[i : i + 1], w, b], attributes, constants=[1, 2], precision="bf16"
        )
        assert_same_bits(one, found[0][i : i + 1], what)
    bias = b.astype(np.float64).reshape(-1, *[1] * len(kernel))
    args = (strides, pads, dilations, group)
    wanted = np.maximum(convolve(rounded(x), rounded(w), *args) + bias, -2)
    scale = convolve(abs(rounded(x)), abs(rounded(w)), *args) + abs(bias)
    terms = w[0].size + 1
    assert_close(found[0], wanted, rtol=terms * UNIT, atol=0, scale=scale, what=what)


CASES = [
    # Shape of x, rows, kernel, strides, pads, dilations, groups.
    ((1, 16, 7, 7), 16, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 64, 9, 11), 48, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((1, 128, 40, 40), 80, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((1, 256, 31, 17), 24, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((3, 18, 13, 13), 33, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 32, 14, 15), 40, (1, 1), (2, 2), (0, 0), (1, 1), 1),
    ((1, 32, 14, 15), 64, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    ((2, 34, 12, 9), 32, (5, 5), (1, 1), (2, 2), (1, 1), 1),
    ((1, 48, 20, 19), 17, (3, 3), (1, 1), (2, 2), (2, 2), 1),
    ((1, 32, 10, 12), 32, (3, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 20, 50), 32, (7,), (1,), (3,), (1,), 1),
    ((1, 16, 300), 32, (1,), (1,), (0,), (1,), 1),
    ((1, 64, 5, 6, 7), 32, (1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1), 1),
    ((1, 16, 6, 7, 8), 32, (3, 3, 3), (2, 2, 2), (1, 1, 1), (1, 1, 1), 1),
    ((1, 16, 6, 7, 8), 16, (2, 5, 5), (1, 1, 1), (1, 2, 2), (1, 1, 1), 1),
    ((1, 64, 9, 9), 64, (5, 5), (1, 1), (2, 2), (1, 1), 2),
    ((2, 48, 9, 9), 32, (3, 3), (2, 2), (1, 1), (1, 1), 2),
    ((1, 64, 9, 9), 64, (3, 3), (2, 2), (1, 1), (1, 1), 16),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv(case):
    check(*case)


@pytest.mark.parametrize("width", range(1, 31))
def test_every_width(width):
    check((1, 16, 3, width), 48, (1, 3), (1, 1), (0, 1), (1, 1), seed=width, threads=(1,))


def test_winograd_or_bf16():
    """A layer that is faster by Winograd's transforms stays float32, to the bit."""
    rng = np.random.default_rng(3)
    for channels, size in [(64, 28), (32, 14), (64, 4), (16, 8)]:
        x, w = random_array(rng, (1, channels, size, size)), random_array(rng, (64, channels, 3, 3))
        found, plain = (
            run_node("Conv", [x, w], {"pads": [1, 1, 1, 1]}, constants=[1], precision=p)[0]
            for p in ("bf16", "float32")
        )
        if np.array_equal(found, plain):
            continue
        args = ((1, 1), (1, 1), (1, 1), 1)
        scale = convolve(abs(rounded(x)), abs(rounded(w)), *args)
        wanted = convolve(rounded(x), rounded(w), *args)
        assert_close(found, wanted, rtol=(9 * channels + 1) * UNIT, atol=0, scale=scale)


@pytest.mark.parametrize("channels,rows,group", [(17, 32, 1), (8, 32, 1), (32, 8, 1), (32, 32, 32)])
def test_what_stays_float32(channels, rows, group):
    rng = np.random.default_rng(4)
    x, w = random_array(rng, (1, channels, 9, 9)), random_array(rng, (rows, channels // group, 3, 3))
    found, plain = (
        run_node("Conv", [x, w], {"strides": [2, 2], "group": group}, constants=[1], precision=p)[0]
        for p in ("bf16", "float32")
    )
    assert_same_bits(found, plain)
