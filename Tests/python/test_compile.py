"""`model-convert compile`: packed weights that lie in the file, and what a reader makes of them."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import apus_reader
import cli
import models
import numpy as np
import pytest
import samples
from apus_writer import assemble
from harness import ISAS, apus, assert_same_bits, open_model

TARGETS = {"baseline": "x86-64", "avx2": "x86-64-v3", "avx512": "x86-64-v4", "avx512vnni": "x86-64-v4"}
PACKINGS, PACKED = 15, 16


def sections(data: bytes) -> list:
    """(number, flags, bytes) of every section."""
    (count,) = struct.unpack_from("<I", data, 12)
    result = []
    for k in range(count):
        number, flags, offset, length = struct.unpack_from("<IIQQ", data, 64 + 40 * k)
        result.append((number, flags, data[offset : offset + length]))
    return result


def compiled(folder: Path, writer, *targets: str, options=()) -> Path:
    open_model(writer).close()
    (folder / "net.apus").write_bytes(writer.to_bytes())
    flags = [f for t in targets for f in ("--target", t)]
    done = cli.run("compile", "net.apus", *flags, *options, "-o", "net.compiled.apus", cwd=folder)
    assert done.code == 0, done.stderr
    return folder / "net.compiled.apus"


def outputs(model, **options) -> list:
    """Three runs on the same random inputs."""
    rng = np.random.default_rng(3)
    session = model.session(**options)
    result = []
    for _ in range(3):
        given = {}
        for info in session.inputs:
            if info.dtype == np.float32:
                given[info.name] = rng.normal(size=info.shape).astype(np.float32)
            else:
                given[info.name] = rng.integers(0, 5, info.shape).astype(info.dtype)
        result += session.run(given).values()
    return result + [session.memory.packed_weights]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", [*models.MODELS, "QLinearConv", "QLinearMatMul", "GRU", "LRN"])
def test_same_bits_and_nothing_packed(name, isa, tmp_path):
    writer = models.make(name) if name in models.MODELS else None
    if writer is None:
        writer = next(w for n, w in samples.all_samples() if n.split("-")[0] == name)
    path = compiled(tmp_path, writer, TARGETS[isa])
    *wanted, before = outputs(apus.Model(str(tmp_path / "net.apus"), isa=isa))
    *found, after = outputs(apus.Model(str(path), isa=isa))
    for a, b in zip(found, wanted):
        assert_same_bits(a, b)
    assert after == 0
    if name in ("lenet", "channel_blocks", "char_rnn"):
        assert before > 0


def test_other_targets_and_shapes_pack_themselves(tmp_path):
    path = compiled(tmp_path, models.channel_blocks(), "x86-64", "x86-64-v3")
    plain = apus.Model(str(tmp_path / "net.apus"), isa="baseline")
    for isa in ISAS:
        *_, packed = outputs(apus.Model(str(path), isa=isa))
        assert (packed == 0) == (isa in ("baseline", "avx2"))
    shapes = {"x": (3, 3, 13, 11)}
    *wanted, _ = outputs(plain, shapes=shapes)
    *found, _ = outputs(apus.Model(str(path), isa="baseline"), shapes=shapes)
    for a, b in zip(found, wanted):
        assert_same_bits(a, b)


def test_the_rest_of_the_file_stays(tmp_path):
    writer = models.char_rnn()
    writer.extra_sections.append((9000, 0, b"of the future"))
    path = compiled(tmp_path, writer, "x86-64-v3")
    before = sections((tmp_path / "net.apus").read_bytes())
    after = sections(path.read_bytes())
    assert after[:-2] == before and [s[:2] for s in after[-2:]] == [(PACKINGS, 0), (PACKED, 0)]
    apus_reader.read(path.read_bytes())
    # Compiled again, for the same or another target, it carries that alone.
    again = cli.run("compile", path.name, "--target", "x86-64-v3", "-o", "b.apus", cwd=tmp_path)
    assert again.code == 0 and (tmp_path / "b.apus").read_bytes() == path.read_bytes()
    cli.run("compile", path.name, "--target", "x86-64", "-o", "c.apus", cwd=tmp_path)
    cli.run("compile", "net.apus", "--target", "x86-64", "-o", "d.apus", cwd=tmp_path)
    assert (tmp_path / "c.apus").read_bytes() == (tmp_path / "d.apus").read_bytes()


def test_every_order_has_its_revision(tmp_path):
    """What is packed for one revision may not change: files compiled before would be misread. Where
    this fails because an order is another now, PackedWeights.revision goes up by one; where only the
    choice between kernels is another, the digest alone is new."""
    digest = hashlib.sha256()
    revisions = set()
    names = ["QLinearConv", "QLinearMatMul", "GRU", "RNN", "LSTM", "ConvTranspose", "BatchNormalization"]
    writers = [models.make(name) for name in ("lenet", "channel_blocks", "char_rnn")]
    for name in names:
        writers.append(next(w for n, w in samples.all_samples() if n.split("-")[0] == name))
    for writer in writers:
        parts = dict((s[0], s[2]) for s in sections(compiled(tmp_path, writer, "x86-64").read_bytes()))
        for record in struct.iter_unpack("<IIBxHIQQ", parts.get(PACKINGS, b"")):
            revisions.add(record[3])
            digest.update(struct.pack("<IIQ", record[0], record[1], record[6]))
        digest.update(parts.get(PACKED, b""))
    assert (revisions, digest.hexdigest()[:16]) == ({2}, "3e572edce8c5b4fe")


def damaged(path: Path, record: bytes) -> bytes:
    """The file with other packings."""
    return assemble([
        (n, f, record if n == PACKINGS else b) for n, f, b in sections(path.read_bytes())
    ])  # fmt: skip


def test_what_a_reader_refuses(tmp_path):
    path = compiled(tmp_path, models.lenet(), "x86-64")
    parts = dict((s[0], s[2]) for s in sections(path.read_bytes()))
    first = struct.unpack_from("<IIBxHIQQ", parts[PACKINGS], 0)
    size = len(parts[PACKED])

    def record(node=first[0], offset=0, count=64):
        return struct.pack("<IIBxHIQQ", node, 0, 1, first[3], 0, offset, count)

    for bad in [record(offset=32), record(offset=(size + 63) // 64 * 64 + 64),
                record(count=size + 1), record(offset=2**63), record(count=2**64 - 1),
                record(node=2) + record(node=1), record()[:-1]]:  # fmt: skip
        with pytest.raises(apus.ApusError) as caught:
            apus.Model.from_bytes(damaged(path, bad))
        assert caught.value.status.name == "CORRUPT_FILE", bad
    # Nodes that do not exist and bytes that nobody asks for do no harm.
    outputs(apus.Model.from_bytes(damaged(path, record(node=2**32 - 1)), isa="baseline"))
    # A wrong weight is found by its checksum, unless that is left out.
    data = bytearray(path.read_bytes())
    data[-200] ^= 64
    with pytest.raises(apus.ApusError, match="section 16"):
        apus.Model.from_bytes(bytes(data))


@pytest.mark.parametrize("arguments,text", [
    (["net.apus", "-o", "x.apus"], "--target"),
    (["net.apus", "--target", "x86-64-v9", "-o", "x.apus"], "x86-64-v9"),
    (["net.apus", "--target", "x86-64"], "output"),
])  # fmt: skip
def test_usage(arguments, text, tmp_path):
    done = cli.run("compile", *arguments, cwd=tmp_path)
    assert done.code == 2 and text in done.stderr


def test_failures(tmp_path):
    done = cli.run("compile", "none.apus", "--target", "x86-64", "-o", "x.apus", cwd=tmp_path)
    assert done.code == 1 and "none.apus" in done.stderr
    (tmp_path / "net.apus").write_bytes(models.make("lenet").to_bytes())
    for target in ("nowhere/x.apus", "."):
        done = cli.run("compile", "net.apus", "--target", "x86-64", "-o", target, cwd=tmp_path)
        assert done.code == 1 and target in done.stderr
