"""The precision of a session, as C, Python and the command line take it."""

import json

import cli
import numpy as np
import pytest
from bf16 import has_bf16, needs_bf16
from harness import BEST_ISA, ISAS, apus, assert_same_bits, node_writer, random_array
from test_compile import compiled

A = random_array(np.random.default_rng(1), (3, 70))
B = random_array(np.random.default_rng(2), (70, 50))



@pytest.fixture
def model():
    with apus.Model.from_bytes(node_writer("Gemm", [A, B], constants=[1]).to_bytes()) as model:
        yield model


@needs_bf16
def test_precisions(model):
    assert model.precisions == ("float32", "bf16")
    plain = model.session().run(A)["y0"]
    assert_same_bits(model.session(precision="float32").run(A)["y0"], plain)
    rounded = model.session(precision="bf16").run(A)["y0"]
    assert 0 < abs(rounded - plain).max() < 0.05


@pytest.mark.parametrize("isa", ISAS)
def test_what_cannot_be_had_is_an_error(isa):
    data = node_writer("Gemm", [A, B], constants=[1]).to_bytes()
    with apus.Model.from_bytes(data, isa=isa) as model:
        assert "float32" in model.precisions
        if isa == "avx512vnni" and has_bf16():
            return
        assert model.precisions == ("float32",)
        with pytest.raises(apus.ApusError, match="precision bf16") as raised:
            model.session(precision="bf16")
        assert raised.value.status == apus.Status.UNSUPPORTED_PROCESSOR


def test_unknown_precision(model):
    with pytest.raises(apus.ApusError, match="precision is 'fp16'") as raised:
        model.session(precision="fp16")
    assert raised.value.status == apus.Status.INVALID_ARGUMENT


@needs_bf16
def test_a_compiled_file(tmp_path):
    """What it has packed is float32."""
    writer = node_writer("Gemm", [A, B], constants=[1])
    path = compiled(tmp_path, writer, "native")
    with apus.Model(path) as model, apus.Model.from_bytes(writer.to_bytes()) as plain:
        for precision in ("float32", "bf16"):
            with model.session(precision=precision) as session:
                wanted = plain.session(precision=precision).run(A)["y0"]
                assert_same_bits(session.run(A)["y0"], wanted)
                assert session.memory.packed_weights == (precision == "bf16") * 64 * 70 * 2


@needs_bf16
def test_command_line(tmp_path):
    (tmp_path / "net.apus").write_bytes(node_writer("Gemm", [A, B], constants=[1]).to_bytes())
    np.save(tmp_path / "a.npy", A)
    with apus.Model(tmp_path / "net.apus") as model:
        for precision in ("float32", "bf16"):
            done = cli.run(
                "run", "net.apus", "--input", "x0=a.npy", "--precision", precision, cwd=tmp_path, isa=BEST_ISA
            )
            assert done.code == 0, done.stderr
            wanted = model.session(precision=precision).run(A)["y0"]
            assert_same_bits(np.load(tmp_path / "y0.npy"), wanted)
    flags = ["--precision", "bf16", "--json"]
    done = cli.run("bench", "net.apus", "--seconds", "0.01", *flags, cwd=tmp_path, isa=BEST_ISA)
    assert done.code == 0 and json.loads(done.stdout)["packed_weight_bytes"] == 64 * 70 * 2
    done = cli.run("verify", "net.apus", "--tolerance", "0.1", *flags, cwd=tmp_path, isa=BEST_ISA)
    assert done.code == 0, done.stderr
    assert 1e-4 < max(r["max_relative"] for r in json.loads(done.stdout)["tensors"]) < 0.1
    done = cli.run("run", "net.apus", "--input", "x0=a.npy", "--precision", "fp16", cwd=tmp_path, isa=BEST_ISA)
    assert done.code == 2
    done = cli.run(
        "run", "net.apus", "--input", "x0=a.npy", "--precision", "bf16", "--isa", "avx2",
        cwd=tmp_path, isa=BEST_ISA,
    )  # fmt: skip
    assert done.code == 1 and "avx512vnni" in done.stderr
