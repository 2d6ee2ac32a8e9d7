"""The file format: docs/format.md, the independent writer and reader, and the library must agree."""

import re
import resource
import struct

import apus_reader
import apus_writer
import harness
import locate
import numpy as np
import pytest
from apus_reader import FormatError, read
from harness import Writer, add_node, apus, open_model

Status = apus.Status
PAGE = (locate.REPOSITORY / "docs" / "format.md").read_text()


def rich_model() -> Writer:
    """Every kind of record: two functions, states, every weight type, symbols, metadata, names."""
    rng = np.random.default_rng(5)
    writer = Writer()
    writer.metadata = [("name", "rich"), ("producer", "Größe ≥ 1"), ("empty", "")]
    h = writer.state("h", shape=(2, 3))
    c = writer.state("c", initial=rng.standard_normal((2, 3)).astype(np.float32))
    main = writer.function("main")
    x = main.input("x", "float32", ("batch", 3))
    z = main.input("z", "float32", (2, None))
    (rx,) = add_node(main, "Relu", [x], name="rectify x")
    (joined,) = add_node(main, "Concat", [rx, x], {"axis": -1}, name="join")
    (t,) = add_node(main, "Transpose", [joined], {"perm": [1, 0]})
    (rh,) = add_node(main, "Relu", [h])
    (rc,) = add_node(main, "Relu", [c])
    main.output(t, "t", "float32", (6, "batch"))
    main.output(z)
    main.update(h, rc)
    main.update(c, rh)
    writer.tensors[rx].debug_name = "rectified"
    other = writer.function("other")
    i = other.input("i", "int64", (2,))
    halves = writer.weight(rng.standard_normal((5, 4)).astype(np.float16), "halves")
    (g,) = add_node(other, "Gather", [halves, i])
    other.output(g, "g", "float32", (2, 4))
    brain = writer.weight(rng.integers(0, 0x7F00, (3, 2)).astype(np.uint16), "b", dtype="bfloat16")
    (rb,) = add_node(other, "Relu", [brain])
    other.output(rb, "rb", "float32", (3, 2))
    for k, (axis, scales, zeros) in enumerate(
        [(-1, [0.5], [3]), (0, [0.5, 2, 0.1, 1], None), (1, [1, 2, 3], [-1, 0, 5])]
    ):
        q = writer.weight(
            rng.integers(-128, 128, (4, 3)).astype(np.int8), "q", None, scales, zeros, axis
        )
        (rq,) = add_node(other, "Relu", [q])
        other.output(rq, f"q{k}", "float32", (4, 3))
    wq = writer.weight(rng.integers(0, 256, (4, 3)).astype(np.uint8), "u", None, [0.1], [128], -1)
    (rq,) = add_node(other, "Relu", [wq])
    other.output(rq, "u8", "float32", (4, 3))
    return writer


# ---- Checksums


def test_xxh64_known_values():
    """From the xxHash project's own documentation and tests."""
    assert apus_writer.xxh64(b"") == 0xEF46DB3751D8E999
    assert apus_writer.xxh64(b"a") == 0xD24EC4F1A98C6E5B
    assert apus_writer.xxh64(b"abc") == 0x44BC2CF5AD770999
    assert apus_writer.xxh64(b"Call me Ishmael. Some years ago--never mind how long precisely-") == (
        0x02A2E85470D6FD96
    )


