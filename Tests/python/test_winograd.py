"""Convolutions without Winograd's transforms, as C, Python and the command line ask for it."""

import json

import cli
import numpy as np
import pytest
from harness import BEST_ISA, ISAS, apus, assert_same_bits, node_writer, random_array
from onnx_reference import run_onnx
from test_compile import compiled

X = random_array(np.random.default_rng(1), (1, 64, 28, 28))
W = random_array(np.random.default_rng(2), (64, 64, 3, 3)) / np.float32(24)
PADS = {"pads": [1, 1, 1, 1]}


def writer():
    return node_writer("Conv", [X, W], PADS, constants=[1])


def convolved(data, isa=None, **options):
    """The output, and the bytes that the model has packed for it."""
    with apus.Model.from_bytes(data, isa=isa) as model, model.session(**options) as session:
        return session.run(X)["y0"], session.memory.packed_weights


@pytest.mark.parametrize("isa", ISAS)
def test_memory_for_time(isa):
    """Without the transforms weights are packed one for one, and errors are those of plain sums."""
    data = writer().to_bytes()
    (wanted,) = run_onnx("Conv", [X, W], PADS)
    found, byte_count = convolved(data, isa)
    direct, direct_byte_count = convolved(data, isa, winograd=False)
    assert direct_byte_count == W.nbytes
    # At the least 16 points for each 9 weights.
    assert byte_count >= 16 / 9 * W.nbytes
    assert not np.array_equal(found, direct)
    largest = np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * largest)
    np.testing.assert_allclose(direct, wanted, rtol=0, atol=2e-6 * largest)
    for threads in (2, 3):
        assert_same_bits(convolved(data, isa, winograd=False, threads=threads)[0], direct)
    with apus.Model.from_bytes(data, isa=isa) as model:
        for winograd in (True, False, True):
            with model.session(winograd=winograd) as session:
                assert_same_bits(session.run(X)["y0"], found if winograd else direct)


def test_a_compiled_file(tmp_path):
    for packed in (True, False):
        flags = [] if packed else ["--no-winograd"]
        data = compiled(tmp_path, writer(), "native", options=flags).read_bytes()
        for winograd in (True, False):
            wanted, byte_count = convolved(writer().to_bytes(), winograd=winograd)
            found, packed_anew = convolved(data, winograd=winograd)
            assert_same_bits(found, wanted)
            assert packed_anew == (0 if winograd == packed else byte_count)


def test_command_line(tmp_path):
    (tmp_path / "net.apus").write_bytes(writer().to_bytes())
    np.save(tmp_path / "x.npy", X)

    def run(*arguments):
        done = cli.run(*arguments, cwd=tmp_path, isa=BEST_ISA)
        assert done.code == 0, done.stderr
        return done.stdout

    for flags, winograd in ([], True), (["--winograd"], True), (["--no-winograd"], False):
        run("run", "net.apus", "--input", "x0=x.npy", *flags)
        wanted, byte_count = convolved(writer().to_bytes(), winograd=winograd)
        assert_same_bits(np.load(tmp_path / "y0.npy"), wanted)
        result = json.loads(run("bench", "net.apus", "--seconds", "0.01", "--json", *flags))
        assert result["packed_weight_bytes"] == byte_count
    # What the transforms cost in accuracy, layer by layer.
    result = json.loads(run("verify", "net.apus", "--no-winograd", "--tolerance", "1e-3", "--json"))
    assert 1e-7 < max(r["max_relative"] for r in result["tensors"]) < 1e-3
