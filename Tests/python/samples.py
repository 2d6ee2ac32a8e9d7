"""Small models of one node, at least one for every operator of the registry: the seeds of the
robustness tests, and what the tests of bits, threads, memory and real time run.

    for name, writer in all_samples(): ...               # a few hundred bytes each
    for name, writer in all_samples(large=True): ...     # enough work for eight threads

A new operator takes one line in `SAMPLES`: its name and a function that, given whether the large
variant is wanted, yields the inputs, attributes and options of `harness.node_writer` (`Case`).
Cover its element types, its optional inputs and each value of its attributes that takes a path of
its own.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
from harness import Writer, node_writer


class Case(NamedTuple):
    """Arguments of `harness.node_writer`."""

    inputs: Sequence[Optional[np.ndarray]]
    attributes: Mapping[str, Any] = {}
    outputs: Union[int, Sequence[bool]] = 1
    constants: Sequence[int] = ()
    shapes: Optional[Mapping[int, Sequence[Any]]] = None


Cases = Callable[[bool], Iterator[Case]]


def _floats(*shape: int, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(int(np.sum(shape, dtype=np.int64)))
    return rng.uniform(low, high, shape).astype(np.float32)


def _integers(*shape: int, dtype: Any = np.int32, low: int = 1, high: int = 7) -> np.ndarray:
    rng = np.random.default_rng(int(np.sum(shape, dtype=np.int64)))
    return rng.integers(low, high, shape).astype(dtype)


def _axes(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def _shape(large: bool) -> Tuple[int, ...]:
    """Odd, so that tails and uneven shares occur."""
    return (9, 37, 1009) if large else (3, 7)


# ---- Element-wise


def _unary(large: bool, *attributes: Mapping[str, Any], low: float = -4.0) -> Iterator[Case]:
    for a in attributes or ({},):
        yield Case([_floats(*_shape(large), low=low, high=4)], a)


def _signed(large: bool) -> Iterator[Case]:
    """Functions that take integers too."""
    yield from _unary(large)
    for dtype in (np.int8, np.int32, np.int64):
        yield Case([_integers(*_shape(large), dtype=dtype, low=-7)])


def _shrink(large: bool) -> Iterator[Case]:
    yield from _unary(large, {}, {"lambd": 1.5, "bias": 0.25})
    yield Case([_integers(*_shape(large), low=-7)], {"lambd": 1.5, "bias": 0.25})


def _is_inf(large: bool) -> Iterator[Case]:
    with np.errstate(divide="ignore"):
        x = 1 / np.trunc(_floats(*_shape(large), low=-3, high=3))
    yield from (Case([x], a) for a in ({}, {"detect_positive": 0}, {"detect_negative": 0}))


def _bools(*shape: int) -> np.ndarray:
    return _integers(*shape, low=0, high=2).astype(bool)


def _logic(large: bool) -> Iterator[Case]:
    shape = _shape(large)
    yield Case([_bools(*shape), _bools(*shape)])
    yield Case([_bools(*shape), _bools(shape[-1])], constants=[1])


def _equal(large: bool) -> Iterator[Case]:
    yield from _binary(large)
    yield from _logic(large)


def _mod(large: bool) -> Iterator[Case]:
    for fmod in (0, 1):
        yield from (case._replace(attributes={"fmod": fmod}) for case in _binary(large))


def _prelu(large: bool) -> Iterator[Case]:
    shape = _shape(large)
    yield Case([_integers(*shape, low=-7), _integers(shape[-1])])
    yield Case([_floats(*shape), _floats(shape[-1])], constants=[1])
    yield Case([_floats(*shape), _floats(1)])


def _clip(large: bool) -> Iterator[Case]:
    x, low, high = _floats(*_shape(large)), np.float32(-0.5), np.float32(0.25)
    yield Case([x, low, high], constants=[1, 2])
    yield Case([x, None, high])
    yield Case([x])
    yield Case([_integers(*_shape(large), dtype=np.uint8), np.uint8(2), np.uint8(5)])


def _binary(large: bool, integers: bool = True) -> Iterator[Case]:
    shape = _shape(large)
    yield Case([_floats(*shape), _floats(*shape, low=0.5)])
    yield Case([_floats(shape[0], *[1] * (len(shape) - 2), shape[-1]), _floats(*shape[1:], low=0.5)],
               shapes={0: ("N", *[1] * (len(shape) - 2), shape[-1])})  # fmt: skip
    if integers:
        yield Case([_integers(*shape), _integers(shape[-1])], constants=[1])
        yield Case([_integers(*shape, dtype=np.int64), _integers(1, dtype=np.int64)])
        yield Case([_integers(*shape, dtype=np.int8), _integers(*shape, dtype=np.int8)])
        yield Case([_integers(1, dtype=np.uint8), _integers(*shape, dtype=np.uint8)])


def _pow(large: bool) -> Iterator[Case]:
    shape = _shape(large)
    base = _floats(*shape, low=0.1, high=3)
    yield Case([base, _floats(*shape)])
    yield Case([base, np.float32(2)], constants=[1])
    yield Case([base, _integers(shape[-1])])
    yield Case([base, _integers(1, dtype=np.int64)])
    yield Case([_integers(*shape, dtype=np.int64), _integers(shape[-1], dtype=np.uint8)])
    yield Case([_integers(*shape), _floats(*shape, low=0, high=3)])


def _variadic(large: bool, integers: bool = False) -> Iterator[Case]:
    shape = _shape(large)
    yield Case([_floats(*shape), _floats(shape[-1]), _floats(*shape)])
    yield Case([_floats(*shape)])
    if integers:
        yield Case([_integers(*shape), _integers(*shape)])
        yield Case([_integers(*shape, dtype=np.int64), _integers(1, dtype=np.int64)])


def _where(large: bool) -> Iterator[Case]:
    shape = _shape(large)
    condition = _bools(*shape)
    yield Case([condition, _floats(*shape), _floats(shape[-1])])
    yield Case([condition[..., :1], _integers(*shape, dtype=np.int64), _integers(1, dtype=np.int64)])
    yield Case([condition, _integers(*shape, dtype=np.uint8), _integers(*shape, dtype=np.uint8)])


def _cast(large: bool) -> Iterator[Case]:
    shape = _shape(large)
    for to in (1, 2, 3, 6, 7, 9, 10, 16):
        yield Case([_floats(*shape, low=-300, high=300)], {"to": to})
    for dtype in (np.uint8, np.int8, np.int32, np.int64, bool, np.float16):
        yield Case([_integers(*shape, dtype=dtype)], {"to": 1})
    yield Case([_integers(*shape, dtype=np.int64)], {"to": 3, "saturate": 0})


# ---- Rows, reductions, normalisations


def _softmax(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x], {"axis": -1})
    yield Case([x], {"axis": 0})
    yield Case([x])


def _reduce(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large), low=0.5, high=2)
    yield Case([x, _axes(-1)], {"keepdims": 0}, constants=[1])
    yield Case([x, _axes(0)], {"keepdims": 1}, constants=[1])
    yield Case([x])
    yield Case([x], {"noop_with_empty_axes": 1})
    for axis in (0, -1):
        yield Case([_integers(*_shape(large), dtype=np.int64), _axes(axis)], constants=[1])


def _reduce_any(large: bool) -> Iterator[Case]:
    yield from _reduce(large)
    yield Case([_bools(*_shape(large)), _axes(1)], constants=[1])
    yield Case([_integers(*_shape(large), dtype=np.uint8)])


def _layer_normalization(large: bool) -> Iterator[Case]:
    shape = _shape(large)
    x, scale, bias = _floats(*shape), _floats(shape[-1]), _floats(shape[-1])
    yield Case([x, scale, bias], {"axis": -1, "epsilon": 1e-3}, 3, [1, 2])
    yield Case([x, scale], {"stash_type": 1}, [True, False, True])
    yield Case([x, _floats(*shape[1:])], {"axis": 1})


def _rms_normalization(large: bool) -> Iterator[Case]:
    shape = _shape(large)
    yield Case([_floats(*shape), _floats(shape[-1])], {"axis": -1, "epsilon": 1e-3}, constants=[1])
    yield Case([_floats(*shape), _floats(1)], {"stash_type": 1})


def _image(large: bool, channels: int = 4) -> np.ndarray:
    return _floats(2, channels, 67, 71) if large else _floats(1, channels, 3, 3)


def _instance_normalization(large: bool) -> Iterator[Case]:
    x = _image(large, 16 if large else 4)
    c = x.shape[1]
    yield Case([x, _floats(c), _floats(c)], {"epsilon": 1e-3}, constants=[1, 2])
    yield Case([x[:, :, 0], _floats(c), _floats(c)])


def _group_normalization(large: bool) -> Iterator[Case]:
    x = _image(large, 16 if large else 4)
    c = x.shape[1]
    yield Case([x, _floats(c), _floats(c)], {"num_groups": 2}, constants=[1, 2])
    yield Case([x, _floats(c), _floats(c)], {"num_groups": 4, "epsilon": 1e-3, "stash_type": 1})


def _lrn(large: bool) -> Iterator[Case]:
    x = _image(large, 16 if large else 4)
    yield Case([x], {"size": 3})
    yield Case([x], {"size": 4, "alpha": 0.1, "beta": 0.5, "bias": 2.0})


def _local_contrast(large: bool) -> Iterator[Case]:
    x = _image(large)
    yield Case([x], {"size": 3})
    yield Case([x], {"size": 3, "epsilon": 0.1, "weighting": "gaussian"})


def _batch_normalization(large: bool) -> Iterator[Case]:
    x = _image(large, 16 if large else 4)
    c = x.shape[1]
    vectors = [_floats(c), _floats(c), _floats(c), _floats(c, low=0.5)]
    yield Case([x, *vectors], {"epsilon": 1e-3}, constants=[1, 2, 3, 4])
    yield Case([x, *vectors])
    yield Case([x, *vectors], {"training_mode": 1, "momentum": 0.5}, 3)


# ---- Convolution, pooling, matrices


def _conv(large: bool) -> Iterator[Case]:
    n, c, m, s = (2, 16, 24, 31) if large else (1, 2, 2, 4)
    yield Case([_floats(n, c, s, s), _floats(m, c, 3, 3), _floats(m)],
               {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3], "activation_minimum": 0.0},
               constants=[1, 2], shapes={0: ("N", c, s, s)})  # fmt: skip
    yield Case([_floats(n, c, s, s), _floats(m, c // 2, 3, 2)],
               {"group": 2, "strides": [2, 1], "dilations": [1, 2], "auto_pad": "SAME_UPPER"})
    yield Case([_floats(n, 2 * c, s, s), _floats(2 * c, 1, 3, 3), _floats(2 * c)],
               {"group": 2 * c, "activation_maximum": 0.5}, constants=[1])
    yield Case([_floats(n, c, s * s), _floats(m, c, 3)], {"auto_pad": "VALID"}, constants=[1])
    yield Case([_floats(n, c, 9, 9, 9) if large else _floats(n, c, 2, 3, 3),
                _floats(m, c, 2, 2, 2)], constants=[1])  # fmt: skip
    yield Case([_floats(n, c, s, s), _floats(m, c, 1, 1)], constants=[1])


def _conv_transpose(large: bool) -> Iterator[Case]:
    n, c, m, s = (2, 16, 24, 31) if large else (1, 2, 2, 3)
    yield Case([_floats(n, c, s, s), _floats(c, m, 3, 3), _floats(m)],
               {"strides": [2, 2], "output_padding": [1, 1], "pads": [1, 1, 1, 1]}, constants=[1, 2])
    yield Case([_floats(n, c, s, s), _floats(c, m // 2, 3, 2)],
               {"group": 2, "dilations": [2, 1], "auto_pad": "SAME_LOWER", "activation_minimum": 0.0})
    yield Case([_floats(n, c, s), _floats(c, m, 2)],
               {"strides": [3], "output_shape": [3 * s], "kernel_shape": [2]}, constants=[1])
    yield Case([_floats(n, c, 2, 3, 3), _floats(c, m, 2, 2, 2)], {"activation_maximum": 0.5})


def _pool_input(large: bool, rank: int) -> np.ndarray:
    if not large:
        return _floats(1, 2, *[4] * rank)
    return _floats(2, 24, *{1: [4099], 2: [61, 67], 3: [15, 17, 19]}[rank])


def _max_pool(large: bool) -> Iterator[Case]:
    x = partial(_pool_input, large)
    yield Case([x(2)], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, 2)
    yield Case([x(2)], {"kernel_shape": [2, 3], "pads": [1, 1, 0, 1], "dilations": [2, 1]})
    yield Case([x(1)], {"kernel_shape": [2], "auto_pad": "SAME_UPPER"}, 2)
    yield Case([x(3)], {"kernel_shape": [2, 2, 2], "storage_order": 1}, [True, True])
    for dtype in (np.int8, np.uint8):
        yield Case([(x(2) * 99).astype(dtype)], {"kernel_shape": [2, 2]}, 2)


def _average_pool(large: bool) -> Iterator[Case]:
    x = partial(_pool_input, large)
    yield Case([x(2)], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1,
                        "pads": [1, 0, 1, 0], "count_include_pad": 1})  # fmt: skip
    yield Case([x(2)], {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER", "dilations": [1, 2]})
    yield Case([x(1)], {"kernel_shape": [3]})
    yield Case([x(3)], {"kernel_shape": [2, 2, 2], "strides": [2, 2, 2]})


def _global_pool(large: bool) -> Iterator[Case]:
    yield Case([_pool_input(large, 2)])
    yield Case([_pool_input(large, 1)])


def _lp_pool(large: bool) -> Iterator[Case]:
    x = partial(_pool_input, large)
    yield Case([x(2)], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "p": 3})
    yield Case([x(2)], {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER", "dilations": [1, 2]})
    yield Case([x(1)], {"kernel_shape": [3], "pads": [1, 1]})


def _global_lp_pool(large: bool) -> Iterator[Case]:
    yield Case([_pool_input(large, 2)], {"p": 1})


def _max_unpool(large: bool) -> Iterator[Case]:
    x = _pool_input(large, 2)
    n, c, h, w = x.shape
    indices = np.arange(x.size).reshape(x.shape) * 3 % (4 * x.size)
    options = {"kernel_shape": [2, 2], "strides": [2, 2]}
    yield Case([x, indices], options)
    yield Case([x, indices, _axes(n, c, 2 * h + 1, 2 * w + 3)], options, constants=[2])
    yield Case([x, indices, _axes(n, c, 2 * h, 2 * w)], {**options, "pads": [1, 0, 0, 1]},
               constants=[2])


def _deform_conv(large: bool) -> Iterator[Case]:
    n, c, m, s = (2, 8, 12, 23) if large else (1, 2, 2, 4)
    x, options = _floats(n, c, s, s), {"kernel_shape": [3, 2], "pads": [1, 1, 1, 0]}
    yield Case([x, _floats(m, c, 3, 2), _floats(n, 12, s, s)], options, constants=[1])
    yield Case([x, _floats(m, c // 2, 3, 2), _floats(n, 24, s, s), _floats(m), _floats(n, 12, s, s)],
               {**options, "group": 2, "offset_group": 2})
    out = (s - 3) // 2 + 1
    yield Case([x, _floats(m, c, 2, 2), _floats(n, 8, out, out)],
               {"strides": [2, 2], "dilations": [2, 2]})


def _causal_conv(large: bool) -> Iterator[Case]:
    n, c, t, k = (3, 37, 301, 5) if large else (1, 2, 5, 3)
    yield Case([_floats(n, c, t), _floats(c, 1, k)], constants=[1])
    yield Case([_floats(n, c, t), _floats(c, 1, k), _floats(c), _floats(n, c, k - 1)],
               {"activation": "silu"}, 2)


# ---- Images


def _resize(large: bool) -> Iterator[Case]:
    x = _floats(2, 8, 41, 53) if large else _floats(1, 2, 3, 4)
    n, c, h, w = x.shape
    larger, smaller = np.array([1, 1, 2, 1.5], np.float32), np.array([1, 1, 0.5, 0.7], np.float32)
    yield Case([x, None, larger], {"mode": "nearest", "nearest_mode": "floor"}, constants=[2])
    yield Case([x.astype(np.int8), None, smaller], {"nearest_mode": "ceil"}, constants=[2])
    yield Case([x, None, None, _axes(n, c, 2 * h, 2 * w)], {"mode": "linear"}, constants=[3])
    for k, dtype in enumerate((np.int8, np.uint8)):
        yield Case([_integers(n, c, h, w, dtype=dtype), None, larger],
                   {"mode": "linear", "round": k}, constants=[2])  # fmt: skip
    yield Case([x, None, smaller], {"mode": "linear", "antialias": 1}, constants=[2])
    yield Case([x, None, larger], {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1,
                                   "coordinate_transformation_mode": "align_corners"}, constants=[2])
    roi = np.array([0.2, -0.1, 0.8, 1.1], np.float32)
    for mode in ("nearest", "linear"):
        yield Case([x, roi, None, _axes(7, 5)],
                   {"mode": mode, "axes": [2, 3], "extrapolation_value": 3.0,
                    "coordinate_transformation_mode": "tf_crop_and_resize"}, constants=[1, 3])
    yield Case([x, None, None, _axes(7, 9)], {"axes": [-1, 2], "mode": "linear",
               "keep_aspect_ratio_policy": "not_larger"}, constants=[3])


def _non_max_suppression(large: bool) -> Iterator[Case]:
    n, c, b = (2, 3, 301) if large else (1, 2, 4)
    boxes, scores = _floats(n, b, 4, low=0.0), _floats(n, c, b, low=0.0)
    limit, overlap, least = _axes(b // 2), np.float32([0.5]), np.float32([0.1])
    yield Case([boxes, scores, limit, overlap, least], {"center_point_box": 1}, constants=[2, 3, 4])
    yield Case([boxes, scores, limit, overlap])
    yield Case([boxes, scores, limit], constants=[0, 1, 2])
    yield Case([boxes, scores])


def _roi_align(large: bool) -> Iterator[Case]:
    n, c, s, r = (2, 16, 31, 40) if large else (1, 2, 4, 2)
    inputs = [_floats(n, c, s, s), _floats(r, 4, low=0.0, high=1.5 * s), np.arange(r) % n]
    yield Case(inputs, {"output_height": 3, "output_width": 2, "spatial_scale": 0.7})
    yield Case(inputs, {"mode": "max", "sampling_ratio": 2,
                        "coordinate_transformation_mode": "output_half_pixel"})  # fmt: skip


def _max_roi_pool(large: bool) -> Iterator[Case]:
    n, c, s, r = (2, 16, 31, 40) if large else (1, 2, 4, 2)
    rois = _floats(r, 5, low=0.0, high=1.5 * s)
    rois[:, 0] = np.arange(r) % n
    yield Case([_floats(n, c, s, s), rois], {"pooled_shape": [3, 2], "spatial_scale": 0.7})


def _grid_sample(large: bool) -> Iterator[Case]:
    n, c, s, o = (2, 8, 19, 23) if large else (1, 2, 3, 2)
    for mode, padding in (("linear", "zeros"), ("nearest", "border"), ("cubic", "reflection")):
        yield Case([_floats(n, c, s, s + 1), _floats(n, o, o, 2, low=-1.5, high=1.5)],
                   {"mode": mode, "padding_mode": padding, "align_corners": int(mode == "cubic")})
    yield Case([_floats(n, c, s, s), _floats(n, o, o, 2, low=-1.5)], {"padding_mode": "border"})
    yield Case([_floats(n, c, s, s, 2), _floats(n, o, o, 2, 3)])
    yield Case([_floats(n, c, s), _floats(n, o, 1)])


def _affine_grid(large: bool) -> Iterator[Case]:
    s = 40 if large else 2
    yield Case([_floats(2, 2, 3), _axes(2, 1, s, s + 1)], {"align_corners": 1}, constants=[1])
    yield Case([_floats(1, 3, 4), _axes(1, 1, s, 2, s)], constants=[1])


def _attention(large: bool) -> Iterator[Case]:
    n, h, g, q, k, d = (2, 6, 3, 37, 45, 24) if large else (1, 2, 1, 2, 3, 4)
    query, key, value = _floats(n, h, q, d), _floats(n, g, k, d), _floats(n, g, k, d + 1)
    yield Case([query, key, value], {"scale": 0.3, "softcap": 2.0, "qk_matmul_output_mode": 1}, 4)
    yield Case([query, key, value, _floats(q, k) > 0, None, None, _integers(n, dtype=np.int64, high=k)],
               {"is_causal": 1, "softmax_precision": 1, "qk_matmul_output_mode": 3}, 4)
    yield Case([query, key, value, _floats(h, q, k + 2), _floats(n, g, 2, d), _floats(n, g, 2, d + 1)],
               {"left_window_size": 3, "right_window_size": 1, "qk_matmul_output_mode": 2}, 4)
    flat = [a.transpose(0, 2, 1, 3).reshape(n, a.shape[2], -1) for a in (query, key, value)]
    yield Case(flat, {"q_num_heads": h, "kv_num_heads": g})


def _gemm(large: bool) -> Iterator[Case]:
    m, k, n = (70, 130, 150) if large else (2, 3, 5)
    yield Case([_floats(m, k), _floats(k, n), _floats(n)], constants=[1, 2],
               shapes={0: ("batch", k)})
    yield Case([_floats(m, k), _floats(n, k), _floats(m, 1)],
               {"transB": 1, "alpha": 0.5, "beta": 2.0, "activation_minimum": 0.0}, constants=[1])
    yield Case([_floats(k, m), _floats(k, n)], {"transA": 1, "activation_maximum": 1.0})
    yield Case([_floats(1, k), _floats(k, n), _floats(1)], constants=[1])
    yield Case([_integers(m, k), _integers(n, k), _integers(m, 1)],
               {"transB": 1, "alpha": 0.5, "beta": 2.0})


def _mat_mul(large: bool) -> Iterator[Case]:
    m, k, n = (70, 130, 150) if large else (2, 3, 5)
    yield Case([_floats(m, k), _floats(k, n)], constants=[1])
    yield Case([_floats(2, 1, m, k), _floats(3, k, n)])
    yield Case([_integers(2, 1, m, k, dtype=np.int64), _integers(3, k, n, dtype=np.int64)])
    yield Case([_floats(k), _floats(k, n)], constants=[1])
    yield Case([_floats(m, k), _floats(k)])


# ---- Moving data


def _identity(large: bool) -> Iterator[Case]:
    yield Case([_floats(*_shape(large))])
    yield Case([_integers(*_shape(large), dtype=np.int64)])


def _reshape(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x, _axes(-1, 1)], constants=[1])
    yield Case([x, _axes(0, x.size // x.shape[0])], {"allowzero": 0}, constants=[1])


def _flatten(large: bool) -> Iterator[Case]:
    yield Case([_floats(*_shape(large))])
    yield Case([_integers(*_shape(large))], {"axis": -1})


def _squeeze(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))[:, None]
    yield Case([x, _axes(1)], constants=[1])
    yield Case([x])


def _unsqueeze(large: bool) -> Iterator[Case]:
    yield Case([_floats(*_shape(large)), _axes(0, -1)], constants=[1])


def _transpose(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large), 3)
    yield Case([x])
    yield Case([x], {"perm": [*range(1, x.ndim), 0]})
    yield Case([_integers(*x.shape, dtype=np.uint8)], {"perm": [1, 0, *range(2, x.ndim)]})


def _concat(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x, x[:1], x], {"axis": 0}, constants=[1])
    yield Case([x, x[..., :2]], {"axis": -1})
    yield Case([_integers(*x.shape, dtype=np.int64)], {"axis": 1})


def _split(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x, _axes(1, x.shape[0] - 1)], {"axis": 0}, 2, [1])
    yield Case([x], {"axis": -1, "num_outputs": 3}, [True, False, True])


def _slice(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x, _axes(1), _axes(3)], constants=[1, 2])
    yield Case([x, _axes(-1), _axes(-100_000), _axes(-1), _axes(-2)], constants=[1, 2, 3, 4])
    yield Case([_integers(*x.shape, dtype=np.int8), _axes(1, 0), _axes(100_000, 2), _axes(1, 0)],
               constants=[1, 2, 3])  # fmt: skip


def _pad(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    rest = [0] * (x.ndim - 2)
    pads = _axes(1, *rest, 2, 0, *rest, 1)
    yield Case([x, pads, np.float32(0.5)], {"mode": "constant"}, constants=[1, 2])
    for mode in ("reflect", "edge", "wrap"):
        yield Case([x, pads], {"mode": mode}, constants=[1])
    yield Case([_integers(*x.shape, dtype=np.uint8), _axes(-1, 2), None, _axes(-1)],
               constants=[1, 3])  # fmt: skip


def _gather(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x, _integers(2, 3, dtype=np.int64, low=-2, high=3)], {"axis": 0}, constants=[0])
    yield Case([x, _integers(40 if large else 3, low=-2, high=3)], {"axis": -1})
    yield Case([x.astype(np.int64), np.array(1, np.int64)], {"axis": 1}, constants=[1])


def _expand(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x[:1], _axes(*x.shape)], constants=[1])
    yield Case([x[..., :1].astype(np.int64), _axes(2, *x.shape)], constants=[1])


# ---- Recurrent


def _recurrent(kind: str, large: bool) -> Iterator[Case]:
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    states = 2 if kind == "LSTM" else 1
    t, n, i, h = (5, 9, 70, 48) if large else (2, 2, 2, 3)

    def inputs(d: int, layout: int = 0, rest: int = 0) -> list:
        """X, W, R and the first `rest` of B, sequence_lens, the initial states, P."""
        x = _floats(n, t, i) if layout else _floats(t, n, i)
        state = _floats(n, d, h) if layout else _floats(d, n, h)
        more = [
            _floats(d, 2 * gates * h), np.arange(n, dtype=np.int32) % (t + 1), state, state,
            _floats(d, 3 * h),
        ]  # fmt: skip
        return [x, _floats(d, gates * h, i), _floats(d, gates * h, h), *more[:rest]]

    outputs = 1 + states
    yield Case(inputs(1, rest=1), {"hidden_size": h}, outputs, [1, 2, 3])
    yield Case(inputs(2, rest=2 + states), {"direction": "bidirectional"}, outputs, [1, 2, 3])
    yield Case(inputs(1, 1), {"direction": "reverse", "layout": 1}, [False, True])
    own = {
        "RNN": {"activations": "HardSigmoid", "activation_alpha": [0.3], "activation_beta": [0.4]},
        "LSTM": {"activations": "HardSigmoid,Tanh,Softsign", "activation_alpha": [0.3],
                 "activation_beta": [0.4], "input_forget": 1},
        "GRU": {"activations": "HardSigmoid,Relu", "activation_alpha": [0.3],
                "activation_beta": [0.4], "linear_before_reset": 1},
    }[kind]  # fmt: skip
    yield Case(inputs(1, rest=5 if kind == "LSTM" else 3), {**own, "clip": 2.0}, 1, [1, 2, 3, 7])


def _dynamic_recurrent(kind: str, large: bool) -> Iterator[Case]:
    """The float operator's samples, their weights as integers of two types, by tensor or by column."""
    last = 8 if kind == "LSTM" else 6
    for k, case in enumerate(_recurrent(kind, large)):
        inputs = [*case.inputs, *[None] * (last - len(case.inputs))]
        scales: list = []
        for i in (1, 2):
            w = np.ascontiguousarray(inputs[i].transpose(0, 2, 1))
            dtype, zero = (np.uint8, 131) if k % 2 else (np.int8, -3)
            inputs[i] = np.clip(np.rint(w * 100) + zero, *np.array([0, 255]) - (dtype == np.int8) * 128)
            inputs[i] = inputs[i].astype(dtype)
            shape = (w.shape[0], w.shape[2]) if k < 2 else w.shape[:1]
            scales += [np.full(shape, 0.01, np.float32), np.full(shape, zero, dtype)]
        constants = [1, 2, 3, *([7] if kind == "LSTM" else []), *range(last, last + 4)]
        yield Case([*inputs, *scales], case.attributes, case.outputs, constants)