@pytest.mark.parametrize("length", [*range(0, 70), 255, 256, 1000, 4096])
def test_xxh64_of_the_library(length):
    """The library's checksum is reached through a section of that length, which it checks."""
    writer = Writer()
    f = writer.function("main")
    f.output(f.input("x", "float32", (1,)))
    body = bytes(i * 37 % 251 for i in range(length))
    writer.weights = bytearray(body)
    assert apus.Model.from_bytes(writer.to_bytes()).functions == ["main"]
    if body:
        data = bytearray(writer.to_bytes())
        data[-64 * ((length + 63) // 64)] ^= 1  # the weights come last but for padding
        with pytest.raises(apus.ApusError, match="section 11: its checksum does not match"):
            apus.Model.from_bytes(data)
        assert apus.Model.from_bytes(data, verify_weights=False)


# ---- The page


TYPE_SIZES = {"u8": 1, "u16": 2, "i32": 4, "u32": 4, "f32": 4, "u64": 8, "i64": 8}
RECORD_SIZES = {
    "Header": 64, "Section table": 40, "Tensor": 48, "Node": 32, "Attribute": 16, "Function": 40,
    "State update": 16, "Quantization": 32,
}  # fmt: skip


@pytest.mark.parametrize("title", RECORD_SIZES)
def test_page_tables_leave_no_gap(title):
    """The fields that the page lists for a record follow each other and fill it."""
    section = re.search(rf"^## {title}.*?\n(.*?)(?=^## )", PAGE, re.M | re.S)[1]
    at = 0
    kinds = "|".join(TYPE_SIZES)
    for offset, kind, times in re.findall(rf"^\| (\d+) \| ({kinds})(?: × (\d+))? \|", section, re.M):
        assert int(offset) == at
        at += TYPE_SIZES[kind] * int(times or 1)
    assert at == RECORD_SIZES[title]


def test_page_and_source_agree_on_sizes_and_numbers():
    source = (locate.REPOSITORY / "Sources/ModelFormat/FormatRecords.swift").read_text()
    for record, size in [
        ("TensorRecord", 48), ("NodeRecord", 32), ("AttributeRecord", 16),
        ("FunctionRecord", 40), ("StateRecord", 16), ("QuantizationRecord", 32),
        ("PackingRecord", 32),
    ]:  # fmt: skip
        assert re.search(rf"struct {record} {{\s+public static var size: Int {{ {size} }}", source)
    numbers = dict(re.findall(r"^  case (\w+) = (\d+)$", source.split("SectionID")[1], re.M))
    rows = re.findall(r"^\| (\d+) \| ([a-z ]+) \| (?:\d+|–) \|", PAGE, re.M)
    assert len(rows) == 16
    for number, name in rows:
        words = name.split()
        camel = words[0] + "".join(w.capitalize() for w in words[1:])
        assert numbers[camel] == number


# ---- Round trips


def test_reader_reads_what_the_writer_wrote():
    writer = rich_model()
    model = read(writer.to_bytes())
    assert model.metadata == dict(writer.metadata)
    assert list(model.functions) == ["main", "other"]
    main = model.functions["main"]
    assert [model.tensors[t].shape for t in main.inputs] == [("batch", 3), (2, None)]
    assert main.updates == {0: main.nodes[4].outputs[0], 1: main.nodes[3].outputs[0]}
    assert [n.debug_name for n in main.nodes] == ["rectify x", "join", "", "", ""]
    assert model.tensors[main.nodes[0].outputs[0]].debug_name == "rectified"
    assert main.nodes[1].attributes == {0: -1} and main.nodes[2].attributes == {0: [1, 0]}
    assert model.tensors[0].stored.tolist() == [[0] * 3] * 2


def test_library_computes_from_the_same_weights():
    """Expanded weights (float16, bfloat16, quantised per tensor and per channel), through Relu."""
    data = rich_model().to_bytes()
    model = read(data)
    session = apus.Model.from_bytes(data).session(function="other")
    found = session.run(np.array([4, 1]))
    other = model.functions["other"]
    weights = {t.name: t for t in model.tensors if t.kind == "weight"}
    np.testing.assert_array_equal(found["g"], weights["halves"].array[[4, 1]])
    for output, node in zip(["rb", "q0", "q1", "q2", "u8"], other.nodes[1:]):
        wanted = np.maximum(model.tensors[node.inputs[0]].array, 0)
        np.testing.assert_allclose(found[output], wanted, rtol=1e-6)
        assert (found[output] > 0).any()


def test_library_tells_the_same():
    data = rich_model().to_bytes()
    model, library = read(data), apus.Model.from_bytes(data)
    main = model.functions["main"]
    assert library.functions == list(model.functions)
    for side, tensors in [(main.inputs, library.inputs), (main.outputs, library.outputs)]:
        for t, info in zip((model.tensors[t] for t in side), tensors):
            assert info.name == t.name and info.dtype == t.dtype
            assert info.shape == tuple(d if isinstance(d, int) else -1 for d in t.shape)
    for key, value in model.metadata.items():
        assert library.metadata(key) == value


def test_states_swap():
    """Two states that take each other's value: both see the old ones."""
    writer = rich_model()
    model = read(writer.to_bytes())
    c = np.maximum(model.tensors[1].stored, 0)
    writer.functions[0].outputs += [
        writer.functions[0].nodes[3][2][0], writer.functions[0].nodes[4][2][0],
    ]  # fmt: skip
    for t, name in zip(writer.functions[0].outputs[2:], ("rh", "rc")):
        writer.tensors[t].name, writer.tensors[t].shape = name, (2, 3)
    session = open_model(writer).session()
    feeds = {"x": np.zeros((1, 3)), "z": np.zeros((2, 1))}
    for run in range(4):
        found = session.run(feeds)
        zero, full = ("rh", "rc") if run % 2 == 0 else ("rc", "rh")
        np.testing.assert_array_equal(found[zero], 0 * c)
        np.testing.assert_array_equal(found[full], c)


# ---- Refusals


def library_status(data: bytes) -> int:
    """Opens, plans and runs every function; 0 where all of it goes well."""
    try:
        with apus.Model.from_bytes(data) as model:
            for function in model.functions:
                try:
                    with model.session(function=function) as session:
                        session.run({t.name: np.zeros(t.shape, t.dtype) for t in session.inputs})
                except apus.ApusError as error:
                    # Types and shapes that do not fit each other are found by the planner.
                    if error.status not in (Status.INVALID_SHAPE, Status.INVALID_TYPE):
                        raise
        return 0
    except apus.ApusError as error:
        assert error.message and error.message[-1] not in ".\n"
        return int(error.status)


def library_message(data: bytes) -> str:
    try:
        apus.Model.from_bytes(data)
        return ""
    except apus.ApusError as error:
        return error.message


def reader_refuses(data: bytes) -> bool:
    try:
        read(data)
        return False
    except FormatError:
        return True


@pytest.fixture(autouse=True)
def limited_memory():
    """A spoilt dimension may ask for more memory than there is: the allocator shall say so early,
    instead of the system after it has given everything away."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 29), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def numbered(sections):
    return [
        (apus_writer.SECTIONS[name], 0 if name in apus_writer.OPTIONAL_SECTIONS else 1, body)
        for name, body in sections.items()
    ]


def test_rich_model_is_fine():
    data = rich_model().to_bytes()
    assert not reader_refuses(data) and library_status(data) == 0


FIELDS = {  # section: record size and the fields' (offset, bytes)
    "tensors": (48, [(0, 1), (1, 1), (2, 1), (4, 4), (8, 8), (16, 8), (24, 4), (28, 4), (32, 4)]),
    "nodes": (32, [(0, 2), (2, 2), (4, 2), (6, 2), (8, 4), (12, 4), (16, 4)]),
    "attributes": (16, [(0, 2), (2, 1), (4, 4), (8, 8)]),
    "functions": (40, [(k, 4) for k in range(0, 32, 4)]),
    "states": (16, [(0, 4), (4, 4), (8, 4)]),
    "quantization": (32, [(0, 4), (4, 4), (8, 8), (16, 8)]),
    "symbols": (8, [(0, 4), (4, 4)]),
    "metadata": (16, [(0, 4), (4, 4), (8, 4), (12, 4)]),
    "integers": (8, [(0, 8)]),
    "indices": (4, [(0, 4)]),
}  # fmt: skip


@pytest.mark.parametrize("section", FIELDS)
def test_every_field_spoilt(section):
    """Each field of each record takes unfit values, under correct checksums. What the reader of
    the page refuses the library refuses as corrupt; nothing crashes; and enough is refused."""
    sections = rich_model().sections()
    size, fields = FIELDS[section]
    body = sections[section]
    refused = total = 0
    for record in range(len(body) // size):
        for offset, width in fields:
            at = record * size + offset
            old = int.from_bytes(body[at : at + width], "little")
            top = (1 << 8 * width) - 1
            for value in {0, 1, 2, 3, 7, old + 1, old - 1, old + 64, top, top - 1, top >> 1,
                          (top >> 1) + 1, 0x80, 255, 1 << 33} - {old}:  # fmt: skip
                if not 0 <= value <= top:
                    continue
                spoilt = bytearray(body)
                spoilt[at : at + width] = value.to_bytes(width, "little")
                data = apus_writer.assemble(numbered({**sections, section: bytes(spoilt)}))
                status = library_status(data)
                total += 1
                if reader_refuses(data):
                    refused += 1
                    assert status == Status.CORRUPT_FILE, (section, record, offset, value, status)
                else:
                    assert status in (0, 205, 206, 300), (section, record, offset, value, status)
    assert refused > total // 10


def test_truncations():
    data = rich_model().to_bytes()
    for size in [*range(0, 80), *range(128, len(data), 64)]:
        status = library_status(data[:size])
        assert status == (Status.NOT_A_MODEL if size < 8 else Status.CORRUPT_FILE), size
        assert reader_refuses(data[:size])
    assert library_status(data + b"\0") == Status.CORRUPT_FILE


def test_every_flipped_bit_of_head_and_table():
    """Checksums and the signature: no flipped bit before the first section goes unnoticed."""
    data = rich_model().to_bytes()
    count = struct.unpack_from("<I", data, 12)[0]
    for bit in range((64 + 40 * count) * 8):
        spoilt = bytearray(data)
        spoilt[bit // 8] ^= 1 << bit % 8
        byte = bit // 8
        wanted = (
            {Status.NOT_A_MODEL} if byte < 8
            else {Status.NEWER_FORMAT, Status.CORRUPT_FILE} if byte < 10
            else {Status.CORRUPT_FILE}
        )  # fmt: skip
        assert library_status(bytes(spoilt)) in wanted, bit


def rebuilt(sections, version=(1, 0), extra=()):
    return apus_writer.assemble(numbered(sections) + list(extra), version)


def test_versions():
    sections = rich_model().sections()
    assert library_status(rebuilt(sections, (1, 7))) == 0
    assert library_status(rebuilt(sections, (2, 0))) == Status.NEWER_FORMAT
    assert library_status(rebuilt(sections, (0, 9))) == Status.CORRUPT_FILE


def test_unknown_sections():
    sections = rich_model().sections()
    for number in (0, 17, 77, 0xFFFFFFFF):
        assert library_status(rebuilt(sections, extra=[(number, 0, b"new")])) == 0
        assert library_status(rebuilt(sections, extra=[(number, 1, b"new")])) == Status.UNSUPPORTED


def test_section_table():
    sections = rich_model().sections()
    twice = rebuilt(sections, extra=[(1, 1, b"again")])
    assert library_status(twice) == Status.CORRUPT_FILE and reader_refuses(twice)
    for name in FIELDS:
        ragged = rebuilt({**sections, name: sections[name] + b"\0"})
        assert library_status(ragged) == Status.CORRUPT_FILE and reader_refuses(ragged)
    many = rebuilt(sections, extra=[(100, 0, b"")] * 1025)
    assert library_status(many) == Status.CORRUPT_FILE
    assert library_status(rebuilt(sections, extra=[(100, 0, b"")] * 1000)) == 0


@pytest.mark.parametrize("field,value", [(8, 65), (8, 64), (8, 1 << 40), (16, 1 << 40), (16, -64)])
def test_section_entries(field, value):
    data = bytearray(rich_model().to_bytes())
    count = struct.unpack_from("<I", data, 12)[0]
    struct.pack_into("<Q", data, 64 + 40 * 2 + field, value & (1 << 64) - 1)
    struct.pack_into("<Q", data, 24, apus_writer.xxh64(bytes(data[64 : 64 + 40 * count])))
    struct.pack_into("<Q", data, 56, apus_writer.xxh64(bytes(data[:56])))
    assert library_status(bytes(data)) == Status.CORRUPT_FILE and reader_refuses(bytes(data))


def test_missing_sections():
    sections = rich_model().sections()
    for name in sections:
        without = rebuilt({k: v for k, v in sections.items() if k != name})
        # Without state updates the model is another one, but one that can be run.
        fine = name in apus_writer.OPTIONAL_SECTIONS | {"states"}
        assert (library_status(without) == 0) == fine, name
        assert reader_refuses(without) == (not fine), name


def test_activation_of_another_function():
    writer = Writer()
    a = writer.function("a")
    x = a.input("x", "float32", (3,))
    (y,) = add_node(a, "Relu", [x])
    a.output(y, "y", "float32", (3,))
    b = writer.function("b")
    (z,) = add_node(b, "Relu", [y])
    b.output(z, "z", "float32", (3,))
    assert library_status(writer.to_bytes()) == Status.CORRUPT_FILE
    assert reader_refuses(writer.to_bytes())


def names_model(*, inputs=("a", "b"), outputs=("c", "d"), functions=("main",)):
    writer = Writer()
    for name in functions:
        f = writer.function(name)
        for i, o in zip(inputs, outputs):
            (y,) = add_node(f, "Relu", [f.input(i, "float32", (1,))])
            f.output(y, o, "float32", (1,))
    return writer.to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        names_model(inputs=("a", "a")),
        names_model(outputs=("a", "a")),
        names_model(functions=("main", "main")),
        names_model(inputs=("a", "")),
        names_model(outputs=("a", "")),
        names_model(functions=("",)),
        names_model(functions=()),
        names_model(inputs=("a\0b", "c")),
    ],
)
def test_names(data):
    assert library_status(data) == Status.CORRUPT_FILE and reader_refuses(data)


def test_same_name_on_both_sides_is_fine():
    assert library_status(names_model(inputs=("a", "b"), outputs=("a", "b"))) == 0


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"a\x80"]
)
def test_ill_formed_utf8(raw):
    sections = rich_model().sections()
    at = sections["strings"].index(b"rich")
    spoilt = bytearray(sections["strings"])
    spoilt[at : at + len(raw)] = raw
    data = rebuilt({**sections, "strings": bytes(spoilt)})
    assert library_status(data) == Status.CORRUPT_FILE and reader_refuses(data)


def test_unstated_shape_at_the_boundary():
    for side in ("input", "output"):
        writer = Writer()
        f = writer.function("main")
        x = f.input("x", "float32", (1,))
        (y,) = add_node(f, "Relu", [x])
        f.output(y, "y", "float32", (1,))
        writer.tensors[x if side == "input" else y].shape = None
        assert library_status(writer.to_bytes()) == Status.CORRUPT_FILE
        assert reader_refuses(writer.to_bytes())


def test_state_and_next_of_different_shape():
    writer = Writer()
    h = writer.state("h", shape=(2,))
    f = writer.function("main")
    (y,) = add_node(f, "Relu", [f.input("x", "float32", (3,))])
    f.output(y, "y", "float32", (3,))
    f.update(h, y)
    with pytest.raises(apus.ApusError, match="h"):
        apus.Model.from_bytes(writer.to_bytes()).session()


def test_unknown_operator_and_attribute():
    writer = Writer()
    f = writer.function("main")
    (y,) = f.node(65535, [f.input("x", "float32", (1,))])
    f.output(y, "y", "float32", (1,))
    with pytest.raises(apus.ApusError, match="65535") as caught:
        apus.Model.from_bytes(writer.to_bytes())
    assert caught.value.status == Status.UNSUPPORTED
    writer = Writer()
    f = writer.function("main")
    (y,) = f.node(1, [f.input("x", "float32", (1,))], attributes=[(9, "int", 1)])
    f.output(y, "y", "float32", (1,))
    with pytest.raises(apus.ApusError, match="attribute number 9") as caught:
        apus.Model.from_bytes(writer.to_bytes())
    assert caught.value.status == Status.UNSUPPORTED


def test_stated_interior_shape_must_agree():
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (3,))
    (y,) = add_node(f, "Relu", [x])
    writer.tensors[y].shape = (4,)
    (z,) = add_node(f, "Relu", [y])
    f.output(z, "z", "float32", (3,))
    with pytest.raises(apus.ApusError, match=r"\[3\], but the file states \[4\]"):
        apus.Model.from_bytes(writer.to_bytes()).session()


def test_random_bytes_under_right_checksums():
    """Random damage to the records that no checksum catches: an answer or an error, nothing else."""
    rng = np.random.default_rng(11)
    sections = rich_model().sections()
    names = [n for n in sections if n != "weights"]
    for _ in range(1500):
        name = names[rng.integers(len(names))]
        body = bytearray(sections[name])
        for _ in range(rng.integers(1, 4)):
            body[rng.integers(len(body))] = rng.integers(256)
        data = rebuilt({**sections, name: bytes(body)})
        status = library_status(data)
        if reader_refuses(data):
            assert status == Status.CORRUPT_FILE
        else:
            assert status in (0, 205, 206, 300)
