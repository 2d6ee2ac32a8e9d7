"""Gemm and MatMul against NumPy in float64."""

import numpy as np
import pytest
from harness import (
    ISAS, apus, assert_close, assert_same_bits, random_array, run_node, transposed_at_random,
)  # fmt: skip


def random_sizes(rng):
    """1 to 41 rows and columns; sometimes deeper than one block of the kernel."""
    depth = rng.integers(250, 600) if rng.integers(8) == 0 else rng.integers(1, 41)
    return int(rng.integers(1, 42)), int(rng.integers(1, 42)), int(depth)


@pytest.mark.parametrize("seed", range(5))
def test_gemm(seed):
    rng = np.random.default_rng(seed)
    for _ in range(30):
        rows, columns, depth = random_sizes(rng)
        if rng.integers(4) == 0:
            rows = 1
        a, b = random_array(rng, (rows, depth)), random_array(rng, (depth, columns))
        attributes = {}
        if rng.integers(2):
            attributes["alpha"] = float(rng.choice([1.0, 0.5, -1.7]))
        if rng.integers(2):
            attributes["beta"] = float(rng.choice([1.0, 0.25, -0.3]))
        alpha, beta = np.float32(attributes.get("alpha", 1)), np.float32(attributes.get("beta", 1))
        inputs = transposed_at_random(rng, a, b, attributes)
        wanted = np.float64(alpha) * (a.astype(np.float64) @ b)
        scale = abs(np.float64(alpha)) * (abs(a).astype(np.float64) @ abs(b))
        shapes = [None, (), (1,), (columns,), (1, columns), (rows, 1), (1, 1), (rows, columns)]
        shape = shapes[rng.integers(len(shapes))]
        if shape is not None:
            c = random_array(rng, shape)
            inputs.append(c)
            wanted = wanted + np.float64(beta) * c
            scale = scale + abs(np.float64(beta) * c)
        constants = [[], [1], [2], [1, 2], [0]][rng.integers(5)]
        constants = [i for i in constants if i < len(inputs)]
        for isa in ISAS:
            what = f"{isa} {[i.shape for i in inputs]} {attributes} {constants}"
            (y,) = run_node("Gemm", inputs, attributes, constants=constants, isa=isa)
            assert_close(y, wanted, rtol=1e-5, atol=0, scale=scale, what=what)


@pytest.mark.parametrize("isa", ISAS)
def test_gemm_fused_activation(isa):
    rng = np.random.default_rng(20)
    for rows in (1, 5):
        a, b, c = (random_array(rng, s) for s in [(rows, 600), (600, 37), (37,)])
        (plain,) = run_node("Gemm", [a, b, c], constants=[1, 2], isa=isa)
        clip = {"activation_minimum": 0.0, "activation_maximum": 3.0}
        (y,) = run_node("Gemm", [a, b, c], clip, constants=[1, 2], isa=isa)
        assert_same_bits(y, np.clip(plain, 0, 3))


@pytest.mark.parametrize("isa", ISAS)
def test_a_row_has_the_same_bits_in_every_batch(isa):
    rng = np.random.default_rng(21)
    a, b, c = (random_array(rng, s) for s in [(30, 333), (333, 75), (75,)])
    (whole,) = run_node("Gemm", [a, b, c], constants=[1, 2], isa=isa)
    for i in range(30):
        for constants in ([1, 2], []):
            (one,) = run_node("Gemm", [a[i : i + 1], b, c], constants=constants, isa=isa)
            assert_same_bits(one[0], whole[i])


def random_matmul(rng):
    rows, columns, depth = random_sizes(rng)
    kind = rng.integers(6)
    if kind == 0:
        return (depth,), (depth, columns)
    if kind == 1:
        return (rows, depth), (depth,)
    if kind == 2:
        return (depth,), (depth,)
    batch = [int(n) for n in rng.integers(1, 4, rng.integers(0, 4))]
    shapes = []
    for ends in [(rows, depth), (depth, columns)]:
        mine = [1 if rng.integers(4) == 0 else n for n in batch]
        shapes.append((*mine[rng.integers(len(mine) + 1) if rng.integers(3) == 0 else 0 :], *ends))
    if kind == 3:
        shapes[1] = (depth,)
    return tuple(shapes)


