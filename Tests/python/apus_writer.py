"""An independent writer of .apus files, from docs/format.md: Python, struct and NumPy alone.

    writer = Writer()
    w = writer.weight(array)
    h = writer.state("h", initial=np.zeros((1, 8), np.float32))
    f = writer.function("main")
    x = f.input("x", "float32", (1, "T", 8))
    y, = f.node(opcode, [x, w, None], attributes=[(0, "int", 1)])
    f.output(y, "y", "float32", (1, None))
    f.update(h, next_h)
    data = writer.to_bytes()

A tensor is its index in the file. The fields that a test wants to spoil can be reached in
`Writer.sections()`, which gives each section's bytes before they are put together.
"""

from __future__ import annotations

import struct
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

MAGIC = b"\x89APUS\r\n\x1a"
HEADER_SIZE = 64
ENTRY_SIZE = 40
ALIGNMENT = 64
NONE = 0xFFFF_FFFF
NO_OFFSET = 0xFFFF_FFFF_FFFF_FFFF
UNSTATED_RANK = 255

SECTIONS = {
    "strings": 1, "integers": 2, "reals": 3, "indices": 4, "tensors": 5, "nodes": 6,
    "attributes": 7, "functions": 8, "states": 9, "quantization": 10, "weights": 11,
    "symbols": 12, "metadata": 13, "debug_names": 14,
}  # fmt: skip
OPTIONAL_SECTIONS = {"metadata", "debug_names"}

DTYPES = {
    "float32": 1, "float16": 2, "bfloat16": 3, "int8": 4, "uint8": 5, "int32": 6, "int64": 7,
    "bool": 8,
}  # fmt: skip
ACTIVATION, WEIGHT, STATE = 0, 1, 2
ATTRIBUTE_TYPES = {"int": 1, "float": 2, "string": 3, "ints": 4, "floats": 5, "function": 6}

Dimension = Union[int, str, None]

_MASK = (1 << 64) - 1
_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)  # fmt: skip


def _rotate(x: int, n: int) -> int:
    return ((x << n) | (x >> (64 - n))) & _MASK


def _round(a: int, word: int) -> int:
    return (_rotate((a + word * _P2) & _MASK, 31) * _P1) & _MASK