# ---- Positions and shapes


def _shape_values(large: bool) -> Iterator[Case]:
    yield Case([_floats(*_shape(large))])
    yield Case([_integers(2, 3, 4, dtype=np.uint8)], {"start": 1, "end": -1})


def _size(large: bool) -> Iterator[Case]:
    yield Case([_floats(*_shape(large))])


def _constant_of_shape(large: bool) -> Iterator[Case]:
    yield Case([_axes(*_shape(large))], constants=[0])
    yield Case([_axes(*_shape(large)), _integers(1, dtype=np.int8)], constants=[0])


def _range(large: bool) -> Iterator[Case]:
    n = 400_000 if large else 9
    for dtype in (np.float32, np.int32, np.int64):
        numbers = [np.array(v, dtype) for v in (3, 3 - n, -1)]
        yield Case(numbers, {"stash_type": 1}, constants=[0, 1, 2])


def _eye_like(large: bool) -> Iterator[Case]:
    n = 700 if large else 3
    yield Case([_floats(n, n + 2)], {"k": 1})
    yield Case([_floats(n, n)], {"dtype": 7, "k": -1})


def _trilu(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x])
    yield Case([x.astype(np.int64), np.array(1, np.int64)], {"upper": 0})


def _tile(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    repeats = [2, *[1] * (x.ndim - 2), 3]
    yield Case([x, _axes(*repeats)], constants=[1])
    yield Case([x.astype(np.uint8), _axes(*reversed(repeats))], constants=[1])


def _gather_elements(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x, _integers(*x.shape, dtype=np.int64, low=-3, high=3)], {"axis": 0})
    yield Case([x.astype(np.int8), _integers(*x.shape, low=-3, high=3)], {"axis": -1})


