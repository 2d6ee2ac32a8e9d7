"""Attention against the onnx package's computation, over its options."""

import numpy as np
import pytest
from harness import ISAS, apus, assert_close, random_array, run_node
from onnx.reference.ops.op_attention import _compute_attention


def random_attention(rng):
    batch, kv_heads, share = (int(v) for v in rng.integers(1, 4, 3))
    heads = kv_heads * share
    queries, new, past = int(rng.integers(1, 40)), int(rng.integers(1, 30)), int(rng.integers(0, 9))
    size, value_size = int(rng.integers(1, 20)), int(rng.integers(1, 20))
    q = random_array(rng, (batch, heads, queries, size), -2, 2)
    k = random_array(rng, (batch, kv_heads, new, size), -2, 2)
    v = random_array(rng, (batch, kv_heads, new, value_size))
    attributes = {}
    inputs = [q, k, v, None, None, None, None]
    if past:
        inputs[4] = random_array(rng, (batch, kv_heads, past, size), -2, 2)
        inputs[5] = random_array(rng, (batch, kv_heads, past, value_size))
    elif rng.integers(2):
        inputs[6] = rng.integers(0, new + 1, batch)
    keys = past + new
    if rng.integers(2):
        shape = [batch, heads, queries, keys][rng.integers(0, 4) :]
        shape = [1 if rng.integers(3) == 0 and i < len(shape) - 1 else d for i, d in enumerate(shape)]
        if rng.integers(4) == 0:
            shape[-1] = max(1, keys - 3)
        if rng.integers(2):
            inputs[3] = random_array(rng, shape) > -0.4
        else:
            inputs[3] = np.where(random_array(rng, shape) > -0.8, random_array(rng, shape), -np.inf)
            inputs[3] = inputs[3].astype(np.float32)
    attributes["is_causal"] = int(rng.integers(2))
    if rng.integers(3) == 0:
        attributes["softcap"] = 1.5
    if rng.integers(3) == 0:
        attributes["scale"] = 0.3
    if rng.integers(3) == 0:
        attributes["left_window_size"] = int(rng.integers(0, 6))
        attributes["right_window_size"] = int(rng.integers(-1, 4))
    attributes["qk_matmul_output_mode"] = int(rng.integers(0, 4))
    if rng.integers(2):
        for i in range(3):
            a = inputs[i]
            inputs[i] = np.ascontiguousarray(a.transpose(0, 2, 1, 3)).reshape(batch, a.shape[2], -1)
        attributes["q_num_heads"], attributes["kv_num_heads"] = heads, kv_heads
    return inputs, attributes


@pytest.mark.parametrize("seed", range(6))
def test_random(seed):
    rng = np.random.default_rng(seed)
    for i in range(20):
        inputs, attributes = random_attention(rng)
        stage = attributes["qk_matmul_output_mode"]
        if stage == 0 and "softcap" in attributes:
            # There the package shows the capped scores, its specification the plain ones.
            stage = attributes["qk_matmul_output_mode"] = 1
        given = list(inputs)
        if given[3] is not None:
            # The package takes the number of queries from the mask.
            queries = inputs[0].shape[-2]
            shape = np.broadcast_shapes(given[3].shape, (queries, given[3].shape[-1]))
            given[3] = np.broadcast_to(given[3], shape)
        with np.errstate(all="ignore"):
            wanted = _compute_attention(*given, **attributes)
        what = f"{[a if a is None else a.shape for a in inputs]} {attributes}"
        isa = ISAS[i % len(ISAS)]
        for threads in (1, 2):
            found = run_node("Attention", inputs, attributes, outputs=4, isa=isa, threads=threads)
            for n, (a, b) in enumerate(zip(found, wanted)):
                b = b.reshape(a.shape) if n else b
                assert_close(a, b, rtol=1e-4, atol=2e-5, what=f"{n} {what}")
        (y,) = run_node("Attention", inputs, attributes, isa=isa)
        assert_close(y, wanted[0], rtol=1e-4, atol=2e-5, what=what)


def test_plain_scores():
    rng = np.random.default_rng(0)
    q, k, v = (random_array(rng, (1, 2, 3, 4)) for _ in range(3))
    scores = run_node(
        "Attention", [q, k, v], {"softcap": 0.5}, outputs=[True, False, False, True])[1]  # fmt: skip
    assert_close(scores, q.astype(float) @ k.astype(float).transpose(0, 1, 3, 2) / 2, atol=1e-6)


@pytest.mark.parametrize(
    "shapes, attributes, words",
    [
        ([(1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 4)], {}, "keys"),
        ([(1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 4, 4)], {}, "values"),
        ([(1, 3, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4)], {}, "heads"),
        ([(1, 3, 4), (1, 3, 4), (1, 3, 4)], {}, "heads"),
        ([(1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4), (3, 9)], {}, "mask"),
        ([(1, 2, 3, 4)] * 3 + [None, (1, 2, 3, 4)], {}, "belong together"),
        ([(1, 2, 3, 4)] * 3, {"qk_matmul_output_mode": 4}, "qk_matmul_output_mode"),
    ],
)
def test_refused(shapes, attributes, words):
    inputs = [s if s is None else np.zeros(s, np.float32) for s in shapes]
    with pytest.raises(apus.ApusError, match=words):
        run_node("Attention", inputs, attributes)
