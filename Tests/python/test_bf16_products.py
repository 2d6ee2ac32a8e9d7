"""Gemm and MatMul in bf16 against NumPy: operands rounded to bf16, products and sums in float64."""

import numpy as np
import pytest
from bf16 import UNIT, needs_bf16, rounded
from harness import (
    apus, assert_close, assert_same_bits, node_writer, random_array, run_node, transposed_at_random,
)  # fmt: skip

pytestmark = needs_bf16


def run(op, inputs, attributes={}, constants=(1,), threads=1, precision="bf16"):
    (y,) = run_node(
        op, inputs, attributes, constants=constants, threads=threads, precision=precision
    )
    return y


def edge_values():
    """Halves between two numbers, what lies beside them, the ends of the range, NaN."""
    rng = np.random.default_rng(1)
    heads = rng.integers(0x0080, 0x7F80, 300, np.uint32) << 16
    tails = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    bits = (heads[:, None] | tails).ravel()
    bits = np.concatenate([bits, bits | np.uint32(1 << 31)])
    special = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-39, -1e-44, 3.4e38, np.float32(3.3961775e38)]
    return np.concatenate([bits.view(np.float32), np.array(special, np.float32)])


def test_rounding_of_both_operands():
    values = edge_values()
    with np.errstate(all="ignore"):
        wanted = rounded(values).astype(np.float32)
    one = np.ones((1, 1), np.float32)
    weights = run("Gemm", [one, values[None, :]])
    np.testing.assert_array_equal(weights[0], wanted)
    for rows in (1, 2, 5, len(values)):
        a = values[: rows * (len(values) // rows)].reshape(rows, -1)
        for j in range(0, a.shape[1], 97):
            y = run("Gemm", [a[:, j : j + 1], np.ones((1, 160), np.float32)])
            expected = rounded(a[:, j : j + 1]).astype(np.float32)
            np.testing.assert_array_equal(y, np.broadcast_to(expected, y.shape))


def test_denormal_numbers_are_zero():
    tiny = np.float32(1e-39)
    a = np.array([[tiny, 1.0]], np.float32)
    b = np.array([[1e30], [tiny]], np.float32)
    assert run("Gemm", [a, np.repeat(b, 40, 1)]).max() == 0
    # A denormal sum too.
    small = np.full((1, 1), 2.0**-70, np.float32)
    assert run("Gemm", [small, np.full((1, 40), 2.0**-70, np.float32)]).max() == 0


@pytest.mark.parametrize("seed", range(6))
def test_gemm(seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        rows = int(rng.choice([1, 1, 2, 2, 3, 4, 5, 8, 9, 12, 13, 25, 40]))
        columns = int(rng.choice([1, 15, 16, 17, 32, 33, 64, 100, 128, 129, 200, 300]))
        depth = int(rng.choice([1, 2, 3, 15, 31, 32, 33, 64, 127, 511, 512, 513, 1100]))
        a, b = random_array(rng, (rows, depth)), random_array(rng, (depth, columns))
        attributes = {}
        if rng.integers(2):
            attributes["alpha"] = float(np.float32(rng.choice([0.5, -1.7])))
        if rng.integers(2):
            attributes["beta"] = 0.25
        alpha = np.float32(attributes.get("alpha", 1))
        weights = rounded(alpha * b)
        inputs = transposed_at_random(rng, a, b, attributes)
        wanted = rounded(a) @ weights
        scale = abs(rounded(a)) @ abs(weights)
        shape = [None, (columns,), (rows, 1), (rows, columns)][rng.integers(4)]
        if shape is not None:
            c = random_array(rng, shape)
            inputs.append(c)
            wanted = wanted + attributes.get("beta", 1) * c.astype(np.float64)
            scale = scale + abs(attributes.get("beta", 1) * c)
        if rng.integers(2):
            attributes["activation_minimum"], attributes["activation_maximum"] = -0.5, 1.0
            wanted = np.clip(wanted, -0.5, 1.0)
        what = f"{[i.shape for i in inputs]} {attributes}"
        y = run("Gemm", inputs, attributes)
        assert_close(y, wanted, rtol=(depth + 1) * UNIT, atol=0, scale=scale, what=what)
        if rows * columns * depth > 1000 and "activation_minimum" not in attributes:
            plain = run("Gemm", inputs, attributes, precision="float32")
            assert not np.array_equal(y, plain), f"{what}: not in bf16"


def test_matmul():
    rng = np.random.default_rng(30)
    for a_shape, b_shape, constant in [
        ((3, 7, 65), (65, 80), 1),
        ((2, 4, 5, 33), (33, 48), 1),
        ((129,), (129, 70), 1),
        ((75, 90), (90,), 0),
        ((75, 91), (91, 1), 0),
    ]:
        a, b = random_array(rng, a_shape), random_array(rng, b_shape)
        y = run("MatMul", [a, b], constants=[constant])
        scale = np.matmul(abs(rounded(a)), abs(rounded(b)))
        assert_close(
            y, np.matmul(rounded(a), rounded(b)), rtol=(a_shape[-1] + 1) * UNIT, atol=0,
            scale=scale, what=f"{a_shape} {b_shape}",
        )  # fmt: skip


def test_without_constant_weights_it_stays_float32():
    rng = np.random.default_rng(31)
    for op, shapes in [
        ("Gemm", [(9, 40), (40, 50)]), ("MatMul", [(9, 40), (40, 50)]),
        ("MatMul", [(2, 9, 40), (2, 40, 50)]),
    ]:  # fmt: skip
        a, b = (random_array(rng, s) for s in shapes)
        for constants in ([], [1]) if a.ndim == 3 else ([],):
            found = run(op, [a, b], constants=constants)
            assert_same_bits(found, run(op, [a, b], constants=constants, precision="float32"))


def test_same_bits_in_every_batch_and_for_every_number_of_threads():
    rng = np.random.default_rng(32)
    a, b, c = (random_array(rng, s) for s in [(30, 1201), (1201, 331), (331,)])
    whole = run("Gemm", [a, b, c], constants=[1, 2])
    for threads in (2, 3, 5):
        assert_same_bits(run("Gemm", [a, b, c], constants=[1, 2], threads=threads), whole)
    for i in range(30):
        one = run("Gemm", [a[i : i + 1], b, c], constants=[1, 2], threads=1 + i % 3)
        assert_same_bits(one[0], whole[i])
    for i in range(0, 30, 2):
        assert_same_bits(run("Gemm", [a[i : i + 2], b, c], constants=[1, 2]), whole[i : i + 2])


def test_memory_of_the_weights():
    a, b = np.ones((1, 512), np.float32), np.ones((512, 256), np.float32)
    bytes_ = node_writer("Gemm", [a, b], constants=[1]).to_bytes()
    with apus.Model.from_bytes(bytes_) as model, model.session(precision="bf16") as session:
        assert session.memory.packed_weights == 512 * 256 * 2
    # Sessions of both kinds, at once.
    with apus.Model.from_bytes(bytes_) as model, model.session() as plain:
        with model.session(precision="bf16") as session:
            assert session.memory.packed_weights == 512 * 256 * (2 + 4)
            x = random_array(np.random.default_rng(33), (1, 512))
            assert_same_bits(plain.run(x)["y0"], run("Gemm", [x, b], precision="float32"))
            assert_same_bits(session.run(x)["y0"], run("Gemm", [x, b]))