def _gather_nd(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    count = 3000 if large else 4
    yield Case([x, _integers(count, 2, dtype=np.int64, low=-3, high=3)])
    yield Case([x, _integers(x.shape[0], 5, 1, low=-3, high=3)], {"batch_dims": 1})


def _scatter_elements(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    for i, reduction in enumerate(("none", "add", "mul", "min", "max")):
        indices = _integers(*x.shape, dtype=(np.int32, np.int64)[i % 2], low=-3, high=3)
        yield Case([x, indices, x[::-1].copy()], {"axis": i % 2, "reduction": reduction})
    bits = x > 0
    yield Case([bits, indices, bits], {"reduction": "add"})


def _scatter_nd(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    count = 3000 if large else 4
    for i, reduction in enumerate(("none", "add", "mul", "min", "max")):
        indices = _integers(count, 1, dtype=(np.int32, np.int64)[i % 2], low=-3, high=3)
        updates = _integers(count, *x.shape[1:], dtype=np.int32)
        values = x.astype(np.int32) if i % 2 else x
        yield Case([values, indices, updates.astype(values.dtype)], {"reduction": reduction})


def _arg(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x], {"axis": -1, "keepdims": 0})
    yield Case([(x * 4).astype(np.int8)], {"axis": 0, "select_last_index": 1})


def _top_k(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x, _axes(3)], {"axis": -1, "sorted": 1}, 2, [1])
    yield Case([(x * 4).astype(np.int32), _axes(2)], {"axis": 0, "largest": 0}, [True, False], [1])
    yield Case([x, _axes(1)], {"sorted": 0}, [False, True], [1])


def _cum_sum(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x, np.array(0, np.int32)], {"exclusive": 1})
    yield Case([(x * 9).astype(np.int64), _axes(-1)], {"reverse": 1}, constants=[1])


