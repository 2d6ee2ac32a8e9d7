"""Element types, and how what the caller passes becomes memory that the library may read."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np
import numpy.typing as npt

from ._errors import ApusError, Status
from ._library import CTensorInfo

# apus_dtype. bfloat16 (3) is for weights only and never crosses this boundary.
DTYPES: "Dict[int, np.dtype[Any]]" = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float16),
    4: np.dtype(np.int8),
    5: np.dtype(np.uint8),
    6: np.dtype(np.int32),
    7: np.dtype(np.int64),
    8: np.dtype(np.bool_),
}


class _Fields(NamedTuple):
    name: str
    dtype: "np.dtype[Any]"
    shape: Tuple[int, ...]


class TensorInfo(_Fields):
    """An input or output as a model declares it: a tuple of name, dtype and shape.

    `shape` is outermost first; -1 stands for a free dimension, bound when a session is created.

    `scale` and `zero_point` are attributes beside the tuple: int8 and uint8 may stand for real
    numbers, real = scale * (q - zero_point). `scale` is None where integers are meant as they are.
    """

    scale: Optional[float] = None
    zero_point: int = 0

    def __new__(
        cls,
        name: str,
        dtype: "np.dtype[Any]",
        shape: Tuple[int, ...],
        scale: Optional[float] = None,
        zero_point: int = 0,
    ) -> TensorInfo:
        info = super().__new__(cls, name, dtype, shape)
        info.scale = scale
        info.zero_point = zero_point
        return info


def tensor_info(raw: CTensorInfo) -> TensorInfo:
    if raw.dtype not in DTYPES:
        raise ApusError(
            Status.INVALID_TYPE, f"element type {raw.dtype} cannot be passed to or from NumPy"
        )
    name = raw.name.decode("utf-8") if raw.name else ""
    return TensorInfo(
        name,
        DTYPES[raw.dtype],
        tuple(raw.dims[: raw.rank]),
        raw.scale or None,
        raw.zero_point,
    )


def describe(shape: Tuple[int, ...]) -> str:
    return "[" + ", ".join("?" if d < 0 else str(d) for d in shape) + "]"


def as_input(value: npt.ArrayLike, wanted: TensorInfo) -> "np.ndarray[Any, Any]":
    """`value` as an array of the wanted type and shape: the caller's own array where it is one
    already, otherwise converted, within the kind of number only (float64 to float32, integers to
    integers that hold their values, anything to a wider kind).

    Raises ApusError with what was wanted and what was found.
    """
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    if array.shape != wanted.shape:
        raise ApusError(
            Status.INVALID_SHAPE,
            f"input {wanted.name}: {wanted.dtype} {describe(wanted.shape)} is wanted, "
            f"{array.dtype} {describe(array.shape)} was given",
        )
    if array.dtype == wanted.dtype:
        # The same type in the other byte order compares unequal, so this is native.
        return array
    if not _is_safe(array, wanted.dtype):
        hint = "convert it first (astype) if that is what you mean"
        if wanted.scale is not None:
            # Mere astype would be the wrong numbers.
            hint = f"x is given as round(x / {wanted.scale:g}) + {wanted.zero_point}, clipped"
        raise ApusError(
            Status.INVALID_TYPE,
            f"input {wanted.name}: {wanted.dtype} {describe(wanted.shape)} is wanted, "
            f"{array.dtype} was given; {hint}",
        )
    return array.astype(wanted.dtype)


def _is_safe(array: "np.ndarray[Any, Any]", wanted: "np.dtype[Any]") -> bool:
    if array.dtype.kind in "iu" and wanted.kind in "iu":
        limits = np.iinfo(wanted)
        return array.size == 0 or bool(
            int(array.min()) >= limits.min and int(array.max()) <= limits.max
        )
    return bool(np.can_cast(array.dtype, wanted, "same_kind"))