@pytest.mark.parametrize("seed", range(5))
def test_matmul(seed):
    rng = np.random.default_rng(30 + seed)
    for _ in range(30):
        a, b = (random_array(rng, shape) for shape in random_matmul(rng))
        wanted = np.asarray(np.matmul(a.astype(np.float64), b))
        scale = np.asarray(np.matmul(abs(a).astype(np.float64), abs(b)))
        constants = [[], [0], [1]][rng.integers(3)]
        for isa in ISAS:
            (y,) = run_node("MatMul", [a, b], constants=constants, isa=isa)
            what = f"{isa} {a.shape} {b.shape} {constants}"
            assert_close(y, wanted, rtol=1e-5, atol=0, scale=scale, what=what)


@pytest.mark.parametrize("isa", ISAS)
def test_same_bits_for_every_number_of_threads(isa):
    rng = np.random.default_rng(40)
    cases = [
        ("Gemm", (1, 700), (700, 300), {}),
        ("Gemm", (100, 70), (70, 90), {}),
        ("Gemm", (7, 300), (300, 200), {"alpha": 0.5}),
        ("Gemm", (100, 70), (90, 70), {"transB": 1}),
        ("MatMul", (10, 40, 50), (10, 50, 60), {}),
        ("MatMul", (3, 100, 50), (50, 60), {}),
        ("MatMul", (2, 5, 500), (2, 500, 130), {}),
        ("MatMul", (600, 500), (500,), {}),
    ]
    for op, a_shape, b_shape, attributes in cases:
        a, b = random_array(rng, a_shape), random_array(rng, b_shape)
        for constants in ([], [1], [0]):
            results = [
                run_node(op, [a, b], attributes, constants=constants, isa=isa, threads=n)[0]
                for n in (1, 2, 3, 8)
            ]
            for y in results[1:]:
                assert_same_bits(results[0], y, f"{op} {a_shape} {b_shape} {constants}")


@pytest.mark.parametrize("isa", ISAS)
def test_nothing_to_add_up(isa):
    """An inner dimension of 0 gives zeros, or what C says."""
    a, b = np.zeros((3, 0), np.float32), np.zeros((0, 5), np.float32)
    c = np.arange(5, dtype=np.float32)
    assert run_node("MatMul", [a, b], isa=isa)[0].tolist() == np.zeros((3, 5)).tolist()
    (y,) = run_node("Gemm", [a, b, c], isa=isa)
    assert y.tolist() == np.tile(c, (3, 1)).tolist()


A, B = np.zeros((3, 4), np.float32), np.zeros((4, 5), np.float32)


@pytest.mark.parametrize(
    "op, inputs, attributes, message",
    [
        ("Gemm", [A, B[:3]], {}, "A is [3, 4], B is [3, 5]: their inner dimensions differ"),
        ("Gemm", [A, B], {"transA": 1}, "their inner dimensions differ"),
        ("Gemm", [A[0], B], {}, "input 0 must be of rank 2"),
        ("Gemm", [A, B, A[0]], {}, "input 2 is [4] and does not broadcast to [3, 5]"),
        ("MatMul", [A, B[:3]], {}, "their inner dimensions differ"),
        ("MatMul", [np.zeros((2, 3, 4), np.float32), np.zeros((3, 4, 5), np.float32)], {},
         "their batch axes do not broadcast"),
        ("MatMul", [np.float32(1), B], {}, "input 0 must be of rank 1 to 8"),
        ("MatMul", [A, B.astype(np.int64)], {}, "input 1 must be float32"),
    ],
)  # fmt: skip
def test_what_is_refused(op, inputs, attributes, message):
    with pytest.raises(apus.ApusError) as caught:
        run_node(op, inputs, attributes)
    assert message in caught.value.message