def xxh64(data: bytes) -> int:
    """XXH64 with seed 0, from the algorithm's published description."""
    n = len(data)
    body = n // 32 * 32
    if n >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        a, b, c, d = lanes
        p1, p2, mask = _P1, _P2, _MASK
        for w0, w1, w2, w3 in struct.iter_unpack("<4Q", memoryview(data)[:body]):
            a = (a + w0 * p2) & mask
            a = ((a << 31 | a >> 33) * p1) & mask
            b = (b + w1 * p2) & mask
            b = ((b << 31 | b >> 33) * p1) & mask
            c = (c + w2 * p2) & mask
            c = ((c << 31 | c >> 33) * p1) & mask
            d = (d + w3 * p2) & mask
            d = ((d << 31 | d >> 33) * p1) & mask
        h = (_rotate(a, 1) + _rotate(b, 7) + _rotate(c, 12) + _rotate(d, 18)) & _MASK
        for lane in (a, b, c, d):
            h = ((h ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        h = _P5
    h = (h + n) & _MASK
    i = body
    while i + 8 <= n:
        (word,) = struct.unpack_from("<Q", data, i)
        h = (_rotate(h ^ _round(0, word), 27) * _P1 + _P4) & _MASK
        i += 8
    if i + 4 <= n:
        (word,) = struct.unpack_from("<I", data, i)
        h = (_rotate(h ^ (word * _P1) & _MASK, 23) * _P2 + _P3) & _MASK
        i += 4
    while i < n:
        h = (_rotate(h ^ (data[i] * _P5) & _MASK, 11) * _P1) & _MASK
        i += 1
    h = ((h ^ (h >> 33)) * _P2) & _MASK
    h = ((h ^ (h >> 29)) * _P3) & _MASK
    return h ^ (h >> 32)


def align(n: int, to: int = ALIGNMENT) -> int:
    return (n + to - 1) // to * to


class Tensor:
    """What the tensor record will say."""

    def __init__(self, kind: int, dtype: str, shape: Optional[Sequence[Dimension]], name: str = ""):
        self.kind = kind
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.name = name
        self.debug_name = ""
        self.offset = NO_OFFSET
        self.byte_count = 0
        self.quantization = NONE


class Function:
    """A function under construction; its nodes run in the order in which they are added."""

    def __init__(self, writer: "Writer", name: str):
        self.writer = writer
        self.name = name
        self.inputs: List[int] = []
        self.outputs: List[int] = []
        self.nodes: List[Tuple[int, List[int], List[int], list, str]] = []
        self.updates: List[Tuple[int, int]] = []

    def input(
        self,
        name: str,
        dtype: str,
        shape: Sequence[Dimension],
        scales: Optional[Sequence[float]] = None,
        zero_points: Optional[Sequence[int]] = None,
        axis: int = -1,
    ) -> int:
        """An input. A dimension is a number, None (free) or a string (free, with that name); `scales`
        say what its integers stand for."""
        record = Tensor(ACTIVATION, dtype, shape, name)
        if scales is not None:
            record.quantization = self.writer.quantization(scales, zero_points, axis)
        t = self.writer.tensor(record)
        self.inputs.append(t)
        return t

    def node(
        self,
        opcode: int,
        inputs: Sequence[Optional[int]],
        outputs: int = 1,
        attributes: Sequence[Tuple[int, str, Any]] = (),
        dtypes: Optional[Sequence[str]] = None,
        wanted: Optional[Sequence[bool]] = None,
        name: str = "",
    ) -> List[Optional[int]]:
        """A node; returns its outputs, whose shapes are not stated. `attributes` holds triples
        (key, type, value); `wanted[i]` false leaves output i out."""
        made: List[Optional[int]] = []
        for i in range(outputs):
            if wanted is not None and not wanted[i]:
                made.append(None)
            else:
                dtype = dtypes[i] if dtypes else "float32"
                made.append(self.writer.tensor(Tensor(ACTIVATION, dtype, None)))
        self.nodes.append((
            opcode,
            [NONE if t is None else t for t in inputs],
            [NONE if t is None else t for t in made],
            list(attributes),
            name,
        ))  # fmt: skip
        return made

    def output(
        self,
        tensor: int,
        name: Optional[str] = None,
        dtype: Optional[str] = None,
        shape: Optional[Sequence[Dimension]] = None,
    ) -> int:
        """Makes a tensor an output of the function and states its name, type and shape."""
        record = self.writer.tensors[tensor]
        if name is not None:
            record.name = name
        if dtype is not None:
            record.dtype = dtype
        if shape is not None:
            record.shape = tuple(shape)
        self.outputs.append(tensor)
        return tensor

    def update(self, state: int, next_value: int) -> None:
        """After a run of this function, `state` takes the value of `next_value`."""
        self.updates.append((state, next_value))


class Writer:
    """A model under construction."""

    def __init__(self) -> None:
        self.tensors: List[Tensor] = []
        self.functions: List[Function] = []
        self.metadata: List[Tuple[str, str]] = []
        self.weights = bytearray()
        self.quantizations: List[Tuple[int, int, int, int]] = []
        self.extra_sections: List[Tuple[int, int, bytes]] = []  # number, flags, bytes
        self.version = (1, 0)
        self._symbols: List[str] = []

    # ---- Tensors

    def tensor(self, record: Tensor) -> int:
        self.tensors.append(record)
        return len(self.tensors) - 1

    def weight(
        self,
        array: np.ndarray,
        name: str = "",
        dtype: Optional[str] = None,
        scales: Optional[Sequence[float]] = None,
        zero_points: Optional[Sequence[int]] = None,
        axis: int = -1,
    ) -> int:
        """A constant. bfloat16 is passed as uint16 with dtype="bfloat16"; `scales` (with one
        element, or as many as `axis` has) makes it quantised."""
        array = np.asarray(array)
        record = Tensor(WEIGHT, dtype or array.dtype.name, array.shape, name)
        record.offset, record.byte_count = self.blob(_little_endian(array))
        if scales is not None:
            record.quantization = self.quantization(scales, zero_points, axis)
        return self.tensor(record)

    def state(
        self,
        name: str,
        shape: Optional[Sequence[int]] = None,
        initial: Optional[np.ndarray] = None,
        dtype: str = "float32",
    ) -> int:
        """A tensor that is kept from run to run; starts as `initial` or as zeros."""
        if initial is not None:
            initial = np.asarray(initial)
            record = Tensor(STATE, initial.dtype.name, initial.shape, name)
            record.offset, record.byte_count = self.blob(_little_endian(initial))
        else:
            assert shape is not None
            record = Tensor(STATE, dtype, shape, name)
            count = int(np.prod(shape, dtype=np.int64)) if shape else 1
            record.byte_count = count * _item_size(dtype)
        return self.tensor(record)

    def blob(self, data: bytes) -> Tuple[int, int]:
        """Puts bytes into the weights section, aligned; returns offset and length."""
        self.weights.extend(bytes(align(len(self.weights)) - len(self.weights)))
        offset = len(self.weights)
        self.weights.extend(data)
        return offset, len(data)

    def quantization(
        self, scales: Sequence[float], zero_points: Optional[Sequence[int]], axis: int
    ) -> int:
        scale_offset, _ = self.blob(np.asarray(scales, "<f4").tobytes())
        zero_offset = NO_OFFSET
        if zero_points is not None:
            zero_offset, _ = self.blob(np.asarray(zero_points, "<i4").tobytes())
        self.quantizations.append((axis, len(scales), scale_offset, zero_offset))
        return len(self.quantizations) - 1

    def function(self, name: str = "main") -> Function:
        self.functions.append(Function(self, name))
        return self.functions[-1]

    # ---- Bytes

    def sections(self) -> Dict[str, bytes]:
        """The bytes of every section that is not empty, by name."""
        pools = _Pools()
        nodes, attributes, functions, states = (bytearray() for _ in range(4))
        node_count = attribute_count = 0
        debug_nodes: List[str] = []
        for index, f in enumerate(self.functions):
            first_node = node_count
            for opcode, inputs, outputs, node_attributes, name in f.nodes:
                nodes += struct.pack(
                    "<4H3I12x", opcode, len(inputs), len(outputs), len(node_attributes),
                    pools.index_list(inputs), pools.index_list(outputs), attribute_count,
                )  # fmt: skip
                for key, kind, value in node_attributes:
                    count, payload = pools.attribute(kind, value)
                    attributes += struct.pack(
                        "<HBxIQ", key, ATTRIBUTE_TYPES[kind], count, payload
                    )
                attribute_count += len(node_attributes)
                node_count += 1
                debug_nodes.append(name)
            functions += struct.pack(
                "<8I8x", *pools.string(f.name), first_node, len(f.nodes),
                pools.index_list(f.inputs), len(f.inputs), pools.index_list(f.outputs),
                len(f.outputs),
            )  # fmt: skip
            for state, next_value in f.updates:
                states += struct.pack("<3I4x", state, next_value, index)
        tensors = bytearray()
        for t in self.tensors:
            rank, first = UNSTATED_RANK, 0
            if t.shape is not None:
                rank = len(t.shape)
                first = pools.integer_list([self._dimension(d) for d in t.shape])
            tensors += struct.pack(
                "<3BxIQQ3I12x", DTYPES[t.dtype], rank, t.kind, first, t.offset, t.byte_count,
                t.quantization, *pools.string(t.name),
            )  # fmt: skip
        quantization = b"".join(struct.pack("<iIQQ8x", *q) for q in self.quantizations)
        symbols = b"".join(struct.pack("<2I", *pools.string(s)) for s in self._symbols)
        metadata = b"".join(
            struct.pack("<4I", *pools.string(k), *pools.string(v)) for k, v in self.metadata
        )
        debug_tensors = [t.debug_name for t in self.tensors]
        debug = b""
        if any(debug_nodes) or any(debug_tensors):
            debug = _debug_names(debug_tensors, debug_nodes)
        all_sections = {
            "strings": bytes(pools.strings), "integers": bytes(pools.integers),
            "reals": bytes(pools.reals), "indices": bytes(pools.indices),
            "tensors": bytes(tensors), "nodes": bytes(nodes), "attributes": bytes(attributes),
            "functions": bytes(functions), "states": bytes(states), "quantization": quantization,
            "weights": bytes(self.weights), "symbols": symbols, "metadata": metadata,
            "debug_names": debug,
        }  # fmt: skip
        return {name: data for name, data in all_sections.items() if data}

    def to_bytes(self) -> bytes:
        numbered = [
            (SECTIONS[name], 0 if name in OPTIONAL_SECTIONS else 1, data)
            for name, data in self.sections().items()
        ]
        return assemble(numbered + self.extra_sections, self.version)

    def _dimension(self, d: Dimension) -> int:
        if d is None:
            return -1
        if isinstance(d, str):
            if d not in self._symbols:
                self._symbols.append(d)
            return -2 - self._symbols.index(d)
        return int(d)


class _Pools:
    """The sections that records point into. Equal runs are stored once."""

    def __init__(self) -> None:
        self.strings = bytearray()
        self.integers = bytearray()
        self.reals = bytearray()
        self.indices = bytearray()

    @staticmethod
    def _intern(pool: bytearray, data: bytes, size: int) -> int:
        at = pool.find(data)
        while at >= 0 and at % size:
            at = pool.find(data, at + 1)
        if at < 0:
            at = len(pool)
            pool += data
        return at // size

    def string(self, text: str) -> Tuple[int, int]:
        data = text.encode("utf-8")
        return (self._intern(self.strings, data, 1) if data else 0), len(data)

    def integer_list(self, values: Sequence[int]) -> int:
        return self._intern(self.integers, struct.pack(f"<{len(values)}q", *values), 8)

    def real_list(self, values: Sequence[float]) -> int:
        return self._intern(self.reals, struct.pack(f"<{len(values)}f", *values), 4)

    def index_list(self, values: Sequence[int]) -> int:
        return self._intern(self.indices, struct.pack(f"<{len(values)}I", *values), 4)

    def attribute(self, kind: str, value: Any) -> Tuple[int, int]:
        """Returns (count, payload)."""
        if kind == "int":
            return 1, int(value) & _MASK
        if kind == "float":
            return 1, struct.unpack("<I", struct.pack("<f", value))[0]
        if kind == "string":
            offset, length = self.string(value)
            return length, offset
        if kind == "ints":
            return len(value), self.integer_list([int(v) for v in value])
        if kind == "floats":
            return len(value), self.real_list([float(v) for v in value])
        if kind == "function":
            return 1, int(value)
        raise ValueError(f"attribute type {kind}")


def assemble(sections: Sequence[Tuple[int, int, bytes]], version: Tuple[int, int] = (1, 0)) -> bytes:
    """Header, section table and sections, given as (number, flags, bytes)."""
    offset = align(HEADER_SIZE + ENTRY_SIZE * len(sections))
    table, body = bytearray(), bytearray()
    start = offset
    for number, flags, data in sections:
        table += struct.pack("<IIQQQ8x", number, flags, offset, len(data), xxh64(data))
        body += data
        body += bytes(align(len(body)) - len(body))
        offset = start + len(body)
    padding = bytes(start - HEADER_SIZE - len(table))
    size = start + len(body)
    header = struct.pack(
        "<8sHHIQQ24x", MAGIC, *version, len(sections), size, xxh64(bytes(table))
    )
    header += struct.pack("<Q", xxh64(header))
    return bytes(header) + bytes(table) + padding + bytes(body)


def _item_size(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _little_endian(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _debug_names(tensors: List[str], nodes: List[str]) -> bytes:
    encoded = [name.encode("utf-8") for name in tensors + nodes]
    starts = np.concatenate([[0], np.cumsum([len(e) for e in encoded])]).astype("<u4")
    counts = struct.pack("<2I", len(tensors), len(nodes))
    return counts + starts.tobytes() + b"".join(encoded)