def _one_hot(large: bool) -> Iterator[Case]:
    indices = _integers(*_shape(False), low=-4, high=8)
    depth = np.array(3000 if large else 5, np.int64)
    yield Case([indices, depth, np.float32([0.25, 4])], constants=[1, 2])
    yield Case([indices.astype(np.float32), depth.astype(np.float32), np.uint8([1, 0])],
               {"axis": 1}, constants=[1])  # fmt: skip


def _non_zero(large: bool) -> Iterator[Case]:
    yield Case([_integers(*_shape(large)[-2:], low=0, high=2).astype(np.float32)])
    yield Case([_integers(*_shape(large)[-2:], low=0, high=2).astype(bool)])


def _blocks(large: bool) -> Iterator[Case]:
    x = _floats(2, 8, 60, 62) if large else _floats(1, 4, 2, 2)
    for mode in ("DCR", "CRD"):
        yield Case([x], {"blocksize": 2, "mode": mode})
    yield Case([x.astype(np.int8)], {"blocksize": 2})


def _reverse_sequence(large: bool) -> Iterator[Case]:
    x = _floats(9, 37, 201) if large else _floats(3, 4, 2)
    yield Case([x, np.arange(x.shape[1])])
    yield Case([x, np.arange(x.shape[0])], {"batch_axis": 0, "time_axis": 1})


