"""An independent reader of .apus files, written from docs/format.md: Python, struct and NumPy.

    model = read(data)
    model.functions["main"].nodes[0].opcode
    model.tensors[3].array            # a weight, as float32 where it is stored as less

Raises FormatError on what the page says a reader refuses, up to point 5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from apus_writer import xxh64

RECORD = {
    1: 1, 2: 8, 3: 4, 4: 4, 5: 48, 6: 32, 7: 16, 8: 40, 9: 16, 10: 32, 11: 1, 12: 8, 13: 16, 14: 1,
    15: 32, 16: 1,
}  # fmt: skip
TYPES = {
    1: "<f4", 2: "<f2", 3: "<u2", 4: "<i1", 5: "<u1", 6: "<i4", 7: "<i8", 8: "?",
}  # fmt: skip
TYPE_NAMES = {
    1: "float32", 2: "float16", 3: "bfloat16", 4: "int8", 5: "uint8", 6: "int32", 7: "int64",
    8: "bool",
}  # fmt: skip
KINDS = ["activation", "weight", "state"]
ATTRIBUTE_TYPES = {1: "int", 2: "float", 3: "string", 4: "ints", 5: "floats", 6: "function"}
NONE = 0xFFFFFFFF
NO_OFFSET = 0xFFFFFFFFFFFFFFFF


class FormatError(Exception):
    pass


@dataclass
class Tensor:
    dtype: str
    kind: str
    #: None: not stated. A free dimension is None, or its name.
    shape: Optional[Tuple[Any, ...]]
    name: str
    debug_name: str = ""
    #: The stored value of a weight or the initial value of a state; None for an activation.
    stored: Optional[np.ndarray] = None
    axis: int = -1
    scales: Optional[np.ndarray] = None
    zero_points: Optional[np.ndarray] = None

    @property
    def array(self) -> Optional[np.ndarray]:
        """The value that operators see."""
        if self.stored is None:
            return None
        if self.dtype == "bfloat16":
            return (self.stored.astype("<u4") << 16).view("<f4")
        if self.dtype == "float16":
            return self.stored.astype(np.float32)
        if self.scales is None:
            return self.stored
        along = [1] * self.stored.ndim
        if self.axis >= 0:
            along[self.axis] = -1
        scales, zeros = self.scales.reshape(along), self.zero_points.reshape(along)
        return ((self.stored.astype(np.int64) - zeros) * scales.astype(np.float64)).astype("f4")


@dataclass
class Node:
    opcode: int
    inputs: List[Optional[int]]
    outputs: List[Optional[int]]
    attributes: Dict[int, Any]
    debug_name: str = ""


@dataclass
class Function:
    name: str
    inputs: List[int]
    outputs: List[int]
    nodes: List[Node]
    #: state -> next value
    updates: Dict[int, int] = field(default_factory=dict)


@dataclass
class Model:
    version: Tuple[int, int]
    tensors: List[Tensor]
    functions: Dict[str, Function]
    metadata: Dict[str, str]
    #: Bytes of each section, by number.
    section_sizes: Dict[int, int]


def require(condition: Any, message: str) -> None:
    if not condition:
        raise FormatError(message)


class _Sections:
    """Header and section table, checked; then typed access to the sections."""

    def __init__(self, data: bytes):
        require(data[:8] == b"\x89APUS\r\n\x1a", "signature")
        require(len(data) >= 64, "shorter than its header")
        major, minor, count, size, table_sum = struct.unpack_from("<HHIQQ", data, 8)
        self.version = (major, minor)
        require(major == 1, f"major version {major}")
        require(xxh64(data[:56]) == struct.unpack_from("<Q", data, 56)[0], "header checksum")
        require(size == len(data), f"file size {size}, {len(data)} bytes are there")
        require(count <= 1024 and 64 + 40 * count <= size, "section table beyond the file")
        require(xxh64(data[64 : 64 + 40 * count]) == table_sum, "section table checksum")
        self.bytes: Dict[int, bytes] = {}
        for k in range(count):
            number, flags, offset, length, checksum = struct.unpack_from("<IIQQQ", data, 64 + 40 * k)
            where = f"section {number}"
            require(offset % 64 == 0 and offset >= 64 + 40 * count, f"{where}: offset {offset}")
            require(offset + length <= size, f"{where}: beyond the file")
            if number not in RECORD:
                require(not flags & 1, f"{where}: required and unknown")
                continue
            require(number not in self.bytes, f"{where}: twice")
            require(length % RECORD[number] == 0, f"{where}: no whole number of records")
            body = data[offset : offset + length]
            require(xxh64(body) == checksum, f"{where}: checksum")
            self.bytes[number] = body

    def count(self, number: int) -> int:
        return len(self.bytes.get(number, b"")) // RECORD[number]

    def run(self, number: int, first: int, count: int, what: str) -> bytes:
        """Records `first` to `first + count` of a section."""
        require(first + count <= self.count(number), f"{what}: outside section {number}")
        size = RECORD[number]
        return self.bytes.get(number, b"")[first * size : (first + count) * size]

    def records(self, number: int, form: str) -> List[tuple]:
        return list(struct.iter_unpack(form, self.bytes.get(number, b"")))

    def text(self, offset: int, length: int, what: str) -> str:
        raw = self.run(1, offset, length, what)
        require(b"\0" not in raw, f"{what}: NUL in a name")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"{what}: not UTF-8") from None

    def integers(self, first: int, count: int, what: str) -> List[int]:
        return list(struct.unpack(f"<{count}q", self.run(2, first, count, what)))

    def reals(self, first: int, count: int, what: str) -> List[float]:
        return list(struct.unpack(f"<{count}f", self.run(3, first, count, what)))

    def indices(self, first: int, count: int, what: str) -> List[Optional[int]]:
        values = struct.unpack(f"<{count}I", self.run(4, first, count, what))
        return [None if v == NONE else v for v in values]

    def weights(self, offset: int, dtype: str, count: int, alignment: int, what: str) -> np.ndarray:
        require(offset % alignment == 0, f"{what}: misaligned")
        raw = self.run(11, offset, count * np.dtype(dtype).itemsize, what)
        return np.frombuffer(raw, dtype)


def read(data: bytes) -> Model:
    s = _Sections(data)
    last = 0
    for i, (node, _, _, _, offset, count) in enumerate(s.records(15, "<IIBxH4xQQ")):
        require(offset % 64 == 0, f"packing {i}: misaligned")
        require(offset + count <= s.count(16), f"packing {i}: outside section 16")
        require(node >= last, f"packing {i}: out of order")
        last = node
    symbols = [s.text(*r, f"symbol {i}") for i, r in enumerate(s.records(12, "<II"))]
    quantizations = s.records(10, "<iIQQ8x")
    tensors = [
        _tensor(s, i, r, symbols, quantizations)
        for i, r in enumerate(s.records(5, "<BBBxIQQIII12x"))
    ]
    attributes = [_attribute(s, i, r) for i, r in enumerate(s.records(7, "<HBxIQ"))]
    nodes = []
    for i, (opcode, n_in, n_out, n_attr, first_in, first_out, first_attr) in enumerate(
        s.records(6, "<HHHHIII12x")
    ):
        require(first_attr + n_attr <= len(attributes), f"node {i}: attributes")
        nodes.append(
            Node(
                opcode,
                s.indices(first_in, n_in, f"node {i}"),
                s.indices(first_out, n_out, f"node {i}"),
                dict(attributes[first_attr : first_attr + n_attr]),
            )
        )
    _debug_names(s.bytes.get(14, b""), tensors, nodes)
    functions = _functions(s, tensors, nodes)
    metadata = {
        s.text(k, kn, "metadata"): s.text(v, vn, "metadata")
        for k, kn, v, vn in s.records(13, "<IIII")
    }
    return Model(s.version, tensors, functions, metadata, {k: len(b) for k, b in s.bytes.items()})


def _tensor(s: _Sections, i: int, record: tuple, symbols: list, quantizations: list) -> Tensor:
    dtype, rank, kind, dimensions, offset, size, quantization, name, name_length = record
    what = f"tensor {i}"
    require(dtype in TYPES, f"{what}: type {dtype}")
    require(kind < 3, f"{what}: kind {kind}")
    t = Tensor(TYPE_NAMES[dtype], KINDS[kind], None, s.text(name, name_length, what))
    if rank == 255 and kind == 0:
        require(offset == NO_OFFSET and size == 0, f"{what}: an activation with bytes")
        require(quantization == NONE, f"{what}: quantization of a shape not stated")
        return t
    require(rank <= 8, f"{what}: rank {rank}")
    raw = s.integers(dimensions, rank, what)
    for d in raw:
        require(-1 - len(symbols) <= d <= 1 << 48, f"{what}: dimension {d}")
    t.shape = tuple(d if d >= 0 else None if d == -1 else symbols[-2 - d] for d in raw)
    fixed = all(d >= 0 for d in raw)
    count = 1
    for d in raw:
        count *= max(d, 1)
    require(not fixed or count <= 1 << 48, f"{what}: too large")
    if kind == 0:
        require(offset == NO_OFFSET and size == 0, f"{what}: an activation with bytes")
    else:
        require(fixed, f"{what}: a free dimension")
        count = 0 if 0 in raw else count
        require(size == count * np.dtype(TYPES[dtype]).itemsize, f"{what}: byte count {size}")
        if kind == 2 and offset == NO_OFFSET:
            t.stored = np.zeros(raw, TYPES[dtype])
        else:
            t.stored = s.weights(offset, TYPES[dtype], count, 64, what).reshape(raw)
        require(kind != 2 or t.name, f"{what}: a state without a name")
    if quantization != NONE:
        require(quantization < len(quantizations), f"{what}: quantization {quantization}")
        axis, n, scales, zeros = quantizations[quantization]
        require(dtype in (4, 5, 6), f"{what}: quantized {t.dtype}")
        require(-1 <= axis < rank and n == (raw[axis] if axis >= 0 else 1), f"{what}: scales")
        t.axis, t.scales = axis, s.weights(scales, "<f4", n, 4, what)
        t.zero_points = (
            np.zeros(n, "<i4") if zeros == NO_OFFSET else s.weights(zeros, "<i4", n, 4, what)
        )
    return t


def _attribute(s: _Sections, i: int, record: tuple) -> Tuple[int, Any]:
    key, kind, count, payload = record
    what = f"attribute {i}"
    require(kind in ATTRIBUTE_TYPES, f"{what}: type {kind}")
    if kind in (1, 2, 6):
        require(count == 1, f"{what}: count {count}")
    if kind == 1:
        return key, payload - (1 << 64) if payload >> 63 else payload
    require(payload <= 0xFFFFFFFF, f"{what}: payload {payload}")
    if kind == 2:
        return key, struct.unpack("<f", struct.pack("<I", payload))[0]
    if kind == 3:
        return key, s.text(payload, count, what)
    if kind == 4:
        return key, s.integers(payload, count, what)
    if kind == 5:
        return key, s.reals(payload, count, what)
    require(payload < s.count(8), f"{what}: function {payload}")
    return key, payload


def _functions(s: _Sections, tensors: List[Tensor], nodes: List[Node]) -> Dict[str, Function]:
    functions: Dict[str, Function] = {}
    owner: Dict[int, str] = {}
    covered = 0

    def define(t: Optional[int], function: str, what: str) -> None:
        require(t is not None and t < len(tensors), f"{what}: no such tensor")
        require(tensors[t].kind == "activation" and t not in owner, f"{what}: written twice")
        owner[t] = function

    def readable(t: Optional[int], function: str, what: str) -> None:
        require(t is not None and t < len(tensors), f"{what}: no such tensor")
        require(
            tensors[t].kind != "activation" or owner.get(t) == function, f"{what}: read too early"
        )

    def boundary(list_of: List[int], what: str) -> None:
        names = [tensors[t].name for t in list_of]
        require(all(names) and len(set(names)) == len(names), f"{what}: names")
        require(all(tensors[t].shape is not None for t in list_of), f"{what}: shape not stated")

    updates = s.records(9, "<III4x")
    for i, (offset, length, first, count, ins, n_in, outs, n_out) in enumerate(
        s.records(8, "<8I8x")
    ):
        name = s.text(offset, length, f"function {i}")
        require(name and name not in functions, f"function {i}: name {name!r}")
        require(first == covered and first + count <= len(nodes), f"{name}: nodes")
        covered += count
        f = Function(name, s.indices(ins, n_in, name), s.indices(outs, n_out, name), nodes[first:covered])
        for t in f.inputs:
            define(t, name, f"{name}: input")
        boundary(f.inputs, f"{name}: inputs")
        for node in f.nodes:
            for t in node.inputs:
                if t is not None:
                    readable(t, name, f"{name}: node")
            for t in node.outputs:
                if t is not None:
                    define(t, name, f"{name}: node")
        for t in f.outputs:
            readable(t, name, f"{name}: output")
        boundary(f.outputs, f"{name}: outputs")
        for state, next_value, function in updates:
            require(function < s.count(8), "state: function")
            if function == i:
                require(state < len(tensors) and tensors[state].kind == "state", "no state")
                readable(next_value, name, f"{name}: state")
                require(tensors[next_value].kind == "activation", "next is no activation")
                require(tensors[next_value].dtype == tensors[state].dtype, "next's type")
                require(state not in f.updates, f"{name}: state {state} twice")
                f.updates[state] = next_value
        functions[name] = f
    require(functions, "no function")
    require(covered == len(nodes), "nodes outside functions")
    return functions


def _debug_names(raw: bytes, tensors: List[Tensor], nodes: List[Node]) -> None:
    if len(raw) < 8:
        return
    n_tensors, n_nodes = struct.unpack_from("<II", raw)
    total = n_tensors + n_nodes
    text = 8 + 4 * (total + 1)
    if text > len(raw):
        return
    starts = struct.unpack_from(f"<{total + 1}I", raw, 8)
    for i in range(total):
        name = raw[text + starts[i] : text + starts[i + 1]].decode("utf-8", "replace")
        if i < n_tensors and i < len(tensors):
            tensors[i].debug_name = name
        elif n_tensors <= i < n_tensors + len(nodes):
            nodes[i - n_tensors].debug_name = name
