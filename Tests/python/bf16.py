"""bfloat16 in NumPy, and whether sessions can have it here."""

import numpy as np
import pytest
from harness import BEST_ISA, node_model

# A sum of n products, each exact in float32, has a relative error of at most this in each addition.
UNIT = 2.0**-24


def rounded(x):
    """float32 to the nearest bf16, halves to even, denormal numbers to zero; as float64."""
    x = np.asarray(x, np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    y = bits.astype(np.uint32).view(np.float32).astype(np.float64)
    y = np.where(np.abs(x) < np.finfo(np.float32).tiny, 0, y)
    return np.where(np.isnan(x), np.nan, y)


def has_bf16():
    with node_model("Relu", [np.ones(1, np.float32)]) as model:
        return model.isa == BEST_ISA and "bf16" in model.precisions


needs_bf16 = pytest.mark.skipif(not has_bf16(), reason="no AVX-512-BF16 here")