def _center_crop_pad(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x, _axes(x.shape[-1] + 5, 2)], {"axes": [-1, 0]}, constants=[1])
    yield Case([x.astype(np.int64), _axes(*(d // 2 for d in x.shape))], constants=[1])


def _col2im(large: bool) -> Iterator[Case]:
    n, c = (3, 20) if large else (1, 2)
    yield Case([_floats(n, c * 4, 25), _axes(5, 5), _axes(2, 2)],
               {"pads": [0, 1, 1, 0], "strides": [1, 1], "dilations": [1, 1]},
               constants=[1, 2])  # fmt: skip
    yield Case([_integers(n, c * 2, 3), _axes(8), _axes(2)], {"strides": [2], "dilations": [3]},
               constants=[1, 2])  # fmt: skip


def _einsum(large: bool) -> Iterator[Case]:
    m, k, n = (70, 130, 150) if large else (2, 3, 4)
    yield Case([_floats(3, m, k), _floats(3, n, k)], {"equation": "bik,bjk->ibj"})
    yield Case([_floats(m, k), _floats(k, n)], {"equation": "ij,jk"})
    yield Case([_floats(m, n, n)], {"equation": "...ii->...i"})
    yield Case([_integers(m, k), _integers(k)], {"equation": "ij,j->i"})
    yield Case([_floats(2)] * 8, {"equation": "a,b,c,d,e,f,g,a->abcdefg"})


def _lp_normalization(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large))
    yield Case([x], {"p": 1, "axis": 0})
    yield Case([x])


def _mean_variance(large: bool) -> Iterator[Case]:
    x = _image(large, 40 if large else 4)
    yield Case([x])
    yield Case([x], {"axes": [-1, 1]})


# ---- 8-bit integers


def _bytes(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(int(np.sum(shape, dtype=np.int64)))
    return rng.integers(0, 256, shape).astype(np.uint8).view(dtype)


def _scale(*shape: int) -> np.ndarray:
    return _floats(*shape, low=0.01, high=0.05)


def _quantize(large: bool) -> Iterator[Case]:
    x = _floats(*_shape(large), low=-4, high=4)
    n = x.shape[-1]
    yield Case([x, _scale()], {"saturate": 0, "precision": 1})
    yield Case([x, _scale(n), _bytes(n, dtype=np.int8)], {"axis": -1})
    yield Case([x, _scale(*x.shape[:-1], -(-n // 4))],
               {"axis": x.ndim - 1, "block_size": 4, "output_dtype": 3})
    yield Case([_integers(*_shape(large), low=-99, high=99), _scale(), _bytes()])


def _dequantize(large: bool) -> Iterator[Case]:
    shape = _shape(large)
    yield Case([_bytes(*shape), _scale()], {"output_dtype": 1})
    yield Case([_bytes(*shape, dtype=np.int8), _scale(shape[1]), _bytes(shape[1], dtype=np.int8)])
    yield Case([_bytes(*shape), _scale(-(-shape[0] // 2), *shape[1:])], {"axis": 0, "block_size": 2})
    yield Case([_integers(*shape, low=-999, high=999), _scale()])


def _dynamic_quantize(large: bool) -> Iterator[Case]:
    yield Case([_floats(*_shape(large), low=-4, high=4)], {}, 3)


def _integer_matmul(large: bool) -> Iterator[Case]:
    m, k, n = (67, 129, 133) if large else (3, 5, 7)
    yield Case([_bytes(2, m, k), _bytes(2, k, n, dtype=np.int8)])
    yield Case([_bytes(m, k), _bytes(k, n), _bytes(m), _bytes(n)], constants=[1, 3])
    yield Case([_bytes(1, k, dtype=np.int8), _bytes(k, n, dtype=np.int8), _bytes(dtype=np.int8)],
               constants=[1])


def _quantized_matmul(large: bool) -> Iterator[Case]:
    m, k, n = (67, 129, 133) if large else (3, 5, 7)
    for rows, dtype, constants in ((m, np.uint8, [3, 4, 5]), (1, np.int8, ())):
        yield Case([_bytes(rows, k, dtype=dtype), _scale(), _bytes(dtype=dtype),
                    _bytes(k, n, dtype=np.int8), _scale(n), _bytes(n, dtype=np.int8),
                    _scale(), _bytes(dtype=dtype)], constants=constants)  # fmt: skip


def _integer_conv(large: bool) -> Iterator[Case]:
    n, c, m, s = (2, 16, 24, 31) if large else (1, 2, 2, 4)
    yield Case([_bytes(n, c, s, s), _bytes(m, c, 3, 3)],
               {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}, constants=[1])  # fmt: skip
    yield Case([_bytes(n, c, s, s), _bytes(m, c // 2, 3, 2, dtype=np.int8), _bytes(),
                _bytes(m, dtype=np.int8)],
               {"group": 2, "strides": [2, 1], "dilations": [1, 2], "auto_pad": "SAME_LOWER"})
    yield Case([_bytes(n, c, s * s), _bytes(m, c, 3)], constants=[1])


def _quantized_conv(large: bool) -> Iterator[Case]:
    n, c, m, s = (2, 16, 24, 31) if large else (1, 2, 2, 4)

    def parameters(x: np.ndarray, w: np.ndarray, *per_channel: int) -> Sequence[np.ndarray]:
        return [x, _scale(), _bytes(dtype=x.dtype), w, _scale(*per_channel),
                _bytes(*per_channel, dtype=w.dtype), _scale(), _bytes(dtype=x.dtype)]  # fmt: skip

    weights = [3, 4, 5]
    yield Case([*parameters(_bytes(n, c, s, s), _bytes(m, c, 3, 3, dtype=np.int8), m),
                _integers(m, low=-999, high=999)],
               {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}, constants=[*weights, 8])
    yield Case(parameters(_bytes(n, 2 * c, s, s, dtype=np.int8),
                          _bytes(2 * c, 1, 3, 3, dtype=np.int8)),
               {"group": 2 * c, "strides": [2, 2], "auto_pad": "SAME_UPPER"}, constants=weights)
    yield Case(parameters(_bytes(n, c, s, s), _bytes(m, c // 2, 2, 2)),
               {"group": 2, "dilations": [2, 1]})
    yield Case(parameters(_bytes(n, c, s, s), _bytes(m, c, 1, 1)), constants=weights)
    # Zeros are bytes of 0, a row is a tile: nothing is read beyond the input.
    zero = np.uint8(0)
    yield Case([_bytes(n, 16, 5, 14), _scale(), zero, _bytes(32, 16, 3, 3, dtype=np.int8), _scale(32),
                np.zeros(32, np.int8), _scale(), zero],
               {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}, constants=[1, 2, 3, 4, 5, 6, 7])


def _quantized_sum(large: bool) -> Iterator[Case]:
    shape = (4, 24, 31, 29) if large else (2, 3, 2)
    for kind, other in [(np.uint8, shape), (np.int8, (*shape[1:-1], 1))]:
        yield Case([
            _bytes(*shape, dtype=kind), _scale(), _bytes(dtype=kind), _bytes(*other, dtype=kind),
            _scale(), _bytes(dtype=kind), _scale(), _bytes(dtype=kind)],
            constants=[1, 2, 4, 5, 6, 7])  # fmt: skip
    yield Case([_bytes(*shape), _scale(), None, _bytes(*shape), _scale(), None, _scale()])


def _quantized_pool(pool: Cases, large: bool) -> Iterator[Case]:
    """The samples of the pool of floats, as bytes of either type."""
    for i, case in enumerate(pool(large)):
        kind = (np.uint8, np.int8)[i % 2]
        shape = np.shape(case.inputs[0])
        zero = _bytes(dtype=kind)
        inputs = [_bytes(*shape, dtype=kind), _scale(), zero, _scale(), zero]
        yield Case(inputs, case.attributes, constants=[1, 2, 3, 4] if i % 3 else [])
    yield Case([inputs[0].view(np.uint8), _scale(), None, _scale()], case.attributes)


def _quantized_concat(large: bool) -> Iterator[Case]:
    shape = (4, 24, 31, 29) if large else (2, 3, 2)
    for kind in (np.uint8, np.int8):
        scale, zero = _scale(), _bytes(dtype=kind)
        yield Case([
            scale, zero, _bytes(*shape, dtype=kind), scale, zero, _bytes(*shape, dtype=kind),
            _scale(), _bytes(dtype=kind)], {"axis": 1}, constants=[0, 1, 3, 4])  # fmt: skip


def _quantized_lookup(large: bool) -> Iterator[Case]:
    shape = (4, 24, 31, 29) if large else (2, 3, 2)
    for kind in (np.uint8, np.int8):
        yield Case([
            _bytes(*shape, dtype=kind), _scale(), _bytes(dtype=kind), _bytes(256), _scale(),
            _bytes(dtype=kind)],
            {"function": "LeakyRelu,Neg", "parameters": [0.1, 0, 0, 0]}, constants=[1, 2, 3, 4, 5])  # fmt: skip
    yield Case([_bytes(*shape), _scale(), None, _bytes(256), _scale()])


SAMPLES: Dict[str, Cases] = {
    **dict.fromkeys(
        ["Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish", "Exp", "Floor", "Ceil",
         "Round", "Erf", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "IsNaN",
         "Asinh", "Acosh", "Atanh"],
        _unary,
    ),
    **dict.fromkeys(["Relu", "Abs", "Neg", "Sign"], _signed),
    "Shrink": _shrink,
    "IsInf": _is_inf,
    "Not": lambda large: iter([Case([_bools(*_shape(large))])]),
    **dict.fromkeys(["Log", "Sqrt", "Reciprocal"], partial(_unary, low=0.1)),
    **dict.fromkeys(
        ["LeakyRelu", "Elu", "Celu", "ThresholdedRelu", "Swish"],
        lambda large: _unary(large, {}, {"alpha": 0.75}),
    ),
    "Selu": lambda large: _unary(large, {}, {"alpha": 1.5, "gamma": 2.0}),
    "HardSigmoid": lambda large: _unary(large, {}, {"alpha": 0.3, "beta": 0.4}),
    "Gelu": lambda large: _unary(large, {"approximate": "none"}, {"approximate": "tanh"}),
    "PRelu": _prelu,
    "Clip": _clip,
    **dict.fromkeys(["Add", "Sub", "Mul", "Div"], _binary),
    "Pow": _pow,
    "Mod": _mod,
    "Equal": _equal,
    **dict.fromkeys(["Greater", "GreaterOrEqual", "Less", "LessOrEqual"], _binary),
    **dict.fromkeys(["And", "Or", "Xor"], _logic),
    **dict.fromkeys(["Min", "Max"], partial(_variadic, integers=True)),
    **dict.fromkeys(["Mean", "Sum"], _variadic),
    "Where": _where,
    "Cast": _cast,
    **dict.fromkeys(["Softmax", "LogSoftmax", "Hardmax"], _softmax),
    **dict.fromkeys(
        ["ReduceSum", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
         "ReduceLogSumExp", "ReduceLogSum"],
        _reduce,
    ),
    **dict.fromkeys(["ReduceMax", "ReduceMin"], _reduce_any),
    "Shape": _shape_values,
    "Size": _size,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "EyeLike": _eye_like,
    "Trilu": _trilu,
    "Tile": _tile,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    **dict.fromkeys(["ArgMax", "ArgMin"], _arg),
    "TopK": _top_k,
    "CumSum": _cum_sum,
    "OneHot": _one_hot,
    "NonZero": _non_zero,
    **dict.fromkeys(["DepthToSpace", "SpaceToDepth"], _blocks),
    "ReverseSequence": _reverse_sequence,
    "CenterCropPad": _center_crop_pad,
    "Col2Im": _col2im,
    "Einsum": _einsum,
    "LpNormalization": _lp_normalization,
    "MeanVarianceNormalization": _mean_variance,
    "LayerNormalization": _layer_normalization,
    "RMSNormalization": _rms_normalization,
    "InstanceNormalization": _instance_normalization,
    "GroupNormalization": _group_normalization,
    "LRN": _lrn,
    "LocalContrastNormalization": _local_contrast,
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    **dict.fromkeys(["GlobalAveragePool", "GlobalMaxPool"], _global_pool),
    "LpPool": _lp_pool,
    "GlobalLpPool": _global_lp_pool,
    "MaxUnpool": _max_unpool,
    "DeformConv": _deform_conv,
    "CausalConvWithState": _causal_conv,
    "Resize": _resize,
    "NonMaxSuppression": _non_max_suppression,
    "RoiAlign": _roi_align,
    "MaxRoiPool": _max_roi_pool,
    "GridSample": _grid_sample,
    "AffineGrid": _affine_grid,
    "Attention": _attention,
    "Gemm": _gemm,
    "MatMul": _mat_mul,
    "Identity": _identity,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Gather": _gather,
    "Expand": _expand,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _dynamic_quantize,
    "MatMulInteger": _integer_matmul,
    "QLinearMatMul": _quantized_matmul,
    "ConvInteger": _integer_conv,
    "QLinearConv": _quantized_conv,
    "QLinearAdd": _quantized_sum,
    "QLinearMul": _quantized_sum,
    "QLinearAveragePool": partial(_quantized_pool, _average_pool),
    "QLinearGlobalAveragePool": partial(_quantized_pool, _global_pool),
    "QLinearConcat": _quantized_concat,
    "QLinearLookup": _quantized_lookup,
    **{kind: partial(_recurrent, kind) for kind in ("RNN", "LSTM", "GRU")},
    **{f"DynamicQuantize{kind}": partial(_dynamic_recurrent, kind) for kind in ("RNN", "LSTM", "GRU")},
}  # fmt: skip


def cases(op: str, large: bool = False) -> Iterator[Tuple[str, Case]]:
    """The samples of one operator: "Conv-0", "Conv-1" …."""
    for i, case in enumerate(SAMPLES[op](large)):
        yield f"{op}-{i}", case


def all_cases(large: bool = False) -> Iterator[Tuple[str, str, Case]]:
    """Name, operator and case of every sample."""
    for op in SAMPLES:
        for name, case in cases(op, large):
            yield name, op, case


def all_samples(large: bool = False) -> Iterator[Tuple[str, Writer]]:
    """Every sample as a model that opens and plans."""
    for name, op, case in all_cases(large):
        yield name, node_writer(op, *case)
