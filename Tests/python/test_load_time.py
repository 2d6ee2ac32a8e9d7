"""A file of many megabytes is opened or refused within moments, whatever its records say: lists that are
shared, names that overlap, counts that invite a comparison of all pairs."""

import struct
import time

import numpy as np
import pytest
from apus_writer import NO_OFFSET, NONE, SECTIONS, assemble
from harness import apus

SECONDS = 2.0


def numbered(sections):
    return [(SECTIONS[name], 1, body) for name, body in sections.items()]


def tensors(count, *, kind=0, rank=0, dtype=1, name=lambda i: (0, 1), offset=NO_OFFSET, size=0):
    return b"".join(
        struct.pack("<3BxIQQ3I12x", dtype, rank, kind, 0, offset, size, NONE, *name(i))
        for i in range(count)
    )


def indices(*parts):
    return np.concatenate([np.atleast_1d(p) for p in parts]).astype("<u4").tobytes()


def function(nodes=(0, 0), inputs=(0, 0), outputs=(0, 0), name=(0, 4)):
    return struct.pack("<8I8x", *name, *nodes, *inputs, *outputs)


def distinct_names(count):
    """A text whose pieces of three characters from i on all differ, for i below `count`."""
    text = bytearray()
    for i in range(count):
        text += b"%c%c%c" % (48 + i % 64, 48 + i // 64 % 64, 48 + i // 4096 % 64)
    return bytes(text), lambda i: (3 * i, 3)


def many_functions(count, same=False):
    text, name = distinct_names(count)
    records = b"".join(function(name=name(0 if same else i)) for i in range(len(text) // 3))
    return {"strings": text, "functions": records}


def many_inputs(count):
    text, name = distinct_names(count)
    return {
        "strings": text, "tensors": tensors(count, name=name), "indices": indices(range(count)),
        "functions": function(inputs=(0, count), name=(0, 3)),
    }  # fmt: skip


def long_overlapping_names(count):
    """Names of one length that begin alike: b stands at another place in each."""
    half = 4 << 20
    return {
        "strings": b"a" * half + b"b" + b"a" * half,
        "tensors": tensors(count, name=lambda i: (i, half)), "indices": indices(range(count)),
        "functions": function(inputs=(0, count)),
    }  # fmt: skip


def many_states(count):
    """Every function's pairs of updates once were compared with one another."""
    return {
        "strings": b"main", "indices": indices(0),
        "tensors": tensors(1, name=lambda i: (0, 4)) + tensors(count, kind=2, size=4),
        "functions": function(inputs=(0, 1)),
        "states": b"".join(struct.pack("<3I4x", 1 + i, 0, 0) for i in range(count)),
    }  # fmt: skip


def shared_node_inputs(count):
    """Nodes that share one list of 65,535 inputs."""
    width = 65_535
    node = b"".join(
        struct.pack("<4H3I12x", 73, width, 1, 0, 0, width + 1 + i, 0) for i in range(count)
    )
    return {
        "strings": b"main", "indices": indices([0] * width, range(count + 1)), "nodes": node,
        "tensors": tensors(count + 1), "functions": function(nodes=(0, count), inputs=(0, 1)),
    }  # fmt: skip


def shared_attributes(count):
    """Nodes that share one list of 65,535 attributes."""
    width = 65_535
    node = b"".join(struct.pack("<4H3I12x", 30, 1, 1, width, 0, i + 1, 0) for i in range(count))
    return {
        "strings": b"main", "indices": indices(range(count + 1)), "nodes": node,
        "attributes": struct.pack("<HBxIQ", 0, 2, 1, 0) * width, "tensors": tensors(count + 1),
        "functions": function(nodes=(0, count), inputs=(0, 1)),
    }  # fmt: skip


def shared_outputs(count):
    """Functions that all put out the same weights."""
    return {
        "strings": (text := distinct_names(count))[0], "indices": indices(range(count)),
        "tensors": tensors(count, kind=1, offset=0, size=4, name=text[1]), "weights": bytes(64),
        "functions": b"".join(function(outputs=(0, count), name=text[1](i)) for i in range(count)),
    }  # fmt: skip


def overlapping_weights(count):
    """float16 weights that all lie on the same bytes, to be expanded."""
    return {
        "strings": b"main", "integers": struct.pack("<q", 8 << 20), "weights": bytes(16 << 20),
        "tensors": tensors(count, kind=1, rank=1, dtype=2, offset=0, size=16 << 20),
        "functions": function(),
    }  # fmt: skip


@pytest.mark.parametrize(
    "make,count,refusal",
    [
        (many_functions, 1 << 17, None),
        (lambda n: many_functions(n, same=True), 1 << 17, "names two of them"),
        (many_inputs, 1 << 17, None),
        (long_overlapping_names, 1 << 17, "bytes of names"),
        (many_states, 1 << 17, None),
        (shared_node_inputs, 1 << 17, "inputs up to here"),
        (shared_attributes, 1 << 17, "65535 attributes; it takes 1"),
        (shared_outputs, 1 << 17, "inputs and outputs up to here"),
        (overlapping_weights, 1 << 17, "the weights overlap"),
    ],
)
def test_opens_or_refuses_at_once(make, count, refusal):
    data = assemble(numbered(make(count)))
    start = time.monotonic()
    message = None
    try:
        apus.Model.from_bytes(data).close()
    except apus.ApusError as error:
        message = error.message
    seconds = time.monotonic() - start
    assert message is None if refusal is None else refusal in (message or ""), message
    assert seconds < SECONDS
